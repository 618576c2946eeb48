"""Whether a challenger may take the champion's place: judged on one month that chose neither."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, cross_val_predict

from taxi_duration.data.trips import Trips
from taxi_duration.errors import ModelError
from taxi_duration.evaluation.metrics import SLICES
from taxi_duration.models.catalog import make_model
from taxi_duration.registry.verdict import Limits, Verdict

__all__ = ["NAIVE", "Candidate", "Limits", "Verdict", "judge", "naive"]

NAIVE = "median"
JUDGED = ("distance", "hour", "part")
WEEK = 7  # days; fewer do not tell how far days differ
FOLDS = 5
DRAWS = 2000
TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Candidate:
    """A model at the gate: its minutes for the month's rides, a number each, and what it costs."""

    name: str
    minutes: np.ndarray = field(repr=False)
    size_mb: float = 0.0
    rows_per_second: float = np.inf
    sha256: str = ""


def judge(
    gate: Trips, challenger: Candidate, champion: Candidate, *, limits: Limits | None = None
) -> Verdict:
    """Judge whether the challenger is better on the gate's rides, beyond chance and everywhere.

    Its rmse has to be lower by a share that two seeds of one model do not reach, with a 95 %
    interval that excludes zero. The interval comes from drawing whole days [1]_, since rides of
    one day share weather and traffic.

    Raises
    ------
    ModelError
        If a model has no finite number for each ride, or the rides are of less than a week.

    References
    ----------
    .. [1] B. Efron, R. J. Tibshirani, "An introduction to the bootstrap" (1993), chapter 8; days
       are drawn, not rides, as by C. A. Field, A. H. Welsh, "Bootstrapping clustered data",
       Journal of the Royal Statistical Society B 69 (2007), pp. 369-390.

    Examples
    --------
    >>> from taxi_duration.data.trips import load_trips
    >>> gate = load_trips("2021-03")
    >>> exact = Candidate("exact", gate.frame["duration"].to_numpy())
    >>> verdict = judge(gate, exact, Candidate("median", naive(gate)))
    >>> verdict.accepted, verdict.challenger_rmse
    (True, 0.0)
    """
    limits = limits or Limits()
    squares = pd.DataFrame({"new": _squares(gate, challenger), "old": _squares(gate, champion)})
    rmse, before = np.sqrt(squares.mean())
    low, high = _interval(squares, _days(gate))
    worst, change, rides = _worst_slice(gate, squares, at_least=limits.rides)
    return Verdict.of(
        challenger=challenger.name, champion=champion.name, sha256=challenger.sha256,
        challenger_rmse=float(rmse), champion_rmse=float(before), difference=float(rmse - before),
        low=low, high=high, worst=worst, worst_change=change, worst_rides=rides,
        size_mb=challenger.size_mb, rows_per_second=challenger.rows_per_second,
        months=tuple(map(str, gate.months)), rows=len(gate), inputs=dict(gate.sha256),
        limits=limits,
    )  # fmt: skip


def naive(gate: Trips) -> np.ndarray:
    """Return the minutes of "median", each ride's learned from other days of the same month.

    The first champion has only this to beat. It knows the month's own pace, as no model that was
    trained before does, so it is a harder measure than a median of the past.

    Raises
    ------
    ModelError
        If the rides are of less than a week.
    """
    rides = gate.frame
    return cross_val_predict(
        make_model(NAIVE), rides, rides["duration"], groups=_days(gate), cv=GroupKFold(FOLDS)
    )


def _squares(gate: Trips, candidate: Candidate) -> np.ndarray:
    """Return the squared error of each ride."""
    minutes = np.asarray(candidate.minutes, dtype=float)
    if minutes.shape != (len(gate),) or not np.isfinite(minutes).all():
        raise ModelError(
            f"Model {candidate.name!r} has {np.isfinite(minutes).sum()} predictions for "
            f"{len(gate)} rides of the gate. A model needs a number of minutes for each."
        )
    return (minutes - gate.frame["duration"].to_numpy()) ** 2


def _days(gate: Trips) -> np.ndarray:
    """Return the day of each ride, numbered."""
    days, names = pd.factorize(gate.frame["pickup_datetime"].dt.normalize())
    if len(names) < WEEK:
        raise ModelError(
            f"The gate's rides are of {len(names)} days, fewer than {WEEK}. Take a whole month."
        )
    return days


def _interval(squares: pd.DataFrame, day: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the difference in rmse, from drawing whole days."""
    rides = np.bincount(day)
    equal = np.full(len(rides), 1 / len(rides))
    drawn = np.random.default_rng(0).multinomial(len(rides), equal, size=DRAWS)
    new, old = (
        np.sqrt(drawn @ np.bincount(day, weights=squares[each]) / (drawn @ rides))
        for each in ("new", "old")
    )
    low, high = np.quantile(new - old, TAILS)
    return float(low), float(high)


def _worst_slice(gate: Trips, squares: pd.DataFrame, *, at_least: int) -> tuple[str, float, int]:
    """Return the slice whose rmse grew by the largest share, that share, and its rides."""
    found = [("none", -1.0, 0)]
    for by in JUDGED:
        slices = squares.groupby(SLICES[by](gate.frame), observed=True)
        rides, means = slices.size(), slices.mean()
        changes = np.sqrt(means["new"] / means["old"])[rides >= at_least] - 1
        found += [
            (f"{by} {name}", float(changes[name]), int(rides[name])) for name in changes.index
        ]
    return max(found, key=lambda each: each[1])
