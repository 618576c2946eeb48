"""Target encoding: the mean duration between two zones, without a ride's own duration."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state

from taxi_duration.data.rides import N_ZONES, Columns
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
        y, fold = np.asarray(y, dtype=float), _folds(len(X))
        others = 1 - np.eye(FOLDS)  # sums over all folds but one
        self.encodings_, columns = [], []
        for codes, size in _keys(X):
            totals = _totals(codes, fold, y, size=size)
            self.encodings_.append(_smooth_means(totals.sum(axis=2, keepdims=True)).ravel())
            columns.append(np.take(_smooth_means(totals @ others), codes * FOLDS + fold))
        return np.stack(columns, dtype=np.float32, casting="same_kind").T

    def transform(self, X: pd.DataFrame | Columns) -> np.ndarray:
        """Return the encodings of pair, pick-up and drop-off zone."""
        keys = zip(self.encodings_, _keys(X), strict=True)
        columns = [np.take(minutes, codes) for minutes, (codes, _) in keys]
        return np.stack(columns, dtype=np.float32, casting="same_kind").T


def _keys(X: pd.DataFrame | Columns) -> list[tuple[np.ndarray, int]]:
    """Return codes of pair, pick-up and drop-off zone, and how many codes there can be."""
    pickup, dropoff = ride_zones(X)
    return [(pair_codes(pickup, dropoff), N_ZONES**2), (pickup, N_ZONES), (dropoff, N_ZONES)]


def _folds(rows: int) -> np.ndarray:
    """Return the number of each row's fold, as `KFold(5, shuffle=True, random_state=0)` has it."""
    fold = np.empty(rows, dtype=np.int32)
    order = check_random_state(0).permutation(rows)
    for number, held_out in enumerate(np.array_split(order, FOLDS)):
        fold[held_out] = number
    return fold


def _totals(codes: np.ndarray, fold: np.ndarray, y: np.ndarray, *, size: int) -> np.ndarray:
    """Return count, sum and sum of squares of y by code and fold: shape (3, size, folds)."""
    cells = codes * FOLDS + fold
    sums = [np.bincount(cells, weights, size * FOLDS) for weights in (None, y, y * y)]
    return np.stack(sums).reshape(3, size, FOLDS)


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
