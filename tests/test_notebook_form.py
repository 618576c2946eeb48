"""Every committed notebook keeps the rules of notebook_form.py, and a broken rule is found."""

import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_form import CELLS, ROOMS, complaints

from taxi_duration.models import MODELS
from taxi_duration.months import SERVICES
from taxi_duration.notebooks import inspect

NOTEBOOKS = sorted(Path(__file__).parents[1].glob("notebooks/0[1-9]_*.ipynb"))
HABITS = (  # of 00_before, which is there to show them
    "cells, not", "lines, more than", "words, more than", "in prose", "without a description",
    "a def", "a loop", "a lambda", "overwrites",
)  # fmt: skip
CHOICES = {"service": list(SERVICES), "models": list(MODELS)}
INDEPENDENT = ("log_durations", "rides_by_hour")
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="

IMPORTS = "from taxi_duration import plots\nfrom taxi_duration.data import load_trips"

Change = Callable[[NotebookNode], object]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_keeps_the_rules(path):
    assert complaints(nbformat.read(path, as_version=4)) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_offers_all_services_and_models(path):
    offered = {each.name: each.annotation for each in inspect(path) if each.name in CHOICES}
    found = {name: re.findall(r"'(\w+)'", kind) for name, kind in offered.items()}
    assert found == {name: CHOICES[name] for name in offered}


def test_00_before_shows_the_habits_that_the_rules_are_against_and_breaks_no_other():
    found = complaints(nbformat.read(NOTEBOOKS[0].with_name("00_before.ipynb"), as_version=4))
    for habit in HABITS:
        assert any(habit in complaint for complaint in found), habit
    assert [each for each in found if not any(habit in each for habit in HABITS)] == []


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_a_good_notebook_has_no_complaints(good):
    assert complaints(good) == []


@pytest.fixture
def good() -> NotebookNode:
    """A notebook of five code cells: parameters, imports, a table, a picture, a look at both."""
    table = new_output("execute_result", {"text/plain": "rides  3"}, execution_count=3)
    picture = new_output(
        "execute_result",
        {"image/png": DOT, "text/plain": "Picture"},
        metadata={"image/png": {"alt": "A dot."}},
        execution_count=4,
    )
    cells = [
        new_markdown_cell("# How far does a taxi go?\n\nSee [TLC](https://nyc.gov/tlc/2021)."),
        code('month: str = "2021-01"  # which', number=1, tags=["parameters"]),
        new_markdown_cell("The names that are used, as in **01_explore**."),
        code(
            "from taxi_duration import plots\nfrom taxi_duration.data import load_trips",
            number=2,
        ),
        new_markdown_cell("## The rides\n\nRides of 1 to 60 minutes; see `rides[3]`."),
        code("rides = load_trips(month).frame\nrides", number=3, outputs=[table]),
        new_markdown_cell("In a picture."),
        code("plots.log_durations(rides)", number=4, outputs=[picture]),
    ]
    rest = [new_markdown_cell("What that means.") for _ in range(CELLS[0] - len(cells))]
    return new_notebook(cells=[*cells, *rest])


def code(source: str, *, number: int, tags=(), outputs=()) -> NotebookNode:
    return new_code_cell(
        source, execution_count=number, outputs=list(outputs), metadata={"tags": list(tags)}
    )


def source(at: int, text: str) -> Change:
    return lambda notebook: notebook.cells[at].update(source=text)


def tags(at: int, *names: str) -> Change:
    return lambda notebook: notebook.cells[at].metadata.update(tags=list(names))


def outputs(at: int, *found: NotebookNode) -> Change:
    return lambda notebook: notebook.cells[at].update(outputs=list(found))


def swap(first: int, second: int) -> Change:
    def change(notebook: NotebookNode) -> None:
        cells = notebook.cells
        cells[first], cells[second] = cells[second], cells[first]

    return change


def strip(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)


def unchecked(notebook: NotebookNode) -> None:
    for cell in notebook.cells[3:8:2]:
        cell.metadata.tags = ["nbval-ignore-output"]


BAD = {
    "a title that is no question": (source(0, "# Rides"), "not a question"),
    "too few cells": (lambda notebook: notebook.cells.pop(), "24 cells"),
    "too many cells": (
        lambda notebook: notebook.cells.extend(notebook.cells[9:] * 2),
        "cells, not",
    ),
    "no parameters": (tags(1), "no cell is tagged 'parameters'"),
    "what any notebook may have": (strip, "no cell was executed"),
    "outputs stripped, but not counts": (outputs(7), "cell 7 ends with a value, but shows none"),
    "a cell that is skipped": (tags(5, "nbval-skip"), "the tag 'nbval-skip' is unknown"),
    "a cell that may fail": (tags(5, "raises-exception"), "'raises-exception'"),
    "too many cells that may differ": (unchecked, "more than 2 cells are not checked"),
    "a comment for nbval": (source(7, "# NBVAL_SKIP\nplots.scatter(rides)"), "use a tag"),
    "code led by code": (swap(2, 5), "is not led by prose"),
    "a long cell": (source(5, "rides\n" * 13), "cell 5 has 13 lines"),
    "long prose": (source(6, "word " * 41), "cell 6 has 41 words"),
    "a result in prose": (source(6, "An error of 5.1 minutes."), "cell 6 says 5.1 in prose"),
    "a number in words": (source(6, "Seven models."), "cell 6 says Seven in prose"),
    "a share in prose": (source(6, "About 80% of rides."), "cell 6 says 80% in prose"),
    "a month in a heading": (source(4, "## Rides of 2021"), "cell 4 says 2021 in prose"),
    "a lambda": (source(5, "rides.pipe(lambda all: all)"), "cell 5 has a lambda"),
    "a loop in brackets": (source(5, "[ride for ride in rides]"), "cell 5 has a loop"),
    "a semicolon": (source(7, "plots.log_durations(rides);"), "has a ';'"),
    "a file of a room": (
        source(5, "from taxi_duration.data.source import open_month\nopen_month(month)"),
        "cell 5 imports from 'data.source'",
    ),
    "the room of the command": (
        source(5, "from taxi_duration.cli import main\nmain()"),
        "cell 5 imports from 'cli'",
    ),
    "a room instead of a name": (
        source(5, "from taxi_duration import data\ndata"),
        "cell 5 imports from 'taxi_duration.data'",
    ),
    "many rooms": (
        source(3, "\n".join(f"from taxi_duration.{room} import {room}" for room in ROOMS[:5])),
        "cell 3 imports from 5 rooms, not 4 or fewer",
    ),
    "many imports": (
        source(3, "\n".join(f"from {name} import {name}" for name in "abcdef")),
        "cell 3 has 6 imports, not 5 or fewer",
    ),
    "a name with two meanings": (source(7, "rides = 3\nrides"), "cell 7 overwrites 'rides'"),
}


def test_two_swapped_cells_that_are_independent_are_found():
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    sources = [cell.source for cell in notebook.cells]
    places = [sources.index(f"plots.{name}(trips.frame)") for name in INDEPENDENT]
    swap(*places)(notebook)
    found = [complaint.partition(",")[0] for complaint in complaints(notebook)]
    assert found == ["cell 15: it ran as [8]", "cell 17: it ran as [7]"]


@pytest.mark.parametrize(("change", "found"), BAD.values(), ids=BAD)
def test_a_broken_rule_is_found(good, change, found):
    change(good)
    assert found in "; ".join(complaints(good))
