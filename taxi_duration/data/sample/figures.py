"""The summary figures of real months that the sample's world is built from."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from taxi_duration.data.rides import N_ZONES

__all__ = [
    "BANDS",
    "FEEDS",
    "RANGES",
    "TAILS",
    "by_reach",
    "figures",
    "filled",
    "of_feed",
    "road_miles",
]

FEEDS = ("hail", "dispatch")  # hailed in the street, or sent by a dispatcher
BANDS = np.array([0.0, 1.0, 1.5, 2.2, 3.2, 4.5, 6.5, 9.0, 13.0, 18.0])  # miles; 0: inside a zone
RANGES = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])  # of each band: short, middle or long reach
TAILS = 1.0  # a log detour beyond this tells nothing more about the minutes


@cache
def figures(name: str) -> pd.DataFrame:
    """Read one table; its column `rides` says how many real rides each row rests on."""
    with (files("taxi_duration.data.sample") / "tables" / f"{name}.csv").open() as file:
        return pd.read_csv(file)


@cache
def of_feed(name: str, feed: str) -> pd.DataFrame:
    """Return one feed's rows of a table."""
    table = figures(name)
    return table[table["feed"] == feed]


def filled(table: pd.DataFrame, key: str, size: int, value: str = "effect") -> np.ndarray:
    """Return a value at each key, 0 where the table has none."""
    column = np.zeros(size)
    column[table[key]] = table[value]
    return column


def by_reach(table: pd.DataFrame, key: str, size: int, value: str = "effect") -> np.ndarray:
    """Return a value at each reach and key, 0 where the table has none."""
    rows = np.zeros((RANGES.max() + 1, size))
    rows[table["reach"], table[key]] = table[value]
    return rows


def road_miles(zones: pd.DataFrame, road: pd.DataFrame, miles: pd.DataFrame) -> np.ndarray:
    """Return the usual miles from any zone to any other: the frequent pairs' own, or a guess."""
    number = road.set_index("name")["value"]
    place = np.full((N_ZONES, 3), np.nan)
    place[zones["zone"]] = zones[["x", "y", "z"]]
    line = np.sqrt(((place[:, None] - place[None]) ** 2).sum(axis=2))
    usual = np.where(np.isnan(line), number["outside"], number["factor"] * line + number["start"])
    np.fill_diagonal(usual, number["inside"])
    low, high = miles["low"], miles["high"]
    usual[low, high] = usual[high, low] = miles["miles"]
    return usual
