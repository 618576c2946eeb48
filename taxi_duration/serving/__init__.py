"""A registered model at work: batch, HTTP, monitoring."""

from taxi_duration.serving.batch import score_months
from taxi_duration.serving.monitoring import monitor
from taxi_duration.serving.month_results import tally
from taxi_duration.serving.server_process import serve

__all__ = ["monitor", "score_months", "serve", "tally"]
