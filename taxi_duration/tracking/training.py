"""A training remembered by MLflow: one model, or several under one parent run."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from taxi_duration.data.files import temporary_folder
from taxi_duration.data.trips import Split
from taxi_duration.evaluation import metrics
from taxi_duration.models.catalog import MODELS, check_names, make_model
from taxi_duration.models.intervals import Intervals, calibrate
from taxi_duration.models.training import Fitted, fit
from taxi_duration.tracking.mlflow_pages import RESULT
from taxi_duration.tracking.model import log_model
from taxi_duration.tracking.provenance import Provenance, collect_provenance, log_texts, months_of
from taxi_duration.tracking.run_owner import owned_run
from taxi_duration.tracking.store import EXPERIMENT, open_store, store_errors

NAIVE = "median"  # the model that any other has to beat
DIGITS = 2  # two seeds of one model differ by more than the third digit
BATCH = 1000  # metrics that MLflow takes at once


Plot = Callable[[pd.DataFrame], Any]  # of `taxi_duration.plots`; returns what has `save(path)`


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
        return self[metrics.compare(run.scores for run in self.runs)["model"].iloc[0]]

    def table(self) -> pd.DataFrame:
        """Return `evaluation.metrics.compare` of the runs: the best by valid first."""
        return metrics.compare(run.scores for run in self.runs).round(DIGITS)

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
        mlflow.log_metrics(training.best.metrics)  # for the row in MLflow's table
        mlflow.set_tag("best", training.best.fitted.name)
    return training


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
class _Shared:
    """What the runs of one training have in common, so that it is computed once."""

    split: Split
    provenance: Provenance
    tags: dict[str, str]
    naive: Fitted  # without a refit
    naive_predictions: dict[str, pd.DataFrame]
    naive_scores: pd.DataFrame


def _prepare(
    names: Sequence[str],
    split: Split,
    notebook: str | None,
    experiment: str,
    *,
    refit: bool = False,  # noqa: ARG001  of the fit, not of the regressor
    level: bool = True,  # noqa: ARG001
    **how: object,
) -> _Shared:
    """Check the models, open the store, and compute what their runs have in common."""
    for name in names:
        make_model(name, **how)
    open_store(experiment)
    provenance = collect_provenance()
    naive = fit(NAIVE, split.train, split.valid)
    predictions = metrics.predict_parts(naive, split)
    scores = metrics.score_predictions(NAIVE, predictions)
    tags = provenance.tags(split, notebook)
    return _Shared(split, provenance, tags, naive, predictions, scores)


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
    fits = {"refit": refit, "level": level and MODELS[name].levelled}
    with (
        store_errors(f"The run of model {name!r} cannot be recorded"),
        owned_run(run_name=name, nested=nested, tags=tags) as active,
    ):
        shared.provenance.log_inputs(split)
        if name == NAIVE and not refit:
            fitted, predictions = shared.naive, shared.naive_predictions
        else:
            fitted = fit(name, split.train, split.valid, **fits, **how)
            predictions = metrics.predict_parts(fitted, split)
        valid, test = predictions["valid"], predictions["test"]
        # for months after the valid one, which are predicted at its level
        intervals = calibrate(valid.assign(predicted=fitted.first_level * valid["predicted"]))
        size = log_model(fitted, intervals, split.valid.frame)
        fixed = {"threads": fitted.threads, "test_predictions_sha256": predictions_digest(test)}
        mlflow.log_params(fitted.parameters | fixed | fits)
        scores = metrics.score_predictions(name, predictions)
        covered = metrics.coverage(test.assign(**intervals.around(test["predicted"])))
        figures = _figures(fitted, scores, shared.naive_scores, covered) | {"model_bytes": size}
        mlflow.log_metrics(figures)
        _log_curve(fitted, active.info.run_id)
        slices = metrics.score_slices({"valid": valid, "test": test})
        log_texts({"slices.csv": slices.to_csv(index=False)})
        _log_pictures(pictures, valid)
    return Run(active.info.run_id, fitted, intervals, scores, size, figures)


def predictions_digest(predictions: pd.DataFrame) -> str:
    """Return the sha256 of the predicted minutes: the same model has the same."""
    minutes = predictions["predicted"].to_numpy(dtype="<f8")
    return hashlib.sha256(minutes.tobytes()).hexdigest()


def _figures(
    fitted: Fitted, scores: pd.DataFrame, naive: pd.DataFrame, covered: pd.DataFrame
) -> dict[str, float]:
    """Return errors, those of the naive model, coverage, rounds, level and seconds."""
    return {
        **by_part(scores),
        **{f"naive_{name}": value for name, value in by_part(naive).items()},
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
