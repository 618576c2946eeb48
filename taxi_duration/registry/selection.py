"""The recorded models to choose from, and the best of them: error against size and time."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from taxi_duration.data.trips import Trips
from taxi_duration.errors import ModelError
from taxi_duration.registry.loading import load_run
from taxi_duration.tracking.stage_runs import EXECUTION
from taxi_duration.tracking.store import EXPERIMENT, open_store, store_errors

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

SIZE_DIGITS = 2  # no two files of one model have the same number of bytes
SPEED_ROWS = 20_000  # rides that are enough to measure speed


def candidates(
    valid: Trips,
    *,
    model: str | None = None,
    executions: Sequence[str] = (),
    experiment: str = EXPERIMENT,
) -> pd.DataFrame:
    """Return the finished trainings that can be compared: those chosen by exactly these rides.

    Of runs that predict the same, the latest represents all.

    Parameters
    ----------
    valid : Trips
        The month to choose by. The test month is for the end, and chooses nothing.
    model : str, optional
        Only those of this name, e.g. "xgboost".
    executions : list of str
        Only trainings that these executions of notebooks have recorded; if none, all.

    Returns
    -------
    DataFrame
        `model`, `notebook`, `valid_rmse` (minutes), `size_mb`, `fit_seconds` (with the refit),
        `refit`, `run_id`, `front` (whether no other is both smaller and better, see
        `pareto_front`); the best first.

    Raises
    ------
    ModelError
        If there is none.
    """
    digests = (f"params.`sha256/{file}` = '{digest}'" for file, digest in valid.sha256.items())
    wanted = [
        "attributes.status = 'FINISHED'",
        f"params.valid = '{valid.months}'",
        "params.model_sha256 LIKE '%'",
        *digests,
        *([f"tags.model = '{model}'"] if model else []),
    ]
    open_store(experiment)
    import mlflow

    with store_errors("The candidates cannot be read"):
        runs = mlflow.search_runs(experiment_names=[experiment], filter_string=" and ".join(wanted))
    if executions and not runs.empty:
        runs = runs[runs.filter([f"tags.{EXECUTION}"]).isin(executions).any(axis=1)]
    if runs.empty:
        raise ModelError(
            f"The store has no finished {model or 'model'!r} that was chosen by the rides of "
            f"{valid.months}. Run the notebook 02_train on these months first."
        )
    runs = runs[::-1].drop_duplicates("params.test_predictions_sha256", keep="last")
    table = pd.DataFrame(
        {
            "model": runs["tags.model"],
            "notebook": runs["tags.mlflow.source.name"],
            "valid_rmse": runs["metrics.valid_rmse"],
            "size_mb": (runs["metrics.model_bytes"] / 1e6).round(SIZE_DIGITS),
            "fit_seconds": runs["metrics.fit_seconds"] + runs["metrics.refit_seconds"],
            "refit": runs["params.refit"].eq("True"),
            "run_id": runs["run_id"],
        }
    ).sort_values(["valid_rmse", "size_mb"], ignore_index=True)
    return table.assign(front=pareto_front(table["valid_rmse"], table["size_mb"]))


def pareto_front(errors: pd.Series, costs: pd.Series) -> np.ndarray:
    """Return whether no other row has less error at no more cost, or less cost at no more error.

    Examples
    --------
    >>> pareto_front(pd.Series([5.0, 6.0, 7.0]), pd.Series([3.0, 1.0, 2.0])).tolist()
    [True, True, False]
    """
    errors, costs = errors.to_numpy(), costs.to_numpy()
    no_worse = (errors[:, None] <= errors) & (costs[:, None] <= costs)
    better = (errors[:, None] < errors) | (costs[:, None] < costs)
    return ~(no_worse & better).any(axis=0)


def select_best(
    table: pd.DataFrame,
    *,
    at_most_mb: float | None = None,
    at_most_seconds: float | None = None,
) -> pd.Series:
    """Return the row of the lowest error on the valid month that is within the limits.

    Parameters
    ----------
    table : DataFrame
        As `candidates` returns it.
    at_most_mb, at_most_seconds : float, optional
        Size on disk, and time to fit.

    Raises
    ------
    ModelError
        If none is within the limits.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {"model": ["deep", "flat"], "valid_rmse": [5.0, 6.0], "size_mb": [3.0, 1.0]}
    ... )
    >>> select_best(table, at_most_mb=2)["model"]
    'flat'
    >>> select_best(table, at_most_mb=0.5)
    Traceback (most recent call last):
    ...
    taxi_duration.errors.ModelError: No candidate has size_mb of at most 0.5; the least is 1. \
Allow more.
    """
    for column, most in (("size_mb", at_most_mb), ("fit_seconds", at_most_seconds)):
        if most is None:
            continue
        within = table[table[column] <= most]
        if within.empty:
            raise ModelError(
                f"No candidate has {column} of at most {most:g}; the least is "
                f"{table[column].min():.3g}. Allow more."
            )
        table = within
    return table.loc[table["valid_rmse"].idxmin()]


def throughput(pipeline: Pipeline, rides: pd.DataFrame) -> float:
    """Return how many rides a pipeline predicts in a second, at its best of three times."""
    some, seconds = rides.head(SPEED_ROWS), []
    for _ in range(3):
        start = perf_counter()
        pipeline.predict(some)
        seconds.append(perf_counter() - start)
    return len(some) / min(seconds)


def with_throughput(table: pd.DataFrame, rides: pd.DataFrame) -> pd.DataFrame:
    """Add `rows_per_second` to candidates: each is loaded as by `load`, and predicts the rides."""
    pipelines = (load_run(run_id).pipeline for run_id in table["run_id"])
    return table.assign(rows_per_second=[throughput(pipeline, rides) for pipeline in pipelines])
