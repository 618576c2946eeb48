"""Draw the rides of a month: from where to where, when, how far, how long, and what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from taxi_duration.data.rides import FARTHEST, N_ZONES
from taxi_duration.data.sample.world import FEEDS, REACHES, SCORES, Feed, filled, table
from taxi_duration.months import FIRST_YEAR, Month, Service

DAY, HOUR = 86_400, 3600  # seconds
TIDES = np.sqrt(2) * np.cos((np.arange(24) - 8) * np.pi / 10)  # in at 8, out at 18
TAILS = 1.0  # a log detour beyond this tells nothing more about the minutes
LONGEST = 180.0  # minutes of a ride that nothing but traffic delayed
DAY_DEMAND = 0.08  # sd of a day's log rides

SEASON_RIDES, SEASON_MINUTES = 0.08, 0.02  # swing over the year, of log rides and log minutes
CHANCE = 0.02  # sd of a month's log minutes beyond its season
YELLOW_RIDES, YELLOW_DISPATCH = 18.0, 0.07  # times the green rides; share that is dispatched
DAYS = 30  # of an average month

BACKWARD = 0.0002  # share of street hails that end before they begin, as in earlier years
STRAY = 0.0001  # share with a clock reset to 2009, or begun the evening before the month
TINY = 0.09  # miles, the median of a ride under a minute
FARTHEST_DISPATCH = 250_000  # miles


@dataclass
class Rides:
    """Rides of one feed, as arrays of one length."""

    feed: str
    start: np.ndarray  # seconds from the month's first moment
    seconds: np.ndarray  # that it takes
    pickup: np.ndarray
    dropoff: np.ndarray
    miles: np.ndarray


def ride_counts(month: Month, *, service: Service, rows: int | None) -> dict[str, int]:
    """Return the number of rides of each feed: the real ones where known, or a share of `rows`."""
    counts = {name: _usual_count(table("months", name), month) for name in FEEDS}
    share, total = counts["dispatch"] / sum(counts.values()), round(sum(counts.values()))
    if service.name == "yellow":
        share, total = YELLOW_DISPATCH, round(YELLOW_RIDES * total)
    total = total if rows is None else rows
    dispatch = round(total * share)
    return {"hail": total - dispatch, "dispatch": dispatch}


def _usual_count(months: pd.DataFrame, month: Month) -> float:
    known = months.loc[months["month"] == str(month), "rides"]
    if len(known):
        return float(known.iloc[0])
    length = (month.next().start - month.start).days / DAYS
    return months["rides"].mean() * length * np.exp(SEASON_RIDES * _season(month))


def _season(month: Month) -> float:
    """Return -1 in January, the quietest month, up to 1 in July."""
    return -float(np.cos(2 * np.pi * (month.number - 1) / 12))


def _conditions(
    feed: str, month: Month, seed: np.random.SeedSequence
) -> tuple[np.ndarray, float, float]:
    """Return a month's conditions: the real ones where known, else by season and chance.

    They are log minutes by reach, times the usual noise, and the sd of the days' log minutes.
    """
    months, seasons = table("months", feed), table("seasons", feed)
    if str(month) in set(months["month"]):
        months, seasons = (rows[rows["month"] == str(month)] for rows in (months, seasons))
        return filled(seasons, ["reach"], (3,)), *months[["width", "days"]].to_numpy()[0]
    usual = seasons.groupby("reach")["effect"].mean().to_numpy()
    chance = np.random.default_rng(seed).normal(0, CHANCE)
    return usual + SEASON_MINUTES * _season(month) + chance, 1.0, months["days"].mean()


def draw_rides(
    feed: Feed, month: Month, rows: int, *,
    chance: np.random.SeedSequence, seed: np.random.SeedSequence,
) -> Rides:  # fmt: skip
    """Draw rides as they are before any meter or clock fails, in the order of their hours."""
    by_reach, noise, sd = _conditions(feed.name, month, chance)
    days, when, way, far, long = (np.random.default_rng(child) for child in seed.spawn(5))
    pair = feed.pairs[np.searchsorted(feed.chances[:-1], way.random(rows), side="right")]
    demand, day_minutes = days.normal(0, 1, (2, 31))
    hour = _draw_hours(feed, month, REACHES[feed.band[pair]], demand, when)
    order = np.argsort(hour, kind="stable")
    hour, pair = hour[order], pair[order]
    detour = _draw(feed.detours, feed.band[pair], far)
    minutes = _usual_minutes(feed, pair, _slots(month)[hour], detour)
    minutes += by_reach[REACHES[feed.band[pair]]]
    minutes += sd * day_minutes[hour // 24]
    minutes += noise * feed.width[pair] * _draw(feed.noises, feed.band[pair], long)
    start = hour * HOUR + when.integers(0, HOUR, rows)
    seconds = _whole(60 * np.clip(np.exp(minutes), 1, LONGEST))
    if feed.name == "dispatch":
        start, seconds = start // 60 * 60, _whole(seconds / 60) * 60
    miles = np.maximum(np.exp(feed.miles[pair] + detour).round(2), 0.01)
    return Rides(feed.name, start, seconds, pair // N_ZONES, pair % N_ZONES, miles)


def _draw_hours(
    feed: Feed, month: Month, reach: np.ndarray, demand: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw the hour of the month in which each ride begins, by its reach."""
    slots = _slots(month)
    chance, hour = rng.random(len(reach)), np.empty(len(reach), dtype=np.int64)
    busy = np.exp(DAY_DEMAND * demand[: len(slots) // 24]).repeat(24)
    for step, by_slot in enumerate(feed.slots):
        share = np.cumsum(by_slot[slots] * busy)
        mine = reach == step
        hour[mine] = np.searchsorted(share[:-1] / share[-1], chance[mine], side="right")
    return hour


def _draw(quantiles: np.ndarray, band: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a value for each ride from the distribution of its band."""
    score = np.clip(rng.standard_normal(len(band)), SCORES[0], SCORES[-1] - 1e-9)
    place = (score - SCORES[0]) / (SCORES[1] - SCORES[0])
    left = place.astype(np.int64)
    part = place - left
    return quantiles[band, left] * (1 - part) + quantiles[band, left + 1] * part


def _usual_minutes(
    feed: Feed, pair: np.ndarray, slot: np.ndarray, detour: np.ndarray
) -> np.ndarray:
    """Return the log minutes that a ride usually takes."""
    band = feed.band[pair]
    reach, rush = REACHES[band], slot % 24 + 24 * (slot >= 5 * 24)
    minutes = feed.base[pair] + feed.slopes[band] * np.clip(detour, -TAILS, TAILS)
    minutes += feed.slot_effects[slot] + feed.rush_effects[reach, rush]
    return minutes + feed.tide[pair] * TIDES[slot % 24]


def _slots(month: Month) -> np.ndarray:
    """Return the hour of the week of each hour of the month."""
    length = (month.next().start - month.start).days
    return (month.start.weekday() * 24 + np.arange(length * 24)) % 168


def _whole(numbers: np.ndarray) -> np.ndarray:
    return np.rint(numbers).astype(np.int64)


def add_dirt(rides: Rides, feed: Feed, month: Month, *, seed: np.random.SeedSequence) -> None:
    """Spoil rides in place: too short, too long, too far, without distance, at a wrong time."""
    short, long, far, zero, clock = (np.random.default_rng(child) for child in seed.spawn(5))
    _end_at_once(rides, feed, short)
    _forget_the_meter(rides, feed, long)
    _overstate_miles(rides, feed, far)
    _lose_miles(rides, feed, zero)
    if feed.name == "hail":
        _confuse_clocks(rides, month, clock)


def _end_at_once(rides: Rides, feed: Feed, rng: np.random.Generator) -> None:
    share = feed.dirt["under_a_minute"]
    hit = _some(rides, share, rng)
    seconds = (60 * rng.random(len(hit)) ** 2).astype(np.int64)
    rides.seconds[hit] = 0 if feed.name == "dispatch" else seconds
    rides.miles[hit] = np.maximum(rng.lognormal(np.log(TINY), 1.3, len(hit)).round(2), 0.01)
    stays = hit[rng.random(len(hit)) < feed.dirt["under_a_minute_same_zone"] / share]
    rides.dropoff[stays] = rides.pickup[stays]


def _forget_the_meter(rides: Rides, feed: Feed, rng: np.random.Generator) -> None:
    """Let some meters run on for 2 to 23 hours, and some for a day."""
    hours = _some(rides, feed.dirt["hours"], rng)
    rides.seconds[hours] = 60 * (120 * 11.5 ** (rng.random(len(hours)) ** 1.3)).astype(np.int64)
    days = _some(rides, feed.dirt.get("whole_day", 0), rng)
    rides.seconds[days] = DAY - rng.integers(1, HOUR, len(days))


def _overstate_miles(rides: Rides, feed: Feed, rng: np.random.Generator) -> None:
    """Give some rides a distance that no ride has."""
    hit = _some(rides, feed.dirt["far"], rng)
    chance = rng.random(len(hit))
    if feed.name == "hail":
        rides.miles[hit] = (FARTHEST * 2**chance).round(2)
        return
    known = table("far")
    level, miles = [0, *known["level"], 1], [FARTHEST, *known["miles"], FARTHEST_DISPATCH]
    rides.miles[hit] = np.exp(np.interp(chance, level, np.log(miles))).round(2)


def _lose_miles(rides: Rides, feed: Feed, rng: np.random.Generator) -> None:
    minutes, share = feed.zero
    step = np.searchsorted(minutes * 60, rides.seconds, side="right") - 1
    rides.miles[rng.random(len(step)) < share[step]] = 0


def _confuse_clocks(rides: Rides, month: Month, rng: np.random.Generator) -> None:
    back = _some(rides, BACKWARD, rng)
    rides.seconds[back] = -rng.integers(1, HOUR, len(back))
    stray = _some(rides, STRAY, rng)
    reset = round((Month(FIRST_YEAR, 1).start - month.start).total_seconds())
    early = rng.integers(1, 3 * HOUR, len(stray))
    rides.start[stray] = np.where(rng.random(len(stray)) < 0.5, reset + early, -early)


def _some(rides: Rides, share: float, rng: np.random.Generator) -> np.ndarray:
    return np.flatnonzero(rng.random(len(rides.start)) < share)
