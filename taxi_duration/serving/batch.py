"""A model and a month in, predictions out, rejected rows aside; whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from taxi_duration.data.files import atomic_write, parquet_writer, sha256, write_errors
from taxi_duration.data.rides import in_new_york, read_minutes, read_rides, rejections, repaired
from taxi_duration.data.source import RawMonth, ahead, open_month
from taxi_duration.models.estimator import Estimator
from taxi_duration.months import Month, Service
from taxi_duration.registry.loading import NAME, RegisteredModel, load
from taxi_duration.serving.results import (
    PREDICTIONS,
    REJECTED,
    Manifest,
    Scored,
    known_manifest,
    place,
    sweep,
)
from taxi_duration.tracking.address import beside_store
from taxi_duration.tracking.provenance import environment

__all__ = [
    "Scored",
    "folder_of",
    "score_month",
    "score_months",
]

BLOCK = 200_000  # rows that are read, answered and written together
SOUGHT = ["ride", "pickup_datetime"]  # by which a reader looks for rides
# compressed, rides would get a third smaller, and take more than twice as long
PLAIN = {"compression": "none", "use_dictionary": False}
LOCK_SECONDS = 3600  # that another scorer of the same month may take


class Answered(NamedTuple):
    """What became of a block.

    Attributes
    ----------
    answers, rejected
        Rows as `score_month` writes them.
    repaired
        How many were answered with the usual distance of their zones.
    """

    answers: pd.DataFrame
    rejected: pd.DataFrame
    repaired: int


def folder_of(predictions: str | Path | None) -> Path:
    """Return where predictions are kept: as given, else beside the recorded runs."""
    return Path(predictions) if predictions else beside_store("predictions")


def score_months(
    months: str,
    *,
    model: str | RegisteredModel = f"models:/{NAME}@champion",
    service: str | Service = "green",
    source: str | Path = "sample",
    into: str | Path | None = None,
    force: bool = False,
    progress: Callable[[Month, int], None] | None = None,
) -> list[Scored]:
    """Answer every ride of a month or of `FIRST..LAST`, by a registered model; see `score_month`.

    Parameters
    ----------
    model
        As `taxi_duration.registry.loading.find_model` takes it, or loaded; an alias is resolved
        once.
    into
        Where predictions are kept; None: beside the recorded runs.
    progress
        Called after each block with the month, and its rows done so far.

    Raises
    ------
    MonthError, ModelError, TrackingError
        If there is no such month, service or model, or the store does not answer.
    SourceError, SchemaError
        As `score_month`.
    """
    kind, wanted, folder = Service.parse(service), Month.parse_range(months), folder_of(into)
    found = load(model) if isinstance(model, str) else model
    return [
        score_month(
            found, month, service=kind, source=source, into=folder, force=force,
            progress=partial(progress, month) if progress else None,
        )
        for month in wanted
    ]  # fmt: skip


def score_month(
    model: RegisteredModel,
    month: Month,
    *,
    service: Service,
    source: str | Path,
    into: Path,
    force: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Scored:
    """Answer every ride of a month, block by block, so that memory does not grow with it.

    The folder `into/service=SERVICE/month=MONTH` appears, or is replaced, as a whole. In it

    * `predictions.parquet`: `ride` (row in the month's file, from 0), `pickup_datetime`,
      `PULocationID`, `DOLocationID`, `trip_distance` (as given), `predicted`, `low`, `high`
      (minutes), `model_version`, and `duration` (minutes) where the drop-off is known;
    * `rejected.parquet`: the rows that are no valid rides, with the reason;
    * `manifest.json`: a `Manifest`.

    Parameters
    ----------
    force
        Whether to answer again what the same model has answered.
    progress
        Called after each block with the rows done so far.

    Raises
    ------
    SourceError
        If the month cannot be read, or the folder cannot be written.
    SchemaError
        If the file does not hold trips.
    """
    from filelock import FileLock

    folder = place(into, month, service)
    raw = open_month(month, service=service, source=source)
    basis = _basis(model, raw)
    with write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock", timeout=LOCK_SECONDS):
            known = known_manifest(folder, basis)
            if known and not force:
                return Scored(folder, known, fresh=False)
            sweep(folder)
            with atomic_write(folder) as fresh:
                blocks = ahead(_blocks(raw))
                answer = partial(answer_block, model.estimator, version=int(model.version))
                manifest = _write(
                    ahead(map(answer, blocks)),
                    fresh, basis, progress,
                )  # fmt: skip
    return Scored(folder, manifest, fresh=True)


def _basis(model: RegisteredModel, raw: RawMonth) -> dict[str, object]:
    """Return what decides the predictions: equal basis, equal predictions."""
    return {
        "service": raw.service.name,
        "month": str(raw.month),
        "input": {raw.file: raw.sha256},
        "model": {"name": model.name, "version": int(model.version), "sha256": model.sha256},
    }


def _blocks(raw: RawMonth) -> Iterator[pd.DataFrame]:
    """Read the month's rides in blocks of few rows, numbered through by their index."""
    done = 0
    for columns in raw.blocks(rows=BLOCK):
        block = pd.DataFrame(columns, copy=False)
        block.index = pd.RangeIndex(done, done + len(block), name="ride")
        done += len(block)
        yield block


def answer_block(estimator: Estimator, block: pd.DataFrame, version: int) -> Answered:
    """Answer the rides of a block that are valid.

    Parameters
    ----------
    block
        The columns of a ride and `dropoff_datetime`; the index is named `ride`.
    version
        Of the registered model.
    """
    rides = read_rides(block)
    rejected = rejections(rides, distance=estimator.needs_distance)
    valid = rejected.isna()
    answers = _answers(estimator, block[valid], rides[valid], version)
    usual = int(repaired(answers).sum()) if estimator.needs_distance else 0
    return Answered(answers, _rejected(block[~valid], rejected[~valid]), usual)


def _answers(
    estimator: Estimator, block: pd.DataFrame, rides: pd.DataFrame, version: int
) -> pd.DataFrame:
    found = estimator.predict_unchecked(rides)
    zones = {name: rides[name].to_numpy("int32") for name in ("PULocationID", "DOLocationID")}
    columns = {
        "ride": rides.index.to_numpy(),
        "pickup_datetime": rides["pickup_datetime"],
        **zones,
        "trip_distance": rides["trip_distance"],
        "predicted": found["duration"],
        "low": found["low"],
        "high": found["high"],
        "model_version": np.full(len(rides), version, dtype="int32"),
        "duration": read_minutes(block["pickup_datetime"], block["dropoff_datetime"]),
    }
    return pd.DataFrame({name: np.asarray(each) for name, each in columns.items()}, copy=False)


def _rejected(block: pd.DataFrame, reason: pd.Series) -> pd.DataFrame:
    times = {name: in_new_york(block[name]) for name in ("pickup_datetime", "dropoff_datetime")}
    numbers = dict.fromkeys(("PULocationID", "DOLocationID", "trip_distance"), float)
    kept = block.assign(**times, reason=reason.astype(str)).astype(numbers)
    return kept.reset_index()


def _write(
    answered: Iterator[Answered],
    folder: Path,
    basis: dict[str, object],
    progress: Callable[[int], None] | None,
) -> Manifest:
    folder.mkdir()
    scored = usual = 0
    reasons: Counter[str] = Counter()
    with (
        parquet_writer(folder / PREDICTIONS, write_statistics=SOUGHT, **PLAIN) as write_answers,
        parquet_writer(folder / REJECTED, **PLAIN) as write_rejected,
    ):
        for each in answered:
            write_answers(each.answers)
            write_rejected(each.rejected)
            scored, usual = scored + len(each.answers), usual + each.repaired
            reasons.update(each.rejected["reason"])
            if progress:
                progress(scored + reasons.total())
    files = {name: sha256(folder / name) for name in (PREDICTIONS, REJECTED)}
    counts = {"rows": scored + reasons.total(), "scored": scored}
    counts |= {"rejected": dict(reasons), "repaired": usual}
    manifest = Manifest(**basis, **counts, files=files, environment=environment())
    manifest.save(folder)
    return manifest
