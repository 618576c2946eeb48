"""The sample's world: two feeds of rides with the same habits in every month."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from taxi_duration.data.sample import noise, pairs
from taxi_duration.data.sample.figures import FEEDS, RANGES, by_reach, figures, filled, of_feed

__all__ = ["Feed", "feed"]

# Tuned until the models of the library err on made months as they do on real ones.
OWN = 1.1  # times the real sd between pairs
SMOOTH = 0.9  # share of a pair's own effect that its neighbours have too
TIDE = 0.11  # sd of what the hour does to some pairs and not to others, in log minutes
UNEXPLAINED = 0.84  # share of the usual noise that is none of these


@dataclass(frozen=True)
class Feed:
    """How one kind of ride is asked for, how far it goes and how long it takes.

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
    width: np.ndarray  # of the noise, by pair
    dirt: dict[str, float]  # shares of rides by kind of dirt
    zero: tuple[np.ndarray, np.ndarray]  # minutes from which on a share of distances is 0


@cache
def feed(name: str) -> Feed:
    """Build one of the two feeds, `hail` or `dispatch`, from the figures."""
    rng = np.random.default_rng([pairs.WORLD, FEEDS.index(name)])
    rides = pairs.rounds(name, rng=rng)
    occurs = np.flatnonzero(rides)
    own = OWN * float(of_feed("own", name)["sd"].iloc[0])
    zero = of_feed("zero", name)
    effect, tide = (pairs.field(rides, smooth=smooth, rng=rng) for smooth in (SMOOTH, 1.0))
    return Feed(
        name=name,
        slots=by_reach(of_feed("hours", name), "slot", 168, "rides"),
        pairs=occurs,
        chances=np.cumsum(rides.ravel()[occurs] / rides.sum()),
        miles=np.log(pairs.roads()).ravel(),
        band=pairs.bands().ravel(),
        detours=_noise("detours", name),
        base=(pairs.usual_effort(name) + own * effect).ravel(),
        slopes=filled(of_feed("slopes", name), "band", len(RANGES)),
        slot_effects=filled(of_feed("slots", name), "slot", 168),
        rush_effects=by_reach(figures("rushes"), "rush", 48),
        tide=(TIDE * tide).ravel(),
        noises=noise.calmer(_noise("noises", name), share=UNEXPLAINED, without=own),
        width=_width(rides).ravel(),
        dirt=of_feed("dirt", name).set_index("kind")["share"].to_dict(),
        zero=(zero["minutes"].to_numpy(), zero["share"].to_numpy()),
    )


def _noise(table: str, name: str) -> np.ndarray:
    return noise.tabulate(of_feed(table, name), bands=len(RANGES))


def _width(rides: np.ndarray) -> np.ndarray:
    """Return how wide the noise of a pair is by its traffic: busy pairs are steadier."""
    traffic = figures("traffic")
    return np.interp(np.log(np.maximum(rides, 1)), np.log(traffic["busy"]), traffic["effect"])
