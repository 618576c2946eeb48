"""Run notebooks with checked parameters; a result appears whole or not at all."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from taxi_duration.data.files import atomic_write, check_writable
from taxi_duration.errors import NotebookError, TrackingError, check_name
from taxi_duration.notebooks import kernel
from taxi_duration.notebooks.discovery import check, inspect, short_name
from taxi_duration.notebooks.kernel import CellFailure, execute
from taxi_duration.notebooks.report import write_page
from taxi_duration.tracking.store import close_runs, execution_environment

if TYPE_CHECKING:
    from nbformat import NotebookNode

FAILED = ".failed.ipynb"

Progress = Callable[[str, int, int], None]
"""Called as each cell starts: the notebook's name, the cell from 0, how many there are."""


@dataclass(frozen=True)
class Executed:
    """A notebook that ran to its end.

    Attributes
    ----------
    path, page
        The executed notebook, and the same as an HTML page.
    result
        What it displayed last as JSON; empty if nothing.
    """

    name: str
    path: Path
    page: Path
    seconds: float
    result: dict[str, object]


def run(notebook: Path, *, into: Path, **how: object) -> Executed:
    """Run one notebook; takes and raises what `run_all` does."""
    (executed,) = run_all([notebook], into=into, **how)
    return executed


def run_all(
    notebooks: Sequence[Path],
    *,
    parameters: Mapping[str, object] | None = None,
    into: Path,
    timeout: int | None = None,
    code: bool = False,
    progress: Progress | None = None,
) -> Iterator[Executed]:
    """Check the parameters of all notebooks, then run one after the other.

    Each runs in a kernel of its own, in the current folder. `into/NAME.ipynb` and
    `into/NAME.html` are replaced when it has run to its end; otherwise they stay as they were,
    and `into/NAME.failed.ipynb` shows what happened. A notebook whose result has a `run_id`
    is attached to that MLflow run, with its page.

    Parameters
    ----------
    parameters : dict
        Each is for the notebooks that declare it. Text is read as the declared type.
    timeout : int
        Seconds that a cell may take; no limit if None.
    code : bool
        Whether the page shows the code too.

    Raises
    ------
    NotebookError
        If a cell fails or takes too long, or its kernel dies; the message says how to go on.
    """
    for path in notebooks:
        check_name(path.stem, NotebookError)
    parameters = dict(parameters or {})
    values = check(notebooks, parameters)

    def each() -> Iterator[Executed]:
        for number, path in enumerate(notebooks):
            report = partial(progress, path.stem) if progress else None
            try:
                done = _run(path, values[path], into, timeout=timeout, code=code, progress=report)
            except CellFailure as failure:
                remaining = notebooks[number:]
                command = _command(remaining, parameters, into, timeout=timeout, code=code)
                raise _keep(failure, into / path.name, command) from failure
            yield done

    return each()


def _run(
    notebook: Path,
    values: Mapping[str, object],
    into: Path,
    *,
    timeout: int | None,
    code: bool,
    progress: kernel.Progress | None,
) -> Executed:
    import nbformat

    started, name = time.monotonic(), notebook.stem
    path, page = into / f"{name}.ipynb", into / f"{name}.html"
    check_writable(into)
    with _closing_runs() as environment:
        node = execute(
            notebook, values, timeout=timeout, progress=progress, environment=environment
        )
    with atomic_write(page) as fresh_page, atomic_write(path) as fresh:
        nbformat.write(node, fresh)
        write_page(node, fresh_page, title=name, code=code,
                   parameters=inspect(notebook), values=values)  # fmt: skip
    path.with_suffix(FAILED).unlink(missing_ok=True)
    executed = Executed(name, path, page, time.monotonic() - started, _result(node))
    _attach(executed)
    return executed


def _keep(failure: CellFailure, path: Path, command: str) -> NotebookError:
    """Write the failed copy; return an error that names it."""
    import nbformat

    failed = path.with_suffix(FAILED)
    with atomic_write(failed) as fresh:
        nbformat.write(failure.notebook, fresh)
    reason = str(failure).removesuffix(".")
    return NotebookError(
        f"{path.stem}, {reason}. See {failed}; once corrected, go on with: {command}"
    )


@contextmanager
def _closing_runs() -> Iterator[dict[str, str]]:
    """Give the kernel's environment; after an error, close the runs that are left open."""
    execution = uuid4().hex
    try:
        yield execution_environment(execution)
    except BaseException as problem:
        with suppress(TrackingError):  # the notebook's own error says that the store is down
            close_runs(execution, status="FAILED" if isinstance(problem, Exception) else "KILLED")
        raise


def _attach(executed: Executed) -> None:
    if "run_id" in executed.result:
        from taxi_duration.tracking.runs import attach

        attach(executed.result["run_id"], [executed.path, executed.page])


def _result(notebook: NotebookNode) -> dict[str, object]:
    found = [
        output.data["application/json"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "application/json" in output.get("data", ())
    ]
    return dict(found[-1]) if found else {}


def _command(
    notebooks: Sequence[Path],
    parameters: Mapping[str, object],
    into: Path,
    *,
    timeout: int | None,
    code: bool,
) -> str:
    """Return the command that runs these notebooks again."""
    words = ["taxi-duration", "run", *map(short_name, notebooks)]
    words += ["--into", str(into.parent)] if into.parent != Path("runs") else []
    words += ["--name", into.name] if into.name != "latest" else []
    words += ["--timeout", str(timeout)] if timeout else []
    words += ["--code"] if code else []
    declared = {each.name for notebook in notebooks for each in inspect(notebook)}
    for name in filter(declared.__contains__, parameters):
        value = parameters[name]
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        words += ["-p", f"{name}={text}"]
    return shlex.join(words)
