"""Two executed notebooks beside each other: parameters, code, figures and pictures that differ."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_duration.errors import printable
from taxi_duration.notebooks.cell_names import parse
from taxi_duration.notebooks.cell_outputs import IGNORED, Pair, changed_lines, pair_lines
from taxi_duration.notebooks.discovery import read_notebook
from taxi_duration.notebooks.pictures import difference, read_pictures

if TYPE_CHECKING:
    from nbformat import NotebookNode

PARAMETERS = ("parameters", "injected-parameters")  # tags; the second is papermill's
WIDEST = 60  # characters of a line on one side

Numbered = tuple[int | None, "NotebookNode | None"]


@dataclass(frozen=True)
class CellDifference:
    """How a cell of one notebook and that of another differ."""

    first: int | None  # its number from 1; None if there is no such cell
    second: int | None
    source: list[Pair]  # lines that differ
    shown: list[Pair]
    pictures: str  # how they differ; empty if they do not

    def __bool__(self) -> bool:
        """Return whether anything differs."""
        return bool(self.source or self.shown or self.pictures) or None in (self.first, self.second)


@dataclass(frozen=True)
class Comparison:
    """What differs between two notebooks: parameters, by name, and cells."""

    parameters: dict[str, Pair]
    cells: list[CellDifference]

    def __bool__(self) -> bool:
        """Return whether anything differs."""
        return bool(self.parameters or self.cells)

    def __str__(self) -> str:
        """Return both sides beside each other, line by line."""
        return "\n".join(_lines(self))


def compare_notebooks(first: Path, second: Path) -> Comparison:
    """Compare two executed notebooks.

    Cells are the same if they have the same id, or the same source; those that stand in the place
    of each other are compared. What a cell with the tag `nbval-ignore-output` shows is left out.
    """
    notebooks = [read_notebook(path) for path in (first, second)]
    found = (_difference(*pair) for pair in _matched(*notebooks))
    return Comparison(_parameters(*notebooks), [each for each in found if each])


def _parameters(*notebooks: NotebookNode) -> dict[str, Pair]:
    values: list[dict[str, str]] = []
    for notebook in notebooks:
        given = [each for each in notebook.cells if _tags(each) & set(PARAMETERS)]
        values.append({name: text for cell in given for name, text in _assigned(cell.source)})
    names = dict.fromkeys([*values[0], *values[1]])
    pairs = {name: (values[0].get(name, ""), values[1].get(name, "")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _assigned(source: str) -> Iterator[tuple[str, str]]:
    for line in parse(source).body:
        if isinstance(line, ast.AnnAssign | ast.Assign) and line.value:
            target = line.target if isinstance(line, ast.AnnAssign) else line.targets[0]
            yield ast.unparse(target), ast.unparse(line.value)


def _matched(*notebooks: NotebookNode) -> Iterator[tuple[Numbered, Numbered]]:
    """Yield the cells that belong together, each with its number; parameters apart."""
    first, second = (
        [(at, cell) for at, cell in enumerate(each.cells, 1) if not _tags(cell) & set(PARAMETERS)]
        for each in notebooks
    )
    common = {cell.get("id") for _, cell in first} & {cell.get("id") for _, cell in second} - {None}
    keys = ([_key(cell, common) for _, cell in cells] for cells in (first, second))
    for _, a, b, c, d in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        yield from zip_longest(first[a:b], second[c:d], fillvalue=(None, None))


def _key(cell: NotebookNode, ids: set[str]) -> str:
    identity = cell.get("id")
    return f"id {identity}" if identity in ids else f"{cell.cell_type} {cell.source}"


def _difference(first: Numbered, second: Numbered) -> CellDifference:
    (at, one), (other_at, other) = first, second
    if one is None or other is None:
        return CellDifference(at, other_at, _sources(one, other), [], "")
    outputs = [] if IGNORED in _tags(one) | _tags(other) else [one, other]
    shown = [cell.get("outputs", []) for cell in outputs]
    pictures = difference(*map(read_pictures, shown)) if shown else None
    lines = changed_lines(*shown) if shown else []
    return CellDifference(at, other_at, _sources(one, other), lines, pictures or "")


def _sources(*cells: NotebookNode | None) -> list[Pair]:
    return pair_lines(*(cell.source.splitlines() if cell else [] for cell in cells))


def _tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", ()))


def _lines(comparison: Comparison) -> Iterator[str]:
    if comparison.parameters:
        yield "parameters"
        pairs = comparison.parameters.items()
        yield from _side_by_side([(f"{name} = {a}", f"{name} = {b}") for name, (a, b) in pairs])
    for each in comparison.cells:
        places = dict.fromkeys((each.first, each.second))
        where = " | ".join(f"cell {place}" if place else "no cell" for place in places)
        yield f"{where}: {each.pictures}" if each.pictures else where
        yield from _side_by_side([*each.source, *each.shown])


def _side_by_side(pairs: Sequence[Pair]) -> Iterator[str]:
    cut = [[printable(text)[:WIDEST] for text in pair] for pair in pairs]
    width = max((len(left) for left, _ in cut), default=0)
    return (f"  {left:{width}} | {right}".rstrip() for left, right in cut)
