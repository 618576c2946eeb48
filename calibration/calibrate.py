"""Compute the figures of the sample's world from three real green months.

    python calibration/calibrate.py FOLDER

Every row that is written summarizes ten rides or more, and says how many (column `rides`).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from efforts import efforts
from fastparquet import ParquetFile
from published import FEWEST, enough, quantiles

from taxi_duration.data.sample.world import BANDS, REACHES, road_miles, straight_miles
from taxi_duration.models import ZoneMap
from taxi_duration.months import GREEN, Month

MONTHS = [Month(2021, number) for number in (1, 2, 3)]
TABLES = Path(__file__).parents[1] / "taxi_duration" / "data" / "sample" / "tables"
ZERO_MINUTES = [0, 1, 2, 3, 5, 10, 20, 30, 45, 60, 120, 1440]
COUNTED = [
    "VendorID", "store_and_fwd_flag", "RatecodeID", "passenger_count", "payment_type", "trip_type",
    "extra", "mta_tax", "tolls_amount", "improvement_surcharge", "congestion_surcharge",
]  # fmt: skip


def main(folder: str) -> None:
    """Read the months, compute every table and write it."""
    rides = read(folder)
    moving = rides[(rides["minutes"] >= 1) & (rides["minutes"] <= 120)].copy()
    tables = {"zones": zones(moving)}
    tables["road"], tables["miles"] = road(moving, tables["zones"])
    moving = with_miles(moving, tables)
    tables["pairs"], rest = pairs(moving)
    tables |= {"ends": ends(rest), "spread": spread(rest), "hours": hours(moving)}
    tables["detours"] = detours(moving)
    tables |= efforts(moving)
    tables["months"]["rides"] = rides.groupby(["feed", "month"]).size().to_numpy()
    tables |= {"dirt": dirt(rides), "zero": zero(rides), "far": far(rides)}
    tables |= {"frequencies": frequencies(rides), "tariff": tariff(moving)}
    for name, table in tables.items():
        write(name, table)


def read(folder: str) -> pd.DataFrame:
    """Return all rides with feed, miles, minutes and time slot."""
    files = [Path(folder) / GREEN.file(month) for month in MONTHS]
    named = {
        str(month): ParquetFile(file).to_pandas() for month, file in zip(MONTHS, files, strict=True)
    }
    rides = pd.concat(named, names=["month"]).reset_index("month").reset_index(drop=True)
    rides = rides.rename(columns={"PULocationID": "pickup", "DOLocationID": "dropoff"})
    start = rides[GREEN.pickup].dt
    return rides.assign(
        feed=np.where(rides["RatecodeID"].isna(), "dispatch", "hail"),
        minutes=(rides[GREEN.dropoff] - rides[GREEN.pickup]).dt.total_seconds() / 60,
        distance=rides["trip_distance"].where(rides["trip_distance"].between(0.005, 60)),
        slot=start.day_of_week * 24 + start.hour,
        rush=(start.day_of_week >= 5) * 24 + start.hour,
        low=rides[["pickup", "dropoff"]].min(axis=1),
        high=rides[["pickup", "dropoff"]].max(axis=1),
    )  # fmt: skip


def zones(moving: pd.DataFrame) -> pd.DataFrame:
    """Return where the zones lie."""
    renamed = {"pickup": "PULocationID", "dropoff": "DOLocationID"}
    places = ZoneMap().fit(moving.rename(columns=renamed)).coordinates_
    table = pd.DataFrame(places.round(2), columns=["x", "y", "z"]).dropna()
    ends = pd.concat([moving["pickup"], moving["dropoff"]]).value_counts()
    return enough(table.rename_axis("zone").join(ends.rename("rides")).reset_index())


def road(moving: pd.DataFrame, places: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how roads relate to the straight line, and the median miles of frequent pairs."""
    by_pair = moving.groupby(["low", "high"])["distance"].agg(miles="median", rides="count")
    known = enough(by_pair.reset_index())
    line = straight_miles(places)[known["low"], known["high"]]
    between = known[(line > 0) & (known["high"] < 264)]
    line = line[between.index]
    factor, start = np.polyfit(line, between["miles"], 1, w=1 / np.sqrt(line))
    off = np.log(between["miles"] / (factor * line + start))
    width = np.subtract(*off.quantile([0.75, 0.25])) / 1.349
    inside = known.loc[known["low"] == known["high"], "miles"].median()
    outside = known.loc[known["high"] >= 264, "miles"].median()
    numbers = {"factor": factor, "start": start, "sd": width, "inside": inside, "outside": outside}
    road = pd.DataFrame({"name": numbers.keys(), "value": np.round(list(numbers.values()), 3)})
    return road.assign(rides=int(between["rides"].sum())), known.round(2)


def with_miles(moving: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Add the usual miles of the pair, their band, and how far this ride was off them."""
    usual = road_miles(tables["zones"], tables["road"], tables["miles"])
    own = moving.groupby(["low", "high"])["distance"].transform("median")
    count = moving.groupby(["low", "high"])["distance"].transform("count")
    miles = own.where(count >= 3, usual[moving["pickup"], moving["dropoff"]])
    band = np.digitize(miles, BANDS) * (moving["pickup"] != moving["dropoff"])
    return moving.assign(
        usual=miles, sure=count >= 3, band=band, reach=REACHES[band],
        detour=np.log(moving["distance"] / miles),
        busy=moving.groupby(["feed", "pickup", "dropoff"])["minutes"].transform("size"),
    )  # fmt: skip


def pairs(moving: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the frequent pairs, and the rides of all others."""
    table = moving.groupby(["feed", "pickup", "dropoff"], as_index=False).agg(
        rides=("busy", "size")
    )
    return enough(table), moving[moving["busy"] < FEWEST]


def ends(rest: pd.DataFrame) -> pd.DataFrame:
    """Return how many rides of rare pairs begin and end in each zone."""
    long = rest.melt("feed", ["pickup", "dropoff"], var_name="end", value_name="zone")
    return enough(long.groupby(["feed", "end", "zone"], as_index=False).agg(rides=("zone", "size")))


def spread(rest: pd.DataFrame) -> pd.DataFrame:
    """Return how many rides of rare pairs lie in each band of distance."""
    return enough(rest.groupby(["feed", "band"], as_index=False).agg(rides=("usual", "size")))


def hours(moving: pd.DataFrame) -> pd.DataFrame:
    """Return the rides of each hour of the week, by reach."""
    groups = moving.groupby(["feed", "reach", "slot"], as_index=False)
    return enough(groups.agg(rides=("usual", "size")))


def detours(moving: pd.DataFrame) -> pd.DataFrame:
    """Return quantiles of log(miles / usual miles) by feed and band."""
    sure = moving[moving["sure"] & moving["detour"].notna()]
    return quantiles(sure.groupby(["feed", "band"])["detour"])


def dirt(rides: pd.DataFrame) -> pd.DataFrame:
    """Return the share of rides that no traffic explains, by feed."""
    minutes, same = rides["minutes"], rides["pickup"] == rides["dropoff"]
    kinds = {
        "under_a_minute": minutes < 1,
        "under_a_minute_same_zone": (minutes < 1) & same,
        "hours": (minutes > 120) & (minutes < 1380),
        "whole_day": minutes >= 1380,
        "far": rides["trip_distance"] > 60,
    }
    counts = pd.DataFrame(kinds).groupby(rides["feed"]).sum().reset_index()
    table = counts.melt("feed", var_name="kind", value_name="rides")
    share = table["rides"] / table["feed"].map(rides["feed"].value_counts())
    return enough(table.assign(share=share.round(5)))


def zero(rides: pd.DataFrame) -> pd.DataFrame:
    """Return the share of rides with distance 0, by feed and minutes."""
    least = pd.cut(rides["minutes"], ZERO_MINUTES, right=False, labels=ZERO_MINUTES[:-1])
    groups = (rides["trip_distance"] == 0).groupby([rides["feed"], least], observed=True)
    return enough(groups.agg(share="mean", rides="sum").round(4).reset_index())


def far(rides: pd.DataFrame) -> pd.DataFrame:
    """Return quantiles of the distances over 60 miles that were recorded for dispatched rides."""
    miles = rides.loc[
        (rides["trip_distance"] > 60) & (rides["feed"] == "dispatch"), "trip_distance"
    ]
    level = np.linspace(0.1, 0.9, 9).round(1)
    table = {"level": level, "miles": miles.quantile(level).round(), "rides": len(miles)}
    return pd.DataFrame(table)


def frequencies(rides: pd.DataFrame) -> pd.DataFrame:
    """Return how often each value occurs in the columns that do not depend on the way."""
    long = rides.melt("feed", COUNTED, var_name="column").dropna()
    long = long[~long["value"].astype(str).str.startswith("-")]  # refunds
    table = long.groupby(["feed", "column", "value"], as_index=False).agg(rides=("value", "size"))
    return enough(table)


def tariff(moving: pd.DataFrame) -> pd.DataFrame:
    """Return what a ride costs: to begin with, a mile and a minute."""
    rows = []
    for feed, mine in moving[moving["distance"].notna() & (moving["fare_amount"] > 0)].groupby(
        "feed"
    ):
        ride = np.stack([np.ones(len(mine)), mine["distance"], mine["minutes"]], axis=1)
        start, mile, minute = np.linalg.lstsq(ride, mine["fare_amount"], rcond=None)[0].round(2)
        tip = (mine["tip_amount"].sum() / mine["fare_amount"].sum()).round(3)
        rows.append((feed, start, mile, minute, tip, len(mine)))
    return pd.DataFrame(rows, columns=["feed", "start", "mile", "minute", "tip", "rides"])


def write(name: str, table: pd.DataFrame) -> None:
    """Write a table as readable text."""
    if table["rides"].min() < FEWEST:
        raise SystemExit(f"Table {name!r} has figures of fewer than {FEWEST} rides.")
    table.to_csv(TABLES / f"{name}.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
