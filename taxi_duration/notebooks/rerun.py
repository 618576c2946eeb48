"""A notebook run from top to bottom in fresh kernels: what it shows that is not in the file."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_duration.notebooks.kernel import kernel_class, socket_place
from taxi_duration.notebooks.outputs import IGNORED, differ

if TYPE_CHECKING:
    from nbformat import NotebookNode

RUN_ALL = "Restart the kernel, run all cells and save."
TIMEOUT = 300  # seconds that a cell may take

Found = tuple[int | None, str]


def find_hidden_state(
    notebook: NotebookNode, folder: Path, *, timeout: int = TIMEOUT
) -> Iterator[Found]:
    """Yield the cells that fail or show something else in a fresh kernel than is stored.

    The notebook is run twice, so that what differs from run to run is told apart from what
    depends on cells that were removed, or run in another order.

    Parameters
    ----------
    folder : Path
        Where the cells run.
    timeout : int
        Seconds that a cell may take.
    """
    (first, failure), (second, later) = (execute_copy(notebook, folder, timeout) for _ in range(2))
    failure = failure or later
    end = len(notebook.cells) if failure is None else failure[0]
    for at, cell in enumerate(notebook.cells[:end]):
        if cell.cell_type == "code" and IGNORED not in cell.metadata.get("tags", ()):
            once, again = first.cells[at].outputs, second.cells[at].outputs
            if how := differ(once, again):
                yield at, _unsteady(how)
            elif cell.execution_count is not None and (how := differ(cell.outputs, once)):
                yield at, _hidden(how)
    if failure:
        yield failure


def _unsteady(how: str) -> str:
    return (
        f"each run shows something else: {how}. Set a seed; show nothing of times, ids, addresses "
        f"and what an earlier run has left; or tag the cell {IGNORED!r}."
    )


def _hidden(how: str) -> str:
    return (
        f"run from top to bottom it shows something else than is stored: {how}. It depends on a "
        f"cell that is gone or ran elsewhere, or on other versions. {RUN_ALL}"
    )


def execute_copy(
    notebook: NotebookNode, folder: Path, timeout: int = TIMEOUT
) -> tuple[NotebookNode, tuple[int, str] | None]:
    """Return an executed copy; and the cell at which it failed, with the reason."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    copy, started = deepcopy(notebook), []
    with tempfile.TemporaryDirectory(dir=socket_place(), prefix="taxi-check-") as sockets:
        client = NotebookClient(
            copy,
            timeout=timeout,
            record_timing=False,
            kernel_name="python3",
            kernel_manager_class=kernel_class(Path(sockets)),
            resources={"metadata": {"path": str(folder)}},
            on_cell_execute=lambda cell, cell_index: started.append(cell_index),  # noqa: ARG005
        )
        try:
            client.execute()
        except CellExecutionError as problem:
            why = f"in a fresh kernel it raises {problem.ename}: {_line(problem.evalue)}"
        except CellTimeoutError:
            why = f"in a fresh kernel it is not done after {timeout} seconds"
        except DeadKernelError:
            why = "its Python died, perhaps for lack of memory"
        else:
            return copy, None
    advice = "Correct it, or what it needs of the cells above."
    return copy, (started[-1], f"{why}. {advice}")


def _line(text: str) -> str:
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", text).split())[:100].rstrip(".")
