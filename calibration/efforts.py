"""Split the minutes of real rides into what miles, zones, hours and months do to them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from published import enough, quantiles

from taxi_duration.data.sample.rides import TAILS
from taxi_duration.data.sample.world import FEEDS
from taxi_duration.months import GREEN

__all__ = ["efforts"]

SHRINK = 20  # rides at which an effect is believed by half
PASSES = 8  # after which the effects stay as they are
KNOTS = np.array([0.4, 0.8, 1.5, 2.5, 4.0, 6.5, 10.0, 15.0, 24.0])  # miles
KINDS = {
    "slots": ["feed", "slot"],
    "rushes": ["reach", "rush"],
    "seasons": ["feed", "month", "reach"],
    "pickups": ["pickup", "reach"],
    "dropoffs": ["dropoff", "reach"],
}


def efforts(moving: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Split log minutes into parts: each in turn explains what the others leave, again and again.

    Returns the tables of the parts, of what they leave unexplained, and of the months.
    """
    fits = {name: partial(_effect, keys=keys) for name, keys in KINDS.items()}
    fits |= {"lines": _line, "slopes": _slope}
    log_minutes = np.log(moving["minutes"])
    parts, tables = dict.fromkeys(fits, 0.0), {}
    for name, fit in PASSES * list(fits.items()):
        parts[name] = 0.0
        parts[name], tables[name] = fit(moving.assign(left=log_minutes - sum(parts.values())))
    rides = moving.assign(left=log_minutes - sum(parts.values()))
    return tables | unexplained(rides) | {"months": month_spread(rides)}


def month_spread(moving: pd.DataFrame) -> pd.DataFrame:
    """Return how much the rides and the days of each month differ among themselves."""
    left = moving.groupby(["feed", "month"])["left"].agg(width="std", rides="size").reset_index()
    left["width"] /= moving.groupby("feed")["left"].std()[left["feed"]].to_numpy()
    by_day = moving.groupby(["month", moving[GREEN.pickup].dt.date])["left"].agg(["mean", "size"])
    days = by_day.loc[by_day["size"] >= 500, "mean"].groupby("month").std()
    return left.assign(days=left["month"].map(days)).round(4)


def _line(moving: pd.DataFrame) -> tuple[pd.Series, pd.DataFrame]:
    """Fit log minutes by usual miles: a straight line from knot to knot, for each feed."""
    part, tables = pd.Series(0.0, moving.index), []
    for feed in FEEDS:
        mine = moving[moving["feed"] == feed]
        log_miles = np.log(mine["usual"])
        hats = np.stack([np.interp(log_miles, np.log(KNOTS), hat) for hat in np.eye(len(KNOTS))], 1)
        height = np.linalg.lstsq(hats, mine["left"], rcond=None)[0].round(4)
        part[mine.index] = hats @ height
        rides = hats.sum(axis=0).astype(int)
        columns = {"feed": feed, "miles": KNOTS, "effect": height, "rides": rides}
        tables.append(pd.DataFrame(columns))
    return part, pd.concat(tables)


def _slope(moving: pd.DataFrame) -> tuple[pd.Series, pd.DataFrame]:
    """Fit log minutes by how far a ride went beyond its pair's usual miles, by feed and band."""
    keys = ["feed", "band"]
    extra = moving["detour"].clip(-TAILS, TAILS).fillna(0)
    products = pd.DataFrame({"over": moving["left"] * extra, "under": extra**2}).join(moving[keys])
    sums = products[moving["sure"] & moving["detour"].notna()].groupby(keys)
    table = (sums["over"].sum() / sums["under"].sum()).round(4).rename("effect").to_frame()
    slope = moving[keys].join(table, on=keys)["effect"].fillna(0)
    return slope * extra, enough(table.assign(rides=sums.size()).reset_index())


def _effect(moving: pd.DataFrame, keys: list[str]) -> tuple[pd.Series, pd.DataFrame]:
    """Fit log minutes by group, drawn towards 0 where rides are few."""
    groups = moving.groupby(keys)["left"]
    part = groups.transform("sum") / (groups.transform("size") + SHRINK)
    part -= part.mean()
    table = moving.assign(effect=part.round(4)).groupby(keys, as_index=False)
    return part, enough(table.agg(effect=("effect", "first"), rides=("effect", "size")))


def unexplained(moving: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return what the effects leave: noise, its size by traffic of the pair, pairs' own share."""
    width = moving.groupby(["feed", "band"])["left"].transform("std")
    scaled = moving.assign(scaled=moving["left"] / width)
    busy = pd.cut(moving["busy"], [0, 1, 3, 9, 29, 99, np.inf], labels=[1, 2, 5, 15, 50, 150])
    traffic = scaled.groupby(busy, observed=True)["scaled"].agg(effect="std", rides="size")
    own = pd.DataFrame(
        [pair_share(part.assign(feed=feed)) for feed, part in moving.groupby("feed")]
    )
    return {
        "noises": quantiles(moving.groupby(["feed", "band"])["left"]),
        "traffic": traffic.rename_axis("busy").reset_index().round(3),
        "own": own,
    }


def pair_share(moving: pd.DataFrame) -> dict[str, object]:
    """Return the standard deviation of log minutes between pairs, beyond the noise of rides."""
    by_pair = moving.assign(square=moving["left"] ** 2).groupby(["pickup", "dropoff"])
    both = by_pair.agg(total=("left", "sum"), square=("square", "sum"), n=("left", "size"))
    both = both[(both["n"] > 1)]
    shared = ((both["total"] ** 2 - both["square"]) / (both["n"] - 1)).sum() / both["n"].sum()
    sd = round(float(np.sqrt(max(shared, 0))), 3)
    return {"feed": moving["feed"].iloc[0], "sd": sd, "rides": int(both["n"].sum())}
