"""A recorded model, made again from its record alone, and compared with the original."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from taxi_duration.notebooks.originals import PARTS, RecordedRun, find_original, inputs_now
from taxi_duration.notebooks.rebuild import Rebuilt, predict_test, rebuild
from taxi_duration.notebooks.runner import Progress
from taxi_duration.tracking.runs import Record

if TYPE_CHECKING:
    from taxi_duration.registry.promotion import Entry

__all__ = ["Reproduction", "compare", "descent", "reproduce"]

CLOSE = 1e-4  # minutes, that another computer's arithmetic may differ by
RUN = re.compile(r"[0-9a-f]{32}")
PLACE = ("computer", "machine")  # decide what can be asked; no difference in themselves
METRICS = [f"{part}_{name}" for part in PARTS for name in ("rmse", "mae", "bias")]
NOTHING = "nothing, since the data are not the same"
SAME_BITS = "the same to the last bit, on the same computer, libraries and threads"
SAME_MINUTES = f"the same to within {CLOSE:.4f} minutes, on another computer or other libraries"


@dataclass(frozen=True)
class Reproduction:
    """What came of making a model again.

    Attributes
    ----------
    how
        It was trained.
    asked
        How equal it had to be.
    differences
        Sentences on data, code, environment and figures; none if it is reproduced.
    metrics
        Rows `train_rmse` and so on, columns `recorded` and `rebuilt` (minutes); empty if nothing
        was trained.
    """

    run_id: str
    model: str
    how: str
    asked: str
    differences: tuple[str, ...]
    metrics: pd.DataFrame = field(repr=False)

    @property
    def reproduced(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def __str__(self) -> str:
        verdict = "reproduced" if self.reproduced else "not reproduced"
        lines = [f"Model {self.model!r} of run {self.run_id}: {verdict}.", *self.differences]
        lines += [f"Trained: {self.how}.", f"Asked: {self.asked}."]
        return "\n".join([*lines, "", self.metrics.to_string()] if len(self.metrics) else lines)


def reproduce(
    model: str, *, source: str | Path | None = None, progress: Progress | None = None
) -> Reproduction:
    """Train a recorded model again from its record, and say what differs, and why.

    The inputs' digests come first: with other data nothing is trained. Then the recorded notebook
    is executed with its recorded parameters, for this model only; what a search found is trained
    with its parameters, without the search. It really trains, in a store of its own.

    Parameters
    ----------
    model
        A run's id, or a version as `taxi_duration.registry.promotion.find_version` takes it.
    source
        Where the months are now, if not where they came from.

    Raises
    ------
    ModelError, TrackingError
        If there is no such run or version, or it has not finished or has no model.
    SourceError
        If a month cannot be had.
    NotebookError
        If the notebook fails.

    Examples
    --------
    >>> from taxi_duration.tracking.training import record
    >>> from taxi_duration.data.trips import load_split
    >>> run = record("median", load_split("2021-01", "2021-02", "2021-03"))
    >>> print(reproduce(run.run_id).asked)
    the same to the last bit, on the same computer, libraries and threads
    """
    original = find_original(_run_of(model), source=source)
    data = _data(original.record.inputs, inputs_now(original))
    if data:
        about = (original.record.run_id, original.record.model)
        return Reproduction(*about, "not at all", NOTHING, tuple(data), pd.DataFrame())
    return compare(original, rebuild(original, progress=progress))


def _run_of(model: str) -> str:
    if RUN.fullmatch(model):
        return model
    from taxi_duration.registry.promotion import find_version

    return find_version(model).run_id


def compare(original: RecordedRun, rebuilt: Rebuilt) -> Reproduction:
    """Compare a rebuilt model with the original: data, code, environment, figures."""
    then, now = original.record, rebuilt.record
    exact = then.environment == now.environment and _same("threads", then, now)
    metrics = pd.DataFrame({"recorded": then.metrics, "rebuilt": now.metrics}).reindex(METRICS)
    differences = [
        *_data(then.inputs, now.inputs),
        *_code(then, now),
        *_environment(then.environment, now.environment),
        *_figures(metrics, 0 if exact else CLOSE),
        *_predictions(original, rebuilt, 0 if exact else CLOSE),
    ]
    asked = SAME_BITS if exact else SAME_MINUTES
    return Reproduction(then.run_id, then.model, _how(original), asked, tuple(differences), metrics)


def _same(name: str, then: Record, now: Record) -> bool:
    return then.parameters.get(name) == now.parameters.get(name)


def _how(original: RecordedRun) -> str:
    if original.again:
        return f"notebook {original.name} ran again with its recorded parameters, for this model"
    why = "no notebook is kept with the run"
    if original.notebook:
        why = f"{original.name} searched for them, and the search was not repeated"
    return f"by the library with the recorded parameters, since {why}"


def _data(recorded: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    return [
        f"Data: {name} is not the file that was recorded: sha256 {digest[:12]} recorded, "
        f"{found.get(name, 'none')[:12]} here."
        for name, digest in recorded.items()
        if found.get(name) != digest
    ]


def _code(then: Record, now: Record) -> list[str]:
    if _same("code_sha256", then, now):
        return []
    digests = [record.parameters.get("code_sha256", "none")[:12] for record in (then, now)]
    commit = then.tags.get("mlflow.source.git.commit")
    back = f"Go back to it: git checkout {commit}" if commit else "No commit was recorded"
    patch = ", then git apply code.patch, which is kept with the run" if _changed(then) else ""
    return [f"Code: taxi_duration {digests[0]} recorded, {digests[1]} here. {back}{patch}."]


def _changed(record: Record) -> bool:
    return record.tags.get("tree") == "changed"


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


def _predictions(original: RecordedRun, rebuilt: Rebuilt, tolerance: float) -> list[str]:
    if _same("test_predictions_sha256", original.record, rebuilt.record):
        return []
    recorded = predict_test(original.record, original.source)
    most = float(np.max(np.abs(recorded - rebuilt.predicted)))
    if most <= tolerance > 0:
        return []
    return [f"Predictions: those of the test month differ, by up to {most:.3g} minutes."]


def descent(history: pd.DataFrame) -> str:
    """Write what `registry.promotion.history` returns, a paragraph for each version."""
    return "\n\n".join(_version(row) for row in history.itertuples())


def _version(row: tuple) -> str:
    aliases = f", {' and '.join(row.aliases)}" if row.aliases else ""
    lines = {
        "model": row.model,
        "run": f"{row.run_id}, registered {row.created:%Y-%m-%d %H:%M} UTC",
        "months": f"train {row.train}, valid {row.valid}, test {row.test}, refit {row.refit}",
        "data": ", ".join(f"{name} {digest[:12]}" for name, digest in row.inputs.items()),
        "parameters": ", ".join(f"{name} {value}" for name, value in _own(row.parameters)),
        "metrics": f"valid rmse {row.valid_rmse:.2f}, test rmse {row.test_rmse:.2f} minutes, "
        f"intervals cover {row.coverage:.1%} of the test month",
        "gate": row.verdict or "not asked",
        "champion": "; ".join(map(_promotion, row.promotions)) or "never",
    }
    told = [f"  {name:10}  {text}" for name, text in lines.items()]
    return "\n".join([f"version {row.version}{aliases}", *told])


def _own(parameters: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the parameters that are the model's own, not months or digests."""
    return [
        (name, value)
        for name, value in parameters.items()
        if "sha256" not in name and name not in {*PARTS, "refit"}
    ]


def _promotion(entry: Entry) -> str:
    how = "promoted" if entry.kind == "promote" else "brought back"
    after = f" after version {entry.before}" if entry.before else ""
    return f"{how}{after} {entry.when:%Y-%m-%d %H:%M} UTC by {entry.who}: {entry.why}"
