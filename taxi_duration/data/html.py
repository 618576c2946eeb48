"""A value of the library as JupyterLab shows it: a small table."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd


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
