"""The notebooks as stages of a pipeline: a stage is skipped while nothing it needs has changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd

from taxi_duration.data import files
from taxi_duration.errors import NotebookError, UsageError, check_name
from taxi_duration.notebooks.discovery import NO_STAGE, check, inspect
from taxi_duration.notebooks.runner import Executed, run
from taxi_duration.notebooks.stage import NEEDS, IsThere, Stage, read_json, read_record
from taxi_duration.tracking.stage_runs import log_best, pipeline_run

PIPELINE = "pipeline.json"


def make_stages(
    notebooks: Sequence[Path],
    parameters: Mapping[str, object],
    *,
    into: Path,
    is_there: Mapping[str, IsThere] | None = None,
    needs: Mapping[str, Sequence[str]] | None = None,
) -> list[Stage]:
    """Return the stages in their order, each checked and with its parameters and months.

    Months of TLC are downloaded: a kernel has no place for a progress bar.
    """
    for notebook in notebooks:
        check_name(notebook.stem)
        if notebook.stem.startswith(NO_STAGE):
            raise UsageError(f"{notebook.stem} is there to be read, no stage. Use papermill.")
    given = check(notebooks, parameters)
    stages = []
    for number, notebook in enumerate(notebooks):
        before = tuple(path.stem for path in notebooks[:number])
        values = {each.name: each.default for each in inspect(notebook)} | given[notebook]
        there = (is_there or {}).get(notebook.stem, lambda _values: True)
        needed = tuple((needs or NEEDS).get(notebook.stem, before))
        stages.append(Stage(notebook, given[notebook], values, into, needed, there))
    for stage in stages:
        stage.inputs  # noqa: B018  which looks for its months
    return stages


def run_all(
    notebooks: Sequence[Path],
    *,
    parameters: Mapping[str, object] | None = None,
    into: Path,
    force: bool = False,
    first: str | None = None,
    is_there: Mapping[str, IsThere] | None = None,
    **how: object,
) -> Iterator[Executed]:
    """Check all notebooks, then run one after the other, or skip what has not changed.

    A notebook that fails stops only those that need it. Calling this again goes on from there.
    The notebooks' runs are children of one run of the pipeline.

    Parameters
    ----------
    parameters : dict
        Each is for the notebooks that declare it. Text is read as the declared type.
    force : bool
        Whether to run also what has not changed.
    first : str, optional
        Name of a stage: it and all after it run, changed or not, and those before do not.
    is_there : dict
        For the name of a stage, whether what it leaves outside of `into` is still there.
    **how
        `timeout`, `stage_timeout`, `code` and `progress`, as
        `taxi_duration.notebooks.runner.run` takes them.
    """
    parameters = dict(parameters or {})
    stages = make_stages(notebooks, parameters, into=into, is_there=is_there)
    plan = {"notebooks": [str(path.resolve()) for path in notebooks], "parameters": parameters}
    names = [stage.name for stage in stages]
    if first and first not in names:
        raise UsageError(f"There is no stage {first!r} here. Choose one of {', '.join(names)}.")
    start = names.index(first) if first else 0
    return run_stages(stages[start:], plan, force=force or first is not None, **how)


def run_stages(
    stages: Sequence[Stage], plan: Mapping[str, object], *, force: bool = False, **how: object
) -> Iterator[Executed]:
    """Run stages of one folder, as `run_all` does.

    Parameters
    ----------
    plan : dict
        What `status` reads: `notebooks` and `parameters`, and `needs` if they are not `NEEDS`.
    """
    into = stages[0].into
    files.check_writable(into)
    failures: dict[str, NotebookError] = {}
    waiting: list[str] = []
    with ExitStack() as opened:
        parent, executions = None, []
        for stage in stages:
            if {*failures, *waiting} & set(stage.needs):
                waiting.append(stage.name)
                continue
            fingerprint = stage.fingerprint()
            reason = "forced" if force else stage.why_run(fingerprint)
            if not reason:
                before = _as_before(stage)
                executions.append(before.attempt)
                yield before
                continue
            parent = parent or opened.enter_context(_pipeline_run(into, plan))
            try:
                done = run(stage.notebook, parameters=stage.values, into=into, parent=parent, **how)
            except NotebookError as failure:
                failures[stage.name] = failure
                continue
            stage.write_record(done, fingerprint)
            executions.append(done.attempt)
            yield replace(done, reason=reason)
        if parent:
            log_best(parent, executions)
        if failures:
            needing = f" Not run, since they need it: {', '.join(waiting)}." if waiting else ""
            raise NotebookError(f"{' '.join(map(str, failures.values()))}{needing}")


def status(into: Path, *, is_there: Mapping[str, IsThere] | None = None) -> pd.DataFrame:
    """Return the stages of a pipeline that has run, and whether each would run again.

    Returns
    -------
    DataFrame
        `stage`, `state` ("up to date", "failed" or "to run"), `reason`, `seconds` and `finished`
        of the last execution, `page`.
    """
    plan = read_json(into / PIPELINE)
    if plan is None:
        raise NotebookError(f"Nothing has run in {str(into)!r}. Start with: taxi-duration run.")
    notebooks = [Path(path) for path in plan["notebooks"]]
    stages = make_stages(notebooks, plan["parameters"], into=into, is_there=is_there,
                         needs=plan.get("needs"))  # fmt: skip
    return pd.DataFrame([_state(stage) for stage in stages])


def _state(stage: Stage) -> dict[str, object]:
    reason, record = stage.why_run(stage.fingerprint()), read_record(stage.into, stage.name) or {}
    failed = stage.failed.exists()
    page = stage.failed if failed else stage.into / f"{stage.name}.html"
    return {
        "stage": stage.name,
        "state": "failed" if failed else "to run" if reason else "up to date",
        "reason": reason,
        "seconds": record.get("seconds"),
        "finished": record.get("finished"),
        "page": str(page) if page.exists() else "",
    }


def _as_before(stage: Stage) -> Executed:
    record = read_record(stage.into, stage.name)
    path, page = (stage.into / name for name in record["files"])
    reason = f"nothing has changed since {record['finished']}"
    result, attempt = record["result"], record["attempt"]
    return Executed(
        stage.name, path, page, 0.0, result, attempt=attempt, reason=reason, skipped=True
    )


@contextmanager
def _pipeline_run(into: Path, plan: Mapping[str, object]) -> Iterator[str]:
    """Go on with the pipeline's run; its id and the plan are kept beside the results."""
    with pipeline_run(into.name, (read_json(into / PIPELINE) or {}).get("run_id")) as run_id:
        with files.atomic_write(into / PIPELINE) as fresh:
            fresh.write_text(json.dumps({"run_id": run_id, **plan}, default=str), encoding="utf-8")
        yield run_id
