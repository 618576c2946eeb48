"""Frames in, figures out: each call draws one `Picture` and leaves nothing else behind."""

from taxi_duration.plots.answers import answers
from taxi_duration.plots.durations import durations, left_out, log_durations
from taxi_duration.plots.explanation import influences, reasons
from taxi_duration.plots.monitoring import ageing, drifts, quality
from taxi_duration.plots.places import zone_map
from taxi_duration.plots.predictions import predicted_and_actual, residuals, scatter
from taxi_duration.plots.rides import (
    duration_by_distance,
    duration_by_hour,
    duration_by_month,
    rides_by_hour,
)
from taxi_duration.plots.search import search_history, search_slices
from taxi_duration.plots.selection import pareto_front
from taxi_duration.plots.slices import error_by, error_by_hour
from taxi_duration.plots.training import compare_models, feature_importance, learning_curve

__all__ = [
    "ageing",
    "answers",
    "compare_models",
    "drifts",
    "duration_by_distance",
    "duration_by_hour",
    "duration_by_month",
    "durations",
    "error_by",
    "error_by_hour",
    "feature_importance",
    "influences",
    "learning_curve",
    "left_out",
    "log_durations",
    "pareto_front",
    "predicted_and_actual",
    "quality",
    "reasons",
    "residuals",
    "rides_by_hour",
    "scatter",
    "search_history",
    "search_slices",
    "zone_map",
]
