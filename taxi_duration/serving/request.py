"""One request: bytes become rides, rides become predictions, or one reason why not."""

from __future__ import annotations

import json
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from taxi_duration.data.rides import (
    RIDE,
    Columns,
    are_valid,
    format_rejections,
    list_rejections,
    read_columns,
    rejections,
    shortened,
)
from taxi_duration.errors import SchemaError, nearest
from taxi_duration.registry.loading import RegisteredModel
from taxi_duration.serving.current_models import EXAMPLE, Models

FIELDS = frozenset(RIDE)
MINUTES = ("duration", "low", "high")
LISTED = 100  # rejected rides that an answer lists
Where: TypeAlias = np.ndarray | slice


class RidesError(SchemaError):
    """Rides of which at least one is not valid, so that none is predicted."""

    def __init__(self, given: pd.DataFrame, rides: Columns, reasons: pd.Series) -> None:
        super().__init__(f"Not a valid ride: {format_rejections(given, reasons)}.")
        self.listed = list_rejections(given, reasons, at_most=LISTED)
        self.row = np.flatnonzero(reasons.notna())
        self.rides = {name: column[self.row] for name, column in rides.items()}
        self.reasons = reasons.iloc[self.row].to_numpy()


class Prediction(NamedTuple):
    """Rides, their minutes, and what has predicted them."""

    rides: Columns  # as they were read
    minutes: np.ndarray  # a row for each of `MINUTES`, a column a ride
    models: np.ndarray  # the `RegisteredModel` of each ride

    def rows(self) -> list[dict[str, object]]:
        """Return minutes, model and version of each ride."""
        return [
            dict(zip(MINUTES, minutes, strict=True), model=by.name, version=int(by.version))
            for minutes, by in zip(self.minutes.T.tolist(), self.models, strict=True)
        ]


def parse_json(body: bytes) -> object:
    """Return what a body holds; what JSON leaves open is an error here.

    Examples
    --------
    >>> parse_json(b'{"PULocationID": 74, "PULocationID": 75}')
    Traceback (most recent call last):
    ...
    taxi_duration.errors.SchemaError: Key 'PULocationID' is there twice. Write it once.
    """
    try:
        return json.loads(body, object_pairs_hook=_without_doubles)
    except SchemaError:
        raise
    except RecursionError as problem:
        raise SchemaError("The body is nested too deeply. Send a ride or a list.") from problem
    except ValueError as problem:  # of JSON, of UTF-8, or of a number with too many digits
        at = f": {problem}" if isinstance(problem, json.JSONDecodeError) else ""
        reason = at or ": it is not UTF-8, or a number has over 4,300 digits"
        raise SchemaError(f"The body cannot be read as JSON{reason}.") from problem


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise SchemaError(f"Key {shortened(double)!r} is there twice. Write it once.")
    return found


def read_request(content: object) -> Columns:
    """Return the rides of a request, an object or a list of them, as columns of given values."""
    rides = content if isinstance(content, list) else [content]
    if not rides:
        raise SchemaError("The list has no ride. Send at least one.")
    for row, ride in enumerate(rides):
        if not isinstance(ride, dict):
            raise SchemaError(
                f"Row {row} is {shortened(ride)!r}, no ride. Write it as {json.dumps(EXAMPLE)}."
            )
        for name in ride.keys() - FIELDS:
            advice = nearest(shortened(name), RIDE)
            raise SchemaError(f"Row {row} has an unknown field {shortened(name)!r}. {advice}")
    return {
        name: np.fromiter((ride.get(name) for ride in rides), dtype=object, count=len(rides))
        for name in RIDE
    }


def predict_rides(given: Columns, models: Models) -> Prediction:
    """Predict rides, those without distance by the model that needs none; all, or none of them."""
    rides, shares = read_columns(given), _share(given, models)
    number = len(rides[RIDE[0]])
    minutes, by = np.empty((len(MINUTES), number)), np.empty(number, dtype=object)
    for model, where in shares:
        share = {name: column[where] for name, column in rides.items()}
        if not are_valid(share, distance=model.estimator.needs_distance):
            raise _rejected(given, rides, shares)
        found = model.estimator.predict_columns(share)
        minutes[:, where], by[where] = [found[name] for name in MINUTES], model
    return Prediction(rides, minutes, by)


def _share(given: Columns, models: Models) -> list[tuple[RegisteredModel, Where]]:
    """Return which rides each model predicts."""
    if not models.quote:
        return [(models.main, slice(None))]
    without = np.array([each is None for each in given["trip_distance"]])
    if not without.any():
        return [(models.main, slice(None))]
    if without.all():
        return [(models.quote, slice(None))]
    return [(models.main, ~without), (models.quote, without)]


def _rejected(
    given: Columns, rides: Columns, shares: list[tuple[RegisteredModel, Where]]
) -> RidesError:
    frame = pd.DataFrame(rides)
    reasons = pd.Series(None, frame.index, dtype=object)
    for model, where in shares:
        found = rejections(frame.iloc[where], distance=model.estimator.needs_distance)
        reasons.iloc[where] = found.astype(object)
    return RidesError(pd.DataFrame(given), rides, reasons)
