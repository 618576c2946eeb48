"""Raw rows to rides of 1-60 minutes, the rest counted by reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from taxi_duration.data.files import Engine
from taxi_duration.data.rides import (
    FARTHEST,
    LAST_ZONE,
    UNKNOWN_ZONE,
    ZONES,
    Columns,
    in_new_york,
    is_invalid_zone,
    read_minutes,
)
from taxi_duration.data.source import Block, ahead, open_month
from taxi_duration.errors import SchemaError
from taxi_duration.months import Month, Service, check_order

__all__ = [
    "LONGEST",
    "SHORTEST",
    "Split",
    "Trips",
    "clean",
    "load_rides",
    "load_split",
    "load_trips",
]

SHORTEST, LONGEST = 1, 60  # minutes, both kept
NO_ZONE = 0  # stands for any number that is none of TLC's zones

# on arrays, since a month is worked on in blocks that a processor's cache holds
LEFT_OUT: dict[str, Callable[[Columns], np.ndarray]] = {
    "no pick-up or drop-off time": lambda rides: np.isnan(rides["duration"]),
    "drop-off before pick-up": lambda rides: rides["duration"] < 0,
    "under 1 minute": lambda rides: rides["duration"] < SHORTEST,
    "over 60 minutes": lambda rides: rides["duration"] > LONGEST,
}
ODD: dict[str, Callable[[Columns, Month], np.ndarray]] = {
    "distance missing or infinite": lambda rides, _: np.isnan(rides["trip_distance"]),
    "distance 0 or less": lambda rides, _: rides["trip_distance"] <= 0,
    "distance over 60 miles": lambda rides, _: rides["trip_distance"] > FARTHEST,
    "zone unknown (264, 265)": lambda rides, _: _either(
        rides, lambda zone: (zone == UNKNOWN_ZONE) | (zone == LAST_ZONE)
    ),
    "zone not one of 1 to 265": lambda rides, _: _either(rides, is_invalid_zone),
    "pick-up outside the month": lambda rides, month: _is_outside(rides["pickup_datetime"], month),
}


def _either(rides: Columns, is_odd: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Whether the pick-up or the drop-off zone is odd."""
    pickup, dropoff = (is_odd(rides[name]) for name in ZONES)
    return pickup | dropoff


def _is_outside(times: np.ndarray, month: Month) -> np.ndarray:
    ends = np.array([month.start, month.next().start], dtype=times.dtype)
    first, last = ends.view(np.int64)  # as numbers, which are compared faster
    ticks = times.view(np.int64)
    return (ticks < first) | (ticks >= last)


@dataclass(frozen=True)
class Trips:
    """The rides of one month or more, and what became of the other rows.

    Attributes
    ----------
    frame
        A row a ride: `pickup_datetime`, `dropoff_datetime` (New York time),
        `PULocationID`, `DOLocationID` (TLC zones; 264 if missing, 0 if none of 1 to 265),
        `trip_distance` (miles; missing if infinite), `duration` (minutes).
    left_out, odd
        Rows by reason, left out or kept though odd. Kept and left out add up to all rows; a
        ride can be odd in several ways.
    sha256
        Digest of each input, by its file's name.
    source
        Where the months came from: "sample", "tlc" or a folder; empty if unknown.
    """

    frame: pd.DataFrame = field(repr=False)
    months: tuple[Month, ...]
    service: Service
    left_out: pd.Series = field(repr=False)
    odd: pd.Series = field(repr=False)
    sha256: dict[str, str] = field(repr=False)
    source: str = field(default="", repr=False)

    def __len__(self) -> int:
        return len(self.frame)

    def __add__(self, other: Trips) -> Trips:
        """Join the rides of further months, e.g. to refit on both."""
        return Trips(
            pd.concat([self.frame, other.frame], ignore_index=True),
            self.months + other.months,
            self.service,
            self.left_out + other.left_out,
            self.odd + other.odd,
            self.sha256 | other.sha256,
            self.source,
        )


class Split(NamedTuple):
    """Three months in order: to learn from, to choose by, to be judged on."""

    train: Trips
    valid: Trips
    test: Trips

    def rows(self) -> pd.DataFrame:
        """Return the rows of each part, kept and left out by reason; reasons are the columns."""
        parts = self._asdict().items()
        counts = {name: {"kept": len(trips), **trips.left_out} for name, trips in parts}
        return pd.DataFrame.from_dict(counts, orient="index")


def load_split(
    train: str | Month,
    valid: str | Month,
    test: str | Month,
    *,
    service: str | Service = "green",
    source: str | Path = "sample",
) -> Split:
    """Load the three months of an experiment; raises as `load_trips`.

    Raises
    ------
    MonthError
        Unless the months come in the order train, valid, test.

    Examples
    --------
    >>> split = load_split("2021-01", "2021-02", "2021-03")
    >>> split.valid.months
    (Month(year=2021, number=2),)
    """
    months = [Month.parse(month) for month in (train, valid, test)]
    check_order(*months)
    return Split(*(load_trips(month, service=service, source=source) for month in months))


def load_trips(
    month: str | Month,
    *,
    service: str | Service = "green",
    source: str | Path = "sample",
    after: str | Month | None = None,
    engine: Engine = "pyarrow",
) -> Trips:
    """Load the rides of a month that last 1 to 60 minutes.

    Parameters
    ----------
    month
        As `YYYY-MM`.
    service
        "green" or "yellow".
    source
        "sample", "tlc" or a folder of TLC's files (see `taxi_duration.data.source.open_month`).
    after
        Month that is learned from, so that this one must come later.
    engine
        Which library reads a file, as `taxi_duration.data.files.read_blocks` takes it.

    Raises
    ------
    MonthError
        If there is no such month or service, or the month does not come after the other.
    SourceError
        If the month's file cannot be had or read.
    SchemaError
        If it lacks a column, has one of another type, or no ride of 1 to 60 minutes.

    Examples
    --------
    >>> trips = load_trips("2021-01")
    >>> bool(trips.frame["duration"].between(1, 60).all())
    True
    >>> len(trips) + trips.left_out.sum() == len(load_rides("2021-01"))
    np.True_
    """
    if after is not None:
        check_order(Month.parse(after), Month.parse(month))
    raw = open_month(month, service=service, source=source)
    parts = [_part(rides, raw.month) for rides in _iter_rides(ahead(raw.blocks(engine=engine)))]
    trips = _trips(parts, month=raw.month, service=raw.service, sha256={raw.file: raw.sha256})
    return replace(trips, source=raw.source)


def load_rides(
    month: str | Month, *, service: str | Service = "green", source: str | Path = "sample"
) -> pd.DataFrame:
    """Load all rows of a month, also those that `load_trips` leaves out.

    Takes and raises what `load_trips` does. Returns the columns of `Trips.frame`, and `left_out`:
    the reason as a category, missing where the ride is kept.
    """
    raw = open_month(month, service=service, source=source)
    rides = _joined(list(_iter_rides(raw.blocks())))
    reason = pd.Categorical.from_codes(_reason_codes(rides), list(LEFT_OUT))
    return pd.DataFrame({**rides, "left_out": reason}, copy=False)


def clean(
    rides: pd.DataFrame, *, month: Month, service: Service, sha256: dict[str, str] | None = None
) -> Trips:
    """Keep the rides of 1 to 60 minutes, and count the others by reason.

    Only the duration decides, so that figures stay comparable with others': odd rides come at
    prediction time too.

    Parameters
    ----------
    rides
        Columns of `Trips.frame`.

    Raises
    ------
    SchemaError
        If no ride is kept.
    """
    part = _part({name: column.to_numpy() for name, column in rides.items()}, month)
    return _trips([part], month=month, service=service, sha256=sha256 or {})


class _Part(NamedTuple):
    """The kept rides of a block, and how many were `LEFT_OUT` or `ODD`, a count a reason."""

    kept: Columns
    left_out: np.ndarray
    odd: np.ndarray


def _part(rides: Columns, month: Month) -> _Part:
    codes = _reason_codes(rides)
    kept = np.flatnonzero(codes < 0)
    rides = {name: column.take(kept) for name, column in rides.items()}
    left_out = np.bincount(codes + 1, minlength=len(LEFT_OUT) + 1)[1:]
    odd = np.array([np.count_nonzero(is_odd(rides, month)) for is_odd in ODD.values()])
    return _Part(rides, left_out, odd)


def _trips(parts: list[_Part], *, month: Month, service: Service, sha256: dict[str, str]) -> Trips:
    left_out = pd.Series(sum(part.left_out for part in parts), index=list(LEFT_OUT))
    odd = pd.Series(sum(part.odd for part in parts), index=list(ODD))
    kept = pd.DataFrame(_joined([part.kept for part in parts]), copy=False)
    if kept.empty:
        raise SchemaError(
            f"None of the {left_out.sum()} rows of {service.file(month)} is a ride of {SHORTEST} "
            f"to {LONGEST} minutes. Look at its pick-up and drop-off times, or choose another "
            "month."
        )
    return Trips(kept, (month,), service, left_out, odd, sha256)


def _joined(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _reason_codes(rides: Columns) -> np.ndarray:
    """Return for each ride the first reason why it is left out, numbered; -1 if it is kept."""
    minutes = rides["duration"]
    codes = np.full(len(minutes), -1, dtype=np.int8)
    others = np.flatnonzero(~((minutes >= SHORTEST) & (minutes <= LONGEST)))
    few = {"duration": minutes[others]}
    codes[others] = np.select([applies(few) for applies in LEFT_OUT.values()], range(len(LEFT_OUT)))
    return codes


def _iter_rides(blocks: Iterable[Block]) -> Iterator[Columns]:
    """Settle what differs from year to year: ids as floats, times in ns or us, or with a zone."""
    for block in blocks:
        pickup, dropoff = block["pickup_datetime"], block["dropoff_datetime"]
        yield {
            "pickup_datetime": in_new_york(pickup),
            "dropoff_datetime": in_new_york(dropoff),
            **{name: _settled(block[name]) for name in ZONES},
            "trip_distance": _finite(block["trip_distance"]),
            "duration": read_minutes(pickup, dropoff),
        }


def _settled(zone: np.ndarray) -> np.ndarray:
    """Return zones as whole numbers, checked before they are cast: a missing one is unknown."""
    strange = is_invalid_zone(zone)
    if strange.any():
        zone = np.where(strange, np.where(np.isnan(zone), UNKNOWN_ZONE, NO_ZONE), zone)
    return zone.astype(np.int32)


def _finite(miles: np.ndarray) -> np.ndarray:
    miles = miles.astype(np.float64, copy=False)
    infinite = np.isinf(miles)
    return np.where(infinite, np.nan, miles) if infinite.any() else miles
