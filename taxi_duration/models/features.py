"""What is known before the ride, as scikit-learn transformers from rides to numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import OneHotEncoder

from taxi_duration.data.rides import (
    N_ZONES,
    Columns,
    as_array,
    as_columns,
    is_plausible_distance,
)
from taxi_duration.models.encoding import ZoneTargetEncoder
from taxi_duration.models.zones import ZoneMap, group_median, pair_codes, zone_codes

__all__ = ["Clock", "DistanceRepair", "ReferenceFeatures", "RideFeatures"]

BLOCK = 50_000  # rows
WAITING = 0.3  # miles added to the straight line, so that a ride around the block has a detour


class Clock(TransformerMixin, BaseEstimator):
    """The minute of the day (0-1439) and the day of the week (Monday is 0) of the pick-up.

    Seconds are kept out: they are 0 for one feed of TLC's only, and would tell it.
    """

    def fit(self, X: pd.DataFrame, y: object = None) -> Clock:  # noqa: ARG002, D102
        return self

    def transform(self, X: pd.DataFrame | Columns) -> np.ndarray:
        """Return both numbers, missing where `pickup_datetime` is."""
        pickup = as_array(X["pickup_datetime"]).astype("datetime64[m]")
        minutes = pickup.astype(np.int64).astype(np.int32)  # division is 10 times faster
        days = minutes // 1440
        weekday = (days + 3) % 7  # 1970 began on a Thursday
        clock = _columns(minutes - 1440 * days, weekday)
        clock[np.isnat(pickup)] = np.nan
        return clock

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002, D102
        return np.array(["minute_of_day", "day_of_week"], dtype=object)


class DistanceRepair(TransformerMixin, BaseEstimator):
    """Put a usual distance where the given one is missing, 0 or less, or over 60 miles.

    Attributes
    ----------
    usual_ : ndarray of shape (266, 266)
        Miles by pick-up and drop-off zone: the median of the pair, else of the
        pick-up zone, else of all rides.
    """

    def fit(self, X: pd.DataFrame, y: object = None) -> DistanceRepair:  # noqa: ARG002
        """Learn the usual distances from rides."""
        distance = _distance(X).astype(np.float32)
        good = is_plausible_distance(distance)
        pickup, dropoff = (codes[good] for codes in _zones(X))
        distance = distance[good]
        pairs = group_median(pair_codes(pickup, dropoff), distance, size=N_ZONES**2)
        starts = group_median(pickup, distance, size=N_ZONES)
        overall = np.median(distance) if len(distance) else 0.0
        starts = np.where(np.isnan(starts), overall, starts)
        by_pair = pairs.reshape(N_ZONES, N_ZONES)
        self.usual_ = np.where(np.isnan(by_pair), starts[:, None], by_pair).astype(np.float32)
        return self

    def usual(self, X: pd.DataFrame | Columns) -> np.ndarray:
        """Return the usual distance between the zones of each ride, in miles."""
        return np.take(self.usual_, pair_codes(*_zones(X)))

    def transform(self, X: pd.DataFrame | Columns) -> np.ndarray:
        """Return the repaired distance, the given one, and 1 where they differ."""
        given = _distance(X)
        good = is_plausible_distance(given)
        return _columns(np.where(good, given, self.usual(X)), given, ~good)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002, D102
        return np.array(["distance", "given_distance", "repaired"], dtype=object)


class RideFeatures(TransformerMixin, BaseEstimator):
    """All that a boosted model sees of a ride, as numbers: clock, distance, habits and the map.

    Parameters
    ----------
    distance
        Whether the ride's distance is known. If not, the usual one of its pair takes its place.

    Examples
    --------
    >>> from taxi_duration.data.trips import load_trips
    >>> rides = load_trips("2021-01").frame
    >>> features = RideFeatures()
    >>> features.fit_transform(rides, rides["duration"]).shape == (len(rides), 18)
    True
    >>> list(RideFeatures(distance=False).fit(rides, rides["duration"]).get_feature_names_out())[:3]
    ['usual_distance', 'minute_of_day', 'day_of_week']
    """

    def __init__(self, *, distance: bool = True) -> None:
        self.distance = distance

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> RideFeatures:
        """Learn from rides and their duration in minutes."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: pd.DataFrame, y: np.ndarray) -> np.ndarray:
        """Learn from rides, and return their features to train on (habits are cross-fitted)."""
        self.clock_ = Clock()
        self.repair_ = DistanceRepair().fit(X)
        self.map_ = ZoneMap().fit(X)
        self.habits_ = ZoneTargetEncoder()
        return self._matrix(as_columns(X), self.habits_.fit_transform(X, np.asarray(y)))

    def transform(self, X: pd.DataFrame | Columns) -> np.ndarray:
        """Return the features of rides: float32, in the order of `get_feature_names_out`."""
        rides = as_columns(X)
        return self._matrix(rides, self.habits_.transform(rides))

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002
        """Return the features' names; the documents have a row for each."""
        parts = [self.clock_, self.habits_, self.map_]
        names = np.concatenate([part.get_feature_names_out() for part in parts])
        if not self.distance:
            return np.concatenate([["usual_distance"], names]).astype(object)
        return np.concatenate([self.repair_.get_feature_names_out(), names, ["detour"]])

    def _matrix(self, rides: Columns, habits: np.ndarray) -> np.ndarray:
        """Fill the matrix block by block: what a processor's cache holds is worked on faster."""
        matrix = np.empty((len(self.get_feature_names_out()), len(habits)), dtype=np.float32)
        for start in range(0, len(habits), BLOCK):
            rows = slice(start, start + BLOCK)
            block = {name: column[rows] for name, column in rides.items()}
            parts = self._parts(block, habits[rows])
            np.concatenate([part.T for part in parts], out=matrix[:, rows])
        return matrix.T

    def _parts(self, X: Columns, habits: np.ndarray) -> list[np.ndarray]:
        clock, places = self.clock_.transform(X), self.map_.transform(X)
        if not self.distance:
            return [self.repair_.usual(X)[:, None], clock, habits, places]
        distance = self.repair_.transform(X)
        detour = distance[:, :1] / (places[:, -1:] + WAITING)
        return [distance, clock, habits, places, detour]


class ReferenceFeatures(TransformerMixin, BaseEstimator):
    """What the course notes use: the pair of zones, a column each, and the distance as given."""

    def fit(self, X: pd.DataFrame, y: object = None) -> ReferenceFeatures:  # noqa: ARG002
        """Learn which pairs there are."""
        self.pairs_ = OneHotEncoder(handle_unknown="ignore").fit(_pairs(X))
        self.filler_ = float(np.nan_to_num(np.nanmedian(_distance(X))))
        return self

    def transform(self, X: pd.DataFrame | Columns) -> sparse.csr_matrix:
        """Return a sparse matrix; a pair never seen is all zeros."""
        distance = _distance(X)
        distance = np.where(np.isnan(distance), self.filler_, distance)
        rows = np.arange(len(distance))
        # built by hand to keep zeros as values: boosted trees take an absent entry for missing
        column = sparse.csr_matrix((distance, (rows, np.zeros_like(rows))), shape=(len(rows), 1))
        return sparse.hstack([self.pairs_.transform(_pairs(X)), column], format="csr")


def _columns(*columns: np.ndarray) -> np.ndarray:
    """Join columns as float32, each together in memory: what works column by column is faster."""
    return np.stack(columns, dtype=np.float32, casting="unsafe").T


def _zones(X: pd.DataFrame | Columns) -> tuple[np.ndarray, np.ndarray]:
    return zone_codes(X["PULocationID"]), zone_codes(X["DOLocationID"])


def _pairs(X: pd.DataFrame | Columns) -> np.ndarray:
    return pair_codes(*_zones(X))[:, None]


def _distance(X: pd.DataFrame | Columns) -> np.ndarray:
    return as_array(X["trip_distance"]).astype(float, copy=False)
