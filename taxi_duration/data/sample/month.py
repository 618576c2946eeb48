"""Make a month: the rides of a small, calibrated world, written as TLC writes them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from taxi_duration.data.rides import FARTHEST
from taxi_duration.data.sample.rides import LONGEST, Rides, add_dirt, draw_rides, ride_counts
from taxi_duration.data.sample.world import FEEDS, feed, table
from taxi_duration.errors import MonthError
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
DRAWN = (  # each from its own random stream; fare and tip are computed
    "VendorID", "store_and_fwd_flag", "RatecodeID", "passenger_count", "payment_type", "trip_type",
    "fare_amount", "extra", "mta_tax", "tip_amount", "tolls_amount", "improvement_surcharge",
    "congestion_surcharge",
)  # fmt: skip
AMOUNTS = DRAWN[6:]  # that add up to the total
FLAG = "store_and_fwd_flag"  # the one column of text


def make_month(
    month: Month, *, service: Service = GREEN, rows: int | None = None, seed: int = 0
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

    Returns
    -------
    DataFrame
        A row a ride, with the names and types of TLC's files: street hails first, then dispatched
        rides, each roughly in time. Distances in miles, money in dollars, New York time.

    Examples
    --------
    >>> month = make_month(Month(2021, 3), rows=1000)
    >>> month.shape
    (1000, 20)
    >>> month["RatecodeID"].isna().sum()
    np.int64(484)
    """
    for name, number in {"rows": rows or 0, "seed": seed}.items():
        if number < 0:
            raise MonthError(f"A month cannot be made with {name}={number!r}. Give 0 or more.")
    key = [seed, month.year, month.number, *service.name.encode()]
    counts = ride_counts(month, service=service, rows=rows)
    streams = zip(FEEDS, np.random.SeedSequence(key).spawn(len(FEEDS)), strict=True)
    feeds = [_make_feed(name, month, counts[name], seed=stream) for name, stream in streams]
    return _as_tlc_writes(pd.concat(feeds, ignore_index=True), service)


def _make_feed(name: str, month: Month, rows: int, *, seed: np.random.SeedSequence) -> pd.DataFrame:
    chance, way, fault, after = seed.spawn(4)
    rides = draw_rides(feed(name), month, rows, chance=chance, seed=way)
    add_dirt(rides, feed(name), month, seed=fault)
    start, second = np.datetime64(month.start, "us"), np.timedelta64(1_000_000, "us")
    known = {
        "pickup_datetime": start + rides.start * second,
        "dropoff_datetime": start + (rides.start + rides.seconds) * second,
        "PULocationID": rides.pickup,
        "DOLocationID": rides.dropoff,
        "trip_distance": rides.miles,
    }
    return pd.DataFrame(known | _known_after(rides, seed=after))


def _known_after(rides: Rides, *, seed: np.random.SeedSequence) -> dict[str, np.ndarray]:
    """Return the columns that are known only after the ride; missing where the feed lacks them."""
    streams = zip(DRAWN, seed.spawn(len(DRAWN)), strict=True)
    columns = {name: _draw(name, rides, np.random.default_rng(stream)) for name, stream in streams}
    tariff = table("tariff", rides.feed).iloc[0]
    miles, minutes = np.minimum(rides.miles, FARTHEST), np.clip(rides.seconds / 60, 0, LONGEST)
    fare = tariff["start"] + tariff["mile"] * miles + tariff["minute"] * minutes
    columns |= {"fare_amount": fare.round(2), "tip_amount": (tariff["tip"] * fare).round(2)}
    total = sum(np.nan_to_num(columns[name]) for name in AMOUNTS)
    return columns | {"total_amount": total.round(2)}


def _draw(name: str, rides: Rides, rng: np.random.Generator) -> np.ndarray:
    """Draw values of a column as often as they occur."""
    value, share = _frequencies(name, rides.feed)
    return value[np.searchsorted(share[:-1], rng.random(len(rides.start)), side="right")]


@cache
def _frequencies(name: str, feed: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of a column and their cumulative shares; a missing value if it has none."""
    rows = table("frequencies", feed)
    rows = rows[rows["column"] == name]
    if rows.empty:
        return np.array([None if name == FLAG else np.nan]), np.ones(1)
    share = np.cumsum(rows["rides"].to_numpy()) / rows["rides"].sum()
    return rows["value"].to_numpy(dtype=object if name == FLAG else float), share


def _as_tlc_writes(rides: pd.DataFrame, service: Service) -> pd.DataFrame:
    tlcs = {ours: tlcs for tlcs, ours in service.columns.items()}
    month = rides.rename(columns=tlcs).reindex(columns=COLUMNS[service.name].split())
    whole = ["VendorID"] if service.name == "green" else ["VendorID", "payment_type"]
    month[whole] = month[whole].fillna(0).astype("int64")  # yellow pays 0 where unknown
    return month.astype({"ehail_fee": "Int32"}) if service.name == "green" else month
