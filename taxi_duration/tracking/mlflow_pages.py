"""What MLflow's own pages show of the runs: descriptions, a table of figures, and its address."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taxi_duration.data.trips import Split

RESULT = "application/vnd.taxi+json"  # media type of a result for programs: JupyterLab skips it
NOTE = "mlflow.note.content"  # the tag that MLflow shows as a description
VIEW = "figures"  # name of the table's view
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
FIGURES = ("valid_rmse", "test_rmse", "test_coverage_all")
COLUMNS = (*(f"metrics.`{name}`" for name in FIGURES), "params.`train`")
ABOUT = (
    "How many minutes a New York taxi ride takes. A row is a pipeline, a notebook's training or "
    "search, with the figures of its best model; open it for a row each model or trial.\n\n"
    "`valid_rmse`, in minutes, chooses; `test_rmse` judges once all is chosen; `test_coverage_all` "
    "is the share of test rides within their interval, which should be 0.8."
)
ABOUT_MODELS = (
    "Minutes of a New York taxi ride, with a low and a high end. The alias `champion` is in use, "
    "`challenger` was registered last; `taxi-duration history` says who promoted which, and why."
)


def experiment_tags() -> dict[str, str]:
    """Return the tags of a new experiment: its description, and the columns of its table."""
    return {NOTE: ABOUT, VIEW_TAG: json.dumps({"selectedColumns": COLUMNS})}


def runs_page(base: str, experiment_id: str, tags: Sequence[str]) -> str:
    """Return the address at which MLflow shows an experiment's runs.

    Parameters
    ----------
    base : str
        Of MLflow's server.
    tags : sequence of str
        Names of the experiment's tags: an older one may lack the view.

    Examples
    --------
    >>> runs_page("http://127.0.0.1:5000/", "1", [])
    'http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning'
    """
    view = f"&viewStateShareKey={VIEW}" if VIEW_TAG in tags else ""
    path = f"#/experiments/{experiment_id}/runs?workflowType=machine_learning{view}"
    return f"{base.rstrip('/')}/{path}"


def note(split: Split) -> str:
    """Return the description of a run: its months, and what they are for."""
    train, valid, test = (trips.months for trips in split)
    return (
        f"Trained on {train}, chosen by {valid}, judged on {test}: "
        f"{split.train.service.name} taxis, source `{split.train.source}`."
    )
