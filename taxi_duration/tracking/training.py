"""One training, remembered by MLflow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from taxi_duration.data.trips import Split
from taxi_duration.evaluation.metrics import compare, coverage, predict, score_parts, score_slices
from taxi_duration.models.catalog import check_names, make_model
from taxi_duration.models.intervals import Intervals, calibrate
from taxi_duration.models.training import Fitted, fit
from taxi_duration.tracking.entries import (
    Draw,
    log_inputs,
    log_metrics,
    log_naive,
    log_parameters,
    log_pictures,
    log_predictions,
    log_slices,
    log_sureness,
    months_of,
    tags_of,
)
from taxi_duration.tracking.model import log_model
from taxi_duration.tracking.store import EXPERIMENT, open_store, store_errors

__all__ = ["Run", "Training", "record", "record_all"]

NAIVE = "median"  # whatever loses to it is not worth its cost
DIGITS = 2  # two seeds of one model differ by more than a third would tell


@dataclass(frozen=True)
class Run:
    """A recorded training.

    Attributes
    ----------
    run_id
        MLflow's.
    fitted
        The model.
    intervals
        How sure it is: calibrated on the valid month, which its first fit has not learned from.
    scores
        As `taxi_duration.evaluation.metrics.score_parts` returns them.
    size
        Of the model on disk, in bytes.
    """

    run_id: str
    fitted: Fitted
    intervals: Intervals
    scores: pd.DataFrame = field(repr=False)
    size: int


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
        return {"text/plain": text, "application/json": {"run_id": self.run_id}}


def record_all(
    names: Iterable[str],
    split: Split,
    *,
    notebook: str | None = None,
    experiment: str = EXPERIMENT,
    **how: object,
) -> Training:
    """Train and record several models, as children of one parent run.

    Parameters
    ----------
    names
        Of models in `taxi_duration.models.catalog.MODELS`.
    notebook
        That asks for it; names the parent run.
    **how
        As `record` takes it, for each model.

    Raises
    ------
    ModelError
        If no model is named, one twice, or one that does not exist; nothing is recorded.
    TrackingError
        As `record`; then parent and child are marked as failed.
    """
    names = check_names(names)
    open_store(experiment)
    import mlflow

    with (
        store_errors("The training cannot be recorded"),
        mlflow.start_run(run_name=notebook, tags=tags_of(split, notebook)) as parent,
    ):
        mlflow.log_params(months_of(split) | {"models": ", ".join(names)})
        runs = [
            record(name, split, notebook=notebook, experiment=experiment, **how) for name in names
        ]
        training = Training(parent.info.run_id, tuple(runs))
        mlflow.set_tag("best", training.best.fitted.name)
    return training


def record(
    name: str,
    split: Split,
    *,
    notebook: str | None = None,
    experiment: str = EXPERIMENT,
    pictures: Sequence[Draw] = (),
    refit: bool = False,
    threads: int | None = None,
    tags: Mapping[str, str] | None = None,
    **parameters: object,
) -> Run:
    """Train one model, and record all that the training rests on and leads to.

    The run is a child of the active one, if there is one.

    Parameters
    ----------
    name, refit, threads, **parameters
        As `taxi_duration.models.training.fit` takes them.
    notebook
        That asks for it, e.g. "02_train".
    pictures
        Functions of `taxi_duration.plots` that draw predictions (of the valid month).
    tags
        To be set on the run beside our own, e.g. the id of the `search` that found the parameters.

    Raises
    ------
    ModelError
        If there is no such model or parameter; nothing is recorded.
    TrackingError
        If the store fails, or the logged model predicts otherwise than the fitted one. Then, as
        after any error, the run is marked as failed.

    Examples
    --------
    >>> from taxi_duration.data.trips import load_split
    >>> run = record("median", load_split("2021-01", "2021-02", "2021-03"))
    >>> run.scores["part"].tolist()
    ['train', 'valid', 'test']
    """
    make_model(name, **parameters)
    open_store(experiment)
    import mlflow

    tags = {**(tags or {}), **tags_of(split, notebook), "model": name}
    nested = mlflow.active_run() is not None
    with (
        store_errors(f"The run of model {name!r} cannot be recorded"),
        mlflow.start_run(run_name=name, nested=nested, tags=tags) as active,
    ):
        log_inputs(split)
        fitted = fit(name, split.train, split.valid, refit=refit, threads=threads, **parameters)
        scores = score_parts(fitted, split)
        unseen, judged = predict(fitted, split.valid), predict(fitted, split.test)
        intervals = calibrate(unseen)
        size = log_model(fitted, intervals, split.valid.frame)
        log_parameters(fitted, refit=refit)
        log_metrics(fitted, scores, size)
        log_naive(score_parts(fit(NAIVE, split.train, split.valid), split))
        log_predictions(judged)
        log_slices(score_slices({"valid": unseen, "test": judged}))
        log_sureness(coverage(judged.join(intervals.around(judged["predicted"]))))
        log_pictures(pictures, unseen)
    return Run(active.info.run_id, fitted, intervals, scores, size)
