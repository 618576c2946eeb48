"""What a valid ride is: field and limit, in one place for function, batch and service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from taxi_duration.data.columns import RIDE, Columns, as_array
from taxi_duration.errors import SchemaError

__all__ = [
    "FARTHEST",
    "LAST_ZONE",
    "REJECTED",
    "are_valid",
    "format_rejections",
    "in_new_york",
    "is_no_distance",
    "is_no_zone",
    "read_columns",
    "read_minutes",
    "read_rides",
    "rejections",
    "repaired",
]

Times: TypeAlias = np.ndarray | pd.Series | pd.DatetimeIndex

NEW_YORK = ZoneInfo("America/New_York")
FIRST, LAST = np.datetime64("1900-01-01"), np.datetime64("2200-01-01")  # other times are none
FARTHEST = 60  # miles; what is farther, or 0, is repaired as in training
LAST_ZONE = 265
LONGEST_TEXT = 60  # letters of a value in a message
NUMBERS = (int, float, str, Decimal, np.number)
ZONES = ("PULocationID", "DOLocationID")


def is_no_zone(zone: np.ndarray) -> np.ndarray:
    """Whether a number is none of TLC's zones; checked before it is cast, which may wrap it.

    Examples
    --------
    >>> is_no_zone(np.array([74, 265, 0, 266, 74.7, 2**32 + 74, np.inf])).tolist()
    [False, False, True, True, True, True, True]
    """
    if zone.dtype.kind == "f":
        return (np.floor(zone) != zone) | ~((zone >= 1) & (zone <= LAST_ZONE))
    return (zone < 1) | (zone > LAST_ZONE)


def is_no_distance(miles: np.ndarray) -> np.ndarray:
    """Whether a number is no distance: negative, infinite or missing.

    Examples
    --------
    >>> is_no_distance(np.array([0, 2.5, -1, np.inf, np.nan])).tolist()
    [False, False, True, True, True]
    """
    return ~((miles >= 0) & (miles < np.inf))


# On an array, since a Series takes ten times as long for one ride.
RULES: dict[tuple[str, str], Callable[[np.ndarray], np.ndarray]] = {
    ("pickup_datetime", "is missing or no time"): np.isnat,
    ("PULocationID", "is missing or no number"): np.isnan,
    ("PULocationID", f"is not one of TLC's zones 1 to {LAST_ZONE}"): is_no_zone,
    ("DOLocationID", "is missing or no number"): np.isnan,
    ("DOLocationID", f"is not one of TLC's zones 1 to {LAST_ZONE}"): is_no_zone,
    ("trip_distance", "is missing or no number (the model 'quote' needs none)"): np.isnan,
    ("trip_distance", "is not 0 or more miles"): is_no_distance,
}
REJECTED = tuple(f"{field} {limit}" for field, limit in RULES)


def read_rides(given: pd.DataFrame) -> pd.DataFrame:
    """Read rides as a person or a program gives them.

    Parameters
    ----------
    given
        `pickup_datetime`: times, or text as in ISO 8601, of the years 1900 to 2199; with a time
        zone they are converted to New York's. `PULocationID`, `DOLocationID` (TLC zones) and
        `trip_distance` (miles): numbers, or text that is one. The distance may be left out.

    Returns
    -------
    DataFrame
        These four columns, in New York time and as floats; missing where nothing can be read.

    Raises
    ------
    SchemaError
        If a column other than the distance is not there.

    Examples
    --------
    >>> ride = {"pickup_datetime": "2021-03-01T13:00:00Z", "PULocationID": 74, "DOLocationID": 75}
    >>> read_rides(pd.DataFrame([ride]))["pickup_datetime"].item()
    Timestamp('2021-03-01 08:00:00')
    """
    return pd.DataFrame(read_columns(given), index=given.index, copy=False)


def read_columns(given: pd.DataFrame) -> Columns:
    """Read rides as `read_rides` does, without making a frame of them.

    Raises
    ------
    SchemaError
        If a column other than the distance is not there.
    """
    for name in RIDE[:-1]:
        if name not in given:
            raise SchemaError(f"Rides have no column {name!r}. Add it; a row a ride.")
    none = np.full(len(given), np.nan)
    return {
        "pickup_datetime": in_new_york(given["pickup_datetime"]),
        **{name: _numbers(given[name]) for name in ZONES},
        "trip_distance": _numbers(given["trip_distance"]) if "trip_distance" in given else none,
    }


def rejections(rides: pd.DataFrame, *, distance: bool = True) -> pd.Series:
    """Return why each ride is rejected, as a category; missing where it is accepted.

    Parameters
    ----------
    rides
        As `read_rides` returns them.
    distance
        Whether the model needs a distance.

    Examples
    --------
    >>> ride = {"pickup_datetime": "2021-03-01 08:00", "PULocationID": 9999, "DOLocationID": 75}
    >>> rejections(read_rides(pd.DataFrame([ride]))).tolist()
    ["PULocationID is not one of TLC's zones 1 to 265"]
    """
    reasons, broken = zip(*_broken(rides, distance=distance), strict=True)
    first = np.select(broken, range(len(broken)), default=-1)
    return pd.Series(pd.Categorical.from_codes(first, reasons), rides.index, name="rejected")


def are_valid(rides: pd.DataFrame | Columns, *, distance: bool = True) -> bool:
    """Say whether none is rejected: for one ride in a third of the time that the reasons take.

    Examples
    --------
    >>> ride = {"pickup_datetime": "2021-03-01 08:00", "PULocationID": 74, "DOLocationID": 75}
    >>> rides = read_rides(pd.DataFrame([ride]))
    >>> are_valid(rides), are_valid(rides, distance=False)
    (False, True)
    """
    return not any(each.any() for _, each in _broken(rides, distance=distance))


def repaired(rides: pd.DataFrame) -> pd.Series:
    """Return for which rides a usual distance takes the place of the given one: 0, or over 60.

    Examples
    --------
    >>> repaired(pd.DataFrame({"trip_distance": [0.0, 2.5, 99.0]})).tolist()
    [True, False, True]
    """
    return rides["trip_distance"].eq(0) | rides["trip_distance"].gt(FARTHEST)


def format_rejections(given: pd.DataFrame, rejected: pd.Series, *, at_most: int = 5) -> str:
    """Say of the first rejected rides which row, field and limit, and what was given.

    Examples
    --------
    >>> ride = {"pickup_datetime": "2021-03-01 08:00", "PULocationID": 9999, "DOLocationID": 75}
    >>> given = pd.DataFrame([ride])
    >>> format_rejections(given, rejections(read_rides(given)))
    "row 0: PULocationID is not one of TLC's zones 1 to 265, got 9999"
    """
    rows = np.flatnonzero(rejected.notna())
    said = [f"row {row}: {_told(given.iloc[row], rejected.iloc[row])}" for row in rows[:at_most]]
    if len(rows) > at_most:
        said.append(f"and {len(rows) - at_most} more rows")
    return "; ".join(said)


def _told(ride: pd.Series, reason: str) -> str:
    value = ride.get(reason.partition(" ")[0])
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return reason
    return f"{reason}, got {_shortened(value)}"


def _shortened(value: object) -> str:
    try:
        text = repr(str(value))[1:-1]
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        text = "a number of thousands of digits"
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."


def _broken(rides: pd.DataFrame | Columns, *, distance: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Give each reason with the rides that it holds for."""
    fields = {name: as_array(rides[name]) for name in (RIDE if distance else RIDE[:-1])}
    for (field, limit), applies in RULES.items():
        if field in fields:
            yield f"{field} {limit}", applies(fields[field])


def _numbers(given: pd.Series) -> np.ndarray:
    if given.dtype.kind in "iuf":
        return as_array(given).astype(float, copy=False)
    return np.array([_number(each) for each in given], dtype=float)


def _number(given: object) -> float:
    """Read one number; True is none, and neither is what only Python takes for one."""
    if isinstance(given, str) and not (given.isascii() and "_" not in given):
        return np.nan
    if isinstance(given, bool | np.bool_) or not isinstance(given, NUMBERS):
        return np.nan
    try:
        return float(given)
    except (ValueError, OverflowError):
        return np.nan


def in_new_york(times: Times) -> np.ndarray:
    """Return times on New York's clock, as `datetime64[us]`; missing where there is no time.

    A time with a zone is converted to New York's, one without is taken as New York's. Times before
    1900 and after 2199 are none.

    Examples
    --------
    >>> in_new_york(pd.Series(["2021-03-01T13:00:00Z", "2021-03-01 08:00", "now"]))
    array(['2021-03-01T08:00:00.000000', '2021-03-01T08:00:00.000000',
           'NaT'], dtype='datetime64[us]')
    """
    if times.dtype.kind != "M":
        return _plausible(np.array([_moment(each) for each in times], dtype="datetime64[us]"))
    instants = _instants(times)
    if not _has_zone(times):
        return instants
    zoned = pd.DatetimeIndex(instants).tz_localize("UTC").tz_convert(NEW_YORK)
    return zoned.tz_localize(None).to_numpy()


def read_minutes(pickup: Times, dropoff: Times) -> np.ndarray:
    """Return the minutes from pick-up to drop-off; missing where either is missing or no time.

    Where both have a zone, the night in which clocks are set back adds no hour.

    Examples
    --------
    >>> times = pd.Series(pd.to_datetime(["2021-11-07 05:50Z", "2021-11-07 06:10Z"]))
    >>> read_minutes(times[:1], times[1:])
    array([20.])
    """
    read = _instants if _has_zone(pickup) and _has_zone(dropoff) else in_new_york
    return (read(dropoff) - read(pickup)) / np.timedelta64(1, "m")


def _has_zone(times: Times) -> bool:
    if times.dtype.kind != "M" or isinstance(times, np.ndarray):
        return False
    return pd.DatetimeIndex(times).tz is not None  # Arrow's types, too


def _instants(times: Times) -> np.ndarray:
    """Return times as they are, or on the clock of UTC if they have a zone."""
    if _has_zone(times):
        times = pd.DatetimeIndex(times).tz_convert(None)
    return _plausible(np.asarray(times))


def _plausible(times: np.ndarray) -> np.ndarray:
    """Return times in microseconds; missing where numpy's arithmetic could wrap around."""
    first, last = FIRST.astype(times.dtype), LAST.astype(times.dtype)
    ticks = times.view(np.int64)  # as numbers, which are compared faster
    if len(ticks) and not first.view(np.int64) <= ticks.min() <= ticks.max() < last.view(np.int64):
        times = np.where((times >= first) & (times < last), times, np.datetime64("NaT"))
    return times.astype("datetime64[us]", copy=False)


def _moment(given: object) -> np.datetime64:
    """Read one time; numbers are none, since nobody can tell seconds from days."""
    if isinstance(given, np.datetime64):
        return given
    try:
        moment = given if isinstance(given, datetime) else datetime.fromisoformat(given)
        local = moment.astimezone(NEW_YORK).replace(tzinfo=None) if moment.tzinfo else moment
        return np.datetime64(local, "us")
    except (TypeError, ValueError, OverflowError):
        return np.datetime64("NaT")
