"""The columns that no model may see: who drove, who paid, and how much."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from taxi_duration.data.sample.figures import of_feed
from taxi_duration.data.sample.rides import Rides

__all__ = ["Papers"]

CARD = 1.0  # payment_type: tips are recorded only here
SURCHARGES = (
    "extra",
    "mta_tax",
    "tip_amount",
    "tolls_amount",
    "improvement_surcharge",
    "congestion_surcharge",
)
COLUMNS = (
    "VendorID",
    "store_and_fwd_flag",
    "RatecodeID",
    "passenger_count",
    "payment_type",
    "trip_type",
    "fare_amount",
    *SURCHARGES,
)
FARTHEST, LONGEST = 60.0, 180.0  # miles and minutes that anybody pays for


class Papers:
    """What was written down about rides; each column is drawn on its own, when asked for.

    Examples
    --------
    >>> rides = Rides("dispatch", *[np.array([60])] * 4, np.array([2.5]))
    >>> Papers(rides, seed=np.random.SeedSequence(0)).column("RatecodeID")
    array([nan])
    """

    def __init__(self, rides: Rides, *, seed: np.random.SeedSequence) -> None:
        self.rides, self.size = rides, len(rides.start)
        self.seeds = dict(zip(COLUMNS, seed.spawn(len(COLUMNS)), strict=True))

    def column(self, name: str) -> np.ndarray:
        """Return one column, missing where the feed does not know it."""
        special: dict[str, Callable[[], np.ndarray]] = {
            "fare_amount": self._fare,
            "tip_amount": self._tip,
            "total_amount": self._total,
            "airport_fee": lambda: np.full(self.size, np.nan),
        }
        return special[name]() if name in special else self._usual(name)

    def _usual(self, name: str) -> np.ndarray:
        """Draw values as often as they occur."""
        value, share = _frequencies(self.rides.feed, name)
        luck = np.random.default_rng(self.seeds[name]).random(self.size)
        return value[np.searchsorted(share[:-1], luck, side="right")]

    def _fare(self) -> np.ndarray:
        tariff = of_feed("tariff", self.rides.feed).iloc[0]
        miles = np.minimum(self.rides.miles, FARTHEST)
        minutes = np.clip(self.rides.lasting / 60, 0, LONGEST)
        luck = np.random.default_rng(self.seeds["fare_amount"]).normal(1, 0.1, self.size)
        fare = tariff["start"] + tariff["mile"] * miles + tariff["minute"] * minutes
        return (2 * fare * np.maximum(luck, 0.5)).round() / 2

    def _tip(self) -> np.ndarray:
        rng = np.random.default_rng(self.seeds["tip_amount"])
        generous = rng.gamma(2, 0.08, self.size) * (self._usual("payment_type") == CARD)
        return (self._fare() * generous).round(2)

    def _total(self) -> np.ndarray:
        added = sum(np.nan_to_num(self.column(name)) for name in SURCHARGES)
        return (self._fare() + added).round(2)


@cache
def _frequencies(feed: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of a column and their cumulative shares; one missing value if unknown."""
    papers = of_feed("papers", feed)
    papers = papers[papers["column"] == name]
    text = name == "store_and_fwd_flag"
    if papers.empty:
        return np.array([None if text else np.nan]), np.ones(1)
    value = papers["value"].to_numpy(dtype=object)
    share = np.cumsum(papers["rides"].to_numpy()) / papers["rides"].sum()
    return value if text else value.astype(float), share
