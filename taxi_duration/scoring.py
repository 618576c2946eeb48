"""A model and a month in, predictions out, refused rows aside; whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from taxi_duration.estimator import Estimator
from taxi_duration.loading import NAME, load
from taxi_duration.months import Month, Service
from taxi_duration.parquet import append_parquet, sha256
from taxi_duration.provenance import environment
from taxi_duration.rides import read_rides, refusals, repaired
from taxi_duration.schema import check
from taxi_duration.scored import (
    PREDICTIONS,
    REFUSED,
    Manifest,
    Scored,
    known_manifest,
    place,
    swap,
    sweep,
    writing,
)
from taxi_duration.source import RawMonth, digest_month, iter_month
from taxi_duration.store import beside_store
from taxi_duration.versions import find_version

__all__ = [
    "Scored",
    "Scorer",
    "folder_of",
    "load_scorer",
    "score_month",
    "score_months",
]

BLOCK = 200_000  # rows that are read, answered and written together
LOCK_SECONDS = 3600  # that another scorer of the same month may take


@dataclass(frozen=True)
class Scorer:
    """A registered model that answers, and which one it is.

    Attributes
    ----------
    name, version, sha256
        Of the registered model, and the digest of its files.
    """

    name: str
    version: int
    sha256: str
    estimator: Estimator = field(repr=False)


def load_scorer(model: str) -> Scorer:
    """Load a registered model to answer with; its files are checked first.

    Raises
    ------
    ModelError
        If there is no such version, or its files are not those that were recorded.
    TrackingError
        If the store does not answer.
    """
    version = find_version(model)
    estimator = load(version.address).estimator
    return Scorer(version.name, int(version.version), version.sha256, estimator)


def folder_of(predictions: str | Path | None) -> Path:
    """Return where predictions are kept: as given, else beside the recorded runs."""
    return Path(predictions) if predictions else beside_store("predictions")


def score_months(
    months: str,
    *,
    model: str | Scorer = f"models:/{NAME}@champion",
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
        As `taxi_duration.versions.find_version` takes it, or loaded; an alias is resolved once.
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
    scorer = model if isinstance(model, Scorer) else load_scorer(model)
    return [
        score_month(
            scorer, month, service=kind, source=source, into=folder, force=force,
            progress=partial(progress, month) if progress else None,
        )
        for month in wanted
    ]  # fmt: skip


def score_month(
    scorer: Scorer,
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
    * `refused.parquet`: the rows that are no valid rides, with the reason;
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
    basis = _basis(scorer, month, service, source)
    with writing(into):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock", timeout=LOCK_SECONDS):
            known = known_manifest(folder, basis)
            if known and not force:
                return Scored(folder, known, fresh=False)
            sweep(folder)
            blocks = _blocks(month, service, source, progress)
            with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as staging:
                manifest = _score(scorer, blocks, Path(staging) / "new", basis)
                swap(Path(staging), folder)
    return Scored(folder, manifest, fresh=True)


def _basis(scorer: Scorer, month: Month, service: Service, source: str | Path) -> dict[str, object]:
    """Return what decides the predictions: equal basis, equal predictions."""
    return {
        "service": service.name,
        "month": str(month),
        "input": digest_month(month, service=service, source=source),
        "model": {"name": scorer.name, "version": scorer.version, "sha256": scorer.sha256},
    }


def _blocks(
    month: Month, service: Service, source: str | Path, progress: Callable[[int], None] | None
) -> Iterator[pd.DataFrame]:
    """Read the month's rides in blocks of few rows, numbered through by their index."""
    done = 0
    for frame in iter_month(month, service=service, source=source):
        check(RawMonth(frame, month, service, service.file(month), ""))
        for start in range(0, len(frame), BLOCK):
            block = frame.iloc[start : start + BLOCK].rename(columns=service.columns)
            block.index = pd.RangeIndex(done, done + len(block), name="ride")
            done += len(block)
            yield block
            if progress:
                progress(done)


def _score(
    scorer: Scorer, blocks: Iterator[pd.DataFrame], folder: Path, basis: dict[str, object]
) -> Manifest:
    folder.mkdir()
    rows = scored = usual = 0
    reasons: Counter[str] = Counter()
    for block in blocks:
        rides = read_rides(block)
        refused = refusals(rides, distance=scorer.estimator.needs_distance)
        valid = refused.isna()
        answers = _answers(scorer, block[valid], rides[valid])
        append_parquet(answers, folder / PREDICTIONS)
        append_parquet(_rows(block[~valid], refused[~valid]), folder / REFUSED)
        rows, scored = rows + len(block), scored + len(answers)
        usual += int(repaired(rides[valid]).sum()) if scorer.estimator.needs_distance else 0
        reasons.update(refused.dropna())
    files = {name: sha256(folder / name) for name in (PREDICTIONS, REFUSED)}
    counts = {"rows": rows, "scored": scored, "refused": dict(reasons), "repaired": usual}
    manifest = Manifest(**basis, **counts, files=files, environment=environment())
    manifest.save(folder)
    return manifest


def _answers(scorer: Scorer, block: pd.DataFrame, rides: pd.DataFrame) -> pd.DataFrame:
    found = scorer.estimator.answer(rides)
    minutes = (block["dropoff_datetime"] - block["pickup_datetime"]) / pd.Timedelta(minutes=1)
    zones = {name: rides[name].astype("int32") for name in ("PULocationID", "DOLocationID")}
    return rides.assign(
        **zones,
        predicted=found["duration"],
        low=found["low"],
        high=found["high"],
        model_version=pd.Series(scorer.version, index=rides.index, dtype="int32"),
        duration=minutes,
    ).reset_index()


def _rows(block: pd.DataFrame, reason: pd.Series) -> pd.DataFrame:
    kept = block.assign(reason=reason.astype(object)).reset_index()
    numbers = ("PULocationID", "DOLocationID", "trip_distance")
    times = ("pickup_datetime", "dropoff_datetime")
    return kept.astype(dict.fromkeys(numbers, float) | dict.fromkeys(times, "datetime64[us]"))
