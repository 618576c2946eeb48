"""A recorded run of a model, and what it was made from: its notebook and its months."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from taxi_duration.data.source import open_month
from taxi_duration.errors import ModelError, TrackingError
from taxi_duration.notebooks.parameters import read_parameters
from taxi_duration.registry.loading import check_files
from taxi_duration.tracking.runs import Record, download, files_of, read_record
from taxi_duration.tracking.training import list_runs

__all__ = ["PARTS", "RecordedRun", "find_original", "inputs_now"]

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class RecordedRun:
    """A recorded run of a model, and what made it.

    Attributes
    ----------
    source
        Where its months came from, or are now.
    notebook
        That was run to train it, as it was executed; None where the library was called.
    name
        The notebook's.
    """

    record: Record
    source: str
    notebook: dict | None = field(repr=False)
    name: str | None

    @property
    def months(self) -> dict[str, str]:
        """The months of each part."""
        return {part: self.record.parameters[part] for part in PARTS}

    @property
    def service(self) -> str:
        """The kind of taxi."""
        return self.record.tags["service"]

    @property
    def given(self) -> dict[str, object]:
        """What the notebook was given, and what the run says of itself, by parameters' names."""
        about = {"models": [self.record.model], "service": self.service, "source": self.source}
        return (_given(self.notebook) if self.notebook else {}) | self.record.parameters | about

    @property
    def again(self) -> bool:
        """Whether the notebook trains the models that it is told, so that it can run again."""
        cells = self.notebook["cells"] if self.notebook else ()
        return any(
            each.name == "models"
            for cell in cells
            if "parameters" in cell["metadata"].get("tags", ())
            for each in read_parameters("".join(cell["source"]))
        )


def find_original(run_id: str, *, source: str | Path | None = None) -> RecordedRun:
    """Read a run and the notebook that made it, attached to it or to a run above.

    Parameters
    ----------
    source
        Where its months are now; else where they came from.

    Raises
    ------
    ModelError
        If the run has no model, its files are not those it recorded, or it does not say where
        its months came from.
    TrackingError
        If there is no such run, it has not finished, or the store does not answer.
    """
    record = read_record(run_id)
    _check(record)
    check_files(record, f"models:/{record.model_id}")
    found = _attached(record)
    notebook, name = found or (None, None)
    return RecordedRun(record, str(source or _source(record, notebook)), notebook, name)


def _check(record: Record) -> None:
    if record.status != "FINISHED":
        raise TrackingError(
            f"Run {record.run_id!r} is {record.status}: what it recorded is not whole. Name a run "
            "that has finished."
        )
    if record.model_id is None:
        runs = list_runs(parent=record.run_id)
        names = ", ".join(f"{run.model} {run.run_id}" for run in runs.itertuples())
        raise ModelError(
            f"Run {record.run_id!r} has no model of its own. Name one that has: "
            f"{names or 'taxi-duration history lists them'}."
        )


def _attached(record: Record) -> tuple[dict, str] | None:
    while True:
        for name in files_of(record.run_id, "notebook"):
            if name.endswith(".ipynb"):
                return _read(record.run_id, name), Path(name).stem
        if record.parent is None:
            return None
        record = read_record(record.parent)


def _read(run_id: str, name: str) -> dict:
    with TemporaryDirectory() as folder:
        return json.loads(download(run_id, name, Path(folder)).read_text(encoding="utf-8"))


def _source(record: Record, notebook: dict | None) -> str:
    if all(name.startswith("sample/") for name in record.inputs):
        return "sample"
    if notebook is None or "source" not in _given(notebook):
        raise ModelError(
            f"Run {record.run_id!r} does not say where {', '.join(record.inputs)} came from. "
            "Say where they are: --source."
        )
    return str(_given(notebook)["source"])


def _given(notebook: dict) -> dict[str, object]:
    return dict(notebook["metadata"].get("papermill", {}).get("parameters", {}))


def inputs_now(original: RecordedRun) -> dict[str, str]:
    """Return the digests of the files that now stand where the run's inputs came from.

    Raises
    ------
    SourceError
        If one of them cannot be had.
    """
    digests = {}
    for text in ", ".join(original.months.values()).split(", "):
        raw = open_month(text, service=original.service, source=original.source)
        digests[raw.file] = raw.sha256
    return digests
