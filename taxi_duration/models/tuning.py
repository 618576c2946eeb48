"""The search for a model's parameters: trials in their order, and what they teach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import joblib
import pandas as pd
from sklearn.base import clone

from taxi_duration.data.trips import Trips
from taxi_duration.errors import ModelError
from taxi_duration.models.proposals import propose
from taxi_duration.models.spaces import SPACES, Space, describe_space, find_space
from taxi_duration.models.training import MODELS, Prepared, boost, make_model, prepare

if TYPE_CHECKING:
    from xgboost import XGBRegressor

__all__ = [
    "SPACES",
    "Space",
    "Trial",
    "best_of",
    "check_search",
    "describe_space",
    "influence",
    "search",
    "table",
    "winner",
]

PATIENCE = 25  # trials without a better one, after which a search ends
GOOD = 5  # one trial in so many is a good one


@dataclass(frozen=True)
class Trial:
    """A proposal, and how well it did.

    Attributes
    ----------
    number
        From 0, in the order of the proposals.
    parameters
        Those that are searched.
    valid_rmse
        After the best round, in minutes.
    rounds
        Up to the best.
    seconds
        Of the fit.
    """

    number: int
    parameters: Mapping[str, float]
    valid_rmse: float
    rounds: int
    seconds: float


def search(
    model: str,
    train: Trips,
    valid: Trips,
    *,
    trials: int = 50,
    space: str | Space = "ours",
    seed: int = 0,
    patience: int = PATIENCE,
    at_once: int = 2,
    known: Iterable[Trial] = (),
    threads: int | None = None,
) -> Iterator[Trial]:
    """Search with TPE [1]_: yield each trial as soon as it and those before it are known.

    A trial learns from the train month and is judged by the valid one. Its random state follows
    from the seed and its number, and it runs in one thread: the same search gives the same trials
    on few processors and on many, at one go and in several.

    Parameters
    ----------
    model
        One of `taxi_duration.models.training.MODELS` that is boosted.
    space
        What may be tried: a name in `SPACES`, or a space of your own.
    patience
        Trials without a better one, after which the search ends.
    at_once
        Trials that are proposed together, and so do not know of each other.
    known
        Trials of the same search: they are yielded in their place, and not fitted again.
    threads
        Trials that are fitted side by side; no more than `at_once`, and that many if there are
        the processors for it.

    Raises
    ------
    ModelError
        If there is no such model, space or parameter, or nothing to try.

    References
    ----------
    .. [1] Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011.

    Examples
    --------
    >>> from taxi_duration.data.trips import load_split
    >>> train, valid, test = load_split("2021-01", "2021-02", "2021-03")
    >>> [trial.number for trial in search("xgboost", train, valid, trials=2)]
    [0, 1]
    """
    space = check_search(model, trials=trials, space=space, patience=patience, at_once=at_once)
    kept = {trial.number: trial for trial in known}
    workers = min(at_once, threads or joblib.cpu_count())

    def each() -> Iterator[Trial]:
        past: list[Trial] = []
        with ThreadPoolExecutor(workers) as pool:
            fit = partial(pool.submit, _fit, *_prepare(model, space, train, valid))
            while len(past) < trials and not _is_stale(past, patience):
                numbers = range(len(past), min(len(past) + at_once, trials))
                told = [(trial.parameters, trial.valid_rmse) for trial in past]
                fitted = {
                    number: fit(number, propose(space, told, number=number, seed=seed))
                    for number in numbers
                    if number not in kept
                }
                for number in numbers:
                    past.append(fitted[number].result() if number in fitted else kept[number])
                    yield past[-1]

    return each()


def check_search(
    model: str, *, trials: int, space: str | Space, patience: int, at_once: int
) -> Space:
    """Return the space of a search that can be made.

    Raises
    ------
    ModelError
        If it cannot: see `search`.
    """
    space = find_space(space)
    make_model(model)
    if not MODELS[model].boosted:
        boosted = ", ".join(repr(name) for name, recipe in MODELS.items() if recipe.boosted)
        raise ModelError(f"Model {model!r} has no rounds to search with. Choose from: {boosted}.")
    make_model(model, **{**dict.fromkeys(space.ranges), **space.fixed, **space.finish})
    for name, number in {"trials": trials, "patience": patience, "at_once": at_once}.items():
        if number < 1:
            raise ModelError(f"A search with {name} {number!r} tries nothing. Take 1 or more.")
    return space


def best_of(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the lowest error on the valid month, the first of equal ones."""
    return min(trials, key=lambda trial: trial.valid_rmse)


def winner(trials: Sequence[Trial], space: str | Space = "ours") -> dict[str, float]:
    """Return the parameters to train the best trial's model with at the end.

    Examples
    --------
    >>> winner([Trial(0, {"max_depth": 9}, 5.3, 200, 2.1)])
    {'learning_rate': 0.05, 'max_depth': 9, 'n_estimators': 4000}
    """
    space = find_space(space)
    return {**space.fixed, **best_of(trials).parameters, **space.finish}


def table(trials: Iterable[Trial]) -> pd.DataFrame:
    """Return a row a trial: `number`, `valid_rmse`, `rounds`, `seconds`, then its parameters."""
    return pd.DataFrame(
        {
            "number": trial.number,
            "valid_rmse": trial.valid_rmse,
            "rounds": trial.rounds,
            "seconds": trial.seconds,
            **trial.parameters,
        }
        for trial in trials
    )


def influence(trials: Sequence[Trial], space: str | Space = "ours") -> pd.DataFrame:
    """Return what the trials say of each parameter, the one that mattered most first.

    Returns
    -------
    DataFrame
        `parameter`, the `best` trial's value, `from` and `to` of the best fifth of trials, and
        the rank `correlation` with the error: below 0, larger values were better.

    Raises
    ------
    ModelError
        If there is no space of that name.
    """
    tried = table(trials).sort_values("valid_rmse", kind="stable")
    good = tried[: max(1, len(tried) // GOOD)]
    rows = [
        {
            "parameter": name,
            "best": tried[name].iloc[0],
            "from": good[name].min(),
            "to": good[name].max(),
            "correlation": _rank_correlation(tried[name], tried["valid_rmse"]),
        }
        for name in find_space(space).ranges
    ]
    frame = pd.DataFrame(rows)
    return frame.sort_values("correlation", key=abs, ascending=False, ignore_index=True)


def _rank_correlation(values: pd.Series, errors: pd.Series) -> float:
    if values.nunique() < 2 or errors.nunique() < 2:
        return 0.0
    return float(values.rank().corr(errors.rank()))


def _is_stale(past: Sequence[Trial], patience: int) -> bool:
    return bool(past) and len(past) - 1 - best_of(past).number >= patience


def _prepare(
    model: str, space: Space, train: Trips, valid: Trips
) -> tuple[XGBRegressor, Prepared, int]:
    pipeline = make_model(model, threads=1, **space.fixed)
    return pipeline["regressor"], prepare(pipeline["features"], train, valid), space.patience


def _fit(
    regressor: XGBRegressor,
    prepared: Prepared,
    patience: int,
    number: int,
    parameters: Mapping[str, float],
) -> Trial:
    start = perf_counter()
    mine = clone(regressor).set_params(**parameters)
    try:
        curve = boost(mine, _copy(prepared), patience=patience)
    except ValueError as problem:
        reason = str(problem).splitlines()[0]
        raise ModelError(
            f"Trial {number} with {parameters} cannot be fitted: {reason}"
        ) from problem
    error, seconds = float(curve["valid"].min()), perf_counter() - start
    return Trial(number, parameters, error, mine.n_estimators, seconds)


def _copy(prepared: Prepared) -> Prepared:
    """Copy what boosting is fed: XGBoost sorts it at first use, which two must not do at once."""
    return Prepared(*(each.slice(range(each.num_row())) for each in prepared))
