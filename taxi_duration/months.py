"""What a month is, and how TLC spells its columns by service."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

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
        """Return the month that a text `YYYY-MM` names; a `Month` as it is.

        Raises
        ------
        MonthError
            If the text is not a month from 2009 to 2099.
        """
        if isinstance(text, Month):
            return text
        found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", str(text), re.ASCII)
        if not found or not FIRST_YEAR <= int(found[1]) <= LAST_YEAR:
            raise MonthError(
                f"Month {text!r} does not exist. Write it as YYYY-MM, e.g. '2021-03', from "
                f"{FIRST_YEAR}-01 to {LAST_YEAR}-12."
            )
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def parse_range(cls, text: str) -> list[Month]:
        """Return one month, or the months `FIRST..LAST`, both included; raises as `parse`.

        Examples
        --------
        >>> [str(month) for month in Month.parse_range("2020-12..2021-02")]
        ['2020-12', '2021-01', '2021-02']
        """
        first, dots, last = text.partition("..")
        months, end = [cls.parse(first)], cls.parse(last if dots else first)
        if end < months[0]:
            raise MonthError(
                f"Months {text!r} end before they begin. Write them as {last}..{first}."
            )
        while months[-1] < end:
            months.append(months[-1].next())
        return months

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
        """Return the service of a name; a `Service` as it is. `MonthError` if there is none."""
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
    train: Month | None = None, valid: Month | None = None, test: Month | None = None
) -> None:
    """Reject months by which a model would be tested on what it was trained on.

    Raises
    ------
    MonthError
        Unless train comes before valid and valid before test; each may be left out.

    Examples
    --------
    >>> check_order(Month(2021, 1), Month(2021, 2), Month(2021, 3))
    """
    given = {"train": train, "valid": valid, "test": test}
    months = [(part, month) for part, month in given.items() if month]
    for (early, before), (late, after) in pairwise(months):
        if not before < after:
            raise MonthError(
                f"The {late} month {after} does not come after the {early} month {before}. "
                "Choose months in the order train, valid, test."
            )
