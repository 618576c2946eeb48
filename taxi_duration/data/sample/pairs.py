"""The pairs of zones: how far apart, how often ridden, and what makes them fast or slow."""

from __future__ import annotations

from functools import cache

import numpy as np

from taxi_duration.data.rides import N_ZONES
from taxi_duration.data.sample.figures import (
    BANDS,
    RANGES,
    by_reach,
    figures,
    filled,
    of_feed,
    road_miles,
)

__all__ = ["bands", "field", "roads", "rounds", "usual_effort"]

WORLD = 2021  # the seed of all that the figures leave open
RARE = 9.0  # rides that a rare pair has at most, in three months
RARE_SPREAD = 1.4  # sd of its log rides
NEAR = 4.0  # miles over which neighbours are alike
WAVES = 64  # that a smooth field is made of


@cache
def roads() -> np.ndarray:
    """Return the usual miles of every pair; those without a figure differ by chance."""
    road, known = figures("road"), figures("miles")
    spread = float(road.set_index("name").loc["sd", "value"])
    chance = np.random.default_rng(WORLD).normal(0, spread, (N_ZONES, N_ZONES))
    chance[known["low"], known["high"]] = 0
    upper = np.triu(chance, 1)
    return road_miles(figures("zones"), road, known) * np.exp(upper + upper.T)


@cache
def bands() -> np.ndarray:
    """Return the band of distance of every pair, 0 for a ride that stays in its zone."""
    band = np.digitize(roads(), BANDS)
    np.fill_diagonal(band, 0)
    return band


def rounds(feed: str, *, rng: np.random.Generator) -> np.ndarray:
    """Return the rides of each pair in three months: known, or by the habits of rare pairs."""
    known, ends, band = of_feed("pairs", feed), of_feed("ends", feed), bands()
    begin, finish = (
        filled(ends[ends["end"] == end], "zone", N_ZONES, "rides") for end in ("pickup", "dropoff")
    )
    weight = np.outer(begin, finish) * rng.lognormal(0, RARE_SPREAD, band.shape)
    weight[known["pickup"], known["dropoff"]] = 0
    wanted = filled(of_feed("spread", feed), "band", len(RANGES), "rides")
    for _ in range(3):
        found = np.bincount(band.ravel(), weight.ravel(), len(RANGES))
        weight = np.minimum(weight * (wanted / np.maximum(found, 1e-9))[band], RARE)
    weight[known["pickup"], known["dropoff"]] = known["rides"]
    return weight


def usual_effort(feed: str) -> np.ndarray:
    """Return log minutes of each pair by its miles and by the zones at both ends."""
    line = of_feed("lines", feed)
    effort = np.interp(np.log(roads()), np.log(line["miles"]), line["effect"])
    pickup, dropoff = (by_reach(figures(f"{end}s"), end, N_ZONES) for end in ("pickup", "dropoff"))
    reach, zone = RANGES[bands()], np.arange(N_ZONES)
    return effort + pickup[reach, zone[:, None]] + dropoff[reach, zone]


def field(rides: np.ndarray, *, smooth: float, rng: np.random.Generator) -> np.ndarray:
    """Return effects of pairs with sd 1, a share of which neighbouring pairs have in common.

    They are moved such that the rides of each band neither win nor lose by them.
    """
    place = _places()
    phase = rng.uniform(0, 2 * np.pi, WAVES)
    here, there = (place @ rng.normal(0, 1 / NEAR, (3, WAVES)) for _ in range(2))
    common = np.cos(here + phase) @ np.cos(there).T - np.sin(here + phase) @ np.sin(there).T
    alone = rng.normal(0, 1, common.shape)
    effect = np.sqrt(smooth * 2 / WAVES) * common + np.sqrt(1 - smooth) * alone
    band = bands().ravel()
    mean = np.bincount(band, (effect * rides).ravel()) / np.bincount(band, rides.ravel())
    return np.round(effect - mean[bands()], 4)


def _places() -> np.ndarray:
    zones = figures("zones")
    place = np.zeros((N_ZONES, 3))
    place[zones["zone"]] = zones[["x", "y", "z"]]
    return place
