"""Markdown: tables, figures as a person reads them, and the page that comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

__all__ = ["cell", "lines_of", "minutes", "pairs", "share", "table", "to_html", "whole"]

SIGNS = "\\|*_`<["  # that Markdown would take for more than text


def table(titles: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    r"""Write a table, a line each.

    Examples
    --------
    >>> print(table(["model", "rmse"], [["two|words", 5.0]]))
    | model | rmse |
    | --- | --- |
    | two\|words | 5.0 |
    """
    rows = [titles, ["---"] * len(titles), *lines]
    return "\n".join(f"| {' | '.join(map(cell, row))} |" for row in rows)


def pairs(facts: Mapping[str, object]) -> str:
    """Write names and values as a table."""
    return table(["what", "which"], facts.items())


def lines_of(frame: pd.DataFrame) -> list[Sequence[object]]:
    """Return a table's lines: the index, and the values beside it."""
    return [[name, *row] for name, row in zip(frame.index, frame.to_numpy(), strict=True)]


def cell(value: object) -> str:
    """Write a value so that Markdown takes it for text, in one line."""
    text = " ".join(str(value).split())
    for sign in SIGNS:
        text = text.replace(sign, f"\\{sign}")
    return text


def minutes(value: float) -> str:
    """Write minutes, or another figure that needs two digits."""
    return f"{value:.2f}"


def share(value: float) -> str:
    """Write a share as per cent."""
    return f"{value:.1%}"


def whole(value: float) -> str:
    """Write a count."""
    return f"{value:,.0f}"


def to_html(markdown: str) -> str:
    """Return the page's body; what looks like HTML in it stays text."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
