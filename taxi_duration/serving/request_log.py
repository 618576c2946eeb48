"""The log of a service: what it has predicted and rejected, in parquet files by day."""

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

from taxi_duration.data.parquet import write_parquet
from taxi_duration.data.rides import RIDE, Columns
from taxi_duration.errors import TaxiDurationError
from taxi_duration.registry.loading import RegisteredModel
from taxi_duration.serving.request import Prediction, RidesError
from taxi_duration.tracking.address import beside_store

EVERY = 60.0  # seconds between two files
MOST = 100_000  # requests that wait to be written; further ones are dropped, to bound memory
MINUTES = ["predicted", "low", "high"]

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
