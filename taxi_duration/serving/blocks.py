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
    """Return rows as `read_rows` yields them with `predicted`, `low`, `high` and `reason`.

    A row that is no valid ride has a reason and no minutes, any other minutes and no reason.
    """
    rides = read_rides(rows)
    reasons = rejections(rides, distance=estimator.needs_distance)
    found = estimator.predict_unchecked(rides[reasons.isna()])
    minutes = found.rename(columns={"duration": "predicted"}).reindex(rows.index)
    return pd.concat([rows, minutes, reasons.rename("reason").astype("str")], axis=1)


def split_rows(rows: pd.DataFrame, *, version: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the predictions and the rejected rows, with the columns and types of their files."""
    is_rejected = rows["reason"].notna()
    whole = dict.fromkeys([*ZONES, "model_version"], "int32")
    predictions = rows[~is_rejected].assign(model_version=version)[PREDICTED].astype(whole)
    return predictions, rows[is_rejected][REJECTED]
