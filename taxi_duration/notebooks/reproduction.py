"""A recorded model, trained again from its record alone, and compared with it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from taxi_duration.data.source import open_month
from taxi_duration.data.trips import Split, load_trips
from taxi_duration.errors import ModelError
from taxi_duration.evaluation.metrics import predict_parts, score_predictions
from taxi_duration.models.catalog import make_model
from taxi_duration.models.training import fit
from taxi_duration.registry.loading import RUN_ID, find_model, load_run, verified_files
from taxi_duration.tracking.provenance import environment, package_digest
from taxi_duration.tracking.runs import Record, list_runs, read_environment, read_record
from taxi_duration.tracking.training import by_part, predictions_digest

CLOSE = 1e-4  # minutes, that another computer's arithmetic may differ by
PLACE = ("computer", "machine")  # decide how equal the figures must be; no difference themselves
METRICS = [f"{part}_{name}" for part in Split._fields for name in ("rmse", "mae", "bias")]
NOTHING = "nothing, since the data are not the same"
SAME_BITS = "the same to the last bit, on the same computer, libraries and threads"
SAME_MINUTES = f"the same to within {CLOSE:.4f} minutes, on another computer or other libraries"


@dataclass(frozen=True)
class Reproduction:
    """The outcome of training a recorded model again.

    Attributes
    ----------
    required
        How equal the two had to be.
    differences
        Sentences on data, code, environment and figures; none if the model is reproduced.
    metrics
        Rows `train_rmse` and so on, columns `recorded` and `rebuilt` (minutes); empty if nothing
        was trained.
    """

    run_id: str
    model: str
    required: str
    differences: tuple[str, ...]
    metrics: pd.DataFrame = field(repr=False)

    @property
    def reproduced(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def __str__(self) -> str:
        verdict = "reproduced" if self.reproduced else "not reproduced"
        lines = [f"Model {self.model!r} of run {self.run_id}: {verdict}.", *self.differences]
        lines.append(f"Required: {self.required}.")
        return "\n".join([*lines, "", self.metrics.to_string()] if len(self.metrics) else lines)


def reproduce(model: str, *, source: str | Path | None = None) -> Reproduction:
    """Train a recorded model again from its record, and say what differs, and why.

    The inputs' digests come first: with other data nothing is trained. Then the model is trained
    with the recorded parameters, on the recorded months. What a search found is trained with its
    parameters, without the search. Nothing is written to the store.

    Parameters
    ----------
    model : str
        A run's id, or a version as `taxi_duration.registry.load` takes it.
    source : str
        Where the months are now, if not where they came from.

    Examples
    --------
    >>> from taxi_duration.tracking.training import record
    >>> from taxi_duration.data.trips import load_split
    >>> run = record("median", load_split("2021-01", "2021-02", "2021-03"))
    >>> print(reproduce(run.run_id).required)
    the same to the last bit, on the same computer, libraries and threads
    """
    record = read_record(model if RUN_ID.fullmatch(model) else find_model(model).run_id)
    _check(record)
    where = source or record.tags.get("source")
    if not where:
        raise ModelError(
            f"Run {record.run_id!r} does not say where {', '.join(record.inputs)} came from. "
            "Say where they are: --source."
        )
    if changed := _changed_inputs(record, where):
        return Reproduction(record.run_id, record.model, NOTHING, tuple(changed), pd.DataFrame())
    return compare(record, read_environment(record.run_id), *retrain(record, where))


def retrain(record: Record, source: str | Path) -> tuple[Record, pd.DataFrame]:
    """Train the model of a run again; return what a run of it would record, and its predictions.

    Months, parameters, threads, refit and level are those of the run; predictions are of the test
    month.
    """
    place = {"service": record.tags["service"], "source": source}
    split = Split(*(load_trips(record.months(part), **place) for part in Split._fields))
    fitted = fit(
        record.model,
        split.train,
        split.valid,
        refit=record.parameters["refit"] == "True",
        level=record.parameters.get("level") == "True",  # runs had none before
        threads=int(record.parameters["threads"]),
        **_hyperparameters(record),
    )
    predictions = predict_parts(fitted, split)
    parameters = {
        "code_sha256": package_digest(),
        "threads": str(fitted.threads),
        "test_predictions_sha256": predictions_digest(predictions["test"]),
    }
    again = replace(
        record,
        parameters=record.parameters | parameters,
        metrics=by_part(score_predictions(fitted.name, predictions)),
    )
    return again, predictions["test"]


def compare(
    record: Record, kept: Mapping[str, str], again: Record, predictions: pd.DataFrame
) -> Reproduction:
    """Compare a second training with the recorded one: code, environment, figures.

    The environment that was kept with the record is compared with the one here.
    """
    here = environment()
    exact = kept == here and _is_same("threads", record, again)
    tolerance = 0 if exact else CLOSE
    metrics = pd.DataFrame({"recorded": record.metrics, "rebuilt": again.metrics}).reindex(METRICS)
    differences = [
        *_code(record, again),
        *_environment(kept, here),
        *_figures(metrics, tolerance),
    ]
    if not _is_same("test_predictions_sha256", record, again):
        differences += _predictions(record, predictions, tolerance)
    required = SAME_BITS if exact else SAME_MINUTES
    return Reproduction(record.run_id, record.model, required, tuple(differences), metrics)


def _is_same(parameter: str, record: Record, again: Record) -> bool:
    return record.parameters.get(parameter) == again.parameters.get(parameter)


def _check(record: Record) -> None:
    if record.status != "FINISHED":
        raise ModelError(
            f"Run {record.run_id!r} is {record.status}: its record is not complete. Name a run "
            "that has finished."
        )
    if record.model_id is None:
        runs = list_runs(parent=record.run_id)
        names = ", ".join(f"{run.model} {run.run_id}" for run in runs.itertuples())
        raise ModelError(
            f"Run {record.run_id!r} has no model of its own. Name one that has: "
            f"{names or 'taxi-duration history lists them'}."
        )
    with verified_files(record):
        pass


def _changed_inputs(record: Record, source: str | Path) -> list[str]:
    """Return a sentence for each file that is not there, or not as the run had it."""
    months = [month for part in Split._fields for month in record.months(part)]
    raw = [open_month(each, service=record.tags["service"], source=source) for each in months]
    found = {each.file: each.sha256 for each in raw}
    return [
        f"Data: {name} is not the file that was recorded: sha256 {digest[:12]} recorded, "
        f"{found.get(name, 'none')[:12]} here."
        for name, digest in record.inputs.items()
        if found.get(name) != digest
    ]


def _hyperparameters(record: Record) -> dict[str, object]:
    """Return the regressor's parameters; boosting will stop again where it stopped."""
    known = make_model(record.model)["regressor"].get_params()
    return {name: _value(text) for name, text in record.parameters.items() if name in known}


def _value(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _code(record: Record, again: Record) -> list[str]:
    if _is_same("code_sha256", record, again):
        return []
    then, now = (each.parameters.get("code_sha256", "none")[:12] for each in (record, again))
    commit = record.tags.get("mlflow.source.git.commit")
    back = f"Go back to it: git checkout {commit}" if commit else "No commit was recorded"
    is_changed = record.tags.get("tree") == "changed"
    patch = ", then git apply code.patch, which is kept with the run" if is_changed else ""
    return [f"Code: taxi_duration {then} recorded, {now} here. {back}{patch}."]


def _environment(recorded: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    if not recorded:
        return ["Environment: none is kept with the run."]
    return [
        f"Environment: {name} {version} recorded, {found.get(name, 'none')} here."
        for name, version in recorded.items()
        if found.get(name) != version and name not in PLACE
    ]


def _figures(metrics: pd.DataFrame, tolerance: float) -> list[str]:
    return [
        f"Figures: {row.Index} {row.recorded:.10g} recorded, {row.rebuilt:.10g} rebuilt."
        for row in metrics.itertuples()
        if not abs(row.recorded - row.rebuilt) <= tolerance  # a missing figure differs
    ]


def _predictions(record: Record, predictions: pd.DataFrame, tolerance: float) -> list[str]:
    recorded = load_run(record.run_id).predict_unchecked(predictions)["duration"]
    most = float(np.max(np.abs(recorded - predictions["predicted"])))
    if most <= tolerance > 0:
        return []
    return [f"Predictions: those of the test month differ, by up to {most:.3g} minutes."]
