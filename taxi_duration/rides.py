"""What a valid ride is: field and limit, in one place for function, batch and service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import numpy as np
import pandas as pd

from taxi_duration.columns import RIDE, Columns, as_array
from taxi_duration.errors import SchemaError

__all__ = [
    "REFUSED",
    "are_valid",
    "read_columns",
    "read_rides",
    "refusals",
    "repaired",
    "tell_refusals",
]

NEW_YORK = "America/New_York"
FARTHEST = 60  # miles; what is farther, or 0, is repaired as in training
LAST_ZONE = 265
ZONES = ("PULocationID", "DOLocationID")


def _is_no_zone(zone: np.ndarray) -> np.ndarray:
    return (np.floor(zone) != zone) | ~((zone >= 1) & (zone <= LAST_ZONE))


def _is_no_distance(miles: np.ndarray) -> np.ndarray:
    return ~((miles >= 0) & (miles < np.inf))


# On an array, since a Series takes ten times as long for one ride.
RULES: dict[tuple[str, str], Callable[[np.ndarray], np.ndarray]] = {
    ("pickup_datetime", "is missing or no time"): np.isnat,
    ("PULocationID", "is missing"): np.isnan,
    ("PULocationID", f"is not one of TLC's zones 1 to {LAST_ZONE}"): _is_no_zone,
    ("DOLocationID", "is missing"): np.isnan,
    ("DOLocationID", f"is not one of TLC's zones 1 to {LAST_ZONE}"): _is_no_zone,
    ("trip_distance", "is missing (the model 'quote' needs none)"): np.isnan,
    ("trip_distance", "is not 0 or more miles"): _is_no_distance,
}
REFUSED = tuple(f"{field} {limit}" for field, limit in RULES)


def read_rides(given: pd.DataFrame) -> pd.DataFrame:
    """Read rides as a person or a program gives them.

    Parameters
    ----------
    given
        `pickup_datetime`: times, or text as in ISO 8601; with a time zone they are converted to
        New York's. `PULocationID`, `DOLocationID` (TLC zones) and `trip_distance` (miles):
        numbers, or text that is one. The distance may be left out.

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
        "pickup_datetime": _in_new_york(given["pickup_datetime"]),
        **{name: _numbers(given[name]) for name in ZONES},
        "trip_distance": _numbers(given["trip_distance"]) if "trip_distance" in given else none,
    }


def refusals(rides: pd.DataFrame, *, distance: bool = True) -> pd.Series:
    """Return why each ride is refused, as a category; missing where it is accepted.

    Parameters
    ----------
    rides
        As `read_rides` returns them.
    distance
        Whether the model needs a distance.

    Examples
    --------
    >>> ride = {"pickup_datetime": "2021-03-01 08:00", "PULocationID": 9999, "DOLocationID": 75}
    >>> refusals(read_rides(pd.DataFrame([ride]))).tolist()
    ["PULocationID is not one of TLC's zones 1 to 265"]
    """
    reasons, broken = zip(*_broken(rides, distance=distance), strict=True)
    first = np.select(broken, range(len(broken)), default=-1)
    return pd.Series(pd.Categorical.from_codes(first, reasons), rides.index, name="refused")


def are_valid(rides: pd.DataFrame | Columns, *, distance: bool = True) -> bool:
    """Say whether none is refused: for one ride in a third of the time that the reasons take.

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


def tell_refusals(given: pd.DataFrame, refused: pd.Series, *, at_most: int = 5) -> str:
    """Say of the first refused rides which row, field and limit, and what was given.

    Examples
    --------
    >>> ride = {"pickup_datetime": "2021-03-01 08:00", "PULocationID": 9999, "DOLocationID": 75}
    >>> given = pd.DataFrame([ride])
    >>> tell_refusals(given, refusals(read_rides(given)))
    "row 0: PULocationID is not one of TLC's zones 1 to 265, got 9999"
    """
    rows = np.flatnonzero(refused.notna())
    said = [f"row {row}: {_told(given.iloc[row], refused.iloc[row])}" for row in rows[:at_most]]
    if len(rows) > at_most:
        said.append(f"and {len(rows) - at_most} more rows")
    return "; ".join(said)


def _told(ride: pd.Series, reason: str) -> str:
    value = ride.get(reason.partition(" ")[0])
    return reason if pd.isna(value) else f"{reason}, got {value!s}"


def _broken(rides: pd.DataFrame | Columns, *, distance: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Give each reason with the rides that it holds for."""
    fields = {name: as_array(rides[name]) for name in (RIDE if distance else RIDE[:-1])}
    for (field, limit), applies in RULES.items():
        if field in fields:
            yield f"{field} {limit}", applies(fields[field])


def _numbers(given: pd.Series) -> np.ndarray:
    read = given if given.dtype.kind in "iuf" else pd.to_numeric(given, errors="coerce")
    return as_array(read).astype(float, copy=False)


def _in_new_york(times: pd.Series) -> np.ndarray:
    if isinstance(times.dtype, pd.DatetimeTZDtype):
        times = times.dt.tz_convert(NEW_YORK).dt.tz_localize(None)
    elif times.dtype.kind != "M":
        return np.array([_moment(each) for each in times], dtype="datetime64[us]")
    return times.to_numpy(dtype="datetime64[us]")


def _moment(given: object) -> np.datetime64:
    """Read one time; numbers are none, since nobody can tell seconds from days."""
    if not isinstance(given, str | datetime | np.datetime64):
        return np.datetime64("NaT")
    try:
        moment = pd.Timestamp(given)
    except ValueError:
        return np.datetime64("NaT")
    local = moment.tz_convert(NEW_YORK).tz_localize(None) if moment.tzinfo else moment
    return local.to_datetime64()
