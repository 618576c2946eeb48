"""A registered model at work: batch, HTTP, monitoring."""

from taxi_duration.serving.batch import load_scorer, score_month, score_months
from taxi_duration.serving.http import serve
from taxi_duration.serving.monitoring import monitor
from taxi_duration.serving.results import tally

__all__ = [
    "load_scorer",
    "monitor",
    "score_month",
    "score_months",
    "serve",
    "tally",
]
