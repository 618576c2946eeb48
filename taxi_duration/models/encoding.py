"""Target encoding: the mean duration between two zones, without a ride's own duration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state

from taxi_duration.data.batches import in_batches, in_threads, n_rides
from taxi_duration.data.rides import N_ZONES, Columns, as_columns
from taxi_duration.models.zones import pair_codes, ride_zones

FOLDS = 5  # of cross-fitting


class ZoneTargetEncoder(TransformerMixin, BaseEstimator):
    """The mean duration of the pair of zones, the pick-up and the drop-off zone, in minutes.

    Means are shrunk towards the mean of all rides, the more so the fewer and the more varied the
    rides are [1]_. In training, a ride's own duration is not in its encoding (cross-fitting).
    The values are those of scikit-learn's `TargetEncoder`; since zones are small whole numbers,
    they are counted in an eighth of the time.

    Attributes
    ----------
    encodings_ : list of ndarray
        Minutes by `pair_codes`, by pick-up and by drop-off zone; the mean of all rides for zones
        never seen.

    References
    ----------
    .. [1] D. Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes in
       classification and prediction problems", SIGKDD Explorations 3 (2001), pp. 27-32.
    """

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> ZoneTargetEncoder:
        """Fit the encodings; to train on the same rides, use `fit_transform`."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: pd.DataFrame, y: np.ndarray) -> np.ndarray:
        """Fit the encodings; return those of each ride that are fitted without its fold."""
        rides = as_columns(X) | {"duration": np.asarray(y, dtype=float)}
        training = self.cross_fit(in_batches([rides]), rides=len(X))
        return training.encode(rides, slice(None))

    def cross_fit(self, batches: Iterable[Columns], *, rides: int) -> CrossFit:
        """Fit the encodings on batches of rides, so many in all; return those to train with."""
        fold = _folds(rides)
        totals = sum(in_threads(_totals, with_folds(batches, fold)))
        by_key = totals.reshape(3, -1, FOLDS), totals.sum(axis=2), totals.sum(axis=1)
        others = 1 - np.eye(FOLDS)  # sums over all folds but one
        self.encodings_ = [
            _smooth_means(each.sum(axis=2, keepdims=True)).ravel() for each in by_key
        ]
        minutes = [_smooth_means(each @ others).astype(np.float32).ravel() for each in by_key]
        return CrossFit(fold, minutes)

    def transform(self, X: pd.DataFrame | Columns) -> np.ndarray:
        """Return the encodings of pair, pick-up and drop-off zone."""
        keys = zip(self.encodings_, _keys(X), strict=True)
        columns = [np.take(minutes, codes) for minutes, codes in keys]
        return np.stack(columns, dtype=np.float32, casting="same_kind").T


class CrossFit(NamedTuple):
    """Encodings for training: each ride's is fitted without the rides of its fold."""

    fold: np.ndarray  # of each ride
    minutes: list[np.ndarray]  # by code and fold left out, of pair, pick-up and drop-off zone

    def encode(self, rides: Columns, rows: slice) -> np.ndarray:
        """Return the encodings of the rides in these rows."""
        keys, fold = zip(self.minutes, _keys(rides), strict=True), self.fold[rows]
        return np.stack([np.take(minutes, codes * FOLDS + fold) for minutes, codes in keys]).T


def with_folds(
    batches: Iterable[Columns], fold: np.ndarray
) -> Iterator[tuple[Columns, np.ndarray]]:
    """Yield each batch of rides with the fold of each of them."""
    start = 0
    for batch in batches:
        yield batch, fold[start : start + n_rides(batch)]
        start += n_rides(batch)


def _keys(X: pd.DataFrame | Columns) -> list[np.ndarray]:
    """Return codes of pair, pick-up and drop-off zone."""
    pickup, dropoff = ride_zones(X)
    return [pair_codes(pickup, dropoff), pickup, dropoff]


def _folds(rows: int) -> np.ndarray:
    """Return the number of each row's fold, as `KFold(5, shuffle=True, random_state=0)` has it."""
    fold = np.empty(rows, dtype=np.int8)
    order = check_random_state(0).permutation(rows)
    for number, held_out in enumerate(np.array_split(order, FOLDS)):
        fold[held_out] = number
    return fold


def _totals(part: tuple[Columns, np.ndarray]) -> np.ndarray:
    """Return count, sum and sum of squares of the minutes by pick-up, drop-off zone and fold."""
    rides, fold = part
    minutes, cells = rides["duration"], pair_codes(*ride_zones(rides)) * FOLDS + fold
    size = N_ZONES, N_ZONES, FOLDS
    sums = [np.bincount(cells, each, prod(size)) for each in (None, minutes, minutes * minutes)]
    return np.stack(sums).reshape(3, *size)


def _smooth_means(totals: np.ndarray) -> np.ndarray:
    """Return the mean of each code, shrunk towards that of all rides by its own uncertainty."""
    count = totals[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        overall, spread = _mean_and_variance(totals.sum(axis=1))
        mean, noise = _mean_and_variance(totals)
        weight = spread * count / (spread * count + noise)
        return overall + np.nan_to_num(weight * (mean - overall))


def _mean_and_variance(totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count, total, square = totals
    mean = total / count
    return mean, np.maximum(square / count - mean**2, 0)
