"""Raw rows to rides of 1 to 60 minutes, the others counted by reason.

Only the duration decides which rows are kept, as in the figures to compare with: odd zones and
distances come at prediction time, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from taxi_duration.data.batches import ColumnBuffer, ahead
from taxi_duration.data.display import html_table
from taxi_duration.data.parquet import Engine
from taxi_duration.data.rides import (
    FARTHEST,
    UNKNOWN_ZONE,
    ZONES,
    Columns,
    as_array,
    in_new_york,
    is_invalid_zone,
    read_minutes,
)
from taxi_duration.data.source import Block, RawMonth, open_month
from taxi_duration.errors import MonthError, SchemaError
from taxi_duration.months import Month, Months, Service, check_order

SHORTEST, LONGEST = 1, 60  # minutes, both kept
NO_ZONE = 0  # stands for any number that is not a TLC zone

# for arrays, since a month is read in blocks that a processor's cache holds
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
    "zone unknown (264, 265)": lambda rides, _: _either(rides, lambda zone: zone >= UNKNOWN_ZONE),
    "zone not one of 1 to 265": lambda rides, _: _either(rides, lambda zone: zone == NO_ZONE),
    "pick-up outside the month": lambda rides, month: _is_outside(rides["pickup_datetime"], month),
}


@dataclass(frozen=True)
class Trips:
    """The rides of one month or more, and how many rows were left out or are odd.

    Attributes
    ----------
    frame : DataFrame
        A row a ride: `pickup_datetime`, `dropoff_datetime` (New York time),
        `PULocationID`, `DOLocationID` (TLC zones; 264 if missing, 0 if none of 1 to 265),
        `trip_distance` (miles; missing if infinite), `duration` (minutes).
    counts : DataFrame
        A row a month, in the order of the rides: `kept`, and rows by reason, those of `left_out`
        and `odd`.
    sha256 : dict
        Digest of each month's file, by its name, in the same order.
    source : str
        Where the months came from: "sample", "tlc" or a folder; empty if unknown.
    """

    frame: pd.DataFrame = field(repr=False)
    months: Months
    service: Service
    counts: pd.DataFrame = field(repr=False)
    sha256: dict[str, str] = field(repr=False)
    source: str = field(default="", repr=False)

    def __len__(self) -> int:
        return len(self.frame)

    def _repr_html_(self) -> str:
        rows = {"source": self.source, "rides kept": f"{len(self):,}"}
        left_out = self.left_out[self.left_out > 0].map("{:,}".format)
        return html_table(f"{self.service.name} taxis, {self.months}", rows | dict(left_out))

    def blocks(self) -> Iterator[Columns]:
        """Yield the rides as arrays by the name of their column."""
        yield {name: as_array(column) for name, column in self.frame.items()}

    def __add__(self, other: Trips) -> Trips:
        """Join the rides of further months, e.g. to refit on both."""
        return Trips(
            pd.concat([self.frame, other.frame], ignore_index=True),
            self.months + other.months,
            self.service,
            pd.concat([self.counts, other.counts]),
            self.sha256 | other.sha256,
            self.source,
        )

    @property
    def left_out(self) -> pd.Series:
        """Rows that were left out, by reason; with those that were kept they are all."""
        return self.counts[list(LEFT_OUT)].sum()

    @property
    def odd(self) -> pd.Series:
        """Rows that are odd, by reason; a ride can be odd in several ways."""
        return self.counts[list(ODD)].sum()

    def latest(self, months: int) -> Trips:
        """Return the rides of so many of the last months; `MonthError` if there are not as many."""
        if not 1 <= months <= len(self.months):
            raise MonthError(f"{self.months} has no {months} months. Take 1 to {len(self.months)}.")
        last = Months(self.months[-months:])
        is_last = self.counts.index.isin(list(map(str, last)))
        frame = self.frame[np.repeat(is_last, self.counts["kept"])].reset_index(drop=True)
        files = dict(compress(self.sha256.items(), is_last))
        return replace(self, frame=frame, months=last, counts=self.counts[is_last], sha256=files)


class Split(NamedTuple):
    """The months of an experiment: to train on, to choose a model by, to test it on."""

    train: Trips
    valid: Trips
    test: Trips

    def rows(self) -> pd.DataFrame:
        """Return the rows of each part, kept and left out by reason; reasons are the columns.

        A part of several months has a row a month, e.g. "train 2021-01".
        """
        parts = []
        for part, trips in self._asdict().items():
            rows = trips.counts[["kept", *LEFT_OUT]]
            names = [part] if len(rows) == 1 else [f"{part} {month}" for month in rows.index]
            parts.append(rows.set_axis(names))
        return pd.concat(parts)


def load_split(
    train: str | Month | Months,
    valid: str | Month | Months,
    test: str | Month | Months,
    *,
    service: str | Service = "green",
    source: str | Path = "sample",
) -> Split:
    """Load the months of an experiment, one or more a part, which must come in this order.

    Takes and raises what `load_trips` does.

    Examples
    --------
    >>> split = load_split("2021-01", "2021-02", "2021-03")
    >>> split.valid.months
    Months('2021-02')
    """
    parts = [Months.parse(months) for months in (train, valid, test)]
    check_order(*parts)
    return Split(*(load_trips(months, service=service, source=source) for months in parts))


def load_trips(
    months: str | Month | Months,
    *,
    service: str | Service = "green",
    source: str | Path = "sample",
    after: str | Month | Months | None = None,
    engine: Engine = "pyarrow",
) -> Trips:
    """Load the rides of a month, or of several, that last 1 to 60 minutes.

    Parameters
    ----------
    months : str
        As `YYYY-MM`, `FIRST..LAST`, or several of these with commas.
    service : str
        "green" or "yellow".
    source : str or Path
        "sample" for a made-up month, "tlc" to download it (once), a folder of TLC's files, or
        `s3://BUCKET/FOLDER` of such files.
    after : str
        Train months, which these must come after.
    engine : str
        Library that reads the file: "pyarrow" or "fastparquet".

    Raises
    ------
    MonthError
        If there is no such month or service, or the months are in the wrong order.
    SourceError
        If a file is unavailable or damaged.
    SchemaError
        If a file lacks a column, a column has another type, or a month has no ride of 1 to 60
        minutes.

    Examples
    --------
    >>> trips = load_trips("2021-01")
    >>> bool(trips.frame["duration"].between(1, 60).all())
    True
    >>> len(trips) + trips.left_out.sum() == len(load_rides("2021-01"))
    np.True_
    """
    wanted = Months.parse(months)
    check_order(after, wanted)
    raws = [open_month(month, service=service, source=source) for month in wanted]
    rides = ColumnBuffer(sum(raw.rows for raw in raws))
    counts = pd.DataFrame([count_rows(raw, engine=engine, into=rides) for raw in raws])
    frame = pd.DataFrame(rides.columns(), copy=False)
    sha256 = {raw.file: raw.sha256 for raw in raws}
    return Trips(frame, wanted, raws[0].service, counts, sha256, raws[0].source)


def load_rides(
    months: str | Month | Months, *, service: str | Service = "green", source: str | Path = "sample"
) -> pd.DataFrame:
    """Load all rows of a month, or of several, also those that `load_trips` leaves out.

    Takes and raises what `load_trips` does. Returns the columns of `Trips.frame`, and `left_out`:
    the reason as a category, missing where the ride is kept.
    """
    raws = [open_month(each, service=service, source=source) for each in Months.parse(months)]
    blocks = (_read(block) for raw in raws for block in raw.blocks())
    rides = ColumnBuffer(sum(raw.rows for raw in raws), blocks).columns()
    reason = pd.Categorical.from_codes(_reason_codes(rides), list(LEFT_OUT))
    return pd.DataFrame({**rides, "left_out": reason}, copy=False)


class _Part(NamedTuple):
    """The kept rides of a block, and the number of rows for each reason of `LEFT_OUT` and `ODD`."""

    rides: dict[str, np.ndarray]
    left_out: np.ndarray
    odd: np.ndarray


def read_month(raw: RawMonth, *, engine: Engine = "pyarrow") -> Iterator[_Part]:
    """Yield the kept rides of each block of a month, while a thread reads the next one."""
    return (_keep(_read(block), raw.month) for block in ahead(raw.blocks(engine=engine)))


def count_rows(
    raw: RawMonth, *, engine: Engine = "pyarrow", into: ColumnBuffer | None = None
) -> pd.Series:
    """Return a month's number of kept rows, and of rows by reason; add kept rides to `into`."""
    counts = []
    for part in read_month(raw, engine=engine):
        counts.append((len(part.rides["duration"]), *part.left_out, *part.odd))
        if into is not None:
            into.add(part.rides)
    found = pd.Series(np.sum(counts, axis=0), index=["kept", *LEFT_OUT, *ODD], name=str(raw.month))
    if not found["kept"]:
        rows = found[list(LEFT_OUT)].sum()
        raise SchemaError(
            f"None of the {rows} rows of {raw.file} is a ride of {SHORTEST} to {LONGEST} minutes. "
            "Look at its pick-up and drop-off times, or choose another month."
        )
    return found


def _keep(rides: Columns, month: Month) -> _Part:
    codes = _reason_codes(rides)
    kept = np.flatnonzero(codes < 0)
    rides = {name: column.take(kept) for name, column in rides.items()}
    left_out = np.bincount(codes + 1, minlength=len(LEFT_OUT) + 1)[1:]
    odd = np.array([np.count_nonzero(is_odd(rides, month)) for is_odd in ODD.values()])
    return _Part(rides, left_out, odd)


def _reason_codes(rides: Columns) -> np.ndarray:
    """Return for each ride the number of the first reason to leave it out; -1 if it is kept."""
    minutes = rides["duration"]
    codes = np.full(len(minutes), -1, dtype=np.int8)
    others = np.flatnonzero(~((minutes >= SHORTEST) & (minutes <= LONGEST)))
    few = {"duration": minutes[others]}
    codes[others] = np.select([applies(few) for applies in LEFT_OUT.values()], range(len(LEFT_OUT)))
    return codes


def _read(block: Block) -> dict[str, np.ndarray]:
    """Even out what differs from year to year: types of zones, units and zones of times."""
    pickup, dropoff = block["pickup_datetime"], block["dropoff_datetime"]
    return {
        "pickup_datetime": in_new_york(pickup),
        "dropoff_datetime": in_new_york(dropoff),
        **{name: _read_zones(block[name]) for name in ZONES},
        "trip_distance": _read_miles(block["trip_distance"]),
        "duration": read_minutes(pickup, dropoff),
    }


def _read_zones(zone: np.ndarray) -> np.ndarray:
    invalid = is_invalid_zone(zone)
    if invalid.any():
        zone = np.where(invalid, np.where(np.isnan(zone), UNKNOWN_ZONE, NO_ZONE), zone)
    return zone.astype(np.int32)


def _read_miles(miles: np.ndarray) -> np.ndarray:
    miles = miles.astype(np.float64, copy=False)
    infinite = np.isinf(miles)
    return np.where(infinite, np.nan, miles) if infinite.any() else miles


def _either(rides: Columns, is_odd: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Whether the pick-up or the drop-off zone is odd."""
    pickup, dropoff = (is_odd(rides[name]) for name in ZONES)
    return pickup | dropoff


def _is_outside(times: np.ndarray, month: Month) -> np.ndarray:
    ends = np.array([month.start, month.next().start], dtype=times.dtype)
    first, end = ends.view(np.int64)  # numbers are compared faster
    ticks = times.view(np.int64)
    return (ticks < first) | (ticks >= end)
