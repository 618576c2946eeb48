"""A kernel of the Python that runs us, and a copy of a notebook executed in one."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from subprocess import DEVNULL
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_client import AsyncKernelManager
    from nbformat import NotebookNode

TIMEOUT = 300  # seconds that a cell of a copy may take
CLEANUP = 1.0  # seconds that an interrupted cell has to end
SHUTDOWN = 1.5  # seconds that a kernel has to end, before it is killed
PREFIX = "taxi-kernel-"  # of the folder with a kernel's sockets and temporary files
ADDRESS = 107 if sys.platform == "linux" else 103  # bytes that the path of a socket may have


def socket_place() -> str:
    """Return the temporary folder, or a shorter one if its path leaves no room for a socket's."""
    place = tempfile.gettempdir()
    longest = Path(place, f"{PREFIX}{8 * 'x'}", "kernel-ipc-5")
    return place if len(os.fsencode(longest)) <= ADDRESS else "/tmp"  # noqa: S108


def kernel_class(
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    is_busy: Callable[[], bool] = lambda: False,
) -> type[AsyncKernelManager]:
    """Return the class of a kernel whose sockets are in a folder.

    Parameters
    ----------
    environment : dict
        Variables added to those of this process.
    is_busy : callable
        Whether a cell is at work, which is interrupted before the kernel ends.
    """
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager

    class Kernel(AsyncKernelManager):
        def __init__(self, **options: object) -> None:
            # TCP ports are chosen before they are taken: parallel runs may choose the same
            super().__init__(
                transport="ipc",
                connection_file=str(folder / "kernel.json"),
                shutdown_wait_time=SHUTDOWN,
                kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
                **options,
            )

        async def start_kernel(self, **options: object) -> None:
            # what cells print goes to the notebook; these are the kernel's own messages
            options["env"] = {**os.environ, **options.get("env", {}), **(environment or {})}
            await super().start_kernel(stdout=DEVNULL, stderr=DEVNULL, **options)

        async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:
            if is_busy():  # so that the cell can clean up: its runs are closed
                await self.interrupt_kernel()
                await asyncio.sleep(CLEANUP)
            await super().shutdown_kernel(now=now, restart=restart)

    return Kernel


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
