"""A model on disk, without pickle: skops files, and the types that they may hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED

from taxi_duration.data.files import atomic_write
from taxi_duration.errors import ModelError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

__all__ = ["TRUSTED", "load_pipeline", "save_pipeline"]

# What a file may hold beyond what skops itself trusts. The list is ours, never the file's.
TRUSTED = (
    "taxi_duration.models.baseline.MedianDuration",
    "taxi_duration.models.features.Clock",
    "taxi_duration.models.features.DistanceRepair",
    "taxi_duration.models.features.ReferenceFeatures",
    "taxi_duration.models.features.RideFeatures",
    "taxi_duration.models.encoding.ZoneTargetEncoder",
    "taxi_duration.models.zones.ZoneMap",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBRegressor",
)


def save_pipeline(pipeline: Pipeline, path: Path) -> Path:
    """Write a fitted pipeline to a file, whole or not at all; return its path."""
    import skops.io

    with atomic_write(path) as fresh:
        skops.io.dump(pipeline, fresh, compression=ZIP_DEFLATED)
    return path


def load_pipeline(path: Path) -> Pipeline:
    """Read a pipeline that `save_pipeline` wrote; no code of the file's own is run.

    Raises
    ------
    ModelError
        If the file is missing or damaged, or holds a type that is not `TRUSTED`.
    """
    import skops.io

    try:
        return skops.io.load(path, trusted=list(TRUSTED))
    except Exception as problem:  # a damaged file fails in many ways
        reason = f"{type(problem).__name__}: {problem}".splitlines()[0]
        raise ModelError(f"{path} is not a model of this project ({reason}).") from problem
