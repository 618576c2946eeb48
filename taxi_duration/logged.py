"""A fitted pipeline as an MLflow model: without pickle, and proved by loading it again."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from taxi_duration.errors import TrackingError
from taxi_duration.intervals import Intervals
from taxi_duration.models import MODELS, Fitted
from taxi_duration.persistence import save_pipeline
from taxi_duration.seal import seal

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

__all__ = ["example_rides", "log_model"]

PACKAGE = Path(__file__).parent
NEEDS = ("mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops", "xgboost")


def log_model(fitted: Fitted, intervals: Intervals, rides: pd.DataFrame) -> int:
    """Log the model to the active run, load it again, compare what both predict, and seal it.

    Models-from-code around a skops file is the one form that MLflow loads where pickles are
    forbidden; it carries the library, so it predicts where `taxi_duration` is not installed. The
    digest of its files is a parameter of the run, `model_sha256`, since tags can be overwritten.

    Parameters
    ----------
    intervals
        That answer how sure the model is.
    rides
        Some to take the input example from (columns of `Trips.frame`).

    Returns
    -------
    int
        Size of the pipeline on disk, in bytes.

    Raises
    ------
    TrackingError
        If the logged model does not predict what the fitted one does.
    """
    import mlflow

    example = example_rides(rides, fitted.name)
    with tempfile.TemporaryDirectory() as folder:
        pipeline = save_pipeline(fitted.pipeline, Path(folder) / "pipeline.skops")
        size = pipeline.stat().st_size
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(PACKAGE / "served.py"),
            artifacts={
                "pipeline": str(pipeline),
                "intervals": str(intervals.save(Path(folder) / "intervals.json")),
            },
            code_paths=[str(PACKAGE)],
            signature=_signature(fitted.name),
            input_example=example,
            pip_requirements=[f"{name}=={version(name)}" for name in NEEDS],
        )
    _check(logged.model_uri, fitted, intervals, example)
    with tempfile.TemporaryDirectory() as folder:
        files = mlflow.artifacts.download_artifacts(logged.model_uri, dst_path=folder)
        mlflow.log_param("model_sha256", seal(Path(files)))
    return size


def example_rides(rides: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return five rides as the named model takes them, one without distance, one without zone.

    Examples
    --------
    >>> from taxi_duration.trips import load_trips
    >>> rides = load_trips("2021-01").frame
    >>> example_rides(rides, "xgboost").isna().sum().to_dict()
    {'pickup_datetime': 0, 'PULocationID': 1, 'DOLocationID': 0, 'trip_distance': 1}
    >>> list(example_rides(rides, "quote"))
    ['pickup_datetime', 'PULocationID', 'DOLocationID']
    """
    inputs = list(MODELS[name].inputs)
    example = rides[inputs].head(5).astype(dict.fromkeys(inputs[1:], float))
    for row, missing in ((-1, "PULocationID"), (-2, "trip_distance")):
        if missing in inputs:
            example.loc[example.index[row], missing] = np.nan
    return example


def _signature(name: str) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, Schema

    time, *numbers = MODELS[name].inputs
    return ModelSignature(
        Schema([ColSpec("datetime", time), *(ColSpec("double", number) for number in numbers)]),
        Schema([ColSpec("double", name) for name in ("duration", "low", "high")]),
    )


def _check(uri: str, fitted: Fitted, intervals: Intervals, example: pd.DataFrame) -> None:
    import mlflow

    minutes = fitted.pipeline.predict(example).astype(float)
    expected = np.column_stack([minutes, intervals.around(minutes)])
    found = mlflow.pyfunc.load_model(uri).predict(example)[["duration", "low", "high"]].to_numpy()
    if not np.array_equal(found, expected):
        raise TrackingError(
            f"Model {fitted.name!r} predicts {found.tolist()} after it was logged and loaded, "
            f"{expected.tolist()} before. The run is marked as failed: do not use its model."
        )
