"""How far something is: a bar for a person who looks, nothing for a file or a test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]

LIVE = "JPY_SESSION_NAME"  # JupyterLab sets it for its kernels; papermill, nbconvert, nbval do not


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """Show a bar on a terminal or in JupyterLab until the end; what it gives is called each step.

    Examples
    --------
    >>> with progress_bar("trials", 2) as step:
    ...     step("best 5.31 minutes")
    """
    from tqdm import tqdm

    live = "ipykernel" in sys.modules and LIVE in os.environ
    silent = not (live or sys.stderr.isatty())
    with tqdm(desc=what, total=total, leave=False, disable=silent) as bar:

        def step(news: str) -> None:
            bar.set_postfix_str(news, refresh=False)
            bar.update()

        yield step
    if live:
        _clear()


def _clear() -> None:
    """Take the bar out of the notebook, where it would be saved as what the cell has to say."""
    from IPython.display import clear_output

    clear_output()
