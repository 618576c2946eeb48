"""What a recorded run says of itself, read back from the store."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from taxi_duration.errors import TrackingError
from taxi_duration.tracking.store import client, shown_uri, store_errors

__all__ = ["Record", "download", "files_of", "read_record"]

ENVIRONMENT = "environment.json"


@dataclass(frozen=True)
class Record:
    """A run, as the store knows it.

    Attributes
    ----------
    parameters, metrics, tags
        As `taxi_duration.tracking.training` wrote them; parameters are text.
    environment
        Computer, machine, Python and libraries (`taxi_duration.tracking.provenance.environment`).
    model_id
        MLflow's, of the logged model; None where the run has none.
    started
        UTC.
    """

    run_id: str
    status: str
    started: pd.Timestamp
    model_id: str | None
    parameters: dict[str, str] = field(repr=False)
    metrics: dict[str, float] = field(repr=False)
    tags: dict[str, str] = field(repr=False)
    environment: dict[str, str] = field(repr=False)

    @property
    def model(self) -> str | None:
        """The model's name in `taxi_duration.models.training.MODELS`; None for a parent run."""
        return self.tags.get("model")

    @property
    def parent(self) -> str | None:
        """The run id of the training that this run is a child of."""
        return self.tags.get("mlflow.parentRunId")

    @property
    def inputs(self) -> dict[str, str]:
        """The sha256 of each file that the run read, by name."""
        digests = ((name.split("/", 1), each) for name, each in self.parameters.items())
        return {name[1]: each for name, each in digests if name[0] == "sha256"}


def read_record(run_id: str) -> Record:
    """Read a run.

    Raises
    ------
    TrackingError
        If the store has no such run, or does not answer.
    """
    with store_errors(f"Run {run_id!r} cannot be read"):
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
            environment=_environment(run_id),
        )


def download(run_id: str, name: str, folder: Path) -> Path:
    """Copy a file or folder that was logged with a run into a folder of ours.

    Raises
    ------
    TrackingError
        If the run has none of that name, or the store does not answer.
    """
    with store_errors(f"{name!r} of run {run_id!r} cannot be read"):
        path = Path(client().download_artifacts(run_id, name, str(folder)))
    if not path.exists():
        raise TrackingError(f"Run {run_id!r} has no {name!r} in {shown_uri()}.")
    return path


def files_of(run_id: str, folder: str = "") -> list[str]:
    """Return the names, from the folder on, of what was logged with a run.

    Raises
    ------
    TrackingError
        If the store has no such run, or does not answer.
    """
    with store_errors(f"The files of run {run_id!r} cannot be read"):
        return [file.path for file in client().list_artifacts(run_id, folder)]


def _environment(run_id: str) -> dict[str, str]:
    if ENVIRONMENT not in files_of(run_id):
        return {}
    with TemporaryDirectory() as folder:
        return json.loads(download(run_id, ENVIRONMENT, Path(folder)).read_text(encoding="utf-8"))
