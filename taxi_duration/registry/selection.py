"""Which of the recorded models to take: error weighed against size and time."""

from __future__ import annotations

import pickle
import pickletools
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from taxi_duration.data.trips import Trips
from taxi_duration.errors import ModelError
from taxi_duration.registry.loading import load_run
from taxi_duration.tracking.store import EXPERIMENT, open_store, store_errors

if TYPE_CHECKING:
    import mlflow.entities
    from sklearn.pipeline import Pipeline

__all__ = ["candidates", "pareto", "select_best", "throughput", "two_ways", "with_throughput"]

METRIC = "valid_rmse"
COLUMNS = ("model", "notebook", METRIC, "size_mb", "fit_seconds", "refit", "run_id")
DIGITS = 2  # of a size; no two files of one model have the same number of bytes
ROWS = 20_000  # rides that are enough to measure speed
CALLS = {"REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD"}  # by which a pickle runs what it names


def candidates(
    valid: Trips,
    *,
    model: str | None = None,
    experiment: str = EXPERIMENT,
) -> pd.DataFrame:
    """Return the finished trainings that may be compared: those chosen by exactly these rides.

    Of runs that predict the same, the latest stands for all.

    Parameters
    ----------
    valid
        The month to choose by. The test month is for the end, and chooses nothing.
    model
        Only those of this name, e.g. "xgboost".

    Returns
    -------
    DataFrame
        `model`, `notebook`, `valid_rmse` (minutes), `size_mb`, `fit_seconds` (with the refit),
        `refit`, `run_id`; the best first.

    Raises
    ------
    ModelError
        If there is none.
    TrackingError
        If the store does not answer.
    """
    open_store(experiment)
    import mlflow

    digests = (f"params.`sha256/{file}` = '{digest}'" for file, digest in valid.sha256.items())
    wanted = [
        "attributes.status = 'FINISHED'",
        f"params.valid = '{', '.join(map(str, valid.months))}'",
        "params.model_sha256 LIKE '%'",
        *digests,
        *([f"tags.model = '{model}'"] if model else []),
    ]
    with store_errors("The candidates cannot be read"):
        found = mlflow.search_runs(
            experiment_names=[experiment], filter_string=" and ".join(wanted), output_format="list"
        )
    if not found:
        raise ModelError(
            f"The store has no finished {model or 'model'!r} that was chosen by the rides of "
            f"{', '.join(map(str, valid.months))}. Run the notebook 02_train on these months first."
        )
    latest = {run.data.params["test_predictions_sha256"]: run for run in reversed(found)}
    table = pd.DataFrame([_row(run) for run in latest.values()], columns=COLUMNS)
    return table.sort_values([METRIC, "size_mb"], ignore_index=True)


def pareto(table: pd.DataFrame, *, error: str = METRIC, cost: str = "size_mb") -> pd.DataFrame:
    """Add `front`: whether no other row has less error at no more cost, or less cost at no more.

    Examples
    --------
    >>> table = pd.DataFrame({"valid_rmse": [5.0, 6.0, 7.0], "size_mb": [3.0, 1.0, 2.0]})
    >>> pareto(table)["front"].tolist()
    [True, True, False]
    """
    errors, costs = table[error].to_numpy(), table[cost].to_numpy()
    no_worse = (errors[:, None] <= errors) & (costs[:, None] <= costs)
    better = (errors[:, None] < errors) | (costs[:, None] < costs)
    return table.assign(front=~(no_worse & better).any(axis=0))


def select_best(
    table: pd.DataFrame,
    *,
    error: str = METRIC,
    at_most_mb: float | None = None,
    at_most_seconds: float | None = None,
) -> pd.Series:
    """Return the row of the lowest error that is within the limits.

    Parameters
    ----------
    table
        As `candidates` returns it.
    error
        The column to choose by; not one of the test month.
    at_most_mb, at_most_seconds
        Size on disk, and time to fit; no limit if None.

    Raises
    ------
    ModelError
        If none is within the limits, or the test month would choose.

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
    if error.startswith("test"):
        raise ModelError(f"{error!r} judges, and chooses nothing. Choose by {METRIC!r}.")
    left = table
    for column, most in (("size_mb", at_most_mb), ("fit_seconds", at_most_seconds)):
        if most is None:
            continue
        fit = left[left[column] <= most]
        if fit.empty:
            raise ModelError(
                f"No candidate has {column} of at most {most:g}; the least is "
                f"{left[column].min():.3g}. Allow more."
            )
        left = fit
    return left.loc[left[error].idxmin()]


def throughput(pipeline: Pipeline, rides: pd.DataFrame, *, repeats: int = 3) -> float:
    """Return how many rides a pipeline predicts in a second, at its best of some repeats."""
    some, seconds = rides.head(ROWS), []
    for _ in range(repeats):
        start = perf_counter()
        pipeline.predict(some)
        seconds.append(perf_counter() - start)
    return len(some) / min(seconds)


def with_throughput(table: pd.DataFrame, rides: pd.DataFrame) -> pd.DataFrame:
    """Load each candidate as `taxi_duration.registry.loading.load`, and add `rows_per_second`."""
    pipelines = (load_run(run_id).pipeline for run_id in table["run_id"])
    return table.assign(rows_per_second=[throughput(pipeline, rides) for pipeline in pipelines])


def two_ways(run_id: str, rides: pd.DataFrame) -> pd.DataFrame:
    """Keep a run's model as the course notes first do, too, and ask both for the same ride.

    The bare artifact is a file of the regressor alone, pickled; the logged model holds what comes
    before and after it, too.

    Returns
    -------
    DataFrame
        Columns `bare artifact` and `logged model`; a row each for what it is told of a ride, what
        it answers, and what runs when its file is read.

    Raises
    ------
    ModelError
        If the run has no model, or its files are not those that it recorded.
    """
    loaded = load_run(run_id)
    inputs = list(loaded.inputs)
    ride = rides[inputs].head(1)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.bin"
        path.write_bytes(pickle.dumps(loaded.pipeline["regressor"]))
        calls = [each for each, *_ in pickletools.genops(path.read_bytes()) if each.name in CALLS]
        bare = pickle.loads(path.read_bytes())  # noqa: S301  ours, from a line above
    numbers = getattr(bare, "n_features_in_", len(inputs))
    rows = {
        "is told": (f"{numbers} numbers, meaning not kept", f"{len(inputs)} columns, by name"),
        "answers": (_answer(bare.predict, ride), _answer(loaded.predict, ride)),
        "runs when read": (f"{len(calls)} calls that the file names", "types of our own list"),
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["bare artifact", "logged model"])


def _answer(predict: Callable[[pd.DataFrame], object], ride: pd.DataFrame) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that names are not known
            minutes = np.ravel(predict(ride))
    except (TypeError, ValueError) as problem:
        return f"nothing: {type(problem).__name__}"
    first, *ends = (f"{each:.1f}" for each in minutes)
    return f"{first} minutes" + (f", {' to '.join(ends)}" if ends else "")


def _row(run: mlflow.entities.Run) -> dict[str, object]:
    metrics, tags = run.data.metrics, run.data.tags
    return {
        "model": tags.get("model"),
        "notebook": tags.get("mlflow.source.name"),
        METRIC: metrics.get(METRIC, np.nan),
        "size_mb": round(metrics.get("model_bytes", np.nan) / 1e6, DIGITS),
        "fit_seconds": metrics.get("fit_seconds", np.nan) + metrics.get("refit_seconds", 0),
        "refit": run.data.params.get("refit") == "True",
        "run_id": run.info.run_id,
    }
