"""The runs of one execution of a notebook: known by a tag, and closed when it breaks off."""

from __future__ import annotations

import json
import os
from typing import Literal

from taxi_duration.tracking.store import client, store_errors, store_exists

__all__ = ["close_runs", "tagging"]

CONTEXT = "MLFLOW_RUN_CONTEXT"  # MLflow gives the tags in it to each run that it starts


def tagging(execution: str) -> dict[str, str]:
    """Return the environment in which each run gets a tag `execution`.

    Examples
    --------
    >>> tagging("3f1c")
    {'MLFLOW_RUN_CONTEXT': '{"execution": "3f1c"}'}
    """
    others = json.loads(os.environ.get(CONTEXT) or "{}")
    return {CONTEXT: json.dumps(others | {"execution": execution})}


def close_runs(execution: str, *, status: Literal["FAILED", "KILLED"] = "FAILED") -> list[str]:
    """Mark the runs of an execution that still count as running; return their ids.

    A Python that is killed cannot do so itself, and its runs would go on for ever.

    Raises
    ------
    TrackingError
        If the store does not answer.

    Examples
    --------
    >>> close_runs("3f1c")
    []
    """
    if not store_exists():
        return []
    store = client()
    with store_errors("The runs of a notebook that broke off cannot be closed"):
        found = store.search_runs(
            [each.experiment_id for each in store.search_experiments()],
            f"tags.execution = '{execution}' AND attributes.status = 'RUNNING'",
        )
        for run in found:
            store.set_terminated(run.info.run_id, status)
    return [run.info.run_id for run in found]
