"""A progress bar for a person who watches, and nothing in a file, a batch job or a test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

JUPYTERLAB = "JPY_SESSION_NAME"  # set in its kernels; not by papermill, nbconvert or nbval


@contextmanager
def progress_bar(
    title: str = "", *, total: int | None = None, shown: bool | None = None, **options: object
) -> Iterator[tqdm]:
    """Show a bar until the block ends; the block calls its `update`.

    Parameters
    ----------
    title : str
        Stands in front of it.
    total : int
        Steps to the end, if known.
    shown : bool
        Whether to show it; by default on a terminal and in JupyterLab. Elsewhere it is a line
        every ten seconds.
    **options
        Further arguments of `tqdm.tqdm`, e.g. `unit="B"`.

    Examples
    --------
    >>> with progress_bar("trials", total=2) as bar:
    ...     _ = bar.update()
    """
    from tqdm import tqdm

    in_jupyterlab = "ipykernel" in sys.modules and JUPYTERLAB in os.environ
    is_live = in_jupyterlab or sys.stderr.isatty()
    seconds = 0.1 if is_live else 10
    hidden = not (is_live if shown is None else shown)
    with tqdm(
        desc=title, total=total, leave=False, mininterval=seconds, disable=hidden, **options
    ) as bar:
        yield bar
    if in_jupyterlab and not hidden:  # the bar would be saved with the cell
        from IPython.display import clear_output

        clear_output()
