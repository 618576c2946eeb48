"""The sample's world, the same in every month: how zones lie, and two feeds of rides.

It is made of summary figures of three real months (`tables/`, from calibration/). Each of their
rows says in its column `rides` how many real rides it summarizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd
from scipy.special import ndtri

from taxi_duration.data.rides import N_ZONES

FEEDS = ("hail", "dispatch")  # hailed in the street, or sent by a dispatcher
BANDS = np.array([0.0, 1.0, 1.5, 2.2, 3.2, 4.5, 6.5, 9.0, 13.0, 18.0])  # miles; 0: inside a zone
REACHES = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])  # of each band: short, middle or long rides
SCORES = np.linspace(-3.5, 3.5, 141)  # normal scores at which quantiles are tabulated
SHARES = np.exp(-(SCORES**2) / 2) / np.exp(-(SCORES**2) / 2).sum()

SEED = 2021  # of all that the figures leave open
RARE = 9.0  # rides that a rare pair has at most, in three months
RARE_SPREAD = 1.4  # sd of its log rides
NEAR = 4.0  # miles over which neighbours are alike
WAVES = 64  # that a smooth field is made of
# Tuned until the models of the library have the errors on made months that they have on real ones.
OWN = 1.1  # times the real sd between pairs
SMOOTH = 0.9  # share of a pair's own effect that its neighbours have too
TIDE = 0.11  # sd of what the hour does to some pairs and not to others, in log minutes
UNEXPLAINED = 0.84  # share of the usual noise that is none of these
USUAL = 3.0  # scores up to which noise is usual; delays beyond stay as they are


@dataclass(frozen=True)
class Feed:
    """How one kind of ride is ordered, how far it goes and how long it takes.

    Pairs are numbered `pickup * 266 + dropoff`; an array over pairs has 266 * 266 entries.
    """

    name: str
    slots: np.ndarray  # (reaches, 168) demand by hour of the week
    pairs: np.ndarray  # pairs that occur
    chances: np.ndarray  # their cumulative shares, up to 1
    miles: np.ndarray  # usual log miles of each pair
    band: np.ndarray  # band of distance of each pair
    detours: np.ndarray  # (bands, scores) log of driven over usual miles
    base: np.ndarray  # log minutes of each pair on an average hour
    slopes: np.ndarray  # (bands,) log minutes per log detour
    slot_effects: np.ndarray  # (168,) log minutes
    rush_effects: np.ndarray  # (reaches, 48) log minutes by hour, of workdays and weekends
    tide: np.ndarray  # log minutes of each pair in the morning; the reverse in the evening
    noises: np.ndarray  # (bands, scores) log minutes
    width: np.ndarray  # of the noise, by pair: busy ones are steadier
    dirt: dict[str, float]  # shares of rides by kind of dirt
    zero: tuple[np.ndarray, np.ndarray]  # minutes from which on a share of distances is 0


@cache
def feed(name: str) -> Feed:
    """Build one of the two feeds, `hail` or `dispatch`."""
    rng = np.random.default_rng([SEED, FEEDS.index(name)])
    rides = _pair_rides(name, rng)
    occurs = np.flatnonzero(rides)
    own = OWN * float(table("own", name)["sd"].iloc[0])
    zero, traffic = table("zero", name), table("traffic")
    steadier = np.interp(np.log(np.maximum(rides, 1)), np.log(traffic["busy"]), traffic["effect"])
    effect, tide = (_pair_effects(rides, smooth, rng) for smooth in (SMOOTH, 1.0))
    return Feed(
        name=name,
        slots=filled(table("hours", name), ["reach", "slot"], (3, 168), "rides"),
        pairs=occurs,
        chances=np.cumsum(rides.ravel()[occurs] / rides.sum()),
        miles=np.log(_roads()).ravel(),
        band=_bands().ravel(),
        detours=_quantiles(table("detours", name)),
        base=(_pair_minutes(name) + own * effect).ravel(),
        slopes=filled(table("slopes", name), ["band"], REACHES.shape),
        slot_effects=filled(table("slots", name), ["slot"], (168,)),
        rush_effects=filled(table("rushes"), ["reach", "rush"], (3, 48)),
        tide=(TIDE * tide).ravel(),
        noises=_calmed(_quantiles(table("noises", name)), explained=own),
        width=steadier.ravel(),
        dirt=table("dirt", name).set_index("kind")["share"].to_dict(),
        zero=(zero["minutes"].to_numpy(), zero["share"].to_numpy()),
    )


@cache
def table(name: str, feed: str | None = None) -> pd.DataFrame:
    """Return a table of summary figures, or one feed's rows of it."""
    if feed:
        rows = table(name)
        return rows[rows["feed"] == feed]
    with (files("taxi_duration.data.sample") / "tables" / f"{name}.csv").open() as file:
        return pd.read_csv(file)


def filled(
    rows: pd.DataFrame, keys: list[str], shape: tuple[int, ...], value: str = "effect"
) -> np.ndarray:
    """Return an array with a value at each key, 0 where the table has none."""
    values = np.zeros(shape)
    values[tuple(rows[key] for key in keys)] = rows[value]
    return values


def road_miles(zones: pd.DataFrame, road: pd.DataFrame, miles: pd.DataFrame) -> np.ndarray:
    """Return the usual miles from any zone to any other: known for frequent pairs, else a guess."""
    number, line = road.set_index("name")["value"], straight_miles(zones)
    usual = np.where(np.isnan(line), number["outside"], number["factor"] * line + number["start"])
    np.fill_diagonal(usual, number["inside"])
    low, high = miles["low"], miles["high"]
    usual[low, high] = usual[high, low] = miles["miles"]
    return usual


def straight_miles(zones: pd.DataFrame) -> np.ndarray:
    """Return the straight line between any two zones; missing where either has no place."""
    place = np.full((N_ZONES, 3), np.nan)
    place[zones["zone"]] = zones[["x", "y", "z"]]
    return np.sqrt(((place[:, None] - place[None]) ** 2).sum(axis=2))


@cache
def _roads() -> np.ndarray:
    """Return the usual miles of every pair; those without a figure differ by chance."""
    road, known = table("road"), table("miles")
    spread = float(road.set_index("name").loc["sd", "value"])
    chance = np.random.default_rng(SEED).normal(0, spread, (N_ZONES, N_ZONES))
    chance[known["low"], known["high"]] = 0
    upper = np.triu(chance, 1)
    return road_miles(table("zones"), road, known) * np.exp(upper + upper.T)


@cache
def _bands() -> np.ndarray:
    """Return the band of distance of every pair, 0 for a ride that stays in its zone."""
    band = np.digitize(_roads(), BANDS)
    np.fill_diagonal(band, 0)
    return band


def _pair_rides(feed: str, rng: np.random.Generator) -> np.ndarray:
    """Return the rides of each pair in three months: known, or drawn for a rare pair."""
    known, ends, band = table("pairs", feed), table("ends", feed), _bands()
    begin, finish = (
        filled(ends[ends["end"] == end], ["zone"], (N_ZONES,), "rides")
        for end in ("pickup", "dropoff")
    )
    weight = np.outer(begin, finish) * rng.lognormal(0, RARE_SPREAD, band.shape)
    weight[known["pickup"], known["dropoff"]] = 0
    wanted = filled(table("spread", feed), ["band"], REACHES.shape, "rides")
    for _ in range(3):
        found = np.bincount(band.ravel(), weight.ravel(), len(REACHES))
        weight = np.minimum(weight * (wanted / np.maximum(found, 1e-9))[band], RARE)
    weight[known["pickup"], known["dropoff"]] = known["rides"]
    return weight


def _pair_minutes(feed: str) -> np.ndarray:
    """Return log minutes of each pair by its miles and by the zones at both ends."""
    line = table("lines", feed)
    minutes = np.interp(np.log(_roads()), np.log(line["miles"]), line["effect"])
    pickup, dropoff = (
        filled(table(f"{end}s"), ["reach", end], (3, N_ZONES)) for end in ("pickup", "dropoff")
    )
    reach, zone = REACHES[_bands()], np.arange(N_ZONES)
    return minutes + pickup[reach, zone[:, None]] + dropoff[reach, zone]


def _pair_effects(rides: np.ndarray, smooth: float, rng: np.random.Generator) -> np.ndarray:
    """Return effects of pairs with sd 1, of which neighbouring pairs have a share in common.

    They are moved so that the mean over the rides of each band is 0.
    """
    zones, place = table("zones"), np.zeros((N_ZONES, 3))
    place[zones["zone"]] = zones[["x", "y", "z"]]
    phase = rng.uniform(0, 2 * np.pi, WAVES)
    here, there = (place @ rng.normal(0, 1 / NEAR, (3, WAVES)) for _ in range(2))
    common = np.cos(here + phase) @ np.cos(there).T - np.sin(here + phase) @ np.sin(there).T
    alone = rng.normal(0, 1, common.shape)
    effect = np.sqrt(smooth * 2 / WAVES) * common + np.sqrt(1 - smooth) * alone
    band = _bands().ravel()
    mean = np.bincount(band, (effect * rides).ravel()) / np.bincount(band, rides.ravel())
    return np.round(effect - mean[_bands()], 4)


def _quantiles(rows: pd.DataFrame) -> np.ndarray:
    """Return the quantiles of each band at `SCORES`, continued straight beyond the last known."""
    levels = rows.set_index("band").drop(columns=["feed", "rides"])
    score = ndtri(levels.columns.astype(float).to_numpy())
    quantiles = np.zeros((len(REACHES), len(SCORES)))
    for band, row in levels.iterrows():
        known = row.notna().to_numpy()
        quantiles[band] = _continued(score[known], row.to_numpy()[known])
    return quantiles


def _continued(score: np.ndarray, value: np.ndarray) -> np.ndarray:
    first, last = np.diff(value)[[0, -1]] / np.diff(score)[[0, -1]]
    curve = np.interp(SCORES, score, value)
    below, above = np.minimum(SCORES - score[0], 0), np.maximum(SCORES - score[-1], 0)
    return curve + first * below + last * above


def _calmed(noise: np.ndarray, *, explained: float) -> np.ndarray:
    """Take what the world explains (an sd, and all but `UNEXPLAINED`) out of the usual noise."""
    variance = (noise**2 * SHARES).sum(axis=1) - (noise * SHARES).sum(axis=1) ** 2
    left = UNEXPLAINED * np.sqrt(1 - explained**2 / variance)
    usual = 1.2 * np.exp(-((SCORES / USUAL) ** 2))
    return noise * (1 - (1 - left[:, None]) * usual)
