"""A registered model at work: batch, HTTP, monitoring."""

from taxi_duration.serving.batch import score_months
from taxi_duration.serving.http import serve
from taxi_duration.serving.monitoring import monitor
from taxi_duration.serving.results import tally

__all__ = ["monitor", "score_months", "serve", "tally"]
