"""Draw rides: from where to where, when, how far and how long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taxi_duration.data.rides import N_ZONES
from taxi_duration.data.sample.figures import RANGES, TAILS
from taxi_duration.data.sample.habits import Habits
from taxi_duration.data.sample.noise import draw
from taxi_duration.data.sample.world import Feed
from taxi_duration.months import Month

__all__ = ["Rides", "draw_rides"]

DAY_DEMAND = 0.08  # sd of a day's log rides
LONGEST = 180.0  # minutes of a ride that nothing but traffic delayed
TIDES = np.sqrt(2) * np.cos((np.arange(24) - 8) * np.pi / 10)  # in at 8, out at 18


@dataclass
class Rides:
    """Rides of one feed, as arrays of one length."""

    feed: str
    start: np.ndarray  # seconds from the month's first moment
    lasting: np.ndarray  # seconds
    pickup: np.ndarray
    dropoff: np.ndarray
    miles: np.ndarray


def draw_rides(
    feed: Feed, month: Month, rows: int, *, habits: Habits, seed: np.random.SeedSequence
) -> Rides:
    """Draw rides as they are before any meter or clock fails, in the order of their hours."""
    days, when, way, far, long = (np.random.default_rng(child) for child in seed.spawn(5))
    pair = feed.pairs[np.searchsorted(feed.chances[:-1], way.random(rows), side="right")]
    demand, day_effort = days.normal(0, 1, (2, 31))
    hour = _hours(feed, month, RANGES[feed.band[pair]], demand=demand, rng=when)
    order = np.argsort(hour, kind="stable")
    hour, pair = hour[order], pair[order]
    detour = draw(feed.detours, feed.band[pair], far)
    minutes = _effort(feed, pair, _slots(month)[hour], detour=detour, habits=habits)
    minutes += habits.days * day_effort[hour // 24]
    minutes += habits.width * feed.width[pair] * draw(feed.noises, feed.band[pair], long)
    start = hour * 3600 + when.integers(0, 3600, rows)
    lasting = _whole(60 * np.clip(np.exp(minutes), 1, LONGEST))
    if feed.name == "dispatch":
        start, lasting = start // 60 * 60, _whole(lasting / 60) * 60
    miles = np.maximum(np.exp(feed.miles[pair] + detour).round(2), 0.01)
    return Rides(feed.name, start, lasting, pair // N_ZONES, pair % N_ZONES, miles)


def _hours(
    feed: Feed, month: Month, reach: np.ndarray, *, demand: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the hour of the month that each ride begins in, by how far it goes."""
    slots = _slots(month)
    luck, hour = rng.random(len(reach)), np.empty(len(reach), dtype=np.int64)
    busy = np.exp(DAY_DEMAND * demand[: len(slots) // 24]).repeat(24)
    for step, by_slot in enumerate(feed.slots):
        share = np.cumsum(by_slot[slots] * busy)
        mine = reach == step
        hour[mine] = np.searchsorted(share[:-1] / share[-1], luck[mine], side="right")
    return hour


def _effort(
    feed: Feed, pair: np.ndarray, slot: np.ndarray, *, detour: np.ndarray, habits: Habits
) -> np.ndarray:
    """Return the log minutes that a ride usually takes."""
    band = feed.band[pair]
    reach, rush = RANGES[band], slot % 24 + 24 * (slot >= 5 * 24)
    minutes = feed.base[pair] + feed.slopes[band] * np.clip(detour, -TAILS, TAILS)
    minutes += feed.slot_effects[slot] + feed.rush_effects[reach, rush]
    return minutes + feed.tide[pair] * TIDES[slot % 24] + habits.effort[reach]


def _slots(month: Month) -> np.ndarray:
    """Return the hour of the week of each hour of the month."""
    length = (month.next().start - month.start).days
    return (month.start.weekday() * 24 + np.arange(length * 24)) % 168


def _whole(numbers: np.ndarray) -> np.ndarray:
    return np.rint(numbers).astype(np.int64)
