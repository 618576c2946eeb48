"""Rides as XGBoost's matrices, filled batch by batch, so that their features are never all held."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial, reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator

from taxi_duration.data.batches import ahead, in_batches
from taxi_duration.data.rides import Columns
from taxi_duration.data.trips import Trips
from taxi_duration.models.features import RideFeatures

if TYPE_CHECKING:
    import xgboost


def make_matrices(
    features: BaseEstimator, train: Trips, valid: Trips
) -> tuple[xgboost.DMatrix, xgboost.DMatrix]:
    """Fit the transformer of rides, and return features and minutes of both months."""
    import xgboost

    seen = training_matrix(features, train)
    if not isinstance(features, RideFeatures):
        return seen, xgboost.DMatrix(features.transform(valid.frame), valid.frame["duration"])
    return seen, _binned_matrix(
        lambda: ((features.transform(rides), rides["duration"]) for rides in _batches([valid])),
        ref=seen,
    )


def training_matrix(features: BaseEstimator, *parts: Trips) -> xgboost.DMatrix:
    """Fit the transformer of rides on all parts; return their features for training and minutes.

    Of `RideFeatures`, XGBoost keeps the number of each value's bin instead of the value, for the
    same trees.
    """
    import xgboost

    if not isinstance(features, RideFeatures):
        rides = reduce(add, parts).frame
        return xgboost.DMatrix(features.fit_transform(rides, rides["duration"]), rides["duration"])
    batches = partial(_batches, parts)
    training = features.fit_batches(batches)
    return _binned_matrix(lambda: features.training_matrices(batches(), training))


def _batches(parts: Iterable[Trips]) -> Iterator[Columns]:
    """Yield the rides of all parts; where one ends makes no difference to the batches."""
    return in_batches(block for part in parts for block in part.blocks())


def _binned_matrix(
    batches: Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]],
    *,
    ref: xgboost.DMatrix | None = None,
) -> xgboost.QuantileDMatrix:
    """Make a matrix from batches of features and minutes, which XGBoost goes through several times.

    Its bins are those of `ref`, if it is given.
    """
    import xgboost

    class Passes(xgboost.DataIter):
        def reset(self) -> None:
            self._left = ahead(batches())

        def next(self, input_data: Callable) -> bool:
            for features, minutes in self._left:
                input_data(data=features, label=minutes)
                return True
            return False

    return xgboost.QuantileDMatrix(Passes(), ref=ref)
