"""The naive model that others have to beat: the median of similar rides."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin

from taxi_duration.data.rides import N_ZONES, Columns, as_array
from taxi_duration.models.zones import group_median, pair_codes, ride_zones

PARTS = np.array([0, 6, 10, 16, 20])  # hours at which night, morning, midday, evening, late begin


class MedianDuration(RegressorMixin, BaseEstimator):
    """The median duration of the pair of zones in that part of the day.

    Without such a ride: that of the pair at any time, else of the pick-up zone in that part of
    the day, else of the pick-up zone, else of all rides. One ride is enough: to require two or
    more costs half a minute of rmse, since few rides share a pair.
    """

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> MedianDuration:
        """Fit on rides and their durations in minutes."""
        self.overall_ = float(np.median(y))
        self.medians_ = [
            group_median(codes, np.asarray(y), size=size) for codes, size in _groups(X)
        ]
        return self

    def predict(self, X: pd.DataFrame | Columns) -> np.ndarray:
        """Return minutes, of the narrowest group that has a ride."""
        minutes = np.nan
        for medians, (codes, _) in zip(self.medians_, _groups(X), strict=True):
            minutes = np.where(np.isnan(minutes), medians[codes], minutes)
        return np.where(np.isnan(minutes), self.overall_, minutes)


def _groups(X: pd.DataFrame | Columns) -> list[tuple[np.ndarray, int]]:
    """Return each ride's group as a code, and how many codes there can be, narrowest first."""
    pickup, dropoff = ride_zones(X)
    pair = pair_codes(pickup, dropoff)
    pickup_time = as_array(X["pickup_datetime"]).astype("datetime64[h]")
    hour = np.where(np.isnat(pickup_time), 0, pickup_time.astype(np.int64) % 24)
    part = np.searchsorted(PARTS, hour, side="right") - 1
    n = len(PARTS)
    return [
        (pair * n + part, N_ZONES**2 * n),
        (pair, N_ZONES**2),
        (pickup * n + part, N_ZONES * n),
        (pickup, N_ZONES),
    ]
