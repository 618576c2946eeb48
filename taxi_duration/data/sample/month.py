"""Make a month: the rides of a small, calibrated world, written as TLC writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from taxi_duration.data.rides import FARTHEST
from taxi_duration.data.sample.rides import (
    LONGEST,
    Rides,
    add_dirt,
    conditions,
    draw_rides,
    ride_counts,
)
from taxi_duration.data.sample.world import FEEDS, feed, table
from taxi_duration.errors import MonthError, SchemaError, nearest
from taxi_duration.months import GREEN, Month, Service

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
PLACES = {"PULocationID": "pickup", "DOLocationID": "dropoff", "trip_distance": "miles"}
SURCHARGES = ("extra", "mta_tax", "tolls_amount", "improvement_surcharge", "congestion_surcharge")
STREAMS = (  # a random stream for each column that is known only after the ride
    "VendorID", "store_and_fwd_flag", "RatecodeID", "passenger_count", "payment_type", "trip_type",
    "fare_amount", "extra", "mta_tax", "tip_amount", "tolls_amount", "improvement_surcharge",
    "congestion_surcharge",
)  # fmt: skip


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
    long; nothing of a single ride is in them. Other months follow season and chance; a yellow
    month is a green one in yellow's columns.

    Parameters
    ----------
    month : Month
        Any month; zones and roads are the same in all of them.
    service : Service
        Green or yellow taxis: decides the columns.
    rows : int
        How many rides; by default as many as the real month has, or might have.
    seed : int
        Another seed makes other rides in the same world.
    columns : sequence of str
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
    names = _names(service, columns)
    for name, number in {"rows": rows or 0, "seed": seed}.items():
        if number < 0:
            raise MonthError(f"A month cannot be made with {name}={number!r}. Give 0 or more.")
    key = [seed, month.year, month.number, *service.name.encode()]
    counts = ride_counts(month, service=service, rows=rows)
    streams = zip(FEEDS, np.random.SeedSequence(key).spawn(len(FEEDS)), strict=True)
    parts = [_make_rides(name, month, counts[name], seed=stream) for name, stream in streams]
    return pd.DataFrame({name: _column(name, parts, month, service) for name in names})


def _names(service: Service, columns: Sequence[str] | None) -> list[str]:
    known = COLUMNS[service.name].split()
    for name in columns or ():
        if name not in known:
            raise SchemaError(
                f"A {service.name} month has no column {name!r}. {nearest(name, known)}"
            )
    return known if columns is None else list(columns)


@dataclass(frozen=True)
class _Part:
    """The rides of one feed, and a seed for each column that is known only after the ride."""

    rides: Rides
    seeds: dict[str, np.random.SeedSequence]


def _make_rides(name: str, month: Month, rows: int, *, seed: np.random.SeedSequence) -> _Part:
    chance, way, fault, after = seed.spawn(4)
    special = conditions(name, month, seed=chance)
    rides = draw_rides(feed(name), month, rows, special=special, seed=way)
    add_dirt(rides, feed(name), month, seed=fault)
    return _Part(rides, dict(zip(STREAMS, after.spawn(len(STREAMS)), strict=True)))


def _column(name: str, parts: list[_Part], month: Month, service: Service) -> pd.Series:
    every = [part.rides for part in parts]
    if name == "ehail_fee":
        return pd.Series(pd.NA, range(sum(len(rides.start) for rides in every)), dtype="Int32")
    if name in (service.pickup, service.dropoff):
        seconds = [r.start + (r.seconds if name == service.dropoff else 0) for r in every]
        start = np.datetime64(month.start, "us")
        return pd.Series(start + np.concatenate(seconds) * np.timedelta64(1_000_000, "us"))
    if name in PLACES:
        return pd.Series(np.concatenate([getattr(rides, PLACES[name]) for rides in every]))
    values = np.concatenate([_known_after(name, part) for part in parts])
    if name == "store_and_fwd_flag":
        return pd.Series(values, dtype=object)
    if name == "VendorID" or (name == "payment_type" and service.name == "yellow"):
        return pd.Series(np.nan_to_num(values)).astype("int64")  # yellow pays 0 where unknown
    return pd.Series(values, dtype=float)


def _known_after(name: str, part: _Part) -> np.ndarray:
    """Return a column that is known only after the ride; missing where the feed lacks it."""
    if name == "total_amount":
        columns = [_known_after(each, part) for each in ("fare_amount", "tip_amount", *SURCHARGES)]
        return np.sum(np.nan_to_num(columns), axis=0).round(2)
    if name in ("fare_amount", "tip_amount"):
        tariff, rides = table("tariff", part.rides.feed).iloc[0], part.rides
        miles, minutes = np.minimum(rides.miles, FARTHEST), np.clip(rides.seconds / 60, 0, LONGEST)
        fare = tariff["start"] + tariff["mile"] * miles + tariff["minute"] * minutes
        return (fare if name == "fare_amount" else tariff["tip"] * fare).round(2)
    return _drawn(name, part)


def _drawn(name: str, part: _Part) -> np.ndarray:
    """Draw values as often as they occur; all are missing if the feed lacks the column."""
    rows = table("frequencies", part.rides.feed)
    rows, is_text = rows[rows["column"] == name], name == "store_and_fwd_flag"
    if rows.empty:
        return np.full(len(part.rides.start), None if is_text else np.nan)
    share = np.cumsum(rows["rides"].to_numpy()) / rows["rides"].sum()
    chance = np.random.default_rng(part.seeds[name]).random(len(part.rides.start))
    value = rows["value"].to_numpy(dtype=object if is_text else float)
    return value[np.searchsorted(share[:-1], chance, side="right")]
