"""A search for a model's parameters, remembered by MLflow: broken off, it goes on."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version

import pandas as pd

from taxi_duration.data.trips import Split
from taxi_duration.models.spaces import Space
from taxi_duration.models.tuning import (
    PATIENCE,
    Trial,
    best_trial,
    check_search,
    final_parameters,
    parameter_effects,
    search,
    trials_table,
)
from taxi_duration.progress import progress_bar
from taxi_duration.tracking.entries import log_inputs, tags_of
from taxi_duration.tracking.provenance import environment, package_digest
from taxi_duration.tracking.store import EXPERIMENT, lock, open_store, store_errors, uninterrupted
from taxi_duration.tracking.trial_runs import log_trial, recall_trials

__all__ = ["Search", "record_search"]

KEY = "search_sha256"  # a tag, since a run is made with its tags at one stroke, or not at all


@dataclass(frozen=True)
class Search:
    """A recorded search.

    Attributes
    ----------
    run_id
        MLflow's; each trial is a child of this run.
    model
        Whose parameters were searched.
    space
        What was tried.
    trials
        In the order of their proposal.
    """

    run_id: str
    model: str
    space: Space = field(repr=False)
    trials: tuple[Trial, ...] = field(repr=False)

    @property
    def best(self) -> Trial:
        """The trial with the lowest error on the valid month."""
        return best_trial(self.trials)

    @property
    def parameters(self) -> dict[str, float]:
        """As `taxi_duration.models.tuning.final_parameters`: for the last training."""
        return final_parameters(self.trials, self.space)

    def table(self) -> pd.DataFrame:
        """Return `taxi_duration.models.tuning.trials_table` of the trials: a row each."""
        return trials_table(self.trials)

    def parameter_effects(self) -> pd.DataFrame:
        """Return `taxi_duration.models.tuning.parameter_effects`: a row a parameter."""
        return parameter_effects(self.trials, self.space)

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        text = f"{len(self.trials)} trials recorded in run {self.run_id}"
        return {"text/plain": text, "application/json": {"run_id": self.run_id}}


def record_search(
    model: str,
    split: Split,
    *,
    notebook: str | None = None,
    experiment: str = EXPERIMENT,
    trials: int = 50,
    space: str | Space = "ours",
    seed: int = 0,
    patience: int = PATIENCE,
    at_once: int = 2,
    threads: int | None = None,
) -> Search:
    """Search a model's parameters, and record each trial as soon as it is known.

    The same search, broken off earlier for whatever reason, goes on with the trials that it has
    recorded; what it then does is what it would have done. The same means: all arguments but
    `threads`, the bytes of the train and the valid month, the code, the libraries.

    Parameters
    ----------
    model, trials, space, seed, patience, at_once, threads
        As `taxi_duration.models.tuning.search` takes them.
    split
        Whose train and valid month are used. The test month is not.
    notebook
        That asks for it, e.g. "03_tune"; names the run.

    Raises
    ------
    ModelError
        If there is no such model, space or parameter, or nothing to try; nothing is recorded.
    TrackingError
        If the store fails, or another process makes the same search at this moment.

    Examples
    --------
    >>> from taxi_duration.data.trips import load_split
    >>> split = load_split("2021-01", "2021-02", "2021-03")
    >>> found = record_search("xgboost", split, trials=2)
    >>> found.best == min(found.trials, key=lambda trial: trial.valid_rmse)
    True
    """
    name = space if isinstance(space, str) else space.about
    space = check_search(model, trials=trials, space=space, patience=patience, at_once=at_once)
    plan = {
        "model": model, "space": name, "trials": trials, "seed": seed, "patience": patience,
        "at_once": at_once,
    }  # fmt: skip
    key = _key(split, plan | {"ranges": asdict(space)})
    open_store(experiment)
    busy = (
        f"This search for model {model!r} is being made by another process. Wait for its end, or "
        "choose another seed."
    )
    with (
        store_errors(f"The search for model {model!r} cannot be recorded"),
        lock(f"search {key}", timeout=0, busy=busy),
        _run(key, tags_of(split, notebook), notebook, experiment) as run_id,
    ):
        log_inputs(split)
        _log_plan(plan, space)
        known = recall_trials(run_id, space)
        found = search(
            model, split.train, split.valid, trials=trials, space=space, seed=seed,
            patience=patience, at_once=at_once, known=known.values(), threads=threads,
        )  # fmt: skip
        done = Search(run_id, model, space, tuple(_log_new(found, known, run_id, total=trials)))
        _log_best(done)
    return done


def _key(split: Split, plan: Mapping[str, object]) -> str:
    """Return a digest of all that the trials follow from."""
    here = {name: each for name, each in environment().items() if name != "computer"}
    rests_on = {
        "plan": plan,
        "months": [[str(trips.months), len(trips), trips.sha256] for trips in split],
        "code": package_digest(),
        "environment": here | {"hyperopt": version("hyperopt")},
    }
    return hashlib.sha256(json.dumps(rests_on, sort_keys=True).encode()).hexdigest()


@contextmanager
def _run(key: str, tags: dict[str, str], name: str | None, experiment: str) -> Iterator[str]:
    """Begin the run of a search, or go on with one that did not come to its end."""
    import mlflow
    from mlflow.tracking.context.registry import resolve_tags

    begun = mlflow.search_runs(
        experiment_names=[experiment],
        filter_string=f"tags.{KEY} = '{key}' AND attributes.status != 'FINISHED'",
        output_format="list",
        max_results=1,
    )
    tags |= {KEY: key}
    if begun:
        with mlflow.start_run(run_id=begun[0].info.run_id, nested=_is_nested()) as active:
            mlflow.set_tags(resolve_tags(tags))
            yield active.info.run_id
    else:
        with mlflow.start_run(run_name=name, nested=_is_nested(), tags=tags) as active:
            yield active.info.run_id


def _is_nested() -> bool:
    import mlflow

    return mlflow.active_run() is not None


def _log_plan(plan: Mapping[str, object], space: Space) -> None:
    import mlflow

    mlflow.log_params(plan | {"rounds_patience": space.patience})
    mlflow.log_params(
        {f"space/{name}": f"{each.low} to {each.high}, {each.drawn}"
         for name, each in space.ranges.items()}
        | {f"fixed/{name}": value for name, value in space.fixed.items()}
        | {f"finish/{name}": value for name, value in space.finish.items()}
    )  # fmt: skip


def _log_new(
    found: Iterable[Trial], known: Container[int], run_id: str, *, total: int
) -> Iterator[Trial]:
    best = math.inf
    with progress_bar("trials", total=total) as bar:
        for trial in found:
            if trial.number not in known:
                with uninterrupted():
                    log_trial(trial, run_id)
            best = min(best, trial.valid_rmse)
            bar.set_postfix_str(f"best {best:.3f} minutes", refresh=False)
            bar.update()
            yield trial


def _log_best(found: Search) -> None:
    import mlflow

    mlflow.log_metrics(
        {
            "valid_rmse": found.best.valid_rmse,
            "trials": len(found.trials),
            "fit_seconds": sum(trial.seconds for trial in found.trials),
        }
    )
    mlflow.set_tag("best", f"trial {found.best.number}")
