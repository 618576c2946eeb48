"""The notebooks as stages of a pipeline: a stage is skipped while nothing it needs has changed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from taxi_duration.data import files
from taxi_duration.data.source import open_month
from taxi_duration.data.trips import load_trips
from taxi_duration.errors import ModelError, NotebookError
from taxi_duration.months import Month
from taxi_duration.notebooks.discovery import (
    check,
    check_names,
    code_digest,
    inspect,
    short_name,
)
from taxi_duration.notebooks.runner import FAILED, Executed, Progress, run
from taxi_duration.registry.loading import find_model
from taxi_duration.registry.selection import candidates
from taxi_duration.tracking.attempts import finished_runs, pipeline_run
from taxi_duration.tracking.provenance import environment, package_digest

NEEDS = {  # stages whose results a stage reads; any other notebook needs all before it
    "01_explore": (),
    "02_train": (),
    "03_tune": (),
    "04_select": ("02_train", "03_tune"),
    "05_score": ("04_select",),
    "06_monitor": ("05_score",),
}
PARTS = {  # of a fingerprint, as a reader is told
    "code": "its code has changed",
    "parameters": "its parameters have changed",
    "inputs": "the files of its months have changed",
    "library": "the library has changed",
    "versions": "the versions of the libraries have changed",
    "stages": "a stage that it needs has changed",
    "store": "the store has other models for it",
}
MONTHS = ("train", "valid", "test", "gate", "months")  # parameters that name months
NOT_RUN = "it has not run"
PIPELINE, RECORD = "pipeline.json", ".stage.json"

IsThere = Callable[[Mapping[str, object]], bool]
"""Whether what a stage with these parameters leaves elsewhere is still there."""


@dataclass(frozen=True)
class Stage:
    """A notebook of a pipeline.

    Attributes
    ----------
    given, values
        Its parameters: those that were given, and with the defaults of the others.
    into
        Folder of the pipeline's results.
    needs
        Names of the stages whose results it reads.
    is_there
        Whether what it leaves outside of this folder and the store is still there.
    """

    notebook: Path
    given: dict[str, object] = field(repr=False)
    values: dict[str, object] = field(repr=False)
    into: Path
    needs: tuple[str, ...]
    is_there: IsThere = field(repr=False)

    @property
    def name(self) -> str:
        """Of the notebook."""
        return self.notebook.stem

    @property
    def failed(self) -> Path:
        """The copy of a notebook that failed."""
        return self.into / f"{self.name}{FAILED}"

    @cached_property
    def inputs(self) -> dict[str, str]:
        """Digest of each file that it reads; the library's digest covers the sample."""
        if self.values.get("source", "sample") == "sample":
            return {}
        texts = [str(self.values[name]) for name in MONTHS if self.values.get(name)]
        months = sorted({month for text in texts for month in Month.parse_range(text)})
        where = {name: self.values[name] for name in ("service", "source") if name in self.values}
        return {raw.file: raw.sha256 for raw in (open_month(month, **where) for month in months)}

    def fingerprint(self) -> dict[str, object]:
        """Return all that its results depend on, under the names in `PARTS`."""
        return {
            "code": code_digest(self.notebook),
            "parameters": self.values,
            "inputs": self.inputs,
            "library": package_digest(),
            "versions": environment(),
            "stages": {need: _fingerprint_of(self.into, need) for need in self.needs},
            "store": _models(self),
        }

    def why_run(self, fingerprint: Mapping[str, object]) -> str:
        """Return why it has to run; empty if its results are there and nothing has changed."""
        record = read_record(self.into, self.name)
        if record is None:
            return NOT_RUN
        for part, text in PARTS.items():
            if record["fingerprint"].get(part) != fingerprint[part]:
                return text
        if any(_digest(self.into / name) != was for name, was in record["files"].items()):
            return "its notebook or page is gone"
        if record["runs"] != finished_runs(record["attempt"]):
            return "runs that it recorded are gone"
        return "" if self.is_there(self.values) else "its predictions are gone"

    def write_record(self, done: Executed, fingerprint: Mapping[str, object]) -> None:
        """Write what is compared next time; only when all else is there."""
        record = {
            "fingerprint": fingerprint,
            "files": {path.name: files.sha256(path) for path in (done.path, done.page)},
            "attempt": done.attempt,
            "runs": finished_runs(done.attempt),
            "result": done.result,
            "seconds": round(done.seconds, 1),
            "finished": datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        with files.atomic_write(self.into / f"{self.name}{RECORD}") as fresh:
            fresh.write_text(json.dumps(record, indent=1), encoding="utf-8")


def plan(
    notebooks: Sequence[Path],
    parameters: Mapping[str, object],
    *,
    into: Path,
    is_there: Mapping[str, IsThere] | None = None,
) -> list[Stage]:
    """Return the stages in their order, each with its parameters, before anything runs.

    Raises
    ------
    NotebookError, MonthError
        If a parameter, a name in a cell or a month does not fit.
    SourceError
        If a month is unavailable.
    """
    given = check(notebooks, parameters)
    stages = []
    for number, notebook in enumerate(notebooks):
        check_names(notebook)
        before = tuple(path.stem for path in notebooks[:number])
        values = {each.name: each.default for each in inspect(notebook)} | given[notebook]
        needs = NEEDS.get(notebook.stem, before)
        there = (is_there or {}).get(notebook.stem, lambda _values: True)
        stages.append(Stage(notebook, given[notebook], values, into, needs, there))
    for stage in stages:
        stage.inputs  # noqa: B018  a month that is missing shows before the first kernel
    return stages


def run_all(
    notebooks: Sequence[Path],
    *,
    parameters: Mapping[str, object] | None = None,
    into: Path,
    force: bool = False,
    first: str | None = None,
    is_there: Mapping[str, IsThere] | None = None,
    progress: Progress | None = None,
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
        `timeout`, `stage_timeout` and `code`, as `taxi_duration.notebooks.runner.run` takes them.

    Raises
    ------
    NotebookError
        Before any notebook starts, if one does not fit its parameters or names what it does not
        define; at the end, if one has failed.
    MonthError, SourceError
        If a month does not exist or is unavailable.
    """
    parameters = dict(parameters or {})
    stages = plan(notebooks, parameters, into=into, is_there=is_there)
    again = command(notebooks, parameters, into, **how)
    force = force or first is not None
    return _run_stages(_from(stages, first), into, again, force=force, progress=progress, **how)


def _from(stages: Sequence[Stage], first: str | None) -> list[Stage]:
    names = [stage.name for stage in stages]
    if first and first not in names:
        raise NotebookError(f"There is no stage {first!r} here. Choose one of {', '.join(names)}.")
    return list(stages[names.index(first) if first else 0 :])


def _run_stages(
    stages: Sequence[Stage],
    into: Path,
    again: str,
    *,
    force: bool,
    progress: Progress | None,
    **how: object,
) -> Iterator[Executed]:
    files.check_writable(into)
    failures: list[NotebookError] = []
    stopped: list[str] = []
    with ExitStack() as opened:
        parent = None
        for stage in stages:
            if set(stopped) & set(stage.needs):
                stopped.append(stage.name)
                continue
            fingerprint = stage.fingerprint()
            reason = "forced" if force else stage.why_run(fingerprint)
            if not reason:
                yield _as_before(stage)
                continue
            parent = parent or opened.enter_context(_pipeline_run(into))
            try:
                done = run(stage.notebook, parameters=stage.given, into=into, parent=parent,
                           progress=progress, **how)  # fmt: skip
            except NotebookError as failure:
                failures.append(failure)
                stopped.append(stage.name)
                continue
            stage.write_record(done, fingerprint)
            yield replace(done, reason=reason)
        if failures:
            raise NotebookError(_report(failures, stopped, again))


def _as_before(stage: Stage) -> Executed:
    record = read_record(stage.into, stage.name)
    path, page = (stage.into / name for name in record["files"])
    reason = f"nothing has changed since {record['finished']}"
    return Executed(stage.name, path, page, 0.0, record["result"], reason=reason, skipped=True)


def _report(failures: Sequence[NotebookError], stopped: Sequence[str], again: str) -> str:
    first, *others = map(str, failures)
    waiting = stopped[len(failures) :]
    needing = f" Not run, since they need it: {', '.join(waiting)}." if waiting else ""
    return f"{' '.join([first, *others])}{needing} Once corrected, go on with: {again}"


@contextmanager
def _pipeline_run(into: Path) -> Iterator[str]:
    """Go on with the pipeline's run; its id is kept beside the results."""
    path = into / PIPELINE
    known = json.loads(path.read_text(encoding="utf-8"))["run_id"] if path.exists() else None
    with pipeline_run(into.name, known) as run_id:
        with files.atomic_write(path) as fresh:
            fresh.write_text(json.dumps({"run_id": run_id}), encoding="utf-8")
        yield run_id


def read_record(into: Path, stage: str) -> dict[str, object] | None:
    """Return the record of the last execution of a stage; None if there is none to read."""
    try:
        return json.loads((into / f"{stage}{RECORD}").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _digest(path: Path) -> str | None:
    return files.sha256(path) if path.is_file() else None


def _fingerprint_of(into: Path, stage: str) -> str | None:
    record = read_record(into, stage)
    return record and sha256(json.dumps(record["fingerprint"]).encode()).hexdigest()


def _models(stage: Stage) -> list[str]:
    """Return the models in the store by which the results of a stage may change."""
    address = str(stage.values.get("model", ""))
    try:
        if address.startswith("models:/"):
            model = find_model(address)
            return [f"{model.name}/{model.version}", model.sha256]
        if stage.name == "04_select":
            where = {name: stage.values[name] for name in ("service", "source")}
            return sorted(candidates(load_trips(stage.values["valid"], **where))["run_id"])
    except ModelError:  # there is none yet
        return []
    return []


def command(
    notebooks: Sequence[Path],
    parameters: Mapping[str, object],
    into: Path,
    *,
    timeout: int | None = None,
    stage_timeout: int | None = None,
    code: bool = False,
) -> str:
    """Return the command that runs these notebooks again."""
    names = [short_name(notebook) for notebook in notebooks]
    options = {
        "--into": str(into.parent) if into.parent != Path("runs") else "",
        "--name": into.name if into.name != "latest" else "",
        "--timeout": timeout,
        "--stage-timeout": stage_timeout,
    }
    words = ["taxi-duration", "run", *names, *(["--code"] if code else [])]
    words += [word for name, value in options.items() if value for word in (name, str(value))]
    for name, value in parameters.items():
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        words += ["-p", f"{name}={text}"]
    return shlex.join(words)
