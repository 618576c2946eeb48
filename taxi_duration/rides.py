"""What a valid ride is: field and limit, in one place for function, batch and service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pandas as pd

from taxi_duration.errors import SchemaError

__all__ = ["REFUSED", "read_rides", "refusals", "repaired", "tell_refusals"]

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
    for name in ("pickup_datetime", *ZONES):
        if name not in given:
            raise SchemaError(f"Rides have no column {name!r}. Add it; a row a ride.")
    columns = {  # arrays, since a frame of Series takes three times as long for one ride
        "pickup_datetime": _in_new_york(given["pickup_datetime"]).to_numpy(),
        **{name: _numbers(given[name]) for name in ZONES},
        "trip_distance": _numbers(given["trip_distance"]) if "trip_distance" in given else np.nan,
    }
    return pd.DataFrame(columns, index=given.index, copy=False)


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
    rules = {
        (field, limit): applies
        for (field, limit), applies in RULES.items()
        if distance or field != "trip_distance"
    }
    found = [applies(rides[field].to_numpy()) for (field, _), applies in rules.items()]
    reasons = [f"{field} {limit}" for field, limit in rules]
    first = np.select(found, range(len(found)), default=-1)
    return pd.Series(pd.Categorical.from_codes(first, reasons), rides.index, name="refused")


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


def _numbers(given: pd.Series) -> np.ndarray:
    return pd.to_numeric(given, errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def _in_new_york(times: pd.Series) -> pd.Series:
    if isinstance(times.dtype, pd.DatetimeTZDtype):
        times = times.dt.tz_convert(NEW_YORK).dt.tz_localize(None)
    elif times.dtype.kind != "M":
        times = times.map(_moment)
    return times.astype("datetime64[us]")


def _moment(given: object) -> pd.Timestamp:
    """Read one time; numbers are none, since nobody can tell seconds from days."""
    if not isinstance(given, str | datetime | np.datetime64):
        return pd.NaT
    try:
        moment = pd.Timestamp(given)
    except ValueError:
        return pd.NaT
    return moment.tz_convert(NEW_YORK).tz_localize(None) if moment.tzinfo else moment
