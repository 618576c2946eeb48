"""The work of a month: the champion predicts it and is monitored, then a new model is trained."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from taxi_duration.data import files
from taxi_duration.errors import ModelError
from taxi_duration.months import Month, Months
from taxi_duration.notebooks.pipeline import make_stages, run_stages
from taxi_duration.notebooks.runner import Executed, Progress
from taxi_duration.notebooks.stage import NEEDS, IsThere
from taxi_duration.registry.loading import NAME, find_model

SCORE, TRAIN = ("05_score", "06_monitor"), ("02_train", "04_select")
STAGES = (*SCORE, *TRAIN)
CHAMPION = "champion.json"


def month_parameters(month: Month, *, window: int = 1) -> dict[str, str]:
    """Return the months to train on, to choose by, and of the gate, which is the month itself.

    Parameters
    ----------
    window : int
        How many months to train on.

    Examples
    --------
    >>> month_parameters(Month(2021, 4))
    {'train': '2021-02', 'valid': '2021-03', 'test': '2021-04', 'gate': '2021-04'}
    >>> month_parameters(Month(2021, 4), window=3)["train"]
    '2020-12..2021-02'
    """
    valid = month.previous()
    train = [valid.previous()]
    while len(train) < window:
        train.append(train[-1].previous())
    return {"train": str(Months(train)), "valid": str(valid), "test": str(month),
            "gate": str(month)}  # fmt: skip


def run_month(
    month: Month,
    notebooks: Sequence[Path],
    parameters: Mapping[str, object],
    *,
    into: Path,
    is_there: Mapping[str, IsThere],
    progress: Progress | None = None,
) -> Iterator[Executed]:
    """Score a month and monitor it, then train on the months before and run the gate on it.

    The champion is the one of the first call, so that every later call does the same, or nothing.
    Without a champion the training comes first.

    Parameters
    ----------
    notebooks : list of Path
        Those of `STAGES`.
    parameters : dict
        Of the notebooks, those of `month_parameters` included.
    into : Path
        Folder of the results, and of the predictions.
    is_there, progress
        As `taxi_duration.notebooks.pipeline.run_all` takes them.
    """
    name = str(parameters.get("name", NAME))
    place = str(into / "predictions")
    needs = NEEDS | {"05_score": ()}  # its model is a parameter: no later promotion changes it

    def run(names: Sequence[str], model: str, months: str) -> Iterator[Executed]:
        own = {"model": model, "months": months, "into": place, "predictions": place}
        plan = {
            "notebooks": [str(path.resolve()) for path in notebooks],
            "parameters": {**parameters, **own},
            "needs": needs,
        }
        made = make_stages(notebooks, plan["parameters"], into=into, is_there=is_there, needs=needs)
        stages = {stage.name: stage for stage in made}
        return run_stages([stages[each] for each in names], plan, progress=progress)

    champion = _first_champion(into, name)
    months = _monitored(champion, month) if champion else str(month)
    with files.atomic_write(into / CHAMPION) as fresh:
        fresh.write_text(json.dumps({"model": champion}), encoding="utf-8")
    if champion:
        yield from run(STAGES, champion, months)
        return
    for trained in run(TRAIN, f"models:/{name}@champion", months):
        yield trained
    champion = f"models:/{name}/{trained.result['version']}"
    yield from run(SCORE, champion, _monitored(champion, month))


def _first_champion(into: Path, name: str) -> str | None:
    """Return the address of the champion at the first call; None if there was none."""
    path = into / CHAMPION
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))["model"]
    try:
        return find_model(f"{name}@champion").address
    except ModelError:
        return None


def _monitored(model: str, month: Month) -> str:
    """Return the month and up to two before it, of those that the model has not seen."""
    seen = find_model(model).record.last_seen
    if not seen < month:
        raise ModelError(
            f"{model} was trained and chosen on months until {seen}. Name a month after it."
        )
    return str(Months.parse(f"{max(seen.next(), month.previous().previous())}..{month}"))
