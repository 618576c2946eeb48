"""Rides become minutes, with an interval."""

from taxi_duration.models.catalog import MODELS, describe
from taxi_duration.models.estimator import Estimator
from taxi_duration.models.intervals import calibrate
from taxi_duration.models.spaces import SPACES, describe_space
from taxi_duration.models.training import Fitted, fit
from taxi_duration.models.tuning import search
from taxi_duration.models.zones import ZoneMap

__all__ = [
    "MODELS", "SPACES", "Estimator", "Fitted", "ZoneMap", "calibrate", "describe", "describe_space",
    "fit", "search",
]  # fmt: skip
