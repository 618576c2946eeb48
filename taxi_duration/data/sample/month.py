"""Make a month: the rides of a small, calibrated world, written as TLC writes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from taxi_duration.data.sample.dirt import add_dirt
from taxi_duration.data.sample.figures import FEEDS
from taxi_duration.data.sample.habits import habits, sizes
from taxi_duration.data.sample.papers import Papers
from taxi_duration.data.sample.rides import Rides, draw_rides
from taxi_duration.data.sample.world import feed
from taxi_duration.errors import MonthError, SchemaError, nearest
from taxi_duration.months import GREEN, Month, Service

__all__ = ["make_month"]

PLACES = {"PULocationID": "pickup", "DOLocationID": "dropoff", "trip_distance": "miles"}
COLUMNS = {
    "green": """
        VendorID lpep_pickup_datetime lpep_dropoff_datetime store_and_fwd_flag RatecodeID
        PULocationID DOLocationID passenger_count trip_distance fare_amount extra mta_tax
        tip_amount tolls_amount ehail_fee improvement_surcharge total_amount payment_type
        trip_type congestion_surcharge""",
    "yellow": """
        VendorID tpep_pickup_datetime tpep_dropoff_datetime passenger_count trip_distance
        RatecodeID store_and_fwd_flag PULocationID DOLocationID payment_type fare_amount extra
        mta_tax tip_amount tolls_amount improvement_surcharge total_amount congestion_surcharge
        airport_fee""",
}


def make_month(
    month: Month,
    *,
    service: Service = GREEN,
    rows: int | None = None,
    seed: int = 0,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Make a believable month of rides, dirt included, without a network.

    Summary figures of three real green months (2021-01 to 2021-03) say how often, how far and how
    long; nothing of a single ride is in them. Other months follow the season and some luck; a
    yellow month is a green one in yellow's columns.

    Parameters
    ----------
    month
        Any month; the zones, roads and habits are the same in all of them.
    service
        Green or yellow taxis: decides the columns.
    rows
        How many rides; by default as many as the real month has, or might have.
    seed
        Another seed makes other rides in the same world.
    columns
        Which columns, by TLC's names; by default all, in TLC's order. A column has the same
        values whichever others are asked for.

    Returns
    -------
    DataFrame
        A row a ride, with the names and types of TLC's files: street hails first, then dispatched
        rides, each roughly in time. Distances in miles, money in dollars, New York time.

    Raises
    ------
    MonthError
        If `rows` or `seed` is negative.
    SchemaError
        If the service has no such column.

    Examples
    --------
    >>> month = make_month(Month(2021, 3), rows=1000)
    >>> month.shape
    (1000, 20)
    >>> month["RatecodeID"].isna().sum()
    np.int64(484)
    """
    names = _columns(service, columns)
    _refuse_negative(rows=rows or 0, seed=seed)
    key = [seed, month.year, month.number, *service.name.encode()]
    count = sizes(month, service=service, rows=rows)
    streams = np.random.SeedSequence(key).spawn(len(FEEDS))
    parts = [
        _make(name, month, count[name], child) for name, child in zip(FEEDS, streams, strict=True)
    ]
    return pd.DataFrame({name: _column(name, parts, month, service) for name in names})


def _columns(service: Service, wanted: Sequence[str] | None) -> list[str]:
    known = COLUMNS[service.name].split()
    for name in wanted or ():
        if name not in known:
            raise SchemaError(
                f"A {service.name} month has no column {name!r}. {nearest(name, known)}"
            )
    return known if wanted is None else list(wanted)


def _refuse_negative(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 0:
            raise MonthError(f"A month cannot be made with {name}={number!r}. Give 0 or more.")


def _make(name: str, month: Month, rows: int, seed: np.random.SeedSequence) -> tuple[Rides, Papers]:
    luck, way, fault, paper = seed.spawn(4)
    rides = draw_rides(feed(name), month, rows, habits=habits(name, month, seed=luck), seed=way)
    add_dirt(rides, feed(name), month, seed=fault)
    return rides, Papers(rides, seed=paper)


def _column(
    name: str, parts: list[tuple[Rides, Papers]], month: Month, service: Service
) -> pd.Series:
    if name == "ehail_fee":
        return pd.Series(pd.NA, range(sum(len(rides.start) for rides, _ in parts)), dtype="Int32")
    if name in (service.pickup, service.dropoff):
        seconds = [r.start + (r.lasting if name == service.dropoff else 0) for r, _ in parts]
        start = np.datetime64(month.start, "us")
        return pd.Series(start + np.concatenate(seconds) * np.timedelta64(1_000_000, "us"))
    if name in PLACES:
        return pd.Series(np.concatenate([getattr(rides, PLACES[name]) for rides, _ in parts]))
    values = np.concatenate([papers.column(name) for _, papers in parts])
    return _typed(values, name, service)


def _typed(values: np.ndarray, name: str, service: Service) -> pd.Series:
    if name == "store_and_fwd_flag":
        return pd.Series(values, dtype=object)
    if name == "VendorID" or (name == "payment_type" and service.name == "yellow"):
        return pd.Series(np.nan_to_num(values)).astype("int64")  # yellow pays 0 where unknown
    return pd.Series(values, dtype=float)
