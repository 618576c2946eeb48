"""The check of a notebook finds what was changed in a copy of it, each at its cell, and no more."""

import ast
import base64
import io
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from taxi_duration.parameters import names_read

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "01_explore.ipynb"
CHECK = ("setup.cfg", "conftest.py", "tests/nbval_sanitize.cfg", "tests/pictures.py")


def change_a_number(cells):
    """Exchange one digit in the first table; return its cell."""
    at, data = _first(cells, "text/html")
    data["text/html"] = re.sub(
        r"\d(?=</td>)", lambda digit: str(9 - int(digit[0])), data["text/html"], count=1
    )
    return at


def change_a_bar(cells):
    """Paint a bar, a tenth of an inch wide, into the first picture; return its cell."""
    at, data = _first(cells, "image/png")
    colours = np.array(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))
    height, width, _ = colours.shape
    colours[height // 2 : height * 3 // 4, width // 4 : width // 4 + 15, :3] = (51, 71, 91)
    file = io.BytesIO()
    Image.fromarray(colours).save(file, format="png")
    data["image/png"] = base64.b64encode(file.getvalue()).decode()
    return at


def swap_two_cells(cells):
    """Put the last cell that reads what the one before it names in its place; return where."""
    at = max(
        at
        for at, (cell, after) in enumerate(pairwise(cells))
        if _names_given(cell) & names_read([after.source])
    )
    for key in ("source", "outputs"):
        cells[at][key], cells[at + 1][key] = cells[at + 1][key], cells[at][key]
    return at


def _names_given(cell):
    nodes = ast.walk(ast.parse(cell.source))
    return {node.id for node in nodes if isinstance(node, ast.Name) and type(node.ctx) is ast.Store}


def _first(cells, kind):
    return next(
        (at, output.data)
        for at, cell in enumerate(cells)
        for output in cell.outputs
        if kind in output.get("data", {})
    )


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """The cell of each change, and the complaint by cell when the changed copy is checked."""
    copy = tmp_path_factory.mktemp("changed")
    for name in (*CHECK, NOTEBOOK.relative_to(ROOT)):
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    changes = {change: change(cells) for change in (change_a_number, change_a_bar, swap_two_cells)}
    nbformat.write(notebook, copy / "notebooks" / NOTEBOOK.name)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--no-cov", "--color=no", f"--basetemp={copy}/t", "-rN"],
        cwd=copy, env=os.environ | {"COLUMNS": "300"}, capture_output=True, text=True,
    )  # fmt: skip
    complaints = re.findall(r"^Cell (\d+): (.*)$", done.stdout, re.MULTILINE)
    return changes, {int(at): complaint for at, complaint in complaints}


def test_a_changed_number_is_found(checked):
    changes, complaints = checked
    assert complaints[changes[change_a_number]] == "Cell outputs differ"


def test_a_changed_bar_is_found(checked):
    changes, complaints = checked
    assert "picture 1 is drawn differently" in complaints[changes[change_a_bar]]


def test_a_swapped_cell_is_found(checked):
    changes, complaints = checked
    assert complaints[changes[swap_two_cells]] == "Cell execution caused an exception"


def test_nothing_else_is_complained_of(checked):
    changes, complaints = checked
    assert sorted(complaints) == sorted(changes.values())
