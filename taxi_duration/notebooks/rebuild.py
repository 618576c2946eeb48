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

from taxi_duration.data.trips import load_split, load_trips
from taxi_duration.errors import TrackingError
from taxi_duration.models.catalog import make_model
from taxi_duration.notebooks.originals import RecordedRun
from taxi_duration.notebooks.runner import Progress, inspect, run
from taxi_duration.registry.loading import load_run
from taxi_duration.tracking.runs import Record, read_record
from taxi_duration.tracking.store import open_store
from taxi_duration.tracking.training import list_runs
from taxi_duration.tracking.training import record as train

__all__ = ["Rebuilt", "predict_test", "rebuild"]

OURS = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID")


@dataclass(frozen=True)
class Rebuilt:
    """The run that came of it, read before its store went, and its minutes for the test month."""

    record: Record
    predicted: np.ndarray = field(repr=False)


def rebuild(original: RecordedRun, *, progress: Progress | None = None) -> Rebuilt:
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


def _run_notebook(original: RecordedRun, folder: Path, progress: Progress | None) -> str:
    path = folder / f"{original.name}.ipynb"
    path.write_text(json.dumps(_bare(original.notebook)), encoding="utf-8")
    given = {
        each.name: original.given[each.name]
        for each in inspect(path)
        if each.name in original.given
    }
    run(path, parameters=given, into=folder / "runs", progress=progress)
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


def _train(original: RecordedRun) -> str:
    record = original.record
    split = load_split(**original.months, service=original.service, source=original.source)
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
    service, month = record.tags["service"], record.parameters["test"]
    rides = load_trips(month, service=service, source=source).frame
    return load_run(record.run_id).predict(rides)["duration"].to_numpy()
