"""What a user sees when the notebooks have run: the models, the champion, and a ride answered."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from taxi_duration.cli.display import NEXT, model_table
from taxi_duration.registry.loading import RegisteredModel, load
from taxi_duration.tracking.runs import list_runs

__all__ = ["epilogue"]

RIDE = {
    "pickup_datetime": "2021-03-01 08:00",
    "PULocationID": 74,
    "DOLocationID": 75,
    "trip_distance": 2.5,
}


def epilogue(results: Mapping[str, Mapping[str, object]]) -> str:
    """Say what came of the notebooks.

    Parameters
    ----------
    results
        What each notebook displayed as JSON, by its name. A `run_id` is that of a training, a
        `version` that of a registered model.

    Examples
    --------
    >>> print(epilogue({"01_explore": {"rides kept": 5804}}).splitlines()[0])
    Go on with
    """
    trained = {
        name: str(result["run_id"]) for name, result in results.items() if "run_id" in result
    }
    chosen = [result for result in results.values() if "version" in result and "name" in result]
    parts = [_models(trained)] if trained else []
    if chosen:
        parts.append(_answer(load(f"models:/{chosen[-1]['name']}@champion")))
    return "\n\n".join([*filter(None, parts), NEXT])


def _models(trained: Mapping[str, str]) -> str:
    """Write the models of all trainings, those of later notebooks with its name."""
    tables = [list_runs(parent=run_id) for run_id in trained.values()]
    for name, table in list(zip(trained, tables, strict=True))[1:]:
        table["model"] = [f"{model}, by {name}" for model in table["model"]]
    runs = pd.concat(tables, ignore_index=True)
    return model_table(runs.sort_values("valid_rmse")) if len(runs) else ""


def _answer(champion: RegisteredModel) -> str:
    ride = pd.DataFrame([{name: RIDE[name] for name in champion.estimator.inputs}])
    answer, level = champion.predict(ride).iloc[0].round(1), champion.estimator.intervals.level
    return (
        f"Champion: version {champion.version} of {champion.name}, {champion.estimator.name}. "
        "Monday at 8:00 from zone 74 to 75, 2.5 miles:\n"
        f"{answer['duration']} minutes, {level:.0%} sure of {answer['low']} "
        f"to {answer['high']}"
    )
