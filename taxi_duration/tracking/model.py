"""A fitted pipeline as an MLflow model: without pickle, and checked by loading it again."""

from __future__ import annotations

import platform
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from taxi_duration.data.files import temporary_folder, tree_digest
from taxi_duration.errors import TrackingError
from taxi_duration.models.catalog import MODELS
from taxi_duration.models.estimator import Estimator
from taxi_duration.models.intervals import Intervals
from taxi_duration.models.training import Fitted
from taxi_duration.tracking.runs import copy_model

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

PACKAGE = Path(__file__).parents[1]
EXAMPLE = 3  # rides
REDIRECTED = threading.Lock()
NEEDS = ("mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops", "xgboost")


def log_model(fitted: Fitted, intervals: Intervals, rides: pd.DataFrame) -> int:
    """Log the model to the active run, and return the size of its pipeline in bytes.

    Models-from-code around a skops file is the one form that MLflow loads where pickles are
    forbidden; it carries the library, so it predicts where `taxi_duration` is not installed. The
    logged files are loaded again: they must predict the same, and their digest becomes a parameter
    of the run, `model_sha256`, since tags can be overwritten. The first rides become the input
    example.
    """
    import mlflow

    inputs = MODELS[fitted.name].inputs
    estimator = Estimator(fitted.name, inputs, fitted.pipeline, intervals, fitted.level)
    example = example_rides(rides, fitted.name)
    with temporary_folder() as folder:
        files = estimator.save(folder)
        size = files["pipeline"].stat().st_size
        with _mlflow_files_in(folder):
            logged = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(PACKAGE / "tracking" / "pyfunc_model.py"),
                artifacts={purpose: str(path) for purpose, path in files.items()},
                code_paths=[str(PACKAGE)],
                signature=_signature(estimator.inputs),
                input_example=example.head(EXAMPLE),
                conda_env=_environment(),
            )
    with temporary_folder() as folder:
        copy_model(logged.model_id, folder)
        _check(folder, estimator, example)
        mlflow.log_param("model_sha256", tree_digest(folder))
    return size


def _environment() -> dict:
    """Return what the model needs; MLflow's own looks for pip, and warns where uv installs."""
    needs = [f"{name}=={version(name)}" for name in NEEDS]
    by_conda = [f"python={platform.python_version()}", "pip"]
    channels = ["conda-forge"]
    return {"name": "model", "channels": channels, "dependencies": [*by_conda, {"pip": needs}]}


@contextmanager
def _mlflow_files_in(folder: Path) -> Iterator[None]:
    """Have MLflow make its temporary files in a folder of ours, which is swept after a kill.

    It cannot be told where, so they move for the whole process, for one thread at a time.
    """
    with REDIRECTED:
        before, tempfile.tempdir = tempfile.tempdir, str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before


def example_rides(rides: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return three valid rides, one without distance and one without zone, for the named model.

    Examples
    --------
    >>> from taxi_duration.data.trips import load_trips
    >>> rides = load_trips("2021-01").frame
    >>> example_rides(rides, "xgboost").isna().sum().to_dict()
    {'pickup_datetime': 0, 'PULocationID': 1, 'DOLocationID': 0, 'trip_distance': 1}
    """
    inputs = list(MODELS[name].inputs)
    example = rides[inputs].head(EXAMPLE + 2).astype(dict.fromkeys(inputs[1:], float))
    for row, missing in ((-1, "PULocationID"), (-2, "trip_distance")):
        if missing in inputs:
            example.loc[example.index[row], missing] = np.nan
    return example


def _signature(inputs: Sequence[str]) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, Schema

    # any type, since our own rules decide: a datetime would lose its zone before we see it, and
    # whole numbers, as in a dict, are no doubles; a ride without distance is rejected by us, too
    columns = [ColSpec(AnyType(), each, required=each != "trip_distance") for each in inputs]
    minutes = [ColSpec("double", each) for each in ("duration", "low", "high")]
    return ModelSignature(Schema(columns), Schema(minutes))


def _check(folder: Path, estimator: Estimator, example: pd.DataFrame) -> None:
    """Compare what the logged files predict; valid rides are predicted through MLflow."""
    import mlflow

    served, loaded = mlflow.pyfunc.load_model(str(folder)), Estimator.load(folder / "artifacts")
    expected = estimator.predict_unchecked(example)
    incomplete = loaded.predict_unchecked(example).tail(-EXAMPLE)
    found = pd.concat([served.predict(example.head(EXAMPLE)), incomplete])
    if not found.equals(expected):
        after, before = (frame.round(4).to_dict("list") for frame in (found, expected))
        raise TrackingError(
            f"Model {estimator.name!r} predicts {after} after it was logged and loaded, {before} "
            "before. The run is marked as failed: do not use its model."
        )
