"""A recorded training, done once more, in a store that is gone afterwards."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from taxi_duration.errors import ModelError, TrackingError
from taxi_duration.months import Month, Service
from taxi_duration.notebooks import Progress, inspect, run
from taxi_duration.parameters import read_parameters
from taxi_duration.persistence import load_pipeline
from taxi_duration.recipes import make_model
from taxi_duration.records import Record, download, files_of, read_record
from taxi_duration.seal import check_seal
from taxi_duration.source import digest_month
from taxi_duration.store import open_store
from taxi_duration.tracking import list_runs
from taxi_duration.tracking import record as train
from taxi_duration.trips import load_split, load_trips

__all__ = ["PARTS", "Original", "Rebuilt", "find_original", "inputs_now", "predict_test", "rebuild"]

PARTS = ("train", "valid", "test")
OURS = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID")


@dataclass(frozen=True)
class Original:
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
    def again(self) -> bool:
        """Whether the notebook trains the models that it is told, so that it can run again."""
        cells = self.notebook["cells"] if self.notebook else ()
        return any(
            each.name == "models"
            for cell in cells
            if "parameters" in cell["metadata"].get("tags", ())
            for each in read_parameters("".join(cell["source"]))
        )


@dataclass(frozen=True)
class Rebuilt:
    """The run that came of it, read before its store went, and its minutes for the test month."""

    record: Record
    predicted: np.ndarray = field(repr=False)


def find_original(run_id: str, *, source: str | Path | None = None) -> Original:
    """Read a run and the notebook that made it, attached to it or to a run above.

    Parameters
    ----------
    source
        Where its months are now; else where they came from.

    Raises
    ------
    ModelError
        If the run has no model, or does not say where its months came from.
    TrackingError
        If there is no such run, it has not finished, or the store does not answer.
    """
    record = read_record(run_id)
    _check(record)
    found = _attached(record)
    notebook, name = found or (None, None)
    return Original(record, str(source or _source(record, notebook)), notebook, name)


def _check(record: Record) -> None:
    if record.model is None:
        runs = list_runs(parent=record.run_id)
        names = ", ".join(f"{run.model} {run.run_id}" for run in runs.itertuples())
        raise ModelError(
            f"Run {record.run_id!r} has no model of its own. Name one of its runs: "
            f"{names or 'it has none'}."
        )
    if record.status != "FINISHED":
        raise TrackingError(
            f"Run {record.run_id!r} is {record.status}: what it recorded is not whole. Name a run "
            "that has finished."
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


def inputs_now(original: Original) -> dict[str, str]:
    """Return the digests of the files that now stand where the run's inputs came from.

    Raises
    ------
    SourceError
        If one of them cannot be had.
    """
    service = Service.parse(original.record.tags["service"])
    months = [month for part in _months(original.record).values() for month in part.split(", ")]
    digests = [
        digest_month(Month.parse(month), service=service, source=original.source)
        for month in months
    ]
    return {name: digest for each in digests for name, digest in each.items()}


def _months(record: Record) -> dict[str, str]:
    return {part: record.parameters[part] for part in PARTS}


def rebuild(original: Original, *, progress: Progress | None = None) -> Rebuilt:
    """Train the model again: by its notebook, or else by the library with its parameters.

    The months, the threads and the refit are those of the run. All of it happens in a temporary
    folder, with a store of its own: nothing is left, and the user's store is only read.

    Raises
    ------
    NotebookError, TrackingError
        If the notebook fails, or no run of the model came of it.
    """
    with TemporaryDirectory(prefix="reproduce-") as folder, _aside(Path(folder)):
        if original.again:
            run_id = _run_notebook(original, Path(folder), progress)
        else:
            run_id = _train(original)
        rebuilt = read_record(run_id)
        return Rebuilt(rebuilt, predict_test(rebuilt, original.source))


@contextmanager
def _aside(folder: Path) -> Iterator[None]:
    """Have MLflow, and the kernels that start now, use a store in the folder for a while."""
    before = {name: os.environ.pop(name) for name in OURS if name in os.environ}
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
    try:
        yield
    finally:
        for name in OURS:
            os.environ.pop(name, None)
        os.environ.update(before)
        open_store()


def _run_notebook(original: Original, folder: Path, progress: Progress | None) -> str:
    path = folder / f"{original.name}.ipynb"
    path.write_text(json.dumps(_bare(original.notebook)), encoding="utf-8")
    run(path, parameters=_parameters(original, path), into=folder / "runs", progress=progress)
    runs = list_runs()
    found = runs.loc[(runs["model"] == original.record.model) & (runs["status"] == "FINISHED")]
    if found.empty:
        raise TrackingError(
            f"Notebook {original.name} ran again, and recorded no model {original.record.model!r}. "
            "Look at it where it is attached to the run."
        )
    return found["run_id"].iloc[0]


def _bare(notebook: dict) -> dict:
    """Return the notebook as it was before it was executed."""
    cells = [
        cell | ({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {})
        for cell in notebook["cells"]
        if "injected-parameters" not in cell["metadata"].get("tags", ())
    ]
    return notebook | {"cells": cells}


def _parameters(original: Original, path: Path) -> dict[str, object]:
    """Return what the notebook was given, and what the run says of itself, by their names."""
    record = original.record
    about = {"models": [record.model], "service": record.tags["service"]}
    known = _given(original.notebook) | record.parameters | about | {"source": original.source}
    return {each.name: known[each.name] for each in inspect(path) if each.name in known}


def _train(original: Original) -> str:
    record = original.record
    split = load_split(
        **_months(record), service=record.tags["service"], source=original.source
    )  # fmt: skip
    return train(
        record.model,
        split,
        refit=record.parameters["refit"] == "True",
        threads=int(record.parameters["threads"]),
        **_chosen(record.model, record.parameters),
    ).run_id


def _chosen(model: str, recorded: Mapping[str, str]) -> dict[str, object]:
    """Return the regressor's parameters; where boosting stopped is where it will stop again."""
    known = make_model(model)["regressor"].get_params()
    return {name: _value(text) for name, text in recorded.items() if name in known}


def _value(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def predict_test(record: Record, source: str) -> np.ndarray:
    """Predict the run's test month with its logged model, whose files are checked first.

    Raises
    ------
    ModelError
        If the files are not those that were recorded.
    """
    rides = load_trips(
        record.parameters["test"], service=record.tags["service"], source=source
    ).frame
    with TemporaryDirectory() as folder:
        files = download(record.run_id, "model", Path(folder))
        check_seal(files, record.parameters["model_sha256"], name=f"of run {record.run_id}")
        pipeline = load_pipeline(files / "artifacts" / "pipeline.skops")
        return pipeline.predict(rides).astype(float)
