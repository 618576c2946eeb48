"""The log of a service: what it has predicted and rejected, by day; out of it a scored month."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import numpy as np
import pandas as pd

from taxi_duration.data.files import atomic_write, sha256
from taxi_duration.data.parquet import read_parquet, write_parquet
from taxi_duration.data.rides import RIDE, Columns, in_new_york, read_minutes
from taxi_duration.errors import SchemaError, SourceError, TaxiDurationError
from taxi_duration.months import Month, Service
from taxi_duration.registry.loading import RegisteredModel, find_model
from taxi_duration.serving.batch import origin_of, write_blocks
from taxi_duration.serving.month_results import MonthResult, month_folder
from taxi_duration.serving.request import Prediction, RidesError
from taxi_duration.tracking.store_address import beside_store

EVERY = 60.0  # seconds between two files
MOST = 100_000  # requests that wait to be written; further ones are dropped, to bound memory
MINUTES = ["predicted", "low", "high"]
KEY = ["request_id", "row"]

logger = logging.getLogger(__name__)


class _Entry(NamedTuple):
    """A request, as it waits to be written."""

    request_id: str
    received: np.datetime64
    rides: Columns
    row: np.ndarray
    minutes: np.ndarray  # missing where a ride was rejected
    models: np.ndarray | list[RegisteredModel]
    reasons: np.ndarray | list[None]


class RequestLog:
    """Keeps what a service predicts and rejects, and writes it to a folder every minute.

    Files are `day=YYYY-MM-DD/HHMMSS-*.parquet`, named by the time of writing in UTC. Columns:
    `request_id`, `row`, `received` (UTC), those of a ride, `predicted`, `low`, `high` (minutes),
    `model`, `model_version`, and the `reason` of a rejected ride.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._waiting: deque[_Entry] = deque()

    def predicted(self, request_id: str, found: Prediction) -> None:
        """Keep a request's predictions until they are written."""
        number = len(found.models)
        rows, none = np.arange(number), [None] * number
        self._add(_Entry(request_id, _now(), found.rides, rows, found.minutes, found.models, none))

    def rejected(self, request_id: str, model: RegisteredModel, found: RidesError) -> None:
        """Keep a request's rejected rides until they are written."""
        none = np.full((len(MINUTES), len(found.row)), np.nan)
        models = [model] * len(found.row)
        self._add(_Entry(request_id, _now(), found.rides, found.row, none, models, found.reasons))

    def _add(self, entry: _Entry) -> None:
        if len(self._waiting) < MOST:
            self._waiting.append(entry)

    def follow(self, stop: threading.Event) -> None:
        """Write what has come every minute, until the event is set; then write the rest."""
        while not stop.wait(EVERY):
            self.write()
        self.write()

    def write(self) -> None:
        """Write what has come since the last time, as a file; a failure is logged in one line."""
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not waiting:
            return
        now = datetime.now(UTC)
        name = f"day={now:%Y-%m-%d}/{now:%H%M%S}-{uuid4().hex[:8]}.parquet"
        try:
            write_parquet(_frame(waiting), self.folder / name)
        except TaxiDurationError as problem:
            logger.error("%d requests are missing in the log: %s", len(waiting), problem)  # noqa: TRY400


def _frame(entries: Sequence[_Entry]) -> pd.DataFrame:
    counts = [len(each.row) for each in entries]
    models = list(chain.from_iterable(each.models for each in entries))
    minutes = np.concatenate([each.minutes for each in entries], axis=1)
    reasons = chain.from_iterable(each.reasons for each in entries)
    return pd.DataFrame(
        {
            "request_id": np.repeat([each.request_id for each in entries], counts),
            "row": np.concatenate([each.row for each in entries]),
            "received": np.repeat([each.received for each in entries], counts),
            **{name: np.concatenate([each.rides[name] for each in entries]) for name in RIDE},
            **dict(zip(MINUTES, minutes, strict=True)),
            "model": [each.name for each in models],
            "model_version": np.array([int(each.version) for each in models], dtype="int32"),
            "reason": pd.array(list(reasons), dtype="str"),
        }
    )


def _now() -> np.datetime64:
    return np.datetime64(time.time_ns() // 1000, "us")


def log_folder(folder: str | Path | None) -> Path:
    """Return the folder of the log: the given one, by default one beside the recorded runs."""
    return Path(folder) if folder else beside_store("requests")


def collect(
    model: str, month: str, *, dropoffs: str | Path, requests: str | Path | None = None
) -> MonthResult:
    """Make a month's predictions, as `monitor` reads them, of what a service has predicted.

    Only what this model has predicted or rejected counts. The result lies beside the log.

    Parameters
    ----------
    model : str
        As `taxi_duration.registry.load` takes it, e.g. "champion".
    month : str
        Of the pick-up; a rejected ride without one is of the month in which it was received.
    dropoffs : str or Path
        CSV: `request_id`, `dropoff_datetime`, and `row` where a request had several rides. Rides
        that are not in it have no known duration.
    requests : str or Path, optional
        Folder of the log; by default the one beside the recorded runs.
    """
    found, wanted, folder = find_model(model), Month.parse(month), log_folder(requests)
    file, service = Path(dropoffs), Service.parse(found.record.tags["service"])
    rows = _read_log(folder, found, wanted)
    rows = rows.merge(_read_dropoffs(file), on=KEY, how="left").rename_axis("ride").reset_index()
    begun, ended = rows["pickup_datetime"], rows["dropoff_datetime"]
    rows = rows.assign(duration=read_minutes(begun, ended), dropoff_datetime=in_new_york(ended))
    origin = origin_of(found, service, wanted, {file.name: sha256(file)})
    into = month_folder(folder, wanted, service)
    with atomic_write(into) as fresh:
        manifest = write_blocks(iter([rows]), fresh, found, origin)
    return MonthResult(into, manifest, fresh=True)


def _read_log(folder: Path, model: RegisteredModel, month: Month) -> pd.DataFrame:
    """Return what the model has predicted and rejected of a month, in order of reception."""
    parts = []
    for path in sorted(folder.glob("day=*/*.parquet")):
        rows = read_parquet(path)
        times = rows["pickup_datetime"].fillna(rows["received"])
        is_ours = (rows["model"] == model.name) & (rows["model_version"] == int(model.version))
        parts.append(rows[is_ours & (times >= month.start) & (times < month.next().start)])
    if not sum(map(len, parts)):
        raise SchemaError(
            f"{model.label} has predicted no ride of {month} in {str(folder)!r}. Name another "
            "month or model, or another folder with --requests."
        )
    return pd.concat(parts, ignore_index=True)


def _read_dropoffs(path: Path) -> pd.DataFrame:
    try:
        rows = pd.read_csv(path, dtype={"request_id": str})
        rows = rows if "row" in rows else rows.assign(row=0)
        rows = rows[[*KEY, "dropoff_datetime"]].astype({"row": "int64"})
    except OSError as problem:
        raise SourceError(f"Cannot read {str(path)!r}: {problem.strerror}.") from problem
    except (ValueError, KeyError) as problem:
        raise SchemaError(
            f"{path} has no drop-offs that can be read ({str(problem).splitlines()[0]}). Write a "
            "CSV with columns request_id, row, dropoff_datetime."
        ) from problem
    if rows.duplicated(KEY).any():
        request_id, row = rows.loc[rows.duplicated(KEY), KEY].iloc[0]
        raise SchemaError(f"{path} has row {row} of request {request_id!r} twice. Keep one.")
    return rows
