"""What is known before the ride, as scikit-learn transformers from rides to numbers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import OneHotEncoder

from taxi_duration.data.batches import in_batches, in_threads, n_rides
from taxi_duration.data.rides import Columns, as_array, as_columns, is_plausible_distance
from taxi_duration.models import zones
from taxi_duration.models.encoding import CrossFit, ZoneTargetEncoder, with_folds

DISTANCE = ("distance", "given_distance", "repaired")
OTHERS = (
    "minute_of_day", "day_of_week",
    "usual_pair", "usual_pickup", "usual_dropoff",
    "pickup_x", "pickup_y", "pickup_z", "dropoff_x", "dropoff_y", "dropoff_z",
    "way_x", "way_y", "straight_line",
)  # fmt: skip
BLOCK = 50_000  # rows
WAITING = 0.3  # miles added to the straight line, so that a ride around the block has a detour


def clock(X: pd.DataFrame | Columns) -> np.ndarray:
    """Return minute of the day (0-1439) and day of the week (Monday is 0) of the pick-up.

    Both are missing where `pickup_datetime` is. Seconds are left out: they are 0 for one feed of
    TLC's only, and would reveal it.
    """
    pickup = as_array(X["pickup_datetime"]).astype("datetime64[m]")
    minutes = pickup.astype(np.int64).astype(np.int32)  # division is 10 times faster
    days = minutes // 1440
    weekday = (days + 3) % 7  # 1970 began on a Thursday
    features = _columns(minutes - 1440 * days, weekday)
    features[np.isnat(pickup)] = np.nan
    return features


class DistanceRepair(TransformerMixin, BaseEstimator):
    """The distance, with a median in place of one that is missing, 0 or less, or over 60 miles.

    Attributes
    ----------
    medians_ : ndarray of shape (266, 266)
        Miles by pick-up and drop-off zone: the median of the pair, else of the pick-up zone, else
        of all rides.
    """

    def fit(self, X: pd.DataFrame, y: object = None) -> DistanceRepair:  # noqa: ARG002
        """Fit the medians on rides."""
        return self.fit_distances(zones.PairDistances(in_batches([as_columns(X)])))

    def fit_distances(self, distances: zones.PairDistances) -> DistanceRepair:
        """Fit the medians on the distances of rides."""
        by_pair, starts = distances.one_way(), distances.by_pickup()
        self.medians_ = np.where(np.isnan(by_pair), starts[:, None], by_pair).astype(np.float32)
        return self

    def medians(self, X: pd.DataFrame | Columns) -> np.ndarray:
        """Return the median distance between the zones of each ride, in miles."""
        return np.take(self.medians_, zones.pair_codes(*zones.ride_zones(X)))

    def transform(self, X: pd.DataFrame | Columns) -> np.ndarray:
        """Return the repaired distance, the given one (0 if none), and 1 where they differ."""
        given = zones.ride_distance(X)
        given = np.where(np.isnan(given), 0, given)
        good = is_plausible_distance(given)
        return _columns(np.where(good, given, self.medians(X)), given, ~good)


class RideFeatures(TransformerMixin, BaseEstimator):
    """The features of a boosted model: clock, distance, target encoding and map.

    Parameters
    ----------
    distance : bool
        Whether the ride's distance is known. If not, the median of its pair takes its place.

    Examples
    --------
    >>> from taxi_duration.data.trips import load_trips
    >>> rides = load_trips("2021-01").frame
    >>> features = RideFeatures(distance=False).fit(rides, rides["duration"])
    >>> list(features.get_feature_names_out())[:3]
    ['usual_distance', 'minute_of_day', 'day_of_week']
    """

    def __init__(self, *, distance: bool = True) -> None:
        self.distance = distance

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> RideFeatures:
        """Fit on rides and their durations in minutes."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: pd.DataFrame, y: np.ndarray) -> np.ndarray:
        """Fit on rides, and return their features for training: with cross-fitted encodings."""
        rides = as_columns(X) | {"duration": np.asarray(y, dtype=float)}
        training = self.fit_batches(partial(in_batches, [rides]))
        return self._matrix(rides, training)

    def fit_batches(self, batches: Callable[[], Iterable[Columns]]) -> CrossFit:
        """Fit on rides that may be more than memory holds, in two passes over their batches.

        They hold the `duration`, too. What is returned is for `training_matrices`.
        """
        distances = zones.PairDistances(batches())
        self.repair_ = DistanceRepair().fit_distances(distances)
        self.map_ = zones.ZoneMap().fit_distances(distances)
        self.encoder_ = ZoneTargetEncoder()
        return self.encoder_.cross_fit(batches(), rides=distances.rides)

    def training_matrices(
        self, batches: Iterable[Columns], training: CrossFit
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield features for training and minutes of each batch that was fitted on."""
        for rides, fold in with_folds(batches, training.fold):
            yield self._matrix(rides, training._replace(fold=fold)), rides["duration"]

    def transform(self, X: pd.DataFrame | Columns) -> np.ndarray:
        """Return the features of rides: float32, in the order of `get_feature_names_out`."""
        return self._matrix(as_columns(X))

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002
        """Return the features' names; docs/features.md has a row for each."""
        names = (*DISTANCE, *OTHERS, "detour") if self.distance else ("usual_distance", *OTHERS)
        return np.array(names, dtype=object)

    def _matrix(self, rides: Columns, training: CrossFit | None = None) -> np.ndarray:
        """Make the features in blocks that stay in a processor's cache."""
        matrix = np.empty((len(self.get_feature_names_out()), n_rides(rides)), dtype=np.float32)

        def fill(start: int) -> None:
            rows = slice(start, start + BLOCK)
            block = {name: column[rows] for name, column in rides.items()}
            encoded = training.encode(block, rows) if training else self.encoder_.transform(block)
            parts = self._parts(block, encoded)
            np.concatenate([part.T for part in parts], out=matrix[:, rows])

        starts = range(0, matrix.shape[1], BLOCK)
        # threads take longer to start than the features of one ride
        deque((in_threads if len(starts) > 1 else map)(fill, starts), maxlen=0)
        return matrix.T

    def _parts(self, X: Columns, encoded: np.ndarray) -> list[np.ndarray]:
        places = self.map_.transform(X)
        if not self.distance:
            return [self.repair_.medians(X)[:, None], clock(X), encoded, places]
        distance = self.repair_.transform(X)
        detour = distance[:, :1] / (places[:, -1:] + WAITING)
        return [distance, clock(X), encoded, places, detour]


class ReferenceFeatures(TransformerMixin, BaseEstimator):
    """The features of the course notes: a column for each pair of zones, and the distance."""

    def fit(self, X: pd.DataFrame, y: object = None) -> ReferenceFeatures:  # noqa: ARG002
        """Fit the pairs that there are, and the median distance for where it is missing."""
        self.pairs_ = OneHotEncoder(handle_unknown="ignore").fit(_pairs(X))
        self.median_ = float(np.nan_to_num(np.nanmedian(zones.ride_distance(X))))
        return self

    def transform(self, X: pd.DataFrame | Columns) -> sparse.csr_matrix:
        """Return a sparse matrix; a pair never seen is all zeros."""
        distance = zones.ride_distance(X)
        distance = np.where(np.isnan(distance), self.median_, distance)
        rows = np.arange(len(distance))
        # built by hand to keep zeros as values: boosted trees take an absent entry for missing
        column = sparse.csr_matrix((distance, (rows, np.zeros_like(rows))), shape=(len(rows), 1))
        return sparse.hstack([self.pairs_.transform(_pairs(X)), column], format="csr")


def _columns(*columns: np.ndarray) -> np.ndarray:
    """Join columns as float32, each contiguous: what works column by column is faster."""
    return np.stack(columns, dtype=np.float32, casting="unsafe").T


def _pairs(X: pd.DataFrame | Columns) -> np.ndarray:
    return zones.pair_codes(*zones.ride_zones(X))[:, None]
