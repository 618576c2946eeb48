"""A pipeline with its intervals: rides in, minutes with their intervals out; and both on disk."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from taxi_duration.data.batches import n_rides
from taxi_duration.data.files import atomic_write
from taxi_duration.data.rides import (
    Columns,
    are_valid,
    as_columns,
    format_rejections,
    read_columns,
    read_rides,
    rejections,
)
from taxi_duration.errors import ModelError, SchemaError
from taxi_duration.models.catalog import MODELS, check_device, set_device
from taxi_duration.models.features import RideFeatures
from taxi_duration.models.intervals import Intervals

if TYPE_CHECKING:
    import xgboost

PIPELINE, ABOUT = "pipeline.skops", "about.json"
FEW = 16  # rides; from twice as many on, XGBoost is faster than `FlatTrees`
FIELDS = ("left_children", "right_children", "split_indices", "split_conditions")  # of a tree

# Types that a skops file may hold beside those that skops trusts. Never read from the file.
TRUSTED = (
    "taxi_duration.models.baseline.MedianDuration",
    "taxi_duration.models.features.DistanceRepair",
    "taxi_duration.models.features.ReferenceFeatures",
    "taxi_duration.models.features.RideFeatures",
    "taxi_duration.models.encoding.ZoneTargetEncoder",
    "taxi_duration.models.zones.ZoneMap",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBRegressor",
)


@dataclass(frozen=True)
class Estimator:
    """A fitted model that predicts rides, with intervals."""

    name: str  # in `taxi_duration.models.catalog.MODELS`
    inputs: tuple[str, ...]  # columns of a ride that it needs
    pipeline: Pipeline = field(repr=False)
    intervals: Intervals = field(repr=False)
    level: float = field(default=1.0, repr=False)  # factor of the pipeline's minutes

    @property
    def needs_distance(self) -> bool:
        """Whether a ride without distance is rejected."""
        return "trip_distance" in self.inputs

    def on(self, device: str) -> Estimator:
        """Return a copy that predicts on a device, e.g. "cuda"; only boosted models can."""
        if device == "cpu":
            return self
        if not MODELS[self.name].boosted:
            raise ModelError(f"Model {self.name!r} predicts on the processor only. Take 'cpu'.")
        check_device(device)
        copy = replace(self, pipeline=deepcopy(self.pipeline))
        set_device(copy.pipeline[-1], device)
        return copy

    def predict(self, given: pd.DataFrame) -> pd.DataFrame:
        """Return `duration`, `low` and `high` in minutes, a row a ride, if all rides are valid.

        Parameters
        ----------
        given : DataFrame
            Rides, as `taxi_duration.data.rides.read_rides` takes them.

        Raises
        ------
        SchemaError
            If a column is missing, or a ride is not valid: which row, field and limit.
        """
        rides = read_columns(given)
        if not are_valid(rides, distance=self.needs_distance):
            rejected = rejections(read_rides(given), distance=self.needs_distance)
            raise SchemaError(f"Not a valid ride: {format_rejections(given, rejected)}.")
        return pd.DataFrame(self.predict_columns(rides), index=given.index, copy=False)

    def predict_columns(self, rides: Columns) -> Columns:
        """Return the same as arrays, for valid rides: for one ride, frames take half the time."""
        minutes = self._minutes(rides, by=self._trees if n_rides(rides) <= FEW else None)
        return {"duration": minutes, **self.intervals.around(minutes)}

    def predict_unchecked(self, rides: pd.DataFrame) -> pd.DataFrame:
        """Return the same for rides of `read_rides`, also for those that are not valid.

        Rides between the same zones are predicted one after the other: their ways through the
        trees are alike, and still in the processor's cache. That saves a tenth of the time.
        """
        columns = as_columns(rides)
        order = np.lexsort((columns["PULocationID"], columns["DOLocationID"]))
        minutes = np.empty(len(rides))
        minutes[order] = self._minutes({name: each[order] for name, each in columns.items()})
        found = {"duration": minutes, **self.intervals.around(minutes)}
        return pd.DataFrame(found, index=rides.index, copy=False)

    @cached_property
    def _trees(self) -> FlatTrees | None:
        """Trees for a few valid rides, of which no feature is missing; None if it has others."""
        features, *_, regressor = self.pipeline
        return FlatTrees(regressor.get_booster()) if isinstance(features, RideFeatures) else None

    def _minutes(self, rides: Columns, *, by: FlatTrees | None = None) -> np.ndarray:
        """Predict step by step: a pipeline's own overhead takes longer than one ride."""
        *transformers, regressor = (step for _, step in self.pipeline.steps)
        for transformer in transformers:
            if transformer != "passthrough":
                rides = transformer.transform(rides)
        return self.level * (by or regressor).predict(rides).astype(float)

    def save(self, folder: Path) -> dict[str, Path]:
        """Write two files, without pickle; return the path of each by its purpose."""
        about = {"name": self.name, "inputs": self.inputs, "level": self.level}
        about["intervals"] = asdict(self.intervals)
        path = folder / ABOUT
        path.write_text(json.dumps(about, indent=1), encoding="utf-8")
        return {"pipeline": save_pipeline(self.pipeline, folder / PIPELINE), "about": path}

    @classmethod
    def load(cls, folder: Path) -> Estimator:
        """Read what `save` wrote; a `ModelError` says what is missing, damaged or not trusted."""
        try:
            about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            name, inputs, read = about["name"], tuple(about["inputs"]), about["intervals"]
            intervals = Intervals(read["level"], tuple(read["low"]), tuple(read["high"]))
            level = float(about.get("level", 1))  # models had none before
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise ModelError(f"{folder} does not hold a model ({problem}).") from problem
        return cls(name, inputs, load_pipeline(folder / PIPELINE), intervals, level)


def save_pipeline(pipeline: Pipeline, path: Path) -> Path:
    """Write a fitted pipeline as a skops file, whole or not at all; return its path."""
    import skops.io

    with atomic_write(path) as fresh:
        skops.io.dump(pipeline, fresh, compression=ZIP_DEFLATED)
    return path


def load_pipeline(path: Path) -> Pipeline:
    """Read a pipeline that `save_pipeline` wrote; no code of the file is run."""
    import skops.io

    try:
        return skops.io.load(path, trusted=list(TRUSTED))
    except Exception as problem:  # a damaged file fails in many ways
        reason = f"{type(problem).__name__}: {problem}".splitlines()[0]
        raise ModelError(f"{path} is not a model of this project ({reason}).") from problem


class FlatTrees:
    """The trees of a booster, all walked at once; the predictions are XGBoost's, bit by bit.

    Before its first row XGBoost visits every node of every tree, to learn how deep they are. That
    takes longer than the walk of a few rows. The booster has to be fitted on squared error, to
    numbers none of which is missing.
    """

    def __init__(self, booster: xgboost.Booster) -> None:
        learner = json.loads(booster.save_raw("json"))["learner"]
        base = json.loads(learner["learner_model_param"]["base_score"])
        mean = dict(zip(FIELDS, ([-1], [-1], [0], base), strict=True))  # a tree of one leaf
        trees = [mean, *learner["gradient_booster"]["model"]["trees"]]
        left, right, feature, value = (
            np.concatenate([np.array(tree[name]) for tree in trees]) for name in FIELDS
        )
        sizes = [len(tree["left_children"]) for tree in trees]
        self._roots = np.cumsum([0, *sizes[:-1]])
        start, is_leaf = np.repeat(self._roots, sizes), left < 0
        ways = [np.where(is_leaf, np.arange(len(left)), each + start) for each in (left, right)]
        ways = np.stack(ways, axis=1)  # node to the left and to the right of each
        self._next = ways.ravel()
        self._feature, self._value = feature, value.astype(np.float32)  # a leaf's is its minutes
        nodes, self._depth = self._roots, 0  # the most steps from a root to a leaf
        while len(nodes := nodes[~is_leaf[nodes]]):
            nodes, self._depth = ways[nodes].ravel(), self._depth + 1

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return a prediction for each row of features, as float32."""
        rows, width = features.shape
        values, row = features.ravel(), width * np.arange(rows)[:, None]
        nodes = np.tile(self._roots, (rows, 1))
        for _ in range(self._depth):
            is_right = values.take(self._feature.take(nodes) + row) >= self._value.take(nodes)
            nodes = self._next.take(2 * nodes + is_right)
        # one after the other, as XGBoost adds them: another order would change the last bit
        return np.cumsum(self._value.take(nodes), axis=1)[:, -1]
