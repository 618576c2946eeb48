"""A thousand rides as a program would send them, and what a model says of each."""

from __future__ import annotations

import pandas as pd

from taxi_duration.data.rides import RIDE, read_rides, rejections
from taxi_duration.models.estimator import Estimator

ODD = [
    ("pickup_datetime", "2021-03-14T06:59:00Z"),
    ("pickup_datetime", "2021-03-14T14:00:00+01:00"),
    ("pickup_datetime", None),
    ("PULocationID", 0),
    ("PULocationID", 9999),
    ("DOLocationID", 266),
    ("DOLocationID", None),
    ("trip_distance", 0),
    ("trip_distance", 80),
    ("trip_distance", -1),
    ("trip_distance", None),
]


def thousand_rides(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the first thousand rides of a frame, every tenth of them odd."""
    some = frame[list(RIDE)].head(1000).reset_index(drop=True)
    some["pickup_datetime"] = some["pickup_datetime"].astype(str)
    rides = some.astype(object)
    for row, (name, value) in zip(range(3, 1000, 10), ODD * 10, strict=False):
        rides.loc[row, name] = value
    return rides.where(rides.notna(), None)


def expected_of(estimator: Estimator, given: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return what the pipeline itself predicts, at its level, and the reasons of rejected rows."""
    rides = read_rides(given)
    reasons = rejections(rides, distance="trip_distance" in estimator.inputs)
    minutes = estimator.level * estimator.pipeline.predict(rides[reasons.isna()]).astype(float)
    return pd.Series(minutes, rides.index[reasons.isna()]), reasons.dropna().astype(object)
