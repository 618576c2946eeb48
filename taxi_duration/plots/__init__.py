"""Frames in, figures out: each call draws one `Picture` and leaves nothing else behind.

A frame that lacks a column or has no rows raises `SchemaError`.
"""

from taxi_duration.plots.exploration import (
    duration_by_distance,
    duration_by_hour,
    duration_by_month,
    durations,
    log_durations,
    rides_by_hour,
    rows_by_reason,
    zone_map,
)
from taxi_duration.plots.explorer import explorer
from taxi_duration.plots.models import (
    compare_models,
    error_by_parameter,
    feature_importance,
    learning_curve,
    pareto_front,
    search_history,
)
from taxi_duration.plots.predictions import (
    error_by,
    error_by_hour,
    predicted_and_actual,
    prediction_intervals,
    residuals,
    scatter,
)
from taxi_duration.plots.serving import (
    backtest_error,
    contributions,
    drift_by_month,
    mean_contributions,
    quality_by_month,
)

__all__ = [
    "backtest_error", "compare_models", "contributions", "drift_by_month",
    "duration_by_distance", "duration_by_hour", "duration_by_month", "durations", "error_by",
    "error_by_hour", "error_by_parameter", "explorer", "feature_importance", "learning_curve",
    "log_durations", "mean_contributions", "pareto_front", "predicted_and_actual",
    "prediction_intervals", "quality_by_month", "residuals", "rides_by_hour", "rows_by_reason",
    "scatter", "search_history", "zone_map",
]  # fmt: skip
