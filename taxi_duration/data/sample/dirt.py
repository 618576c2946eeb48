"""Spoil some rides, as meters, clocks and dispatchers do."""

from __future__ import annotations

import numpy as np

from taxi_duration.data.sample.figures import figures
from taxi_duration.data.sample.rides import Rides
from taxi_duration.data.sample.world import Feed
from taxi_duration.months import FIRST_YEAR, Month

__all__ = ["add_dirt"]

DAY, HOUR = 86_400, 3600  # seconds
BACKWARD = 0.0002  # share of street hails that end before they begin, as in earlier years
STRAY = 0.0001  # share with a clock reset to 2009, or begun the evening before the month
TINY = 0.09  # miles, the median of a ride under a minute
FARTHEST = 250_000  # miles


def add_dirt(rides: Rides, feed: Feed, month: Month, *, seed: np.random.SeedSequence) -> None:
    """Spoil rides in place: too short, too long, too far, without distance, at a wrong time."""
    short, long, far, zero, clock = (np.random.default_rng(child) for child in seed.spawn(5))
    _end_at_once(rides, feed, short)
    _forget_the_meter(rides, feed, long)
    _overstate(rides, feed, far)
    _lose_distance(rides, feed, zero)
    if feed.name == "hail":
        _confuse_clocks(rides, month, clock)


def _end_at_once(rides: Rides, feed: Feed, rng: np.random.Generator) -> None:
    share = feed.dirt["under_a_minute"]
    hit = _some(rides, share, rng)
    seconds = (60 * rng.random(len(hit)) ** 2).astype(np.int64)
    rides.lasting[hit] = 0 if feed.name == "dispatch" else seconds
    rides.miles[hit] = np.maximum(rng.lognormal(np.log(TINY), 1.3, len(hit)).round(2), 0.01)
    stays = hit[rng.random(len(hit)) < feed.dirt["under_a_minute_same_zone"] / share]
    rides.dropoff[stays] = rides.pickup[stays]


def _forget_the_meter(rides: Rides, feed: Feed, rng: np.random.Generator) -> None:
    """Let some meters run on for 2 to 23 hours, and some for a day."""
    hours = _some(rides, feed.dirt["hours"], rng)
    rides.lasting[hours] = 60 * (120 * 11.5 ** (rng.random(len(hours)) ** 1.3)).astype(np.int64)
    days = _some(rides, feed.dirt.get("whole_day", 0), rng)
    rides.lasting[days] = DAY - rng.integers(1, HOUR, len(days))


def _overstate(rides: Rides, feed: Feed, rng: np.random.Generator) -> None:
    """Give some rides a distance that no ride has."""
    hit = _some(rides, feed.dirt["far"], rng)
    luck = rng.random(len(hit))
    if feed.name == "hail":
        rides.miles[hit] = (60 * 2**luck).round(2)
        return
    known = figures("far")
    level, miles = [0, *known["level"], 1], [60, *known["miles"], FARTHEST]
    rides.miles[hit] = np.exp(np.interp(luck, level, np.log(miles))).round(2)


def _lose_distance(rides: Rides, feed: Feed, rng: np.random.Generator) -> None:
    minutes, share = feed.zero
    step = np.searchsorted(minutes * 60, rides.lasting, side="right") - 1
    rides.miles[rng.random(len(step)) < share[step]] = 0


def _confuse_clocks(rides: Rides, month: Month, rng: np.random.Generator) -> None:
    back = _some(rides, BACKWARD, rng)
    rides.lasting[back] = -rng.integers(1, HOUR, len(back))
    stray = _some(rides, STRAY, rng)
    reset = round((Month(FIRST_YEAR, 1).start - month.start).total_seconds())
    early = rng.integers(1, 3 * HOUR, len(stray))
    rides.start[stray] = np.where(rng.random(len(stray)) < 0.5, reset + early, -early)


def _some(rides: Rides, share: float, rng: np.random.Generator) -> np.ndarray:
    return np.flatnonzero(rng.random(len(rides.start)) < share)
