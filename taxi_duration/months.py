"""What a month is, what several are, and how TLC spells its columns by service."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Self

from taxi_duration.errors import MonthError, nearest

FIRST_YEAR, LAST_YEAR = 2009, 2099  # TLC's records begin in 2009; an end keeps ranges finite


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month; months are ordered in time.

    Examples
    --------
    >>> Month.parse("2021-03")
    Month(year=2021, number=3)
    >>> str(Month(2021, 12).next())
    '2022-01'
    """

    year: int
    number: int

    @classmethod
    def parse(cls, text: str | Month) -> Month:
        """Return the month, of 2009 to 2099, that a text `YYYY-MM` names; a `Month` as it is."""
        if isinstance(text, Month):
            return text
        found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", str(text), re.ASCII)
        if not found or not FIRST_YEAR <= int(found[1]) <= LAST_YEAR:
            raise MonthError(
                f"Month {text!r} does not exist. Write it as YYYY-MM, e.g. '2021-03', from "
                f"{FIRST_YEAR}-01 to {LAST_YEAR}-12."
            )
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.year}-{self.number:02d}"

    @property
    def start(self) -> datetime:
        """The first moment of the month, New York time."""
        return datetime(self.year, self.number, 1)

    def next(self) -> Month:
        """Return the month that follows."""
        return Month(self.year + 1, 1) if self.number == 12 else Month(self.year, self.number + 1)

    def previous(self) -> Month:
        """Return the month before."""
        return Month(self.year - 1, 12) if self.number == 1 else Month(self.year, self.number - 1)


class Months(tuple[Month, ...]):
    """One month or more, each once and in their order; there may be gaps.

    Written as it is shown: consecutive months as `FIRST..LAST`, with commas between.

    Examples
    --------
    >>> months = Months.parse("2023-01,2022-02..2022-03,2022-01")
    >>> str(months)
    '2022-01..2022-03,2023-01'
    >>> months[-1]
    Month(year=2023, number=1)
    """

    __slots__ = ()

    def __new__(cls, months: Iterable[Month]) -> Self:
        """Order the months; none must be there twice."""
        ordered = sorted(months)
        if not ordered:
            raise MonthError("No month is named. Name one as YYYY-MM, e.g. '2021-03'.")
        for month, following in pairwise(ordered):
            if month == following:
                raise MonthError(f"Month {str(month)!r} is named twice. Name each month once.")
        return super().__new__(cls, ordered)

    @classmethod
    def parse(cls, text: str | Month | Months) -> Months:
        """Return the months of a text: `2021-03`, `2020-07..2021-01` or both with a comma."""
        if isinstance(text, Months):
            return text
        parts = text.split(",") if isinstance(text, str) else [text]
        return cls(month for part in parts for month in _range(part))

    def __add__(self, other: Iterable[Month]) -> Months:
        return Months((*self, *other))

    def __str__(self) -> str:
        every = set(self)
        firsts = (month for month in self if month.previous() not in every)
        lasts = (month for month in self if month.next() not in every)
        ends = zip(firsts, lasts, strict=True)
        return ",".join(str(first) if first == last else f"{first}..{last}" for first, last in ends)

    def __repr__(self) -> str:
        return f"Months({str(self)!r})"


def _range(text: str | Month) -> Iterable[Month]:
    """Yield a month, or the months `FIRST..LAST`, both included."""
    first, dots, last = text.strip(" ").partition("..") if isinstance(text, str) else (text, "", "")
    month, end = Month.parse(first), Month.parse(last if dots else first)
    if end < month:
        raise MonthError(f"Months {text!r} end before they begin. Write them as {last}..{first}.")
    while month <= end:
        yield month
        month = month.next()


@dataclass(frozen=True)
class Service:
    """A kind of taxi, and the spelling of its columns in TLC's files.

    Examples
    --------
    >>> Service.parse("green").file(Month(2021, 1))
    'green_tripdata_2021-01.parquet'
    """

    name: str
    pickup: str
    dropoff: str

    @classmethod
    def parse(cls, name: str | Service) -> Service:
        """Return the service of a name; a `Service` as it is."""
        if isinstance(name, Service):
            return name
        if name not in SERVICES:
            raise MonthError(f"Service {name!r} is unknown. {nearest(name, SERVICES)}")
        return SERVICES[name]

    def file(self, month: Month) -> str:
        """Return the name of the month's file, as TLC publishes it."""
        return f"{self.name}_tripdata_{month}.parquet"

    @property
    def columns(self) -> dict[str, str]:
        """Our names of the needed columns, by TLC's."""
        return {
            self.pickup: "pickup_datetime",
            self.dropoff: "dropoff_datetime",
            "PULocationID": "PULocationID",
            "DOLocationID": "DOLocationID",
            "trip_distance": "trip_distance",
        }


GREEN = Service("green", "lpep_pickup_datetime", "lpep_dropoff_datetime")
YELLOW = Service("yellow", "tpep_pickup_datetime", "tpep_dropoff_datetime")
SERVICES = {service.name: service for service in (GREEN, YELLOW)}


def check_order(
    train: str | Month | Months | None = None,
    valid: str | Month | Months | None = None,
    test: str | Month | Months | None = None,
) -> None:
    """Reject months by which a model would be tested on what it was trained on.

    All of train have to come before all of valid, and these before all of test; each part may be
    left out.
    """
    given = {"train": train, "valid": valid, "test": test}
    parts = [(part, Months.parse(months)) for part, months in given.items() if months is not None]
    for (early, before), (late, after) in pairwise(parts):
        if not before[-1] < after[0]:
            does = "does" if len(after) == 1 else "do"
            raise MonthError(
                f"The {late} {_named(after)} {does} not come after the {early} {_named(before)}. "
                "Choose months in the order train, valid, test."
            )


def _named(months: Months) -> str:
    return f"month{'s' if len(months) > 1 else ''} {months}"
