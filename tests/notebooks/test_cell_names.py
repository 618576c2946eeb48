"""Names that no cell defines or reads are found, and no others."""

import pytest

from taxi_duration.notebooks.cell_names import (
    find_undefined,
    find_unread,
    names_read,
    read_magics,
    to_python,
)

DEFINED = {
    "by a star": ["from math import *", "pi"],
    "by another notebook": ["%run other.ipynb", "rides"],
    "in a cell that is timed": ["%%time\nrides = 3", "rides"],
    "in a line that is timed": ["%timeit rides = 3", "rides"],
    "by the shell": ["files = !ls", "files"],
    "by IPython": ["display(get_ipython())"],
    "later, for a function": ["def f():\n    return rides", "rides = 3", "f()"],
    "in a sum of hundreds": ["rides = 3", "rides" + " + rides" * 700],
}
READ = {
    "in a cell that is timed": ["rides = 3", "%%time\nrides"],
    "by the shell": ["rides = 3", "!echo {rides}"],
    "in a query": ["rides = 3", "frame.query('a > @rides')"],
    "by a deletion": ["rides = 3", "del rides"],
    "meant so": ["_ = 3", "_rides = 3"],
    "one of several": ["rides, rows = 3, 4"],
    "in a function": ["def f(a):\n    b = a", "f(1)"],
    "where a cell is no Python": ["rides = 3", "if rides"],
}
UNREAD = [
    "rides = 3",
    "rides: int = 3",
    "if (rides := 3):\n    pass",
    "for i in []:\n    rides = i",
]


@pytest.mark.parametrize("cells", DEFINED.values(), ids=DEFINED)
def test_a_name_may_be_defined(cells):
    assert list(find_undefined(cells)) == []


@pytest.mark.parametrize("cells", READ.values(), ids=READ)
def test_a_name_may_be_read(cells):
    assert list(find_unread(cells)) == []


def test_a_name_is_read_where_it_is_used_not_where_it_is_set():
    assert names_read(["a = b", 'f"{c}"', "d.e(f=g)"]) == {"b", "c", "d", "g"}


@pytest.mark.parametrize("source", UNREAD)
def test_a_name_that_is_assigned_only_is_found(source):
    said = "name 'rides' is assigned, but never read. Remove it, or show it."
    assert list(find_unread(["1", source])) == [(1, said)]


def test_a_name_is_defined_only_in_a_cell_above():
    ((cell, text),) = find_undefined(["\n\nrides", "rides = 3"])
    assert (cell, text[:30]) == (0, "name 'rides' is not defined. D")


def test_what_is_no_python_is_the_only_complaint():
    ((cell, text),) = find_undefined(["rides", "'", "rows"])
    assert (cell, text[:18]) == (1, "this is no Python:")


def test_a_source_that_ipython_cannot_read_stays_itself():
    source = "x = " + "(" * 300
    assert (to_python(source).strip(), read_magics(source)) == (source, [])
