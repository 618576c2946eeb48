"""One notebook through one kernel, by papermill: quiet, alone, and gone afterwards."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL
from typing import TYPE_CHECKING

from taxi_duration.errors import NotebookError

if TYPE_CHECKING:
    from jupyter_client import AsyncKernelManager
    from nbformat import NotebookNode

__all__ = ["CellFailure", "Progress", "execute"]

TIDYING = 1.0  # seconds

Progress = Callable[[int, int], None]
"""Called as each cell starts, with its position from 0 and how many cells there are."""


class CellFailure(Exception):  # noqa: N818
    """A cell that failed: which and why, and the notebook as far as it came."""

    def __init__(self, why: str, *, notebook: NotebookNode, number: int) -> None:
        super().__init__(f"cell [{number}]: {why}")
        self.notebook = notebook


def execute(
    notebook: Path,
    parameters: Mapping[str, object],
    *,
    timeout: int | None = None,
    progress: Progress | None = None,
    environment: Mapping[str, str] | None = None,
) -> NotebookNode:
    """Execute a notebook, writing nothing.

    Parameters
    ----------
    parameters
        Values of JSON's types, injected after the parameters cell.
    timeout
        Seconds that a cell may take; no limit if None.
    environment
        Variables that the kernel has beside ours.

    Raises
    ------
    CellFailure
        If a cell raises or takes too long, or the kernel dies in it.
    NotebookError
        If no kernel starts.
    """
    journey = _Journey(progress or (lambda _cell, _cells: None), environment or {})
    with _papermill() as papermill, tempfile.TemporaryDirectory(prefix="kernel-") as folder:
        try:
            return papermill.execute_notebook(
                str(notebook).replace("{", "{{").replace("}", "}}"),  # papermill formats it
                None,
                parameters=dict(parameters),
                kernel_name="python3",
                language="python",
                progress_bar=False,
                execution_timeout=timeout,
                kernel_manager_class=_kernel_class(Path(folder), journey),
                on_notebook_start=journey.begin,
                on_cell_start=journey.enter,
                on_cell_execute=journey.ask,
                on_cell_executed=journey.get_answer,
            )
        except Exception as problem:
            if journey.notebook is None:
                raise NotebookError(
                    f"{notebook.stem}: no kernel could be started ({problem}). Look at the "
                    "installation: python -m ipykernel --version."
                ) from problem
            why = _why(problem, timeout)
            raise CellFailure(why, notebook=journey.notebook, number=journey.number) from problem


class _Journey:
    """Where the execution is."""

    def __init__(self, progress: Progress, environment: Mapping[str, str]) -> None:
        self.notebook, self.number, self.busy = None, 0, False
        self.progress, self.environment = progress, environment

    def begin(self, notebook: NotebookNode) -> None:
        self.notebook = notebook

    def enter(self, cell_index: int, **_: object) -> None:
        self.progress(cell_index, len(self.notebook.cells))

    def ask(self, **_: object) -> None:
        self.number, self.busy = self.number + 1, True

    def get_answer(self, **_: object) -> None:
        self.busy = False


@contextmanager
def _papermill() -> Iterator:
    """Import papermill and keep its log, and nbclient's in it, to itself."""
    try:
        import papermill
    except ImportError as problem:
        raise NotebookError(
            f"Notebooks need {problem.name!r}. Install it: pip install 'taxi-duration[notebooks]'."
        ) from problem
    loggers = [logging.getLogger(name) for name in ("papermill", "traitlets")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield papermill
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _kernel_class(folder: Path, journey: _Journey) -> type[AsyncKernelManager]:
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager

    class Kernel(AsyncKernelManager):
        """A kernel of the Python that runs us, over sockets of its own."""

        def __init__(self, **options: object) -> None:
            # TCP ports are chosen before they are taken: parallel runs may choose the same
            super().__init__(
                transport="ipc",
                connection_file=str(folder / "kernel.json"),
                kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
                **options,
            )

        async def start_kernel(self, **options: object) -> None:
            # what cells print goes to the notebook; this is the kernel's own last words
            options["env"] = {**os.environ, **options.get("env", {}), **journey.environment}
            await super().start_kernel(stdout=DEVNULL, stderr=DEVNULL, **options)

        async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:
            if journey.busy:  # the cell may tidy up: MLflow marks its run as failed
                await self.interrupt_kernel()
                await asyncio.sleep(TIDYING)
            await super().shutdown_kernel(now=now, restart=restart)

    return Kernel


def _why(problem: Exception, timeout: int | None) -> str:
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill import PapermillExecutionError

    match problem:
        case PapermillExecutionError():
            return _one_line(f"{problem.ename}: {problem.evalue}")
        case CellTimeoutError():
            return f"CellTimeoutError: not done after {timeout} seconds"
        case DeadKernelError():
            return "DeadKernelError: its Python died, perhaps for want of memory"
    return _one_line(f"{type(problem).__name__}: {problem}")


def _one_line(text: str, *, width: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 3]}..."
