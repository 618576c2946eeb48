"""A thousand rides as a program would send them, and what a model says of each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import requests

from taxi_duration.data.rides import RIDE, read_rides, rejections
from taxi_duration.models.estimator import Estimator

MISTYPED = [  # which no frame of numbers can hold
    ("pickup_datetime", "now"),
    ("PULocationID", True),
    ("DOLocationID", "x"),
    ("trip_distance", 10**400),
]
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
    *MISTYPED,
]
ROWS = dict(zip(range(3, 1000, 10), ODD * 10, strict=False))
MISTYPED_ROWS = [row for row, odd in ROWS.items() if odd in MISTYPED]


def thousand_rides(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the first thousand rides of a frame, every tenth of them odd."""
    some = frame[list(RIDE)].head(1000).reset_index(drop=True)
    some["pickup_datetime"] = some["pickup_datetime"].astype(str)
    rides = some.astype(object)
    for row, (name, value) in ROWS.items():
        rides.loc[row, name] = value
    return rides.where(rides.notna(), None)


def expected_of(estimator: Estimator, given: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Return what the pipeline itself predicts, at its level, and the reasons of rejected rows."""
    rides = read_rides(given)
    reasons = rejections(rides, distance="trip_distance" in estimator.inputs)
    valid = rides[reasons.isna()]
    minutes = estimator.level * estimator.pipeline.predict(valid).astype(float)
    ends = estimator.intervals.around(minutes)
    expected = pd.DataFrame({"duration": minutes, **ends}, valid.index)
    return expected, reasons.dropna().astype(object)


def assert_same(found: object, expected: pd.DataFrame) -> None:
    """Compare minutes and both ends of their intervals."""
    found = pd.DataFrame(found)[expected.columns]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def ask_for_a_thousand(
    client: requests.Session, address: str, rides: pd.DataFrame, expected: tuple
) -> None:
    """Send them to `/invocations`: valid ones together, each other one behind a valid one."""
    minutes, reasons = expected

    def ask(rows: pd.DataFrame) -> requests.Response:
        content = {"dataframe_records": rows.to_dict("records")}
        return client.post(f"{address}/invocations", json=content, timeout=60)

    assert_same(ask(rides.loc[minutes.index]).json()["predictions"], minutes)
    for row, reason in reasons.items():
        reply = ask(rides.loc[[minutes.index[0], row]])
        assert (reply.status_code, f"row 1: {reason}" in reply.text) == (400, True), reply.text
