"""`taxi-duration compare` shows what differs between two executed notebooks, and nothing else."""

import json
from base64 import b64encode
from copy import deepcopy
from io import BytesIO

import nbformat
import pytest
from PIL import Image
from small_notebooks import code, notebook, printed, prose, shown

from taxi_duration.cli.main import main
from taxi_duration.notebooks import cell_outputs
from taxi_duration.notebooks.cell_outputs import changed_lines, differ, pair_lines
from taxi_duration.notebooks.comparison import CellDifference, Comparison

TABLE = {"text/plain": "rmse  4.8\nmae   3.2", "text/html": "<td>4.8</td><td>3.2</td>"}


def picture(width=9):
    file = BytesIO()
    Image.new("RGB", (width, 9)).save(file, format="png")
    return shown({"image/png": b64encode(file.getvalue()).decode(), "text/plain": "Picture"})


@pytest.fixture
def first():
    """Parameters, a table, lines, a picture, and a time that nobody compares."""
    return notebook(
        prose("# How far?"),
        code('month: str = "2021-03"  # which\nrows: int = 3', "parameters"),
        code("table", outputs=[shown(TABLE)]),
        code("print(rows)", outputs=[printed("3 rows\nof them 1 good\n")]),
        code("draw()", outputs=[picture()]),
        code("seconds", "nbval-ignore-output", outputs=[printed("4.1")]),
    )


@pytest.fixture
def compare(first, tmp_path, capsys):
    """Compare the notebook with a changed copy; return the exit code and what is printed."""

    def compare(change=lambda cells: None, *words):
        other = deepcopy(first)
        change(other.cells)
        paths = [str(tmp_path / name) for name in ("first.ipynb", "second.ipynb")]
        for made, path in zip((first, other), paths, strict=True):
            nbformat.write(made, path)
        code = main(["compare", *paths, *words])
        return code, capsys.readouterr().out

    return compare


def inject(cells):
    cells.insert(2, code('# Parameters\nmonth = "2021-04"\n', "injected-parameters"))


def change_the_table(cells):
    cells[2].outputs[0].data["text/plain"] = TABLE["text/plain"].replace("4.8", "4.9")
    cells[2].outputs[0].data["text/html"] = TABLE["text/html"].replace("4.8", "4.9")


def change_the_page(cells):
    cells[2].outputs[0].data["text/html"] = TABLE["text/html"].replace("3.2", "3.3")


def change_lines(cells):
    cells[3].outputs = [printed("4 rows\n"), printed("of them 1 good\nand 1 bad")]


def change_the_source(cells):
    cells[3].source = "print(rows)  # all"


def change_the_id_and_source(cells):
    cells[3].id = "another"
    cells[3].source = "print(len(rows))"


def change_the_picture(cells):
    cells[4].outputs = [picture(width=10)]


def damage_the_picture(cells):
    cells[4].outputs[0].data["image/png"] = "x"


def change_the_time(cells):
    cells[5].outputs = [printed("4.2")]


def change_all_ids(cells):
    for at, cell in enumerate(cells):
        cell.id = f"other-{at}"


def remove_the_table(cells):
    del cells[2]


def change_the_text(cells):
    cells[0].source = "# How long?"


CHANGES = [
    (inject, "parameters\n  month = '2021-03' | month = '2021-04'"),
    (change_the_table, "cell 3\n  rmse  4.8 | rmse  4.9"),
    (change_the_page, "cell 3\n  3.2 | 3.3"),
    (change_lines, "cell 4\n  3 rows | 4 rows\n         | and 1 bad"),
    (change_the_source, "cell 4\n  print(rows) | print(rows)  # all"),
    (change_the_id_and_source, "cell 4\n  print(rows) | print(len(rows))"),
    (change_the_picture, "cell 5: picture 1 is drawn differently: 10 x 9 pixels, not 9 x 9"),
    (damage_the_picture, "cell 5: picture 1 is drawn differently: one is no PNG"),
    (remove_the_table, "cell 3 | no cell\n  table |"),
    (change_the_text, "cell 1\n  # How far? | # How long?"),
]


@pytest.mark.parametrize(("change", "lines"), CHANGES)
def test_what_differs_is_shown_side_by_side_and_nothing_else(change, lines, compare):
    assert compare(change) == (1, f"{lines}\n")


@pytest.mark.parametrize("change", [lambda cells: None, change_the_time, change_all_ids])
def test_what_is_the_same_is_not_shown(change, compare):
    assert compare(change) == (0, "")


def test_json_has_the_same(compare):
    _, printed = compare(change_the_table, "--json")
    (cell,) = json.loads(printed)["cells"]
    assert (cell["first"], cell["second"]) == (3, 3)
    assert cell["shown"] == [["rmse  4.8", "rmse  4.9"]]


def test_a_notebook_that_is_none_is_rejected(first, tmp_path, capsys):
    nbformat.write(first, tmp_path / "first.ipynb")
    assert main(["compare", str(tmp_path / "first.ipynb"), str(tmp_path)]) == 5
    assert "It is no file" in capsys.readouterr().err


def test_a_progress_bar_counts_as_it_ends():
    bars = [[printed(f"{start}\rdone\nrest")] for start in ("10 %", "20 %")]
    assert changed_lines(*bars) == []
    assert changed_lines(bars[0], [printed("done\r\nrest")]) == []


def test_an_error_is_compared():
    failed = nbformat.v4.new_output("error", ename="KeyError", evalue="'x'", traceback=[])
    assert changed_lines([failed], []) == [("KeyError: 'x'", "")]


def test_many_lines_are_compared_place_by_place(monkeypatch):
    monkeypatch.setattr(cell_outputs, "MOST", 3)
    assert pair_lines(["a", "b", "c"], ["b", "c", "d"]) == [("a", ""), ("", "d")]
    assert pair_lines(["a", "b", "c"], ["b", "c", "c", "d"])[:2] == [("a", "b"), ("b", "c")]


def test_a_long_line_is_cut_on_both_sides():
    cell = CellDifference(1, 1, [], [("a" * 61, "b" * 61)], "")
    assert str(Comparison({}, [cell])) == f"cell 1\n  {'a' * 60} | {'b' * 60}"


def test_a_message_quotes_sixty_characters_of_a_line():
    texts = [[printed(letter * 61)] for letter in "ab"]
    assert differ(*texts) == f"'{'b' * 57}...' instead of '{'a' * 57}...'"
    assert differ([], [printed("b" * 60)]) == f"'{'b' * 60}' instead of nothing"


def test_two_thousand_lines_are_aligned():
    lines = list(map(str, range(2000)))
    assert pair_lines(lines, lines[1:]) == [("0", "")]
    assert len(pair_lines(["", *lines], lines)) == 2001
