"""Recorded runs: listed, read back, their files copied or added to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from taxi_duration.data.files import temporary_folder
from taxi_duration.errors import TrackingError, check_name
from taxi_duration.months import Month, Months
from taxi_duration.tracking.store import EXPERIMENT, client, open_store, store_errors
from taxi_duration.tracking.store_address import local_folder, shown_uri

ENVIRONMENT = "environment.json"
COLUMNS = {
    "run_id": "run_id",
    "tags.model": "model",
    "status": "status",
    "metrics.valid_rmse": "valid_rmse",
    "metrics.test_rmse": "test_rmse",
    "metrics.fit_seconds": "fit_seconds",
    "metrics.model_bytes": "size_mb",
}


def list_runs(*, parent: str | None = None, experiment: str = EXPERIMENT) -> pd.DataFrame:
    """Return the recorded runs of models, or only the children of a run, latest first.

    Columns are `run_id`, `model`, `status`, `valid_rmse`, `test_rmse` (minutes), `fit_seconds` and
    `size_mb`.
    """
    if parent:
        check_name(parent, without="'")
    open_store(experiment)
    import mlflow

    children = f" AND tags.mlflow.parentRunId = '{parent}'" if parent else ""
    with store_errors("The runs cannot be read"):
        found = mlflow.search_runs(filter_string=f"tags.model LIKE '%'{children}")
    runs = found.reindex(columns=list(COLUMNS)).rename(columns=COLUMNS)
    return runs.assign(size_mb=runs["size_mb"] / 1e6)


@dataclass(frozen=True)
class Record:
    """A run as the store holds it."""

    run_id: str
    status: str
    started: pd.Timestamp  # UTC
    model_id: str | None  # of the logged model
    parameters: dict[str, str] = field(repr=False)
    metrics: dict[str, float] = field(repr=False)
    tags: dict[str, str] = field(repr=False)

    @property
    def model(self) -> str | None:
        """The model's name in `taxi_duration.models.catalog.MODELS`; None for a parent run."""
        return self.tags.get("model")

    def months(self, part: str) -> Months:
        """Return the months of a part: "train", "valid" or "test"."""
        return Months.parse(self.parameters[part])

    @property
    def last_seen(self) -> Month:
        """The newest month by which the model was trained or chosen."""
        return max(self.months("train") + self.months("valid"))

    @property
    def inputs(self) -> dict[str, str]:
        """The sha256 of each file that the run read, by name."""
        files = {key: each for key, each in self.parameters.items() if key.startswith("sha256/")}
        return {key.removeprefix("sha256/"): digest for key, digest in files.items()}


def read_record(run_id: str) -> Record:
    """Return the record of a run; raise `ModelError` if there is none."""
    unknown = f"There is no run {run_id!r} in {shown_uri()}. `make ui` shows those there are."
    with store_errors(f"Run {run_id!r} cannot be read", unknown=unknown):
        run = client().get_run(run_id)
    outputs = run.outputs.model_outputs if run.outputs else []
    return Record(
        run_id=run.info.run_id,
        status=run.info.status,
        started=pd.Timestamp(run.info.start_time, unit="ms"),
        model_id=outputs[-1].model_id if outputs else None,
        parameters=dict(run.data.params),
        metrics=dict(run.data.metrics),
        tags=dict(run.data.tags),
    )


def read_environment(run_id: str) -> dict[str, str]:
    """Return the environment of a run, as `provenance.environment` does; empty if none is kept."""
    if ENVIRONMENT not in files_of(run_id):
        return {}
    with temporary_folder() as folder:
        return json.loads(download(run_id, ENVIRONMENT, folder).read_text(encoding="utf-8"))


def files_of(run_id: str, folder: str = "") -> list[str]:
    """Return the paths of the files that were logged with a run, in one of its folders."""
    with store_errors(f"The files of run {run_id!r} cannot be read"):
        return [file.path for file in client().list_artifacts(run_id, folder)]


def download(run_id: str, name: str, folder: Path) -> Path:
    """Copy a file or folder that was logged with a run into a folder, and return its path."""
    with store_errors(f"{name!r} of run {run_id!r} cannot be read"):
        path = Path(client().download_artifacts(run_id, name, str(folder)))
    if not path.exists():
        raise TrackingError(f"Run {run_id!r} has no {name!r} in {shown_uri()}.")
    return path


def copy_model(model_id: str, folder: Path) -> None:
    """Copy the files of a logged model into a folder.

    From a folder of this computer they are copied at once: MLflow first looks where each of them
    would come to lie, which takes longer than to copy it.
    """
    store = client()
    place = local_folder(store.get_logged_model(model_id).artifact_location)
    if place:
        shutil.copytree(place, folder, dirs_exist_ok=True)
        return
    import mlflow

    mlflow.artifacts.download_artifacts(
        artifact_uri=f"models:/{model_id}", dst_path=str(folder), tracking_uri=store.tracking_uri
    )


def attach(run_id: str, paths: Iterable[Path], *, folder: str = "notebook") -> None:
    """Add files to a run, in a folder of it, e.g. the notebook that made it."""
    store = client()
    with store_errors("The files cannot be attached"):
        for path in paths:
            store.log_artifact(run_id, str(path), folder)
