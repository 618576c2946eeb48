"""The check of a notebook finds each change in a copy of it, at its cell, and nothing else."""

import ast
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from taxi_duration import plots
from taxi_duration.data.trips import load_trips
from taxi_duration.notebooks.cell_names import names_read

ROOT = Path(__file__).parents[1]
EXPLORE = ROOT / "notebooks" / "01_explore.ipynb"
COMPLAINT = r"^_+ notebooks/(\S+)::Cell \d+ _+\n.*\nCell (\d+): (.*)$"
CHECK = ("setup.cfg", "conftest.py", "tests/nbval_sanitize.cfg")


def change_a_number(cells):
    """Exchange one digit in the first table; return its cell."""
    at, data = _first(cells, "text/html")
    data["text/html"] = re.sub(
        r"\d(?=</td>)", lambda digit: str(9 - int(digit[0])), data["text/html"], count=1
    )
    return at


def change_a_bar(cells):
    """Draw the rows left out again, with two more of one reason; return the cell."""
    at = next(at for at, cell in enumerate(cells) if "plots.rows_by_reason(" in cell.source)
    counts = load_trips("2021-01").left_out
    counts["over 60 minutes"] += 2
    fresh, _ = plots.rows_by_reason(counts)._repr_mimebundle_()
    cells[at].outputs[0].data["image/png"] = fresh["image/png"]
    return at


def swap_two_cells(cells):
    """Swap the last cell that reads a name of the cell before it with that cell; return where."""
    at = max(
        at
        for at, (cell, after) in enumerate(pairwise(cells))
        if _names_set(cell) & names_read([after.source])
    )
    for key in ("source", "outputs"):
        cells[at][key], cells[at + 1][key] = cells[at + 1][key], cells[at][key]
    return at


def _names_set(cell):
    nodes = ast.walk(ast.parse(cell.source))
    return {node.id for node in nodes if isinstance(node, ast.Name) and type(node.ctx) is ast.Store}


def _first(cells, kind):
    return next(
        (at, output.data)
        for at, cell in enumerate(cells)
        for output in cell.outputs
        if kind in output.get("data", {})
    )


CHANGES = (change_a_number, change_a_bar, swap_two_cells)


THREADS = """import joblib
from taxi_duration.models.training import fit
from taxi_duration.data.trips import load_split
few = fit("xgboost", *load_split("2021-01", "2021-02", "2021-03")[:2], n_estimators=1)
f"{joblib.cpu_count()} processor, {few.threads} thread"
"""
SHORT = {  # its cells, and what they say
    THREADS.strip(): "'1 processor, 1 thread'",
    "1 + 1": "3",
}


def short_notebook():
    """Return a notebook that shows how many threads a fit has, one, and ends with a mistake."""
    cells = [
        new_code_cell(source, execution_count=1, outputs=[
            new_output("execute_result", {"text/plain": said}, execution_count=1)
        ])
        for source, said in SHORT.items()
    ]  # fmt: skip
    return new_notebook(cells=cells, metadata=nbformat.read(EXPLORE, as_version=4).metadata)


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """The cell of each change, and the complaints by notebook and cell of the changed copies."""
    copy = tmp_path_factory.mktemp("changed")
    for name in CHECK:
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    (copy / "notebooks").mkdir()
    explore = nbformat.read(EXPLORE, as_version=4)
    cells = [cell for cell in explore.cells if cell.cell_type == "code"]
    changes = {change: (EXPLORE.name, change(cells)) for change in CHANGES}
    changes["the last cell"] = ("short.ipynb", len(SHORT) - 1)
    for name, notebook in {EXPLORE.name: explore, "short.ipynb": short_notebook()}.items():
        nbformat.write(notebook, copy / "notebooks" / name)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--color=no", f"--basetemp={copy}/t", "-rN"],
        cwd=copy, env=os.environ | {"COLUMNS": "300"}, capture_output=True, text=True,
    )  # fmt: skip
    found = re.findall(COMPLAINT, done.stdout, re.MULTILINE)
    return changes, {(name, int(at)): complaint for name, at, complaint in found}


def test_a_changed_number_is_found(checked):
    changes, complaints = checked
    for change in (change_a_number, "the last cell"):
        assert complaints[changes[change]] == "Cell outputs differ"


def test_a_longer_bar_in_a_picture_is_found(checked):
    changes, complaints = checked
    assert "picture 1 is drawn differently" in complaints[changes[change_a_bar]]


def test_a_swapped_cell_is_found(checked):
    changes, complaints = checked
    assert complaints[changes[swap_two_cells]] == "Cell execution caused an exception"


def test_a_notebook_is_checked_with_one_thread(checked):
    assert ("short.ipynb", 0) not in checked[1]


def test_nothing_else_is_found(checked):
    changes, complaints = checked
    assert sorted(complaints) == sorted(changes.values())
