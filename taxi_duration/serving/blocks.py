"""Blocks of a month: rows in, each with its prediction or the reason why it has none out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from taxi_duration.data.rides import ZONES, in_new_york, read_minutes, read_rides, rejections
from taxi_duration.data.source import RawMonth
from taxi_duration.models.estimator import Estimator

BLOCK = 200_000  # rows that are read, predicted and written together
PREDICTED = [
    "ride", "pickup_datetime", *ZONES, "trip_distance", "predicted", "low", "high",
    "model_version", "duration",
]  # fmt: skip
REJECTED = ["ride", "pickup_datetime", "dropoff_datetime", *ZONES, "trip_distance", "reason"]


def read_rows(raw: RawMonth) -> Iterator[pd.DataFrame]:
    """Read a month in blocks of few rows, with the same types in each month.

    Yields
    ------
    DataFrame
        `ride` (row in the month's file, from 0), `pickup_datetime`, `dropoff_datetime` (New York
        time), `PULocationID`, `DOLocationID`, `trip_distance` (as given), `duration` (minutes).
    """
    done = 0
    for columns in raw.blocks(rows=BLOCK):
        times = {name: columns[name] for name in ("pickup_datetime", "dropoff_datetime")}
        rows = {
            "ride": np.arange(done, done + len(columns["pickup_datetime"])),
            **{name: in_new_york(each) for name, each in times.items()},
            **{name: columns[name].astype(float) for name in (*ZONES, "trip_distance")},
            "duration": read_minutes(*times.values()),
        }
        done += len(rows["ride"])
        yield pd.DataFrame(rows, copy=False)


def predict_rows(estimator: Estimator, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows as `read_rows` yields them with the columns of `minutes_or_reasons`."""
    return pd.concat([rows, minutes_or_reasons(estimator, rows)], axis=1)


def minutes_or_reasons(estimator: Estimator, rides: pd.DataFrame) -> pd.DataFrame:
    """Return `predicted`, `low`, `high` (minutes) and `reason`, a row each.

    A row that is no valid ride has a reason and no minutes, any other minutes and no reason.
    """
    valid = read_rides(rides)
    reasons = rejections(valid, distance=estimator.needs_distance)
    found = estimator.predict_unchecked(valid[reasons.isna()])
    minutes = found.rename(columns={"duration": "predicted"}).reindex(rides.index)
    return minutes.assign(reason=reasons.astype("str"))


def split_rows(rows: pd.DataFrame, *, version: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the predictions and the rejected rows, with the columns and types of their files."""
    is_rejected = rows["reason"].notna()
    whole = dict.fromkeys([*ZONES, "model_version"], "int32")
    predictions = rows[~is_rejected].assign(model_version=version)[PREDICTED].astype(whole)
    return predictions, rows[is_rejected][REJECTED]
