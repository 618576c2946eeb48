"""What the gate says of a model, in figures and in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import pandas as pd

__all__ = ["Limits", "Verdict"]


@dataclass(frozen=True)
class Limits:
    """What a challenger has to keep to.

    Attributes
    ----------
    gain
        Share by which its rmse has to be lower: two seeds of one model differ by a third of it.
    harm
        Share by which the rmse of no slice may be higher.
    rides
        That a slice has at least; smaller ones are not judged.
    size_mb
        On disk, at most.
    rows_per_second
        Of prediction, at least.
    """

    gain: float = 0.01
    harm: float = 0.03
    rides: int = 500
    size_mb: float = 100.0
    rows_per_second: float = 2000.0


@dataclass(frozen=True)
class Verdict:
    """What the gate said of a model, with its figures.

    Attributes
    ----------
    accepted
        Whether the challenger may become champion.
    reasons
        In words; of a refusal all of them.
    challenger, champion
        Their names.
    sha256
        Digest of the challenger's files: the verdict holds for these only.
    challenger_rmse, champion_rmse
        In minutes, on the same rides.
    difference, low, high
        Challenger's minus champion's rmse, and the ends of its 95 % interval.
    worst, worst_change, worst_rides
        The slice that is worse by the largest share (better, if that is negative).
    size_mb, rows_per_second
        Of the challenger.
    months, rows, inputs
        What the gate was: months, rides, and the sha256 of each file.
    """

    accepted: bool
    reasons: tuple[str, ...]
    challenger: str
    champion: str
    sha256: str
    challenger_rmse: float
    champion_rmse: float
    difference: float
    low: float
    high: float
    worst: str
    worst_change: float
    worst_rides: int
    size_mb: float
    rows_per_second: float
    months: tuple[str, ...]
    rows: int
    inputs: dict[str, str]
    limits: Limits = field(default_factory=Limits)

    def __str__(self) -> str:
        return f"{'accepted' if self.accepted else 'rejected'}: {'; '.join(self.reasons)}"

    def table(self) -> pd.DataFrame:
        """Return its figures in words, a row each; not the speed, which is never the same."""
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
        """Say what follows from the figures."""
        open_verdict = cls(accepted=False, reasons=(), **figures)
        against = tuple(_objections(open_verdict))
        return cls(accepted=not against, reasons=against or (_praise(open_verdict),), **figures)


def _objections(found: Verdict) -> Iterator[str]:
    limits, rmse, before = found.limits, found.challenger_rmse, found.champion_rmse
    if not rmse <= (1 - limits.gain) * before:
        yield (
            f"its rmse of {rmse:.3f} is not lower than the {before:.3f} of {found.champion} "
            f"by {limits.gain:.0%}"
        )
    elif not found.high < 0:
        yield f"the difference may be chance, {_range(found)}"
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


def _praise(found: Verdict) -> str:
    share = 1 - found.challenger_rmse / found.champion_rmse
    return (
        f"its rmse of {found.challenger_rmse:.3f} is {share:.1%} lower than the "
        f"{found.champion_rmse:.3f} of {found.champion}, {_range(found)}"
    )


def _range(found: Verdict) -> str:
    return (
        f"{found.difference:+.3f} with a 95 % interval from {found.low:+.3f} to {found.high:+.3f}"
    )
