"""Named models, fitted on trips: stopped early, refitted if wanted, at the newest month's level.

XGBoost is fed batch by batch, so that the features of all rides are never held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial, reduce
from operator import add
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from taxi_duration.data.batches import ahead, in_batches
from taxi_duration.data.display import html_table
from taxi_duration.data.rides import Columns
from taxi_duration.data.trips import Trips
from taxi_duration.errors import ModelError
from taxi_duration.models.catalog import MODELS, make_model, set_device
from taxi_duration.models.features import RideFeatures
from taxi_duration.months import Months

if TYPE_CHECKING:
    import xgboost
    from xgboost import XGBRegressor

PATIENCE = 50  # rounds without a better valid month, after which boosting stops


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline, and how it was fitted."""

    pipeline: Pipeline = field(repr=False)  # from rides (columns of `Trips.frame`) to minutes
    first: Pipeline = field(repr=False)  # before the refit; without one, `pipeline` itself
    name: str  # in `taxi_duration.models.catalog.MODELS`
    parameters: dict[str, object] = field(repr=False)  # of the regressor, where they were set
    rounds: int | None  # of boosting
    seconds: float  # of the fit
    refit_seconds: float  # 0 without a refit
    threads: int  # of boosting
    months: Months  # of train and valid, the only ones that it has seen
    curve: pd.DataFrame = field(repr=False)  # rmse by round, `train` and `valid`; may be empty
    level: float = 1.0  # times which `pipeline` predicts a month that it has not seen
    first_level: float = 1.0  # the same of `first`

    def _repr_html_(self) -> str:
        rows = {"months": self.months, "seconds": f"{self.seconds + self.refit_seconds:.1f}"}
        fitted = {"rounds": self.rounds, "level": f"{self.level:.3f}"} if self.rounds else {}
        return html_table(self.name, rows | fitted | self.parameters)


def fit(
    name: str,
    train: Trips,
    valid: Trips,
    *,
    refit: bool = False,
    level: bool = True,
    threads: int | None = None,
    **parameters: object,
) -> Fitted:
    """Fit a named model on the train month.

    Boosting stops after 50 rounds without a better rmse on the valid month; only the rounds up to
    the best are kept.

    Parameters
    ----------
    refit : bool
        Whether to fit once more on train and valid together, with that number of rounds.
    level : bool
        Whether months that come after are predicted at the level of the valid month, or of the
        newest of several, see `month_level`; if the model is one that `Recipe.levelled` says.
    name, threads, **parameters
        As `taxi_duration.models.catalog.make_model` takes them. What was fitted on another
        `device` predicts on the processor, so on any machine.

    Examples
    --------
    >>> from taxi_duration.data.trips import load_split
    >>> train, valid, test = load_split("2021-01", "2021-02", "2021-03")
    >>> ridge = fit("ridge", train, valid)
    >>> ridge.pipeline.predict(test.frame).shape == (len(test),)
    True
    """
    model = make_model(name, threads=threads, **parameters)
    boosted, level = MODELS[name].boosted, level and MODELS[name].levelled
    start = perf_counter()
    with fit_errors(f"Model {name!r}"):
        curve, unseen = _fit_pipeline(model, train, valid, boosted=boosted)
        newest, whole = _levels(model["regressor"], unseen, valid) if level else (1.0, 1.0)
        fitted = perf_counter()
        final = _refit(model, train, valid, boosted=boosted) if refit else model
    settings, weight = model["regressor"].get_params(), len(valid) / (len(train) + len(valid))
    # a refit has learned the mean of two levels: that of the valid months, and 1 of those before
    learned = 1 - weight + weight * whole if refit else 1.0
    if parameters.get("device"):
        for each in (model, final):
            set_device(each["regressor"], "cpu")
    return Fitted(
        pipeline=final,
        first=model,
        name=name,
        parameters={key: settings[key] for key in {**MODELS[name].parameters, **parameters}},
        rounds=settings["n_estimators"] if boosted else None,
        seconds=fitted - start,
        refit_seconds=perf_counter() - fitted,
        threads=settings.get("n_jobs") or 1,
        months=train.months + valid.months,
        curve=curve,
        level=newest / learned,
        first_level=newest,
    )


def month_level(predictions: pd.DataFrame) -> float:
    """Return the minutes that a month's rides took in all, as a multiple of those predicted.

    From one month to the next, traffic gets slower or quicker by nearly the same factor at all
    hours. The newest month whose durations are known tells the factor of the months after it.

    Examples
    --------
    >>> month_level(pd.DataFrame({"duration": [10.0, 34.0], "predicted": [12.0, 28.0]}))
    1.1
    """
    taken, predicted = (predictions[name].to_numpy(float) for name in ("duration", "predicted"))
    return float(taken.sum() / predicted.sum())


def make_matrices(
    features: BaseEstimator, train: Trips, valid: Trips
) -> tuple[xgboost.DMatrix, xgboost.DMatrix]:
    """Fit the transformer of rides, and return features and minutes of both months."""
    import xgboost

    seen = _training_matrix(features, train)
    if not isinstance(features, RideFeatures):
        return seen, xgboost.DMatrix(features.transform(valid.frame), valid.frame["duration"])
    return seen, _binned_matrix(
        lambda: ((features.transform(rides), rides["duration"]) for rides in _batches([valid])),
        ref=seen,
    )


def _training_matrix(features: BaseEstimator, *parts: Trips) -> xgboost.DMatrix:
    """Fit the transformer of rides on all parts; return their features for training and minutes.

    Of `RideFeatures`, XGBoost keeps the number of each value's bin instead of the value, for the
    same trees.
    """
    import xgboost

    if not isinstance(features, RideFeatures):
        rides = reduce(add, parts).frame
        return xgboost.DMatrix(features.fit_transform(rides, rides["duration"]), rides["duration"])
    batches = partial(_batches, parts)
    training = features.fit_batches(batches)
    return _binned_matrix(lambda: features.training_matrices(batches(), training))


def boost(
    regressor: XGBRegressor,
    train: xgboost.DMatrix,
    valid: xgboost.DMatrix,
    *,
    patience: int = PATIENCE,
) -> pd.DataFrame:
    """Fit with early stopping; return rmse after each round, columns `train` and `valid`.

    The regressor keeps the rounds up to the best.
    """
    import xgboost

    # XGBRegressor.fit would predict the valid month after each round from a compressed matrix:
    # 7 times slower on sparse features
    curves = {}
    booster = xgboost.train(
        regressor.get_xgb_params(),
        train,
        num_boost_round=regressor.n_estimators,
        evals=[(train, "train"), (valid, "valid")],
        early_stopping_rounds=patience,
        evals_result=curves,
        verbose_eval=False,
    )
    _keep_rounds(regressor, booster, rounds=booster.best_iteration + 1)
    return pd.DataFrame({part: curve["rmse"] for part, curve in curves.items()})


@contextmanager
def fit_errors(what: str) -> Iterator[None]:
    """Report an error of scikit-learn or XGBoost as a `ModelError` about `what`."""
    try:
        yield
    except ValueError as problem:
        reason = str(problem).splitlines()[0]
        raise ModelError(f"{what} cannot be fitted: {reason}") from problem


def _fit_pipeline(
    model: Pipeline, train: Trips, valid: Trips, *, boosted: bool
) -> tuple[pd.DataFrame, xgboost.DMatrix | None]:
    """Fit the pipeline; return its curve, and if it is boosted its matrix of the valid month."""
    if boosted:
        seen, unseen = make_matrices(model["features"], train, valid)
        return boost(model["regressor"], seen, unseen), unseen
    model.fit(train.frame, train.frame["duration"])
    return pd.DataFrame(columns=["train", "valid"], dtype=float), None


def _levels(regressor: XGBRegressor, unseen: xgboost.DMatrix, valid: Trips) -> tuple[float, float]:
    """Return the level of the newest of the valid months, and that of all of them together."""
    predicted = regressor.get_booster().predict(unseen)
    rides = pd.DataFrame({"duration": unseen.get_label(), "predicted": predicted})
    whole = newest = month_level(rides)
    if len(valid.months) > 1:
        is_newest = valid.frame["pickup_datetime"] >= valid.months[-1].start
        newest = month_level(rides[is_newest.to_numpy()])
    for level in (newest, whole):
        if not 0 < level < np.inf:
            raise ValueError(f"it predicts no minutes, its level on the valid month is {level!r}.")
    return newest, whole


def _refit(model: Pipeline, train: Trips, valid: Trips, *, boosted: bool) -> Pipeline:
    """Fit anew on both parts, with as many rounds as the model has."""
    import xgboost

    fresh = clone(model)
    if not boosted:
        both = train + valid
        return fresh.fit(both.frame, both.frame["duration"])
    regressor = fresh["regressor"]
    matrix, rounds = _training_matrix(fresh["features"], train, valid), regressor.n_estimators
    booster = xgboost.train(regressor.get_xgb_params(), matrix, num_boost_round=rounds)
    _keep_rounds(regressor, booster, rounds=rounds)
    return fresh


def _keep_rounds(regressor: XGBRegressor, booster: xgboost.Booster, *, rounds: int) -> None:
    """Give the regressor the booster's first rounds, without a trace of the others."""
    short = booster[:rounds]
    short.set_attr(best_iteration=None, best_score=None)
    base_score = regressor.base_score
    regressor.load_model(short.save_raw("ubj"))
    # loading sets the train month's mean as a parameter; a refit has to find its own
    regressor.set_params(n_estimators=rounds, base_score=base_score)


def _batches(parts: Iterable[Trips]) -> Iterator[Columns]:
    """Yield the rides of all parts; where one ends makes no difference to the batches."""
    return in_batches(block for part in parts for block in part.blocks())


def _binned_matrix(
    batches: Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]],
    *,
    ref: xgboost.DMatrix | None = None,
) -> xgboost.QuantileDMatrix:
    """Make a matrix from batches of features and minutes, which XGBoost goes through several times.

    Its bins are those of `ref`, if it is given.
    """
    import xgboost

    class Passes(xgboost.DataIter):
        def reset(self) -> None:
            self._left = ahead(batches())

        def next(self, input_data: Callable) -> bool:
            for features, minutes in self._left:
                input_data(data=features, label=minutes)
                return True
            return False

    return xgboost.QuantileDMatrix(Passes(), ref=ref)
