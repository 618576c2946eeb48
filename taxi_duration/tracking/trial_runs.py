"""The trials of a search as runs of MLflow: written one by one, and read back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from taxi_duration.models.spaces import Space
from taxi_duration.models.tuning import Trial

if TYPE_CHECKING:
    import mlflow.entities

__all__ = ["log_trial", "recall_trials"]

SOURCE = ("mlflow.source.name", "mlflow.source.type")


def log_trial(trial: Trial, run_id: str) -> None:
    """Record a trial as a run that is whole once it is finished, and not before."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param
    from mlflow.tracking.context.registry import resolve_tags

    client, now = MlflowClient(), int(1000 * time.time())
    parent = client.get_run(run_id)
    source = {name: parent.data.tags[name] for name in SOURCE}
    child = client.create_run(
        parent.info.experiment_id,
        start_time=now - int(1000 * trial.seconds),
        tags=resolve_tags(source | {"mlflow.parentRunId": run_id, "trial": str(trial.number)}),
        run_name=f"trial {trial.number}",
    ).info.run_id
    params = {"number": trial.number, **trial.parameters}
    figures = {
        "valid_rmse": trial.valid_rmse, "rounds": trial.rounds, "fit_seconds": trial.seconds,
    }  # fmt: skip
    client.log_batch(
        child,
        params=[Param(name, repr(value)) for name, value in params.items()],
        metrics=[Metric(name, value, now, 0) for name, value in figures.items()],
    )
    client.set_terminated(child, "FINISHED", end_time=now)


def recall_trials(run_id: str, space: Space) -> dict[int, Trial]:
    """Return the trials that a search has recorded whole; close the runs of others."""
    import mlflow
    from mlflow import MlflowClient

    runs = mlflow.search_runs(
        search_all_experiments=True,
        filter_string=f"tags.mlflow.parentRunId = '{run_id}' AND tags.trial LIKE '%'",
        output_format="list",
    )
    for run in runs:
        if run.info.status == "RUNNING":
            MlflowClient().set_terminated(run.info.run_id, "KILLED")
    trials = [_read(run.data, space) for run in runs if run.info.status == "FINISHED"]
    return {trial.number: trial for trial in trials}


def _read(data: mlflow.entities.RunData, space: Space) -> Trial:
    drawn = {
        name: int(data.params[name]) if each.drawn == "whole" else float(data.params[name])
        for name, each in space.ranges.items()
    }
    metrics = data.metrics
    return Trial(
        number=int(data.params["number"]),
        parameters=drawn,
        valid_rmse=metrics["valid_rmse"],
        rounds=int(metrics["rounds"]),
        seconds=metrics["fit_seconds"],
    )
