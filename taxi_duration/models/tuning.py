"""The search for a model's parameters: trials in their order, and what they show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import log
from time import perf_counter
from typing import TYPE_CHECKING

import joblib
import numpy as np
import pandas as pd

from taxi_duration.data.trips import Trips
from taxi_duration.errors import ModelError
from taxi_duration.models.catalog import MODELS, make_model
from taxi_duration.models.spaces import Range, Space, find_space
from taxi_duration.models.training import boost, fit_errors, make_matrices

if TYPE_CHECKING:
    import xgboost
    from hyperopt import Trials
    from hyperopt.pyll import Apply

PATIENCE = 25  # trials without a better one, after which a search ends
STARTUP_TRIALS = 10  # drawn at random, before there is something to learn from
DIGITS = 3  # significant digits of a drawn value; more make no difference to a model
TOP = 5  # the best fifth of the trials


@dataclass(frozen=True)
class Trial:
    """A set of parameters, and how well the model did with it."""

    number: int  # from 0, in the order of the suggestions
    parameters: Mapping[str, float]  # those that are searched
    valid_rmse: float  # after the best round, in minutes
    rounds: int  # up to the best
    seconds: float  # of the fit


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
    device: str = "cpu",
) -> Iterator[Trial]:
    """Search with TPE [1]_: yield each trial as soon as it and those before it are fitted.

    A trial is fitted on the train month and scored on the valid month. Its random state depends on
    the seed and its number only, and it runs in one thread: a search gives the same trials with
    any number of processors, and when it is resumed.

    Parameters
    ----------
    model : str
        A boosted one of `taxi_duration.models.catalog.MODELS`.
    trials : int
        How many to fit at most.
    space : str or Space
        What may be tried: a name in `taxi_duration.models.spaces.SPACES`, or a space of your own.
    seed : int
        Another one gives other trials.
    patience : int
        Trials without a better one, after which the search ends.
    at_once : int
        Trials that are suggested together, without knowing of each other.
    known : iterable of Trial
        Trials of the same search, which are yielded in their place and not fitted again.
    threads : int, optional
        Trials that are fitted side by side, at most `at_once`; as many as processors if None.
    device : str
        Where trials are fitted, e.g. "cuda".

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
    limits = {"trials": trials, "patience": patience, "at_once": at_once}
    space = check_search(model, space=space, device=device, **limits)
    fitted = {trial.number: trial for trial in known}
    workers = min(at_once, threads or joblib.cpu_count())

    def run() -> Iterator[Trial]:
        past: list[Trial] = []
        with ThreadPoolExecutor(workers) as pool:
            matrices = make_matrices(make_model(model)["features"], train, valid)
            fit_trial = partial(_fit_trial, model, space, device, matrices)
            while len(past) < trials and not _is_stale(past, patience):
                batch = range(len(past), min(len(past) + at_once, trials))
                new = [number for number in batch if number not in fitted]
                suggested = [suggest(space, past, number=number, seed=seed) for number in new]
                results = pool.map(fit_trial, new, suggested)
                for number in batch:
                    past.append(fitted[number] if number in fitted else next(results))
                    yield past[-1]

    return run()


def check_search(
    model: str, *, trials: int, space: str | Space, patience: int, at_once: int, device: str
) -> Space:
    """Return the space of a search, if it can be made; arguments as `search` takes them."""
    space = find_space(space)
    make_model(model)
    if not MODELS[model].boosted:
        boosted = ", ".join(repr(name) for name, recipe in MODELS.items() if recipe.boosted)
        raise ModelError(f"Model {model!r} has no rounds to search with. Choose from: {boosted}.")
    parameters = {**dict.fromkeys(space.ranges), **space.fixed, **space.finish}
    make_model(model, device=device, **parameters)
    for name, number in {"trials": trials, "patience": patience, "at_once": at_once}.items():
        if number < 1:
            raise ModelError(f"A search with {name} {number!r} tries nothing. Take 1 or more.")
    return space


def best_trial(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the lowest error on the valid month, the first of equal ones."""
    return min(trials, key=lambda trial: trial.valid_rmse)


def final_parameters(trials: Sequence[Trial], space: str | Space = "ours") -> dict[str, float]:
    """Return the parameters for the last training, after a search.

    Examples
    --------
    >>> final_parameters([Trial(0, {"max_depth": 9}, 5.3, 200, 2.1)])
    {'learning_rate': 0.05, 'max_depth': 9, 'n_estimators': 4000}
    """
    space = find_space(space)
    return {**space.fixed, **best_trial(trials).parameters, **space.finish}


def trials_table(trials: Iterable[Trial]) -> pd.DataFrame:
    """Return a row a trial: `number`, `valid_rmse`, `rounds`, `seconds`, then its parameters."""
    rows = [vars(trial) | dict(trial.parameters) for trial in trials]
    return pd.DataFrame(rows).drop(columns="parameters")


def parameter_effects(trials: Sequence[Trial], space: str | Space = "ours") -> pd.DataFrame:
    """Return how each parameter went with the error, the strongest correlation first.

    Returns
    -------
    DataFrame
        `parameter`, the `best` trial's value, `from` and `to` of the best fifth of trials, and
        the rank `correlation` with the error: below 0, larger values were better.
    """
    names = list(find_space(space).ranges)
    tried = trials_table(trials).sort_values("valid_rmse", kind="stable")
    top = tried[names].head(max(1, len(tried) // TOP))
    ranks = tried.rank()
    correlation = ranks[names].apply(lambda each: each.corr(ranks["valid_rmse"])).fillna(0)
    columns = {"best": top.iloc[0], "from": top.min(), "to": top.max(), "correlation": correlation}
    frame = pd.DataFrame(columns).sort_values("correlation", key=abs, ascending=False)
    return frame.rename_axis("parameter").reset_index()


def suggest(space: Space, past: Sequence[Trial], *, number: int, seed: int) -> dict[str, float]:
    """Return the parameters of the next trial, given those before it, in their order."""
    from hyperopt import tpe
    from hyperopt.base import Domain

    distributions = {name: _distribution(name, each) for name, each in space.ranges.items()}
    random_state = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    (suggestion,) = tpe.suggest(
        [number], Domain(None, distributions), _hyperopt_trials(past), random_state,
        n_startup_jobs=STARTUP_TRIALS, verbose=False,
    )  # fmt: skip
    drawn = suggestion["misc"]["vals"]
    return {name: _rounded(drawn[name][0], each) for name, each in space.ranges.items()}


def _distribution(name: str, values: Range) -> Apply:
    from hyperopt import hp

    if values.drawn == "whole":
        return hp.quniform(name, values.low, values.high, 1)
    if values.drawn == "even":
        return hp.uniform(name, values.low, values.high)
    return hp.loguniform(name, log(values.low), log(values.high))


def _hyperopt_trials(past: Sequence[Trial]) -> Trials:
    from hyperopt.fmin import generate_trials_to_calculate

    points = [{name: float(each) for name, each in trial.parameters.items()} for trial in past]
    trials = generate_trials_to_calculate(points)
    trials.refresh()
    for document, trial in zip(trials.trials, past, strict=True):
        document["result"] = {"loss": trial.valid_rmse, "status": "ok"}
    return trials


def _rounded(drawn: float, values: Range) -> float:
    if values.drawn == "whole":
        return int(drawn)
    return float(min(max(float(f"{drawn:.{DIGITS}g}"), values.low), values.high))


def _is_stale(past: Sequence[Trial], patience: int) -> bool:
    return bool(past) and len(past) - 1 - best_trial(past).number >= patience


def _fit_trial(
    model: str, space: Space, device: str, matrices: Sequence[xgboost.DMatrix],
    number: int, parameters: Mapping[str, float],
) -> Trial:  # fmt: skip
    start, how = perf_counter(), {**space.fixed, **parameters, "device": device}
    regressor = make_model(model, threads=1, **how)["regressor"]
    train, valid = map(_own, matrices)
    with fit_errors(f"Trial {number} with {parameters}"):
        curve = boost(regressor, train, valid, patience=space.patience)
    error, seconds = float(curve["valid"].min()), perf_counter() - start
    return Trial(number, parameters, error, regressor.n_estimators, seconds)


def _own(matrix: xgboost.DMatrix) -> xgboost.DMatrix:
    """Return a matrix that a trial can use while others use theirs.

    XGBoost sorts one without bins at its first use, which two threads must not do at once.
    """
    import xgboost

    if isinstance(matrix, xgboost.QuantileDMatrix):
        return matrix
    return matrix.slice(range(matrix.num_row()))
