"""Each training and search, remembered by MLflow."""

from taxi_duration.tracking.search import record_search
from taxi_duration.tracking.training import Run, record, record_all

__all__ = ["Run", "record", "record_all", "record_search"]
