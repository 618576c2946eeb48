"""Named pipelines from rides to minutes, fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import root_mean_squared_error
from sklearn.pipeline import Pipeline

from taxi_duration.data.trips import Trips
from taxi_duration.errors import ModelError
from taxi_duration.models.catalog import MODELS, describe, make_model
from taxi_duration.months import Month

if TYPE_CHECKING:
    import xgboost
    from xgboost import XGBRegressor

__all__ = [
    "MODELS",
    "Fitted",
    "Prepared",
    "boost",
    "describe",
    "fit",
    "make_model",
    "prepare",
]

PATIENCE = 50  # rounds without a better valid month, after which boosting stops


@dataclass(frozen=True)
class Fitted:
    """A pipeline that has learned, and how.

    Attributes
    ----------
    pipeline
        From rides (columns of `Trips.frame`) to minutes, in one object.
    first
        The same before it was refitted on the valid month; without a refit, `pipeline` itself.
    name
        Its name in `MODELS`.
    parameters
        The regressor's parameters that were set; `n_estimators` is the number of rounds.
    rounds
        Of boosting; None for models that have none.
    seconds, refit_seconds
        Of the fit, and of the refit on train and valid (0 without).
    threads
        That boosting ran with.
    months
        That it learned from.
    curve
        rmse after each round, columns `train` and `valid`; one row without rounds.
    """

    pipeline: Pipeline = field(repr=False)
    first: Pipeline = field(repr=False)
    name: str
    parameters: dict[str, object] = field(repr=False)
    rounds: int | None
    seconds: float
    refit_seconds: float
    threads: int
    months: tuple[Month, ...]
    curve: pd.DataFrame = field(repr=False)


class Prepared(NamedTuple):
    """What boosting is fed: features and minutes, of rides to learn from and to stop by."""

    learn: xgboost.DMatrix
    check: xgboost.DMatrix


def prepare(features: BaseEstimator, train: Trips, valid: Trips) -> Prepared:
    """Fit the transformer of rides, and return what boosting is fed."""
    import xgboost

    minutes = train.frame["duration"]
    seen = features.fit_transform(train.frame, minutes)
    unseen = features.transform(valid.frame)
    return Prepared(
        xgboost.DMatrix(seen, minutes), xgboost.DMatrix(unseen, valid.frame["duration"])
    )


def boost(regressor: XGBRegressor, prepared: Prepared, *, patience: int = PATIENCE) -> pd.DataFrame:
    """Fit with early stopping, then leave only the rounds up to the best.

    Parameters
    ----------
    patience
        Rounds without a better valid month, after which boosting stops.

    Returns
    -------
    DataFrame
        rmse after each round, columns `train` and `valid`.
    """
    import xgboost

    # XGBRegressor.fit would predict the valid month after each round from a compressed matrix:
    # 7 times slower on sparse features
    curves = {}
    booster = xgboost.train(
        regressor.get_xgb_params(),
        prepared.learn,
        num_boost_round=regressor.n_estimators,
        evals=[(prepared.learn, "train"), (prepared.check, "valid")],
        early_stopping_rounds=patience,
        evals_result=curves,
        verbose_eval=False,
    )
    _adopt(regressor, booster, rounds=booster.best_iteration + 1)
    return pd.DataFrame({part: curve["rmse"] for part, curve in curves.items()})


def fit(
    name: str,
    train: Trips,
    valid: Trips,
    *,
    refit: bool = False,
    threads: int | None = None,
    **parameters: object,
) -> Fitted:
    """Fit a named model on the train month.

    Boosting stops when the valid month has not been predicted better for 50 rounds; the number
    of rounds that was best is then fixed.

    Parameters
    ----------
    refit
        Whether to fit once more on train and valid together, with that number of rounds.
    threads, **parameters
        As `make_model` takes them.

    Raises
    ------
    ModelError
        If there is no such model or parameter, or it cannot be fitted.

    Examples
    --------
    >>> from taxi_duration.data.trips import load_split
    >>> train, valid, test = load_split("2021-01", "2021-02", "2021-03")
    >>> ridge = fit("ridge", train, valid)
    >>> ridge.pipeline.predict(test.frame).shape == (len(test),)
    True
    """
    model = make_model(name, threads=threads, **parameters)
    start = perf_counter()
    learn = _fit_boosted if MODELS[name].boosted else _fit_plain
    with _fitting(name):
        curve = learn(model, train, valid)
        fitted = perf_counter()
        final = _fit_again(model, train + valid) if refit else model
    return Fitted(
        pipeline=final,
        first=model,
        name=name,
        parameters=_parameters(model, name, parameters),
        rounds=model["regressor"].n_estimators if MODELS[name].boosted else None,
        seconds=fitted - start,
        refit_seconds=perf_counter() - fitted,
        threads=model["regressor"].get_params().get("n_jobs") or 1,
        months=train.months + valid.months if refit else train.months,
        curve=curve,
    )


@contextmanager
def _fitting(name: str) -> Iterator[None]:
    try:
        yield
    except ValueError as problem:
        reason = str(problem).splitlines()[0]
        raise ModelError(f"Model {name!r} cannot be fitted: {reason}") from problem


def _fit_plain(model: Pipeline, train: Trips, valid: Trips) -> pd.DataFrame:
    model.fit(train.frame, train.frame["duration"])
    return pd.DataFrame({"train": [_rmse(model, train)], "valid": [_rmse(model, valid)]})


def _rmse(model: Pipeline, trips: Trips) -> float:
    return root_mean_squared_error(trips.frame["duration"], model.predict(trips.frame))


def _fit_boosted(model: Pipeline, train: Trips, valid: Trips) -> pd.DataFrame:
    return boost(model["regressor"], prepare(model["features"], train, valid))


def _adopt(regressor: XGBRegressor, booster: xgboost.Booster, *, rounds: int) -> None:
    """Give the regressor the booster's first rounds, and forget that more were tried."""
    short = booster[:rounds]
    short.set_attr(best_iteration=None, best_score=None)
    base_score = regressor.base_score
    regressor.load_model(short.save_raw("ubj"))
    # loading sets the train month's mean as a parameter; a refit has to find its own
    regressor.set_params(n_estimators=rounds, base_score=base_score)


def _fit_again(model: Pipeline, trips: Trips) -> Pipeline:
    return clone(model).fit(trips.frame, trips.frame["duration"])


def _parameters(model: Pipeline, name: str, given: Mapping[str, object]) -> dict[str, object]:
    chosen = {**MODELS[name].parameters, **given}
    return {key: model["regressor"].get_params()[key] for key in chosen}
