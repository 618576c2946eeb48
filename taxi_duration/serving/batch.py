"""Batch scoring: a model and months in, predictions and rejected rows on disk out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from taxi_duration.data.files import atomic_write, parquet_writer, sha256, write_errors
from taxi_duration.data.rides import (
    in_new_york,
    is_plausible_distance,
    read_minutes,
    read_rides,
    rejections,
)
from taxi_duration.data.source import RawMonth, ahead, open_month
from taxi_duration.models.estimator import Estimator
from taxi_duration.months import Month, Months, Service
from taxi_duration.registry.loading import RegisteredModel, load
from taxi_duration.serving.results import (
    PREDICTIONS,
    REJECTED,
    Manifest,
    MonthResult,
    month_folder,
    predictions_folder,
    remove_leftovers,
)
from taxi_duration.tracking.provenance import environment

BLOCK = 200_000  # rows that are read, predicted and written together
SEARCHED_COLUMNS = ["ride", "pickup_datetime"]  # with statistics, by which readers skip pages
# compression would make the files a third smaller, and writing them more than twice as slow
UNCOMPRESSED = {"compression": "none", "use_dictionary": False}
LOCK_SECONDS = 3600  # that another process may take for the same month


class _Block(NamedTuple):
    """Predictions and rejected rows of a part of a month, as they are written.

    Attributes
    ----------
    repaired
        Number of predictions with a median distance in place of the given one.
    """

    predictions: pd.DataFrame
    rejected: pd.DataFrame
    repaired: int


def score_months(
    model: str | RegisteredModel,
    months: str,
    *,
    service: str | Service = "green",
    source: str | Path = "sample",
    into: str | Path | None = None,
    force: bool = False,
    progress: Callable[[Month, int], None] | None = None,
) -> list[MonthResult]:
    """Predict every ride of some months, block by block, so that memory does not grow with them.

    For each month the folder `into/service=SERVICE/month=MONTH` appears, or is replaced, as a
    whole. In it are

    * `predictions.parquet`: `ride` (row in the month's file, from 0), `pickup_datetime`,
      `PULocationID`, `DOLocationID`, `trip_distance` (as given), `predicted`, `low`, `high`
      (minutes), `model_version`, and `duration` (minutes) where the drop-off is known;
    * `rejected.parquet`: the rows that are no valid rides, with the reason;
    * `manifest.json`: a `Manifest`.

    Parameters
    ----------
    model : str or RegisteredModel
        Loaded, or as `taxi_duration.registry.load` takes it, e.g. "champion".
    months : str
        A month, `FIRST..LAST`, or several of these with commas.
    into : str or Path, optional
        Folder for predictions; by default one beside the recorded runs.
    force : bool
        Whether to predict again what the same model has predicted.
    progress : callable, optional
        Called after each block with the month and its number of rows done so far.
    """
    kind, wanted = Service.parse(service), Months.parse(months)
    folder = predictions_folder(into)
    model = load(model) if isinstance(model, str) else model
    return [
        _score_month(
            model, open_month(month, service=kind, source=source), folder, force=force,
            progress=partial(progress, month) if progress else None,
        )
        for month in wanted
    ]  # fmt: skip


def _score_month(
    model: RegisteredModel,
    raw: RawMonth,
    into: Path,
    *,
    force: bool,
    progress: Callable[[int], None] | None,
) -> MonthResult:
    from filelock import FileLock

    folder = month_folder(into, raw.month, raw.service)
    origin = _origin(model, raw)
    with write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock"), timeout=LOCK_SECONDS):
            known = MonthResult.find(folder)
            if known and known.is_current(origin) and not force:
                return known
            remove_leftovers(folder)
            with atomic_write(folder) as fresh:
                manifest = _write(_predict_blocks(model, raw), fresh, origin, progress)
    return MonthResult(folder, manifest, fresh=True)


def _origin(model: RegisteredModel, raw: RawMonth) -> dict[str, object]:
    """Return what determines the predictions: with an equal origin they are equal."""
    return {
        "service": raw.service.name,
        "month": str(raw.month),
        "input": {raw.file: raw.sha256},
        "model": {"name": model.name, "version": int(model.version), "sha256": model.sha256},
    }


def _predict_blocks(model: RegisteredModel, raw: RawMonth) -> Iterator[_Block]:
    """Predict one block while the next is read and the former is written."""
    predict = partial(_predict_block, model.estimator, version=int(model.version))
    return ahead(map(predict, ahead(_read_blocks(raw))))


def _read_blocks(raw: RawMonth) -> Iterator[pd.DataFrame]:
    """Read the month in blocks of few rows; their index is the row in the file, as `ride`."""
    done = 0
    for columns in raw.blocks(rows=BLOCK):
        block = pd.DataFrame(columns, copy=False)
        block.index = pd.RangeIndex(done, done + len(block), name="ride")
        done += len(block)
        yield block


def _predict_block(estimator: Estimator, block: pd.DataFrame, *, version: int) -> _Block:
    rides = read_rides(block)
    reasons = rejections(rides, distance=estimator.needs_distance)
    valid = reasons.isna()
    predictions = _predictions(estimator, block[valid], rides[valid], version)
    usual = ~is_plausible_distance(predictions["trip_distance"])
    number = int(usual.sum()) if estimator.needs_distance else 0
    return _Block(predictions, _rejected(block[~valid], reasons[~valid]), number)


def _predictions(
    estimator: Estimator, block: pd.DataFrame, rides: pd.DataFrame, version: int
) -> pd.DataFrame:
    found = estimator.predict_unchecked(rides)
    columns = {
        "ride": rides.index.to_numpy(),
        "pickup_datetime": rides["pickup_datetime"],
        "PULocationID": rides["PULocationID"].to_numpy("int32"),
        "DOLocationID": rides["DOLocationID"].to_numpy("int32"),
        "trip_distance": rides["trip_distance"],
        "predicted": found["duration"],
        "low": found["low"],
        "high": found["high"],
        "model_version": np.full(len(rides), version, dtype="int32"),
        "duration": read_minutes(block["pickup_datetime"], block["dropoff_datetime"]),
    }
    return pd.DataFrame({name: np.asarray(each) for name, each in columns.items()}, copy=False)


def _rejected(block: pd.DataFrame, reasons: pd.Series) -> pd.DataFrame:
    times = {name: in_new_york(block[name]) for name in ("pickup_datetime", "dropoff_datetime")}
    numbers = dict.fromkeys(("PULocationID", "DOLocationID", "trip_distance"), float)
    rows = block.assign(**times, reason=reasons.astype(str)).astype(numbers)
    return rows.reset_index()


def _write(
    blocks: Iterator[_Block],
    folder: Path,
    origin: dict[str, object],
    progress: Callable[[int], None] | None,
) -> Manifest:
    folder.mkdir()
    counts = Counter(rows=0, predicted=0, repaired=0)
    reasons: Counter[str] = Counter()
    statistics = {"write_statistics": SEARCHED_COLUMNS}
    with (
        parquet_writer(folder / PREDICTIONS, **statistics, **UNCOMPRESSED) as write_predictions,
        parquet_writer(folder / REJECTED, **UNCOMPRESSED) as write_rejected,
    ):
        for predictions, rejected, number in blocks:
            write_predictions(predictions)
            write_rejected(rejected)
            reasons.update(rejected["reason"])
            rows = len(predictions) + len(rejected)
            counts.update(rows=rows, predicted=len(predictions), repaired=number)
            if progress:
                progress(counts["rows"])
    files = {name: sha256(folder / name) for name in (PREDICTIONS, REJECTED)}
    manifest = Manifest(
        **origin, **counts, rejected=dict(reasons), files=files, environment=environment()
    )
    manifest.save(folder)
    return manifest
