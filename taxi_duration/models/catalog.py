"""Named models: how each is made, before it is fitted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import joblib
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.linear_model import Lasso, LinearRegression, Ridge
from sklearn.pipeline import Pipeline

from taxi_duration.data.rides import RIDE
from taxi_duration.errors import EngineError, ModelError, UsageError, nearest
from taxi_duration.models.baseline import MedianDuration
from taxi_duration.models.features import ReferenceFeatures, RideFeatures

if TYPE_CHECKING:
    from xgboost import XGBRegressor

WITHOUT_DISTANCE = RIDE[:-1]
DEVICE = re.compile(r"cpu|cuda(:\d+)?", re.ASCII)

COURSE_NOTES = {  # found by the course notes' own search
    "n_estimators": 1000,
    "learning_rate": 0.08176795825696564,
    "max_depth": 34,
    "min_child_weight": 1.7946623467511347,
    "reg_alpha": 0.021105230437726465,
    "reg_lambda": 0.02961987918231709,
    "random_state": 42,
}
DEFAULTS = {
    "n_estimators": 800,  # more would win a thousandth, and predictions take longer with each
    "learning_rate": 0.07,
    "max_depth": 8,
    "min_child_weight": 60,
    "subsample": 0.9,
    "colsample_bytree": 0.6,
    "colsample_bynode": 0.5,
    "reg_lambda": 20,
    "random_state": 0,
}
QUOTE_DEFAULTS = {  # fewer features: smaller steps, on fewer columns
    "n_estimators": 2000,
    "learning_rate": 0.05,
    "max_depth": 8,
    "min_child_weight": 30,
    "subsample": 0.9,
    "colsample_bytree": 0.4,
    "random_state": 0,
}


@dataclass(frozen=True)
class Recipe:
    """How a named model is made."""

    about: str  # one line for a person who chooses
    features: Callable[[], BaseEstimator] | None  # None if the regressor takes rides as they are
    regressor: Callable[..., BaseEstimator]
    parameters: Mapping[str, object] = field(default_factory=dict)  # other than the defaults
    boosted: bool = False  # fitted in rounds, and stopped early by the valid month
    levelled: bool = False  # its minutes carry the level of the newest month
    inputs: tuple[str, ...] = RIDE  # columns of a ride that it takes


def _xgboost(**parameters: object) -> XGBRegressor:
    from xgboost import XGBRegressor

    return XGBRegressor(objective="reg:squarederror", tree_method="hist", **parameters)


MODELS: Mapping[str, Recipe] = MappingProxyType(
    {
        "median": Recipe(
            "the pair's median at that time of day", None, MedianDuration, inputs=WITHOUT_DISTANCE
        ),
        "linear": Recipe("least squares on pair and distance", ReferenceFeatures, LinearRegression),
        "ridge": Recipe("the same, squares held small", ReferenceFeatures, Ridge),
        "lasso": Recipe(
            "the same, few pairs kept", ReferenceFeatures, Lasso, {"alpha": 1e-4}
        ),
        "reference": Recipe(
            "the notes' boosted trees on pair and distance",
            ReferenceFeatures, _xgboost, COURSE_NOTES, boosted=True,
        ),
        "xgboost": Recipe(
            "boosted trees on clock, distance, encoding, map",
            RideFeatures, _xgboost, DEFAULTS, boosted=True, levelled=True,
        ),
        "quote": Recipe(
            "the same, for rides whose distance is not known",
            partial(RideFeatures, distance=False), _xgboost, QUOTE_DEFAULTS,
            boosted=True, levelled=True, inputs=WITHOUT_DISTANCE,
        ),
    }
)  # fmt: skip


def describe(names: Iterable[str]) -> pd.DataFrame:
    """Return what the named models are, a row each: `model`, `about`.

    Examples
    --------
    >>> describe(["median"])["about"].item()
    "the pair's median at that time of day"
    """
    return pd.DataFrame({"model": name, "about": _recipe(name).about} for name in names)


def check_names(names: Iterable[str]) -> list[str]:
    """Return the names of models to compare, if there are any, each known and named once."""
    names = list(names)
    twice = [name for name in MODELS if names.count(name) > 1]
    if twice or not names:
        wrong = f"{twice[0]!r} is named more than once" if twice else "No model is named"
        raise ModelError(f"{wrong}. Name each model to compare once: {', '.join(MODELS)}.")
    for name in names:
        _recipe(name)
    return names


def make_model(name: str, *, threads: int | None = None, **parameters: object) -> Pipeline:
    """Return the pipeline of a named model, not fitted.

    Parameters
    ----------
    name : str
        One of `MODELS`.
    threads : int, optional
        For boosting; as many as processors if None.
    **parameters
        Of the regressor, in place of those in `MODELS`; of boosted ones also `device`, e.g. "cuda".

    Examples
    --------
    >>> make_model("ridge", alpha=2.0)["regressor"]
    Ridge(alpha=2.0)
    >>> make_model("ridg")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    taxi_duration.errors.ModelError: Model 'ridg' is unknown. Did you mean 'ridge'? Known: ...
    """
    recipe = _recipe(name)
    regressor = recipe.regressor(**recipe.parameters)
    known = sorted(regressor.get_params())
    for each in parameters:
        if each not in known:
            raise ModelError(f"Model {name!r} has no parameter {each!r}. {nearest(each, known)}")
    regressor.set_params(**parameters)
    if (device := parameters.get("device")) is not None:
        check_device(device)
    if recipe.boosted:
        regressor.set_params(n_jobs=threads or joblib.cpu_count())
    features = recipe.features() if recipe.features else "passthrough"
    return Pipeline([("features", features), ("regressor", regressor)])


def _recipe(name: str) -> Recipe:
    if name not in MODELS:
        raise ModelError(f"Model {name!r} is unknown. {nearest(name, MODELS)}")
    return MODELS[name]


def check_device(device: str) -> None:
    """Reject a device that is not there: without a GPU, XGBoost itself would only warn."""
    import xgboost

    if not DEVICE.fullmatch(device):
        raise UsageError(f"Device {device!r} is unknown. Take 'cpu', 'cuda' or 'cuda:1'.")
    with xgboost.config_context(verbosity=0):
        booster = xgboost.Booster({"device": device, "num_feature": 1})
        found = json.loads(booster.save_config())["learner"]["generic_param"]["device"]
    if not found.startswith(device):  # "cuda:0" for "cuda"
        raise EngineError(
            f"Device {device!r} is not available: XGBoost finds no such GPU. Take 'cpu', or look "
            "at nvidia-smi."
        )


def set_device(regressor: XGBRegressor, device: str) -> None:
    """Have a fitted regressor predict on another device from now on."""
    # on a GPU, XGBoost would say each time that arrays have to be copied there
    regressor.set_params(device=device, verbosity=None if device == "cpu" else 0)
