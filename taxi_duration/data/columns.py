"""Rides as arrays, a column each: for one ride, a frame takes longer than the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import pandas as pd

__all__ = ["RIDE", "Columns", "as_array", "as_columns"]

RIDE = ("pickup_datetime", "PULocationID", "DOLocationID", "trip_distance")

Columns: TypeAlias = Mapping[str, np.ndarray]


def as_columns(rides: pd.DataFrame | Columns) -> Columns:
    """Return what is known of rides before they begin, as arrays by the name of their column.

    Examples
    --------
    >>> as_columns(pd.DataFrame({"trip_distance": [2, None], "duration": 9.5}))
    {'trip_distance': array([ 2., nan])}
    """
    if not isinstance(rides, pd.DataFrame):
        return rides
    return {name: as_array(rides[name]) for name in RIDE if name in rides}


def as_array(column: pd.Series | np.ndarray) -> np.ndarray:
    """Return times and whole numbers as they are, other numbers as floats, missing as NaN.

    Examples
    --------
    >>> as_array(pd.Series([74, None], dtype="Int32"))
    array([74., nan])
    """
    if isinstance(column, np.ndarray):
        return column
    if column.dtype.kind == "M" or (column.dtype.kind in "iu" and not column.hasnans):
        return column.to_numpy()
    return column.to_numpy(dtype=float, na_value=np.nan)
