"""Another project's notebook, checked by nbval with `--nbval-pictures`."""

import re
import sys
from pathlib import Path

import nbformat
import pytest
from small_notebooks import executed

pytest_plugins = ["pytester"]
BAR = """picture = Image.new("RGB", (80, 60), "white")
ImageDraw.Draw(picture).rectangle((10, 60 - 10 * heights[1], 30, 60), fill="navy")
picture"""
CELLS = (
    "from PIL import Image, ImageDraw\n\nheights = [3, 4, 5]",
    BAR,
    "sum(heights)",
    BAR.replace("heights[1]", "heights[2]"),
    "heights.append(6)\nheights",
    "max(heights)",
)
COMPLAINT = re.compile(r"^_+ \S*::Cell (\d) _+\n.*\nCell \d: ([\w ]+)", re.MULTILINE)


@pytest.fixture
def changed():
    """A notebook with another bar in cell 1, another number in 2, and 4 and 5 in another order."""
    notebook = executed(*CELLS)
    cells = notebook.cells
    cells[1].outputs = executed(CELLS[0].replace("4", "4.2"), BAR).cells[1].outputs
    cells[2].outputs[0].data["text/plain"] = "13"
    cells[4], cells[5] = cells[5], cells[4]
    return notebook


def test_a_changed_bar_number_and_order_are_found_and_the_bars_can_be_looked_at(changed, pytester):
    nbformat.write(changed, "theirs.ipynb")
    done = pytester.runpytest_subprocess(
        "--nbval", "--nbval-current-env", "--nbval-pictures", "--color=no"
    )
    assert COMPLAINT.findall(done.stdout.str()) == [
        ("1", "picture 1 is drawn differently"),
        ("2", "Cell outputs differ"),
        ("4", "Cell outputs differ"),
    ]
    folder = Path(re.search(r"pixels.* See (\S+)", done.stdout.str())[1])
    assert sorted(path.name for path in folder.iterdir()) == ["1-fresh.png", "1-stored.png"]


def test_without_nbval_the_option_is_rejected_in_one_line(pytester, monkeypatch):
    monkeypatch.setitem(sys.modules, "nbval.plugin", None)
    done = pytester.runpytest_inprocess("-p", "no:nbval", "--nbval-pictures")
    said = "ERROR: --nbval-pictures needs nbval. Install it: pip install nbval."
    assert done.stderr.str().strip() == said
