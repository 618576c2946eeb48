"""What is special about a month: its size, its traffic, and how much its days differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from taxi_duration.data.sample.figures import FEEDS, filled, of_feed
from taxi_duration.months import Month, Service

__all__ = ["Habits", "habits", "sizes"]

SEASON_RIDES, SEASON_EFFORT = 0.08, 0.02  # swing over the year, of log rides and log minutes
LUCK = 0.02  # sd of a month's log minutes beyond its season
YELLOW_RIDES, YELLOW_DISPATCH = 18.0, 0.07  # times the green rides; share that is dispatched
DAYS = 30  # of an average month


@dataclass(frozen=True)
class Habits:
    """What one month does to the rides of one feed."""

    effort: np.ndarray  # (reaches,) log minutes
    width: float  # times the usual noise
    days: float  # sd of the days' log minutes


def habits(feed: str, month: Month, *, seed: np.random.SeedSequence) -> Habits:
    """Return a month's habits: as they were where known, else by its season and some luck."""
    months, seasons = of_feed("months", feed), of_feed("seasons", feed)
    if str(month) in set(months["month"]):
        months, seasons = (table[table["month"] == str(month)] for table in (months, seasons))
        return Habits(filled(seasons, "reach", 3), *months[["width", "days"]].to_numpy()[0])
    usual = seasons.groupby("reach")["effect"].mean().to_numpy()
    luck = np.random.default_rng(seed).normal(0, LUCK)
    return Habits(usual + SEASON_EFFORT * _season(month) + luck, 1.0, months["days"].mean())


def sizes(month: Month, *, service: Service, rows: int | None) -> dict[str, int]:
    """Return the rides of each feed: as they were where known, or sharing `rows`."""
    known = {name: _size(of_feed("months", name), month) for name in FEEDS}
    share, usual = known["dispatch"] / sum(known.values()), round(sum(known.values()))
    if service.name == "yellow":
        share, usual = YELLOW_DISPATCH, round(YELLOW_RIDES * usual)
    total = usual if rows is None else rows
    dispatch = round(total * share)
    return {"hail": total - dispatch, "dispatch": dispatch}


def _size(months: pd.DataFrame, month: Month) -> float:
    known = months.loc[months["month"] == str(month), "rides"]
    if len(known):
        return float(known.iloc[0])
    length = (month.next().start - month.start).days / DAYS
    return months["rides"].mean() * length * np.exp(SEASON_RIDES * _season(month))


def _season(month: Month) -> float:
    """Return -1 in January, the quietest month, up to 1 in July."""
    return -float(np.cos(2 * np.pi * (month.number - 1) / 12))
