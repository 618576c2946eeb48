"""What is written into a run: what a training starts from, and what it leads to."""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from taxi_duration.data.trips import Split, Trips
from taxi_duration.models.training import Fitted
from taxi_duration.tracking.provenance import code_state, developer, environment, package_digest

if TYPE_CHECKING:
    import mlflow.data.dataset

__all__ = [
    "Draw",
    "Picture",
    "by_part",
    "log_inputs",
    "log_metrics",
    "log_naive",
    "log_parameters",
    "log_pictures",
    "log_predictions",
    "log_slices",
    "log_sureness",
    "months_of",
    "predictions_digest",
    "tags_of",
]


class Picture(Protocol):
    """What `taxi_duration.plots` draws: it can be saved."""

    def save(self, path: Path) -> object:
        """Write the picture to a file."""


Draw = Callable[[pd.DataFrame], Picture]


def tags_of(split: Split, notebook: str | None) -> dict[str, str]:
    """Return who trains, on which months of what service, with which code, from which notebook."""
    code = code_state()
    return {
        "developer": developer(),
        "service": split.train.service.name,
        "source": split.train.source,
        "tree": "changed" if code.patch else "clean",
        "mlflow.source.name": notebook or Path(sys.argv[0]).name,
        "mlflow.source.type": "NOTEBOOK" if notebook else "LOCAL",
        **({"mlflow.source.git.commit": code.commit} if code.commit else {}),
    }


def months_of(split: Split) -> dict[str, str]:
    """Return the months of each part."""
    return {part: ", ".join(map(str, trips.months)) for part, trips in split._asdict().items()}


def log_inputs(split: Split) -> None:
    """Log what the run starts from; parameters cannot be overwritten, so digests are some."""
    import mlflow

    files = {name: digest for trips in split for name, digest in trips.sha256.items()}
    digests = {f"sha256/{name}": files[name] for name in files} | {"code_sha256": package_digest()}
    mlflow.log_params(months_of(split) | digests)
    mlflow.log_dict(environment(), "environment.json")
    mlflow.log_text(split.rows().to_csv(), "rows.csv")
    if patch := code_state().patch:
        mlflow.log_text(patch, "code.patch")
    for part, trips in split._asdict().items():
        mlflow.log_input(_dataset(trips), context=part)


def _dataset(trips: Trips) -> mlflow.data.dataset.Dataset:
    """Name the data by its file and digest; MLflow's own look at each row would take seconds."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    name, digest = next(iter(trips.sha256.items()))
    source = CodeDatasetSource({"file": name, "service": trips.service.name})
    return MetaDataset(source, name=name, digest=digest[:36])


def log_parameters(fitted: Fitted, *, refit: bool) -> None:
    """Log the parameters of the model and of its fit."""
    import mlflow

    mlflow.log_params(fitted.parameters | {"threads": fitted.threads, "refit": refit})


def log_metrics(fitted: Fitted, scores: pd.DataFrame, size: int) -> None:
    """Log errors, seconds, size (bytes), and the error after each round of boosting.

    `mlflow.xgboost.autolog` would patch every fit in the process and log by names of its own, of
    a curve that `Fitted` already has.
    """
    import mlflow

    metrics = by_part(scores)
    seconds = {"fit_seconds": fitted.seconds, "refit_seconds": fitted.refit_seconds}
    rounds = {"rounds": fitted.rounds} if fitted.rounds else {}
    mlflow.log_metrics(metrics | seconds | rounds | {"model_bytes": size})
    if fitted.rounds:
        _log_curve(fitted.curve)


def log_naive(scores: pd.DataFrame) -> None:
    """Log the error of the naive answer on the same rides, as `naive_valid_rmse` and so on."""
    import mlflow

    mlflow.log_metrics({f"naive_{name}": value for name, value in by_part(scores).items()})


def log_sureness(covered: pd.DataFrame) -> None:
    """Log the share of test rides within their interval, and its width, by predicted minutes."""
    import mlflow

    for row in covered.itertuples():
        name = row.predicted.replace(" ", "_")
        mlflow.log_metrics({f"test_coverage_{name}": row.coverage, f"test_width_{name}": row.width})


def log_slices(slices: pd.DataFrame) -> None:
    """Log the error by slice, as `taxi_duration.evaluation.metrics.score_slices` returns it."""
    import mlflow

    mlflow.log_text(slices.to_csv(index=False), "slices.csv")


def log_predictions(predictions: pd.DataFrame) -> None:
    """Log the digest of the test predictions: a training that is made again has the same."""
    import mlflow

    mlflow.log_param("test_predictions_sha256", predictions_digest(predictions))


def predictions_digest(predictions: pd.DataFrame) -> str:
    """Return the sha256 of the predicted minutes: the same model has the same."""
    minutes = predictions["predicted"].to_numpy(dtype="<f8")
    return hashlib.sha256(minutes.tobytes()).hexdigest()


def by_part(scores: pd.DataFrame) -> dict[str, float]:
    """Return the scores as `train_rmse`, `valid_rmse` and so on."""
    tidy = scores.drop(columns="model").melt("part")
    return {f"{row.part}_{row.variable}": row.value for row in tidy.itertuples()}


def _log_curve(curve: pd.DataFrame) -> None:
    from mlflow import MlflowClient, active_run
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    points = [
        Metric(f"{part}_rmse_by_round", float(value), now, step)
        for part in curve
        for step, value in enumerate(curve[part], start=1)
    ]
    for start in range(0, len(points), 1000):  # MLflow takes no more at once
        MlflowClient().log_batch(active_run().info.run_id, metrics=points[start : start + 1000])


def log_pictures(pictures: Sequence[Draw], predictions: pd.DataFrame) -> None:
    """Let each function draw the predictions, and log what it draws."""
    import mlflow

    with tempfile.TemporaryDirectory() as folder:
        for draw in pictures:
            draw(predictions).save(Path(folder) / f"{draw.__name__}.png")
        if pictures:
            mlflow.log_artifacts(folder, "pictures")
