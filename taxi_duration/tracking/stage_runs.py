"""Attempts at the stages of a pipeline: a run each, with the runs that the stage records below."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from taxi_duration.errors import TrackingError
from taxi_duration.tracking.mlflow_pages import FIGURES, NOTE
from taxi_duration.tracking.run_owner import Owner
from taxi_duration.tracking.store import EXPERIMENT, client, open_store, store_errors
from taxi_duration.tracking.store_address import database_of, store_uri

if TYPE_CHECKING:
    from mlflow.entities import Run

PARENT, EXECUTION = "mlflow.parentRunId", "execution"  # tags
RUN_CONTEXT = "MLFLOW_RUN_CONTEXT"  # variable with tags that MLflow sets on each new run


@dataclass(frozen=True)
class Attempt:
    """One execution of a notebook; its `id` is a tag of each run that the notebook records."""

    id: str
    parent: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the kernel by which MLflow tags each run with the attempt.

        Examples
        --------
        >>> Attempt("3f1c").environment
        {'MLFLOW_RUN_CONTEXT': '{"execution": "3f1c"}'}
        """
        tags = {EXECUTION: self.id} | ({PARENT: self.id} if self.parent else {})
        return {RUN_CONTEXT: json.dumps(json.loads(os.environ.get(RUN_CONTEXT) or "{}") | tags)}


@contextmanager
def pipeline_run(name: str, run_id: str | None = None) -> Iterator[str]:
    """Start the run of a pipeline, or go on with the one of `run_id`; yield its id.

    It has tags but no parameters, so that it can be continued with others.
    """
    open_store()
    from mlflow.entities import RunTag

    store = client()
    with store_errors("The run of the pipeline cannot be recorded"):
        if not _exists(run_id):
            experiment = store.get_experiment_by_name(EXPERIMENT)
            tags = {"pipeline": name} | Owner.this().tags  # at once: without an owner it would stay
            run = store.create_run(experiment.experiment_id, tags=tags, run_name=name)
            run_id = run.info.run_id
        else:
            owner = [RunTag(*tag) for tag in Owner.this().tags.items()]
            store.log_batch(run_id, tags=owner)  # first, or it would belong to a process of old
            store.update_run(run_id, status="RUNNING")
    with _closed(run_id):
        yield run_id


@contextmanager
def attempt(stage: str, *, parent: str | None = None) -> Iterator[Attempt]:
    """Record an attempt at a stage below the pipeline's run; without one only tag its runs.

    Runs that the stage leaves open after an error are closed as FAILED, or as KILLED if it was
    interrupted.
    """
    if parent is None:
        made = Attempt(uuid4().hex)
        with _closed(None, made.id):
            yield made
        return
    store = client()
    with store_errors(f"The attempt at {stage} cannot be recorded"):
        experiment = store.get_run(parent).info.experiment_id
        tags = {PARENT: parent, "stage": stage} | Owner.this().tags
        made = Attempt(store.create_run(experiment, tags=tags, run_name=stage).info.run_id, parent)
    with _closed(made.id, made.id):
        yield made
        log_best(made.id, [made.id])


def log_best(run_id: str, executions: Iterable[str]) -> None:
    """Log the figures of the executions' best model to a run above them, for its row in the pages.

    The best has the lowest rmse on the valid month; without a model nothing is logged.
    """
    from mlflow.entities import Metric, RunTag

    trained = [
        run.data
        for execution in executions
        for run in _runs(execution, "FINISHED")
        if {"model", NOTE} <= run.data.tags.keys() and set(FIGURES) <= run.data.metrics.keys()
    ]
    if not trained:
        return
    best, now = min(trained, key=lambda data: data.metrics[FIGURES[0]]), int(time.time() * 1000)
    with store_errors(f"The figures of run {run_id!r} cannot be recorded"):
        client().log_batch(
            run_id,
            metrics=[Metric(name, best.metrics[name], now, 0) for name in FIGURES],
            tags=[RunTag("best", best.tags["model"]), RunTag(NOTE, best.tags[NOTE])],
        )


def finished_runs(execution: str) -> list[str]:
    """Return the ids of the finished runs that an attempt has recorded."""
    return sorted(run.info.run_id for run in _runs(execution, "FINISHED"))


def close_runs(execution: str, status: str) -> list[str]:
    """Close the runs that an attempt has left open, and return their ids."""
    found = [run.info.run_id for run in _runs(execution, "RUNNING")]
    with store_errors("The runs of an interrupted notebook cannot be closed"):
        for run_id in found:
            client().set_terminated(run_id, status)
    return found


@contextmanager
def _closed(run_id: str | None, execution: str | None = None) -> Iterator[None]:
    """Close a run at the end of a block; after an error those of its execution first."""
    status = "KILLED"
    try:
        yield
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        # after an error, that one says what is wrong with the store
        with suppress(TrackingError) if status != "FINISHED" else nullcontext():
            if execution and status != "FINISHED":
                close_runs(execution, status)
            if run_id:
                with store_errors(f"Run {run_id!r} cannot be closed"):
                    client().set_terminated(run_id, status)


def _exists(run_id: str | None) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        return bool(run_id) and client().get_run(run_id).info.lifecycle_stage == "active"
    except MlflowException:
        return False


def _runs(execution: str, status: str) -> list[Run]:
    database = database_of(store_uri())
    if database and not database.exists():
        return []
    store = client()
    with store_errors("The runs of a notebook cannot be listed"):
        return store.search_runs(
            [each.experiment_id for each in store.search_experiments()],
            f"tags.{EXECUTION} = '{execution}' AND attributes.status = '{status}'",
        )
