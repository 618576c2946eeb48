"""A notebook executed by papermill, in a kernel of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from taxi_duration.data.files import staging_folder
from taxi_duration.errors import NotebookError
from taxi_duration.notebooks.discovery import missing_library
from taxi_duration.notebooks.kernel import PREFIX, kernel_class, socket_place

if TYPE_CHECKING:
    from nbformat import NotebookNode

Progress = Callable[[int, int], None]
"""Called as each cell starts, with its position from 0 and how many cells there are."""


class CellFailure(Exception):  # noqa: N818
    """A cell that failed: which and why, and the notebook up to there."""

    def __init__(self, reason: str, *, notebook: NotebookNode, number: int) -> None:
        super().__init__(f"cell [{number}]: {reason}")
        self.notebook = notebook


def execute(
    notebook: Path,
    parameters: Mapping[str, object],
    *,
    timeout: int | None = None,
    stage_timeout: int | None = None,
    progress: Progress | None = None,
    environment: Mapping[str, str] | None = None,
) -> NotebookNode:
    """Execute a notebook and return it with its outputs; nothing is written.

    Parameters
    ----------
    parameters : dict
        Values of JSON's types, injected after the parameters cell.
    timeout, stage_timeout : int
        Seconds that a cell, and all cells together, may take; no limit if None.
    environment : dict
        Variables added to those of this process.

    Raises
    ------
    CellFailure
        If a cell raises, takes too long or ends the notebook, or the kernel dies in it.
    """
    state = _State(progress, timeout, stage_timeout)
    with _papermill() as papermill, staging_folder(socket_place(), prefix=PREFIX) as folder:
        # if the kernel is killed, its files are removed as well
        variables = {"TMPDIR": str(folder), **(environment or {})}
        try:
            executed = papermill.execute_notebook(
                str(notebook).replace("{", "{{").replace("}", "}}"),  # papermill formats it
                None,
                parameters=dict(parameters),
                kernel_name="python3",
                language="python",
                progress_bar=False,
                timeout_func=state.seconds_left,
                kernel_manager_class=kernel_class(
                    folder, environment=variables, is_busy=lambda: state.busy
                ),
                on_notebook_start=state.start_notebook,
                on_cell_start=state.start_cell,
                on_cell_execute=state.execute_cell,
                on_cell_executed=state.end_cell,
            )
        except Exception as problem:
            if state.notebook is None:
                raise NotebookError(
                    f"{notebook.stem}: no kernel could be started ({problem}). Look at the "
                    "installation: python -m ipykernel --version."
                ) from problem
            reason = _reason(problem, state.limit)
            raise CellFailure(reason, notebook=state.notebook, number=state.number) from problem
    if _ended_early(executed):
        reason = "it ended the notebook. Remove the exit from it"
        raise CellFailure(reason, notebook=executed, number=state.number)
    return executed


class _State:
    """How far the execution has come."""

    def __init__(
        self, progress: Progress | None, timeout: int | None, stage_timeout: int | None
    ) -> None:
        self.notebook, self.number, self.busy = None, 0, False
        self.progress, self.timeout = progress, timeout
        self.stage_timeout = stage_timeout
        self.end = time.monotonic() + stage_timeout if stage_timeout else None

    @property
    def limit(self) -> str:
        """The limit of time that a cell has met."""
        if self.end and time.monotonic() >= self.end:
            return f"the notebook is not done after {self.stage_timeout} seconds"
        return f"not done after {self.timeout} seconds"

    def seconds_left(self, _cell: NotebookNode) -> float | None:
        """Return how long the next cell may take; nbclient takes 0 as no limit."""
        left = max(self.end - time.monotonic(), 0.001) if self.end else None
        return min(filter(None, (self.timeout, left)), default=None)

    def start_notebook(self, notebook: NotebookNode) -> None:
        self.notebook = notebook

    def start_cell(self, cell_index: int, **_: object) -> None:
        if self.progress:
            self.progress(cell_index, len(self.notebook.cells))

    def execute_cell(self, **_: object) -> None:
        self.number, self.busy = self.number + 1, True

    def end_cell(self, **_: object) -> None:
        self.busy = False


@contextmanager
def _papermill() -> Iterator[ModuleType]:
    """Import papermill, and silence its log and that of nbclient for a while."""
    try:
        import papermill
    except ImportError as problem:
        raise missing_library(problem) from problem
    loggers = [logging.getLogger(name) for name in ("papermill", "traitlets")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield papermill
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _ended_early(notebook: NotebookNode) -> bool:
    """Return whether a cell ended the notebook: papermill takes that for a success."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    ends = [each for cell in cells for each in cell.outputs if each.get("ename") == "SystemExit"]
    return bool(ends) or any(cell.execution_count is None for cell in cells)


def _reason(problem: Exception, limit: str) -> str:
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill import PapermillExecutionError

    match problem:
        case PapermillExecutionError():
            return _one_line(f"{problem.ename}: {problem.evalue}")
        case CellTimeoutError():
            return f"CellTimeoutError: {limit}"
        case DeadKernelError():
            return "DeadKernelError: its Python died, perhaps for lack of memory"
    return _one_line(f"{type(problem).__name__}: {problem}")


def _one_line(text: str, *, width: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 3]}..."
