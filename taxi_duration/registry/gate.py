"""The promotion gate: whether a challenger is better than the champion, on one unused month."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, cross_val_predict

from taxi_duration.data.display import html_table
from taxi_duration.data.trips import Trips
from taxi_duration.errors import ModelError
from taxi_duration.evaluation.metrics import SLICES, difference_interval
from taxi_duration.models.catalog import make_model

BASELINE = "median"
GATE_SLICES = ("distance", "hour", "part")
MIN_DAYS = 7  # fewer do not show how much days differ
FOLDS = 5


@dataclass(frozen=True)
class Candidate:
    """A model at the gate, with its predictions and what it costs."""

    name: str
    minutes: np.ndarray = field(repr=False)  # predicted for the gate's rides, a number each
    size_mb: float = 0.0
    rows_per_second: float = np.inf
    sha256: str = ""  # of its files


@dataclass(frozen=True)
class Limits:
    """The limits that a challenger has to keep."""

    gain: float = 0.01  # share by which its rmse is lower; two seeds differ by a third of it
    harm: float = 0.03  # share by which the rmse of a slice may be higher
    rides: int = 500  # that a slice has at least; smaller slices are left out
    size_mb: float = 100.0  # on disk, at most
    rows_per_second: float = 2000.0  # of prediction, at least


@dataclass(frozen=True)
class Verdict:
    """The result of the promotion gate for a challenger, with its figures."""

    accepted: bool
    reasons: tuple[str, ...]  # in words; all of them if it is rejected
    challenger: str  # its name
    champion: str
    sha256: str  # of the challenger's files: the verdict holds for these only
    challenger_rmse: float  # minutes, on the same rides as the champion's
    champion_rmse: float
    difference: float  # challenger's minus champion's rmse
    low: float  # end of its 95 % interval
    high: float
    worst: str  # the slice whose rmse grew by the largest share
    worst_change: float  # that share; negative if the rmse fell in every slice
    worst_rides: int
    size_mb: float  # of the challenger
    rows_per_second: float
    months: tuple[str, ...]  # of the gate
    rows: int
    inputs: dict[str, str]  # the sha256 of each file of the gate
    limits: Limits = field(default_factory=Limits)

    def __str__(self) -> str:
        return f"{'accepted' if self.accepted else 'rejected'}: {'; '.join(self.reasons)}"

    def _repr_html_(self) -> str:
        rows = self.table()["gate"].to_dict() | {"why": "; ".join(self.reasons)}
        return html_table(f"{self.challenger} at the gate, {', '.join(self.months)}", rows)

    def table(self) -> pd.DataFrame:
        """Return its figures, a row each, without the speed, which differs from run to run."""
        change = f"{self.worst_change:+.1%} on {self.worst_rides:,} rides"
        rows = {
            "champion so far": self.champion,
            "champion's rmse": f"{self.champion_rmse:.2f}",
            "challenger's rmse": f"{self.challenger_rmse:.2f}",
            "difference": f"{self.difference:+.2f}, between {self.low:+.2f} and {self.high:+.2f}",
            "worst slice": f"{self.worst}, {change}",
            "verdict": "accepted" if self.accepted else "rejected",
        }
        return pd.DataFrame({"gate": rows})

    def to_json(self) -> str:
        """Return all of it as text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Verdict:
        """Read what `to_json` wrote."""
        read = json.loads(text)
        texts = {name: tuple(read[name]) for name in ("reasons", "months")}
        return cls(**(read | texts | {"limits": Limits(**read["limits"])}))

    @classmethod
    def of(cls, **figures: object) -> Verdict:
        """Return the verdict that follows from the figures and the limits."""
        found = cls(accepted=False, reasons=(), **figures)
        objections = tuple(_objections(found))
        return replace(found, accepted=not objections, reasons=objections or (_gain(found),))


def judge(
    gate: Trips, challenger: Candidate, champion: Candidate, *, limits: Limits | None = None
) -> Verdict:
    """Return whether the challenger is better on the gate's rides, beyond chance and everywhere.

    Its rmse has to be lower by a share that two seeds of one model do not reach, with a 95 %
    interval that excludes zero. The interval comes from drawing whole days [1]_, since rides of
    one day share weather and traffic.

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
    >>> verdict = judge(gate, exact, baseline(gate))
    >>> verdict.accepted, verdict.challenger_rmse
    (True, 0.0)
    """
    limits = limits or Limits()
    squares = pd.DataFrame({"new": _squares(gate, challenger), "old": _squares(gate, champion)})
    rmse, before = np.sqrt(squares.mean())
    days = _days(gate)
    sums = {each: np.bincount(days, weights=squares[each]) for each in squares}
    low, high = difference_interval(pd.DataFrame({"rides": np.bincount(days), **sums}))
    worst, change, rides = _worst_slice(gate, squares, at_least=limits.rides)
    return Verdict.of(
        challenger=challenger.name, champion=champion.name, sha256=challenger.sha256,
        challenger_rmse=float(rmse), champion_rmse=float(before), difference=float(rmse - before),
        low=low, high=high, worst=worst, worst_change=change, worst_rides=rides,
        size_mb=challenger.size_mb, rows_per_second=challenger.rows_per_second,
        months=tuple(map(str, gate.months)), rows=len(gate), inputs=dict(gate.sha256),
        limits=limits,
    )  # fmt: skip


def baseline(gate: Trips) -> Candidate:
    """Return "median" as a candidate, each ride predicted from other days of the same month.

    The first champion is compared with it. It knows the pace of the gate's own month, as no model
    that was trained before does, so it is harder to beat than a median of earlier months.
    """
    model, rides, days = make_model(BASELINE), gate.frame, _days(gate)
    minutes = cross_val_predict(model, rides, rides["duration"], groups=days, cv=GroupKFold(FOLDS))
    return Candidate(BASELINE, minutes)


def _squares(gate: Trips, candidate: Candidate) -> np.ndarray:
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
    if len(names) < MIN_DAYS:
        raise ModelError(
            f"The gate's rides are of {len(names)} days, fewer than {MIN_DAYS}. Take a whole month."
        )
    return days


def _worst_slice(gate: Trips, squares: pd.DataFrame, *, at_least: int) -> tuple[str, float, int]:
    """Return the slice whose rmse grew by the largest share, that share, and its rides."""
    found = [("none", -1.0, 0)]
    for by in GATE_SLICES:
        slices = squares.groupby(SLICES[by](gate.frame), observed=True)
        rides, means = slices.size(), slices.mean()
        changes = np.sqrt(means["new"] / means["old"])[rides >= at_least] - 1
        found += [
            (f"{by} {name}", float(change), int(rides[name])) for name, change in changes.items()
        ]
    return max(found, key=lambda each: each[1])


def _objections(found: Verdict) -> Iterator[str]:
    limits, rmse, before = found.limits, found.challenger_rmse, found.champion_rmse
    if not rmse <= (1 - limits.gain) * before:
        yield (
            f"its rmse of {rmse:.3f} is not lower than the {before:.3f} of {found.champion} "
            f"by {limits.gain:.0%}"
        )
    elif not found.high < 0:
        yield f"the difference may be chance, {_difference(found)}"
    if not found.worst_change <= limits.harm:
        yield (
            f"{found.worst} is worse by {found.worst_change:.1%} on {found.worst_rides:,} rides, "
            f"more than {limits.harm:.0%}"
        )
    if not found.size_mb <= limits.size_mb:
        yield f"it takes {found.size_mb:.1f} MB, more than {limits.size_mb:g}"
    if not found.rows_per_second >= limits.rows_per_second:
        yield (
            f"it predicts {found.rows_per_second:,.0f} rides a second, fewer than "
            f"{limits.rows_per_second:,.0f}"
        )


def _gain(found: Verdict) -> str:
    share = 1 - found.challenger_rmse / found.champion_rmse
    return (
        f"its rmse of {found.challenger_rmse:.3f} is {share:.1%} lower than the "
        f"{found.champion_rmse:.3f} of {found.champion}, {_difference(found)}"
    )


def _difference(found: Verdict) -> str:
    return (
        f"{found.difference:+.3f} with a 95 % interval from {found.low:+.3f} to {found.high:+.3f}"
    )
