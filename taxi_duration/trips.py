"""Raw rows to rides of 1-60 minutes, the rest counted by reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from taxi_duration.errors import SchemaError
from taxi_duration.months import Month, Service, check_order
from taxi_duration.schema import check
from taxi_duration.source import RawMonth, read_month

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
FARTHEST = 60  # miles that a ride of an hour can believably drive
UNKNOWN_ZONE = 264  # TLC's own number for "unknown"; 265 is outside the city

TIMES = ("pickup_datetime", "dropoff_datetime")
ZONES = ("PULocationID", "DOLocationID")

LEFT_OUT: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "no pick-up or drop-off time": lambda rides: rides.duration.isna(),
    "drop-off before pick-up": lambda rides: rides.duration < 0,
    "under 1 minute": lambda rides: rides.duration < SHORTEST,
    "over 60 minutes": lambda rides: rides.duration > LONGEST,
}
ODD: dict[str, Callable[[pd.DataFrame, Month], pd.Series]] = {
    "distance missing": lambda rides, _: rides.trip_distance.isna(),
    "distance 0 or less": lambda rides, _: rides.trip_distance <= 0,
    "distance over 60 miles": lambda rides, _: rides.trip_distance > FARTHEST,
    "zone unknown (264, 265)": lambda rides, _: rides[list(ZONES)].ge(UNKNOWN_ZONE).any(axis=1),
    "pick-up outside the month": lambda rides, month: (
        (rides.pickup_datetime < month.start) | (rides.pickup_datetime >= month.next().start)
    ),
}


@dataclass(frozen=True)
class Trips:
    """The rides of one month or more, and what became of the other rows.

    Attributes
    ----------
    frame
        A row a ride: `pickup_datetime`, `dropoff_datetime` (New York time),
        `PULocationID`, `DOLocationID` (TLC zones), `trip_distance` (miles),
        `duration` (minutes).
    left_out, odd
        Rows by reason, left out or kept though odd. Kept and left out add up to all rows; a
        ride can be odd in several ways.
    sha256
        Digest of each input, by its file's name.
    """

    frame: pd.DataFrame = field(repr=False)
    months: tuple[Month, ...]
    service: Service
    left_out: pd.Series = field(repr=False)
    odd: pd.Series = field(repr=False)
    sha256: dict[str, str] = field(repr=False)

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
) -> Trips:
    """Load the rides of a month that last 1 to 60 minutes.

    Parameters
    ----------
    month
        As `YYYY-MM`.
    service
        "green" or "yellow".
    source
        "sample", "tlc" or a folder of TLC's files (see `taxi_duration.source.read_month`).
    after
        Month that is learned from, so that this one must come later.

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
    raw = _read(month, service, source)
    return clean(
        _to_rides(raw), month=raw.month, service=raw.service, sha256={raw.file: raw.sha256}
    )


def load_rides(
    month: str | Month, *, service: str | Service = "green", source: str | Path = "sample"
) -> pd.DataFrame:
    """Load all rows of a month, also those that `load_trips` leaves out.

    Takes and raises what `load_trips` does. Returns the columns of `Trips.frame`, and `left_out`:
    the reason as a category, missing where the ride is kept.
    """
    rides = _to_rides(_read(month, service, source))
    return rides.assign(left_out=_reason(rides))


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
    reason = _reason(rides)
    is_kept = reason.isna().to_numpy()
    kept = pd.DataFrame(
        {name: column.to_numpy()[is_kept] for name, column in rides.items()}, copy=False
    )
    if kept.empty:
        raise SchemaError(
            f"None of the {len(rides)} rows of {service.file(month)} is a ride of {SHORTEST} to "
            f"{LONGEST} minutes. Look at its pick-up and drop-off times, or choose another month."
        )
    odd = pd.Series({name: int(is_odd(kept, month).sum()) for name, is_odd in ODD.items()})
    left_out = reason.value_counts(sort=False).rename(None)
    return Trips(kept, (month,), service, left_out, odd, sha256 or {})


def _read(month: str | Month, service: str | Service, source: str | Path) -> RawMonth:
    return read_month(Month.parse(month), service=Service.parse(service), source=source)


def _reason(rides: pd.DataFrame) -> pd.Series:
    found = [applies(rides).to_numpy() for applies in LEFT_OUT.values()]
    first = np.select(found, range(len(found)), default=-1)
    codes = pd.Categorical.from_codes(first, list(LEFT_OUT))
    return pd.Series(codes, index=rides.index, name="left_out")


def _to_rides(raw: RawMonth) -> pd.DataFrame:
    """Rename, and settle what differs from year to year: ids as floats, times in ns or us."""
    check(raw)
    given = raw.frame.rename(columns=raw.service.columns)
    times = {name: given[name].astype("datetime64[us]") for name in TIMES}
    zones = {name: given[name].fillna(UNKNOWN_ZONE).astype("int32") for name in ZONES}
    minutes = (times["dropoff_datetime"] - times["pickup_datetime"]) / pd.Timedelta(minutes=1)
    distance = given["trip_distance"].astype("float64")
    columns = {**times, **zones, "trip_distance": distance, "duration": minutes}
    return pd.DataFrame(columns, copy=False)
