"""A block of a month's rides: answered, or rejected with the reason."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from taxi_duration.data.rides import in_new_york, read_minutes, read_rides, rejections, repaired
from taxi_duration.models.estimator import Estimator

__all__ = ["Answered", "answer_block"]


class Answered(NamedTuple):
    """What became of a block.

    Attributes
    ----------
    answers, rejected
        Rows as `taxi_duration.serving.batch.score_month` writes them.
    repaired
        How many were answered with the usual distance of their zones.
    """

    answers: pd.DataFrame
    rejected: pd.DataFrame
    repaired: int


def answer_block(estimator: Estimator, block: pd.DataFrame, version: int) -> Answered:
    """Answer the rides of a block that are valid.

    Parameters
    ----------
    block
        The columns of a ride and `dropoff_datetime`; the index is named `ride`.
    version
        Of the registered model.
    """
    rides = read_rides(block)
    rejected = rejections(rides, distance=estimator.needs_distance)
    valid = rejected.isna()
    answers = _answers(estimator, block[valid], rides[valid], version)
    usual = int(repaired(answers).sum()) if estimator.needs_distance else 0
    return Answered(answers, _rejected(block[~valid], rejected[~valid]), usual)


def _answers(
    estimator: Estimator, block: pd.DataFrame, rides: pd.DataFrame, version: int
) -> pd.DataFrame:
    found = estimator.answer(rides)
    zones = {name: rides[name].to_numpy("int32") for name in ("PULocationID", "DOLocationID")}
    columns = {
        "ride": rides.index.to_numpy(),
        "pickup_datetime": rides["pickup_datetime"],
        **zones,
        "trip_distance": rides["trip_distance"],
        "predicted": found["duration"],
        "low": found["low"],
        "high": found["high"],
        "model_version": np.full(len(rides), version, dtype="int32"),
        "duration": read_minutes(block["pickup_datetime"], block["dropoff_datetime"]),
    }
    return pd.DataFrame({name: np.asarray(each) for name, each in columns.items()}, copy=False)


def _rejected(block: pd.DataFrame, reason: pd.Series) -> pd.DataFrame:
    times = {name: in_new_york(block[name]) for name in ("pickup_datetime", "dropoff_datetime")}
    numbers = dict.fromkeys(("PULocationID", "DOLocationID", "trip_distance"), float)
    kept = block.assign(**times, reason=reason.astype(str)).astype(numbers)
    return kept.reset_index()
