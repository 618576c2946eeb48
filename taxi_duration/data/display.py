"""What a person sees: a value as a small table in JupyterLab, and a progress bar."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from tqdm import tqdm

JUPYTERLAB = "JPY_SESSION_NAME"  # set in its kernels; not by papermill, nbconvert or nbval


def html_table(title: str, rows: Mapping[str, object]) -> str:
    """Return rows of a name and a value under a title, all of it escaped.

    Examples
    --------
    >>> "<td>&lt;b&gt;</td>" in html_table("A ride", {"zone": "<b>"})
    True
    """
    values = pd.Series({name: str(each) for name, each in rows.items()})
    with pd.option_context("display.max_colwidth", None):
        return values.to_frame(title).to_html(border=0)


@contextmanager
def progress_bar(
    title: str = "", *, total: int | None = None, shown: bool | None = None, **options: object
) -> Iterator[tqdm]:
    """Show a bar until the block ends; the block calls its `update`.

    By default it is shown on a terminal and in JupyterLab. Where it is shown elsewhere, it is a
    line every ten seconds. Further options are those of `tqdm.tqdm`, e.g. `unit="B"`.

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
