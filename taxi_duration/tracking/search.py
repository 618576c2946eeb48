"""A search for a model's parameters, remembered by MLflow; an interrupted one is resumed."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

import pandas as pd

from taxi_duration.data.display import progress_bar
from taxi_duration.data.trips import Split
from taxi_duration.models import tuning
from taxi_duration.models.spaces import Space
from taxi_duration.models.tuning import PATIENCE, Trial
from taxi_duration.tracking.mlflow_pages import NOTE, RESULT
from taxi_duration.tracking.provenance import Provenance, collect_provenance
from taxi_duration.tracking.run_owner import Owner, owned_run
from taxi_duration.tracking.store import EXPERIMENT, lock, open_store, store_errors, uninterrupted

if TYPE_CHECKING:
    import mlflow.entities

KEY = "search_sha256"  # a tag, since a run and its tags are created at once, or not at all
SOURCE = ("mlflow.source.name", "mlflow.source.type")


@dataclass(frozen=True)
class Search:
    """A recorded search; each trial is a child of its run."""

    run_id: str
    model: str
    space: Space = field(repr=False)
    trials: tuple[Trial, ...] = field(repr=False)

    @property
    def best(self) -> Trial:
        """The trial with the lowest error on the valid month."""
        return tuning.best_trial(self.trials)

    @property
    def parameters(self) -> dict[str, float]:
        """As `taxi_duration.models.tuning.final_parameters`: for the last training."""
        return tuning.final_parameters(self.trials, self.space)

    def table(self) -> pd.DataFrame:
        """Return `taxi_duration.models.tuning.trials_table` of the trials: a row each."""
        return tuning.trials_table(self.trials)

    def parameter_effects(self) -> pd.DataFrame:
        """Return `taxi_duration.models.tuning.parameter_effects`: a row a parameter."""
        return tuning.parameter_effects(self.trials, self.space)

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        text = f"{len(self.trials)} trials recorded in run {self.run_id}"
        return {"text/plain": text, RESULT: {"run_id": self.run_id}}


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
    device: str = "cpu",
) -> Search:
    """Search a model's parameters, and record each trial as soon as it is fitted.

    If the same search was interrupted, it is resumed after the trials that it has recorded, with
    the same result; one that is still running is left alone. It is the same if all arguments but
    `threads`, the bytes of the months, the code and the libraries are the same.

    Parameters
    ----------
    model, trials, space, seed, patience, at_once, threads, device
        As `taxi_duration.models.tuning.search` takes them.
    split : Split
        Only the train and the valid month are used.
    notebook : str
        Where the search was started, e.g. "03_tune"; names the run.

    Examples
    --------
    >>> from taxi_duration.data.trips import load_split
    >>> split = load_split("2021-01", "2021-02", "2021-03")
    >>> found = record_search("xgboost", split, trials=2)
    >>> found.best == min(found.trials, key=lambda trial: trial.valid_rmse)
    True
    """
    name = space if isinstance(space, str) else space.about
    limits = {"trials": trials, "patience": patience, "at_once": at_once}
    space = tuning.check_search(model, space=space, device=device, **limits)
    plan = {"model": model, "space": name, "seed": seed, "device": device, **limits}
    provenance = collect_provenance()
    key = _key(split, plan | {"ranges": asdict(space)}, provenance)
    about = f"Each trial fits {model} on {split.train.months}; {split.valid.months} compares them."
    tags = provenance.tags(split, notebook) | {KEY: key, NOTE: about}
    open_store(experiment)
    with store_errors(f"The search for model {model!r} cannot be recorded"), ExitStack() as stack:
        with lock(f"search {key}"):
            run = stack.enter_context(_start_run(tags, notebook))
        provenance.log_inputs(split)
        _log_plan(plan, space)
        known = _read_trials(run.info.run_id, space)
        found = tuning.search(
            model, split.train, split.valid, space=space, seed=seed, known=known.values(),
            threads=threads, device=device, **limits,
        )  # fmt: skip
        recorded = tuple(_record_trials(found, known, run, total=trials))
        done = Search(run.info.run_id, model, space, recorded)
        _log_best(done)
    return done


def _key(split: Split, plan: Mapping[str, object], provenance: Provenance) -> str:
    """Return a digest of all that decides what the trials are."""
    here = {name: each for name, each in provenance.environment.items() if name != "computer"}
    decides = {
        "plan": plan,
        "months": [[str(trips.months), len(trips), trips.sha256] for trips in split],
        "code": provenance.package_sha256,
        "environment": here | {"hyperopt": version("hyperopt")},
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _start_run(tags: dict[str, str], name: str | None) -> AbstractContextManager[mlflow.ActiveRun]:
    """Resume the run of a search that did not finish and is no longer running, or start one."""
    import mlflow
    from mlflow.tracking.context.registry import resolve_tags

    unfinished = mlflow.search_runs(
        filter_string=f"tags.{KEY} = '{tags[KEY]}' AND attributes.status != 'FINISHED'",
        output_format="list",
    )
    run_id = next((each.info.run_id for each in unfinished if not _is_running(each)), None)
    nested = mlflow.active_run() is not None
    # MLflow itself resolves the tags of new runs only
    return owned_run(run_id, run_name=name or "search", nested=nested, tags=resolve_tags(tags))


def _is_running(run: mlflow.entities.Run) -> bool:
    return run.info.status == "RUNNING" and not Owner.of(run.data.tags).is_gone()


def _log_plan(plan: Mapping[str, object], space: Space) -> None:
    import mlflow

    ranges = {
        name: f"{each.low} to {each.high}, {each.drawn}" for name, each in space.ranges.items()
    }
    groups = {"space": ranges, "fixed": space.fixed, "finish": space.finish}
    parts = {f"{group}/{name}": each for group in groups for name, each in groups[group].items()}
    mlflow.log_params({**plan, "rounds_patience": space.patience, **parts})


def _record_trials(
    found: Iterable[Trial], known: Container[int], run: mlflow.entities.Run, *, total: int
) -> Iterator[Trial]:
    """Yield the trials of a search, each recorded before the next one is waited for."""
    best = math.inf
    with progress_bar("trials", total=total) as bar:
        for trial in found:
            if trial.number not in known:
                with uninterrupted():
                    _log_trial(trial, run)
            best = min(best, trial.valid_rmse)
            bar.set_postfix_str(f"best {best:.3f} minutes", refresh=False)
            bar.update()
            yield trial


def _log_trial(trial: Trial, search_run: mlflow.entities.Run) -> None:
    """Record a trial as a child run, which is marked as finished when it is complete."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param
    from mlflow.tracking.context.registry import resolve_tags

    client, now = MlflowClient(), int(1000 * time.time())
    tags = {name: search_run.data.tags[name] for name in SOURCE}
    tags |= Owner.this().tags | {
        "mlflow.parentRunId": search_run.info.run_id,
        "trial": str(trial.number),
    }
    run_id = client.create_run(
        search_run.info.experiment_id,
        start_time=now - int(1000 * trial.seconds),
        tags=resolve_tags(tags),
        run_name=f"trial {trial.number}",
    ).info.run_id
    params = {"number": trial.number, **trial.parameters}
    figures = {
        "valid_rmse": trial.valid_rmse, "rounds": trial.rounds, "fit_seconds": trial.seconds,
    }  # fmt: skip
    client.log_batch(
        run_id,
        params=[Param(name, repr(value)) for name, value in params.items()],
        metrics=[Metric(name, value, now, 0) for name, value in figures.items()],
    )
    client.set_terminated(run_id, "FINISHED", end_time=now)


def _read_trials(run_id: str, space: Space) -> dict[int, Trial]:
    """Return the trials that a search has recorded, by number; close runs that are incomplete."""
    import mlflow

    runs = mlflow.search_runs(
        search_all_experiments=True,
        filter_string=f"tags.mlflow.parentRunId = '{run_id}' AND tags.trial LIKE '%'",
        output_format="list",
    )
    for run in runs:
        if run.info.status == "RUNNING":
            mlflow.MlflowClient().set_terminated(run.info.run_id, "KILLED")
    trials = [_trial(run.data, space) for run in runs if run.info.status == "FINISHED"]
    return {trial.number: trial for trial in trials}


def _trial(data: mlflow.entities.RunData, space: Space) -> Trial:
    params, metrics = data.params, data.metrics
    return Trial(
        number=int(params["number"]),
        parameters={
            name: (int if each.drawn == "whole" else float)(params[name])
            for name, each in space.ranges.items()
        },
        valid_rmse=metrics["valid_rmse"],
        rounds=int(metrics["rounds"]),
        seconds=metrics["fit_seconds"],
    )


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
