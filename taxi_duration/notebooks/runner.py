"""Run a notebook with checked parameters; a result appears whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_duration.data.files import atomic_write, check_writable
from taxi_duration.errors import NotebookError, check_name
from taxi_duration.notebooks.discovery import check, inspect
from taxi_duration.notebooks.execution import CellFailure, execute
from taxi_duration.notebooks.page import write_page
from taxi_duration.tracking.mlflow_pages import RESULT
from taxi_duration.tracking.runs import attach
from taxi_duration.tracking.stage_runs import attempt

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
    attempt
        By which its MLflow runs are tagged.
    reason
        Why it ran, or was skipped.
    """

    name: str
    path: Path
    page: Path
    seconds: float
    result: dict[str, object]
    attempt: str = ""
    reason: str = ""
    skipped: bool = False


def run(
    notebook: Path,
    *,
    parameters: Mapping[str, object] | None = None,
    into: Path,
    parent: str | None = None,
    timeout: int | None = None,
    stage_timeout: int | None = None,
    code: bool = False,
    progress: Progress | None = None,
) -> Executed:
    """Check a notebook's parameters and run it in a kernel of its own, in the current folder.

    `into/NAME.ipynb` and `into/NAME.html` are replaced when it has run to its end; otherwise they
    stay as they were, and `into/NAME.failed.ipynb` shows what happened. A notebook whose result
    has a `run_id` is attached to that MLflow run, with its page.

    Parameters
    ----------
    parameters : dict
        Text is read as the declared type.
    parent : str, optional
        MLflow run of a pipeline, below which the execution and its runs are recorded.
    timeout, stage_timeout : int, optional
        Seconds that a cell, and the notebook, may take; no limit if None.
    code : bool
        Whether the page shows the code too.

    Raises
    ------
    NotebookError
        If a cell failed or took too long, or the kernel died.
    UsageError, MonthError, NotebookError, SourceError
        Before it starts: if a parameter, a name in a cell or a month does not fit, or `into` cannot
        be written.
    """
    import nbformat

    started, name = time.monotonic(), check_name(notebook.stem)
    values = check([notebook], parameters or {})[notebook]
    path, page = into / f"{name}.ipynb", into / f"{name}.html"
    check_writable(into)
    try:
        with attempt(name, parent=parent) as made:
            node = execute(
                notebook, values, timeout=timeout, stage_timeout=stage_timeout,
                progress=partial(progress, name) if progress else None,
                environment=made.environment,
            )  # fmt: skip
    except CellFailure as failure:
        failed = path.with_suffix(FAILED)
        with atomic_write(failed) as fresh:
            nbformat.write(failure.notebook, fresh)
        raise NotebookError(f"{name}, {str(failure).removesuffix('.')}. See {failed}.") from failure
    with atomic_write(page) as fresh_page, atomic_write(path) as fresh:
        nbformat.write(node, fresh)
        write_page(node, fresh_page, title=name, code=code,
                   parameters=inspect(notebook), values=values)  # fmt: skip
    path.with_suffix(FAILED).unlink(missing_ok=True)
    seconds, result = time.monotonic() - started, _result(node)
    if "run_id" in result:
        attach(result["run_id"], [path, page])
    return Executed(name, path, page, seconds, result, attempt=made.id)


def _result(notebook: NotebookNode) -> dict[str, object]:
    found = [
        output.data[RESULT]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if RESULT in output.get("data", ())
    ]
    return dict(found[-1]) if found else {}
