"""Batch scoring: a model and months in, predictions and rejected rows on disk out, by blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from taxi_duration.data import rides
from taxi_duration.data.batches import ahead
from taxi_duration.data.files import atomic_write, sha256, write_errors
from taxi_duration.data.parquet import parquet_writer
from taxi_duration.data.rides import ZONES
from taxi_duration.data.source import RawMonth, open_month
from taxi_duration.errors import UsageError, nearest
from taxi_duration.models.estimator import Estimator
from taxi_duration.months import Month, Months, Service
from taxi_duration.registry.loading import RegisteredModel, load
from taxi_duration.serving import month_results
from taxi_duration.serving.month_results import PREDICTIONS, REJECTED, Manifest, MonthResult
from taxi_duration.tracking.provenance import environment

Predict: TypeAlias = Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]

BLOCK = 200_000  # rows that are read, predicted and written together
PREDICTED_COLUMNS = [
    "ride", "pickup_datetime", *ZONES, "trip_distance", "predicted", "low", "high",
    "model_version", "duration",
]  # fmt: skip
REJECTED_COLUMNS = [
    "ride", "pickup_datetime", "dropoff_datetime", *ZONES, "trip_distance", "reason",
]  # fmt: skip
ENGINES = ("local", "spark")
SEARCHED_COLUMNS = ["ride", "pickup_datetime"]  # with statistics, by which readers skip pages
# compression would make the files a third smaller, and writing them more than twice as slow
UNCOMPRESSED = {"compression": "none", "use_dictionary": False}
LOCK_SECONDS = 3600  # that another process may take for the same month


def score_months(
    model: str | RegisteredModel,
    months: str,
    *,
    service: str | Service = "green",
    source: str | Path = "sample",
    into: str | Path | None = None,
    engine: str = "local",
    device: str = "cpu",
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
    engine : str
        What predicts: "local" is this process; "spark" is a Spark that starts when it is needed,
        or the session that there is (see `taxi_duration.serving.spark`). The files are the same.
    device : str
        What it predicts on, e.g. "cuda".
    force : bool
        Whether to predict again what the same model has predicted.
    progress : callable, optional
        Called after each block with the month and its number of rows done so far.
    """
    kind, wanted = Service.parse(service), Months.parse(months)
    folder = month_results.predictions_folder(into)
    if engine not in ENGINES:
        raise UsageError(f"Engine {engine!r} is unknown. {nearest(engine, ENGINES)}")
    model = load(model) if isinstance(model, str) else model
    with _running(engine, model, device) as predict:
        return [
            _score_month(
                model, open_month(month, service=kind, source=source), folder, predict,
                force=force, progress=partial(progress, month) if progress else None,
            )
            for month in wanted
        ]  # fmt: skip


@contextmanager
def _running(engine: str, model: RegisteredModel, device: str) -> Iterator[Predict]:
    """Yield what predicts the blocks of a month, in their order."""
    if engine == "spark":
        from taxi_duration.serving.spark import on_spark

        with on_spark(model, device=device) as predict:
            yield predict
    else:
        predict_one = partial(predict_rows, model.estimator.on(device))
        yield lambda blocks: ahead(map(predict_one, blocks))  # while the former is written


def _score_month(
    model: RegisteredModel,
    raw: RawMonth,
    into: Path,
    predict: Predict,
    *,
    force: bool,
    progress: Callable[[int], None] | None,
) -> MonthResult:
    from filelock import FileLock

    folder = month_results.month_folder(into, raw.month, raw.service)
    origin = origin_of(model, raw.service, raw.month, {raw.file: raw.sha256})
    with write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock"), timeout=LOCK_SECONDS):
            known = MonthResult.find(folder)
            if known and known.is_current(origin) and not force:
                return known
            month_results.remove_leftovers(folder)
            with atomic_write(folder) as fresh:
                blocks = predict(ahead(read_rows(raw)))
                manifest = write_blocks(blocks, fresh, model, origin, progress)
    return MonthResult(folder, manifest, fresh=True)


def origin_of(
    model: RegisteredModel, service: Service, month: Month, files: dict[str, str]
) -> dict[str, object]:
    """Return what determines the predictions: with an equal origin they are equal."""
    return {
        "service": service.name,
        "month": str(month),
        "input": files,
        "model": {"name": model.name, "version": int(model.version), "sha256": model.sha256},
    }


def write_blocks(
    blocks: Iterator[pd.DataFrame],
    folder: Path,
    model: RegisteredModel,
    origin: dict[str, object],
    progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Write what `predict_rows` returns, and a manifest, into a new folder; return the latter."""
    folder.mkdir()
    counts = Counter(rows=0, predicted=0, repaired=0)
    reasons: Counter[str] = Counter()
    statistics = {"write_statistics": SEARCHED_COLUMNS}
    with (
        parquet_writer(folder / PREDICTIONS, **statistics, **UNCOMPRESSED) as write_predictions,
        parquet_writer(folder / REJECTED, **UNCOMPRESSED) as write_rejected,
    ):
        for block in blocks:
            predictions, rejected = split_rows(block, version=int(model.version))
            write_predictions(predictions)
            write_rejected(rejected)
            reasons.update(rejected["reason"])
            counts.update(rows=len(block), predicted=len(predictions))
            if model.estimator.needs_distance:
                is_repaired = ~rides.is_plausible_distance(predictions["trip_distance"])
                counts.update(repaired=int(is_repaired.sum()))
            if progress:
                progress(counts["rows"])
    files = {name: sha256(folder / name) for name in (PREDICTIONS, REJECTED)}
    manifest = Manifest(
        **origin, **counts, rejected=dict(reasons), files=files, environment=environment()
    )
    manifest.save(folder)
    return manifest


def read_rows(raw: RawMonth) -> Iterator[pd.DataFrame]:
    """Read a month in blocks of few rows, with the same types in each month.

    Columns are `ride` (row in the month's file, from 0), `pickup_datetime`, `dropoff_datetime` (New
    York time), `PULocationID`, `DOLocationID`, `trip_distance` (as given), `duration` (minutes).
    """
    done = 0
    for columns in raw.blocks(rows=BLOCK):
        times = {name: columns[name] for name in ("pickup_datetime", "dropoff_datetime")}
        rows = {
            "ride": np.arange(done, done + len(columns["pickup_datetime"])),
            **{name: rides.in_new_york(each) for name, each in times.items()},
            **{name: columns[name].astype(float) for name in (*ZONES, "trip_distance")},
            "duration": rides.read_minutes(*times.values()),
        }
        done += len(rows["ride"])
        yield pd.DataFrame(rows, copy=False)


def predict_rows(estimator: Estimator, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows as `read_rows` yields them with `predicted`, `low`, `high` and `reason`.

    A row that is no valid ride has a reason and no minutes, any other minutes and no reason.
    """
    read = rides.read_rides(rows)
    reasons = rides.rejections(read, distance=estimator.needs_distance)
    found = estimator.predict_unchecked(read[reasons.isna()])
    minutes = found.rename(columns={"duration": "predicted"}).reindex(rows.index)
    return pd.concat([rows, minutes, reasons.rename("reason").astype("str")], axis=1)


def split_rows(rows: pd.DataFrame, *, version: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the predictions and the rejected rows, with the columns and types of their files."""
    is_rejected = rows["reason"].notna()
    whole = dict.fromkeys([*ZONES, "model_version"], "int32")
    predictions = rows[~is_rejected].assign(model_version=version)[PREDICTED_COLUMNS].astype(whole)
    return predictions, rows[is_rejected][REJECTED_COLUMNS]
