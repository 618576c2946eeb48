"""A training remembered by MLflow: one model, or several under one parent run."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import pandas as pd

from taxi_duration.data.files import temporary_folder
from taxi_duration.data.trips import Split
from taxi_duration.evaluation.metrics import (
    compare,
    coverage,
    predict,
    predict_parts,
    score_predictions,
    score_slices,
)
from taxi_duration.models.catalog import MODELS, check_names, make_model
from taxi_duration.models.intervals import Intervals, calibrate
from taxi_duration.models.training import Fitted, fit
from taxi_duration.tracking.model import log_model
from taxi_duration.tracking.owner import owned_run
from taxi_duration.tracking.pages import RESULT
from taxi_duration.tracking.provenance import (
    Provenance,
    collect_provenance,
    log_inputs,
    log_texts,
    months_of,
    tags_of,
)
from taxi_duration.tracking.store import EXPERIMENT, open_store, store_errors

NAIVE = "median"  # the model that any other has to beat
DIGITS = 2  # two seeds of one model differ by more than the third digit
BATCH = 1000  # metrics that MLflow takes at once


class Picture(Protocol):
    """What a function of `taxi_duration.plots` returns."""

    def save(self, path: Path) -> object:
        """Write the picture to a file."""


Plot = Callable[[pd.DataFrame], Picture]


@dataclass(frozen=True)
class Run:
    """A recorded training of one model.

    Attributes
    ----------
    intervals
        Calibrated on the valid month, as predicted by the first fit, which has not seen it, times
        its level.
    scores
        As `taxi_duration.evaluation.metrics.score_parts` returns them.
    size
        Of the model on disk, in bytes.
    metrics
        All that were recorded, by name.
    """

    run_id: str
    fitted: Fitted
    intervals: Intervals
    scores: pd.DataFrame = field(repr=False)
    size: int
    metrics: dict[str, float] = field(repr=False)

    @property
    def curve(self) -> pd.DataFrame:
        """`Fitted.curve`; for a model without rounds, its error on either month as one row."""
        errors = self.scores.set_index("part")["rmse"]
        whole = pd.DataFrame({part: [errors[part]] for part in ("train", "valid")})
        return self.fitted.curve if self.fitted.rounds else whole


@dataclass(frozen=True)
class Training:
    """The runs of several models on the same months, under one parent run."""

    run_id: str
    runs: tuple[Run, ...]

    def __getitem__(self, name: str) -> Run:
        return next(run for run in self.runs if run.fitted.name == name)

    @property
    def best(self) -> Run:
        """The run with the lowest rmse on the valid month."""
        return self[compare(run.scores for run in self.runs)["model"].iloc[0]]

    def table(self) -> pd.DataFrame:
        """Return `evaluation.metrics.compare` of the runs: the best by valid first."""
        return compare(run.scores for run in self.runs).round(DIGITS)

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        text = f"{len(self.runs)} models recorded in run {self.run_id}"
        return {"text/plain": text, RESULT: {"run_id": self.run_id}}


def record_all(
    names: Iterable[str],
    split: Split,
    *,
    notebook: str | None = None,
    experiment: str = EXPERIMENT,
    pictures: Sequence[Plot] = (),
    tags: Mapping[str, str] | None = None,
    **how: object,
) -> Training:
    """Train and record several models, as children of one parent run.

    Parameters
    ----------
    names : iterable of str
        Models in `taxi_duration.models.catalog.MODELS`, each once.
    notebook : str
        Where the training was started, e.g. "02_train"; names the parent run.
    pictures, tags, **how
        As `record` takes them, for each model.
    """
    names = check_names(names)
    shared = _prepare(names, split, notebook, experiment, **how)
    import mlflow

    with (
        store_errors("The training cannot be recorded"),
        owned_run(run_name=notebook or "training", tags=shared.tags) as parent,
    ):
        mlflow.log_params(months_of(split) | {"models": ", ".join(names)})
        runs = [_record(name, shared, pictures, tags, **how) for name in names]
        training = Training(parent.info.run_id, tuple(runs))
        _log_best(training)
    return training


def _log_best(training: Training) -> None:
    """Log the best model and its figures to the parent run, for its row in MLflow's table."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, RunTag

    now, tag = int(time.time() * 1000), RunTag("best", training.best.fitted.name)
    figures = [Metric(name, float(each), now, 0) for name, each in training.best.metrics.items()]
    MlflowClient().log_batch(training.run_id, metrics=figures, tags=[tag])


def record(
    name: str,
    split: Split,
    *,
    notebook: str | None = None,
    experiment: str = EXPERIMENT,
    pictures: Sequence[Plot] = (),
    tags: Mapping[str, str] | None = None,
    **how: object,
) -> Run:
    """Train one model and record it: what it started from, its figures and the model itself.

    Nothing is recorded if there is no such model or parameter. After any other error the run is
    marked as failed. If a run is active, this one is its child.

    Parameters
    ----------
    name : str
        A model in `taxi_duration.models.catalog.MODELS`.
    notebook : str
        Where the training was started, e.g. "02_train".
    pictures : sequence of functions
        From `taxi_duration.plots`, that draw the predictions of the valid month.
    tags : mapping
        To be set beside our own, e.g. the id of the `search` that found the parameters.
    **how
        `refit`, `level`, `threads` and the regressor's parameters, as
        `taxi_duration.models.training.fit` takes them.

    Examples
    --------
    >>> from taxi_duration.data.trips import load_split
    >>> run = record("median", load_split("2021-01", "2021-02", "2021-03"))
    >>> run.scores["part"].tolist()
    ['train', 'valid', 'test']
    """
    shared = _prepare([name], split, notebook, experiment, **how)
    return _record(name, shared, pictures, tags, **how)


@dataclass(frozen=True)
class _Evaluated:
    """A fitted model with its predictions and their scores, by part of the split."""

    fitted: Fitted
    predictions: dict[str, pd.DataFrame]
    scores: pd.DataFrame


@dataclass(frozen=True)
class _Shared:
    """What the runs of one training have in common, so that it is computed once."""

    split: Split
    provenance: Provenance
    tags: dict[str, str]
    naive: _Evaluated
    naive_scores: pd.DataFrame


def _prepare(
    names: Sequence[str],
    split: Split,
    notebook: str | None,
    experiment: str,
    *,
    refit: bool = False,
    level: bool = True,  # noqa: ARG001  of the fit, not of the regressor
    **how: object,
) -> _Shared:
    """Check the models, open the store, and compute what their runs have in common."""
    for name in names:
        make_model(name, **how)
    open_store(experiment)
    provenance = collect_provenance()
    tags = tags_of(split, provenance, notebook)
    naive = _evaluate(NAIVE, split, refit=refit and NAIVE in names)
    return _Shared(split, provenance, tags, naive, _naive_scores(naive, split))


def _evaluate(name: str, split: Split, **how: object) -> _Evaluated:
    fitted = fit(name, split.train, split.valid, **how)
    predictions = predict_parts(fitted, split)
    return _Evaluated(fitted, predictions, score_predictions(name, predictions))


def _naive_scores(naive: _Evaluated, split: Split) -> pd.DataFrame:
    """Return the scores of the naive model without a refit."""
    if naive.fitted.first is naive.fitted.pipeline:
        return naive.scores
    first = replace(naive.fitted, pipeline=naive.fitted.first)
    return score_predictions(NAIVE, naive.predictions | {"test": predict(first, split.test)})


def _record(
    name: str,
    shared: _Shared,
    pictures: Sequence[Plot],
    tags: Mapping[str, str] | None,
    *,
    refit: bool = False,
    level: bool = True,
    **how: object,
) -> Run:
    import mlflow

    split, nested = shared.split, mlflow.active_run() is not None
    tags = {**(tags or {}), **shared.tags, "model": name}
    with (
        store_errors(f"The run of model {name!r} cannot be recorded"),
        owned_run(run_name=name, nested=nested, tags=tags) as active,
    ):
        log_inputs(split, shared.provenance)
        fits = {"refit": refit, "level": level and MODELS[name].levelled}
        model = shared.naive if name == NAIVE else _evaluate(name, split, **fits, **how)
        unseen = {part: model.predictions[part] for part in ("valid", "test")}
        intervals = _calibrate(model.fitted, unseen["valid"])
        size = log_model(model.fitted, intervals, split.valid.frame)
        mlflow.log_params(_parameters(model) | fits)
        metrics = _metrics(model, shared.naive_scores, intervals) | {"model_bytes": size}
        mlflow.log_metrics(metrics)
        _log_curve(model.fitted, active.info.run_id)
        log_texts({"slices.csv": score_slices(unseen).to_csv(index=False)})
        _log_pictures(pictures, unseen["valid"])
    return Run(active.info.run_id, model.fitted, intervals, model.scores, size, metrics)


def _calibrate(fitted: Fitted, valid: pd.DataFrame) -> Intervals:
    """Return the intervals for months after the valid one, which are predicted at its level."""
    return calibrate(valid.assign(predicted=fitted.first_level * valid["predicted"]))


def _parameters(model: _Evaluated) -> dict[str, object]:
    """Return how the regressor was fitted, and the digest of its test predictions."""
    digest = predictions_digest(model.predictions["test"])
    fixed = {"threads": model.fitted.threads, "test_predictions_sha256": digest}
    return model.fitted.parameters | fixed


def predictions_digest(predictions: pd.DataFrame) -> str:
    """Return the sha256 of the predicted minutes: the same model has the same."""
    minutes = predictions["predicted"].to_numpy(dtype="<f8")
    return hashlib.sha256(minutes.tobytes()).hexdigest()


def _metrics(
    model: _Evaluated, naive_scores: pd.DataFrame, intervals: Intervals
) -> dict[str, float]:
    """Return errors, those of the naive model, coverage, rounds, level and seconds."""
    fitted, test = model.fitted, model.predictions["test"]
    covered = coverage(test.join(intervals.around(test["predicted"])))
    return {
        **by_part(model.scores),
        **{f"naive_{name}": value for name, value in by_part(naive_scores).items()},
        **{
            f"test_{measure}_{row['predicted'].replace(' ', '_')}": row[measure]
            for row in covered.to_dict("records")
            for measure in ("coverage", "width")
        },
        **({"rounds": fitted.rounds} if fitted.rounds else {}),
        **({"level": fitted.level} if MODELS[fitted.name].levelled else {}),
        "fit_seconds": fitted.seconds,
        "refit_seconds": fitted.refit_seconds,
    }


def by_part(scores: pd.DataFrame) -> dict[str, float]:
    """Return scores by name, `train_rmse`, `valid_rmse` and so on."""
    tidy = scores.drop(columns="model").melt("part")
    return {f"{row.part}_{row.variable}": row.value for row in tidy.itertuples()}


def _log_curve(fitted: Fitted, run_id: str) -> None:
    """Log the error after each round of boosting, as `train_rmse_by_round` and so on.

    `mlflow.xgboost.autolog` would patch every fit in the process, and log names of its own.
    """
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    points = [
        Metric(f"{part}_rmse_by_round", float(value), now, step)
        for part in fitted.curve
        for step, value in enumerate(fitted.curve[part], start=1)
    ]
    for start in range(0, len(points), BATCH):
        MlflowClient().log_batch(run_id, metrics=points[start : start + BATCH])


def _log_pictures(pictures: Sequence[Plot], predictions: pd.DataFrame) -> None:
    import mlflow

    with temporary_folder() as folder:
        for plot in pictures:
            plot(predictions).save(folder / f"{plot.__name__}.png")
        if pictures:
            mlflow.log_artifacts(str(folder), "pictures")
