"""`taxi-duration check` names each fault with its cell, and none that is not there."""

import json
from itertools import zip_longest
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_output
from small_notebooks import code, executed, notebook, printed, prose, shown

from taxi_duration.cli.main import main
from taxi_duration.notebooks.cell_outputs import differ
from taxi_duration.notebooks.check import find_faults

ROOT = Path(__file__).parents[2]
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
TOKEN = "q8Zr3Vx0Lm7Kp2Nt5Wy9Bd4Hf6Jg1Sc8"
ERROR = new_output("error", ename="KeyError", evalue="'x'", traceback=[])

WRITTEN = {
    "a good one": (
        [
            prose("# Rides?\n\nSee /home/ann."),
            code("rows: int = 3  # how many", "parameters", number=1),
            code("import math\n\nfolder = f'{rows}/tmp'", number=2),
            code("math.pi + rows", number=3, outputs=[shown({"text/plain": "6.14"})]),
            code("print(folder, '/ 60')", number=4, outputs=[printed("3/tmp / 60")]),
            code("1 / 0", "raises-exception", number=5, outputs=[ERROR]),
            code("%%capture\nrows", "x", number=6),
            code("", number=None),
        ],
        [(7, "the magic '%%capture'")],
    ),
    "cells out of order": (
        [
            code("1", number=5, outputs=[shown({"text/plain": "1"})]),
            code("a = 1", number=3),
            code("b = a", number=2),
            code("b", number=4, outputs=[shown({"text/plain": "1"})]),
            code("print(b)", number=8, outputs=[printed("1")]),
            code("c = b"),
            code("c;", number=9),
        ],
        [
            (1, "it ran as [5], before a cell above it or after one below"),
            (2, "a cell ran before it and cannot be found: changed or removed. Restart"),
            (3, "it ran as [2]"),
            (5, "2 cells ran before it"),
            (6, "it was never executed. Restart the kernel"),
        ],
    ),
    "stripped": ([prose("a"), code("a = 1"), code("a")], [(None, "no cell was executed")]),
    "outputs that are missing or wrong": (
        [
            code("import sys\n\na = 1\na", number=1),
            code("a;", number=2),
            code("print(a)", number=3, outputs=[ERROR]),
            code("print(a)", number=4, outputs=[printed("soon", "stderr"), printed("2", "stderr")]),
            code("print(a, file=sys.stderr)", number=5, outputs=[printed("1", "stderr")]),
        ],
        [
            (1, "its output is missing"),
            (3, "it shows an error, KeyError. Correct it"),
            (4, "a warning on stderr"),
        ],
    ),
    "pictures": (
        [
            code("1", number=1, outputs=[shown({"image/png": DOT}, **{"image/png": {"alt": "."}})]),
            code("2", number=2, outputs=[shown({"image/png": DOT}, **{"image/png": {"alt": ""}})]),
        ],
        [
            (
                2,
                "a picture without a description. Give it one: display(figure, meta",
            )
        ],
    ),
    "parameters": (
        [
            code("a: int = 1", "parameters", number=1),
            code("b = 2", "parameters", number=2),
            code("b - a", number=3, outputs=[shown({"text/plain": "1"})]),
        ],
        [
            (1, "parameter 'a' has no help"),
            (2, "'b = 2' is not a parameter. Write it as"),
            (2, "a second cell with the tag"),
        ],
    ),
    "names": (
        [
            code("import os, sys as s\n_ = s.path", number=1),
            code("x, y = 1, 2\nz = limit", number=2),
            code("query('a > @q')\n!echo {w}", number=3),
            code("%time q = w = late = z", number=4),
            code("exit()", number=5),
        ],
        [
            (1, "the import of 'os' is never used"),
            (2, "name 'limit' is not defined"),
            (3, "name 'query' is not defined"),
            (3, "it runs '!echo'"),
            (4, "name 'late' is assigned, but never read"),
            (4, "the magic '%time'"),
            (5, "exit() ends a notebook"),
        ],
    ),
    "logic and no Python": (
        [
            code("def f():\n    return 1", number=1),
            code("class A:\n    pass", number=2),
            code("for i in [1]:\n    print(i)", number=3, outputs=[printed("1")]),
            code("while f() > A:\n    pass", number=4),
            code("[i for i in [1]]", number=5, outputs=[shown({"text/plain": "[1]"})]),
            code("if x", number=6),
        ],
        [
            (1, "it has a def. Move it into a module"),
            (2, "it has a class"),
            (3, "it has a loop"),
            (4, "it has a loop"),
            (6, "this is no Python"),
        ],
    ),
    "magics": (
        [
            code("%matplotlib inline", number=1),
            code("!pip install pandas", number=2),
            code("print?", number=3),
            code("%%bash\nls", number=4),
            code("print('%s!' % 1)", number=5, outputs=[printed("1!")]),
        ],
        [
            (1, "it has '%matplotlib'. Remove it"),
            (2, "it runs '!pip'"),
            (3, "it asks for help on 'print'"),
            (4, "the magic '%%bash'"),
        ],
    ),
    "paths": (
        [
            code("open('/home/ann/rides.csv')", number=1),
            code("_ = open('C:\\\\rides.csv'), open('~/rides.csv'), open('/data')", number=2),
            code("print('https://host/tmp/x', 'a/tmp')", number=3, outputs=[printed("/proc/1")]),
            code("print()", number=4, outputs=[printed("written to /tmp/x, too\n/tmp/y")]),
        ],
        [
            (1, "it names a path of one machine, '/home/ann/rides.csv'"),
            (2, "'C:\\\\rides.csv'"),
            (2, "'~/rides.csv'"),
            (2, "'/data'"),
            (4, "it shows a path of one machine, '/tmp/x'"),
        ],
    ),
    "secrets": (
        [
            code("connect = print\nconnect(password='letmein')", number=1),
            code(f"print('{TOKEN}')", number=2),
            code("connect({'api_key': 'abcdef'}, token='', n=[0] * 32)", number=3),
            code("# postgresql://ann:letmein@db", number=4),
            code("connect(pad_token='<pad>')", number=5, outputs=[printed(f"token {TOKEN}")]),
            code("1", number=6, outputs=[shown({"text/html": f"<img src='base64,{TOKEN}'>"})]),
        ],
        [
            (1, "it holds what 'password' names as a credential. Revoke it"),
            (2, "it holds what looks like a token"),
            (3, "it holds what 'api_key' names"),
            (4, "it holds an address with a password"),
            (5, "it shows a token. Revoke it"),
        ],
    ),
}


def assert_found(faults, expected):
    """Assert that each fault is in the cell and has the words that are expected."""
    pairs = zip_longest(faults, expected, fillvalue=(0, ""))
    words = [text if text in fault else fault for (_, fault), (_, text) in pairs]
    assert [(cell, text) for (cell, _), text in zip(faults, words, strict=False)] == expected


def found(made, path, **how):
    """Return the faults of a notebook, with their cells."""
    nbformat.write(made, path)
    return [(fault.cell, fault.text) for fault in find_faults(path, **how)]


@pytest.mark.parametrize(("cells", "expected"), WRITTEN.values(), ids=WRITTEN)
def test_what_is_written_wrong_is_named_with_its_cell_and_nothing_else(cells, expected, tmp_path):
    faults = found(notebook(*cells), tmp_path / "x.ipynb", run=False)
    assert_found(faults, expected)


@pytest.mark.parametrize("text", [TOKEN, "letmein", "abcdef"])
def test_a_secret_is_not_repeated(text, tmp_path):
    faults = found(notebook(*WRITTEN["secrets"][0]), tmp_path / "x.ipynb", run=False)
    assert text not in str(faults)


def test_a_notebook_in_another_language_is_named(tmp_path):
    in_r = notebook(code("x <- 1"), language_info={"name": "R"})
    assert found(in_r, tmp_path / "x.ipynb") == [
        (None, "it is written in 'r'. Only notebooks in Python can be checked.")
    ]


def test_a_run_finds_hidden_state_chance_and_failure(tmp_path):
    made = executed(
        "import random\nfrom pathlib import Path",
        "numbers = [1, 2]\nlen(numbers)",
        "random.random()",
        code("random.random()", "nbval-ignore-output"),
        "Path('rides.csv').exists()",
        "sum(numbers)",
        "1 / len(numbers)",
        "max(numbers)",
    )
    made.cells[5].outputs[0].data["text/plain"] = "6"  # as after numbers.append(3)
    made.cells[6].source = "1 / (len(numbers) - 2)"
    (tmp_path / "rides.csv").touch()  # beside the notebook, where it runs
    faults = found(made, tmp_path / "x.ipynb")
    expected = [
        (3, "each run shows something else: '0."),
        (5, "something else than is stored: 'True' instead of 'False'"),
        (6, "something else than is stored: '3' instead of '6'"),
        (7, "in a fresh kernel it raises ZeroDivisionError: division by zero. Correct it"),
    ]
    assert_found(faults, expected)


def test_cells_are_excused_as_nbval_does_by_a_comment_or_a_tag(tmp_path):
    raises = "raise KeyError('x')"
    made = executed(
        code("import random\n\n# NBVAL_IGNORE_OUTPUT\nrandom.random()"),
        code(f"  # NBVAL_RAISES_EXCEPTION\n{raises}", "raises-exception"),
        code(raises, "nbval-raises-exception", "raises-exception"),
    )
    for cell in made.cells:
        cell.metadata.pop("tags", None)
    made.cells[2].metadata.tags = ["nbval-raises-exception"]
    made.cells += [code(f"#NBVAL_SKIP\n{raises}"), code("absent", "nbval-skip")]
    assert found(made, tmp_path / "x.ipynb") == []


def test_a_cell_that_nbval_skips_is_still_searched_for_secrets(tmp_path):
    made = notebook(code(f"# NBVAL_SKIP\ntoken = {TOKEN!r}", number=1))
    ((cell, text),) = found(made, tmp_path / "x.ipynb")
    assert (cell, text[:13]) == (1, "it holds what")


def test_a_warning_that_is_new_is_no_chance_though_its_kernels_folder_is(tmp_path):
    made = executed("import warnings", "print(1)")
    made.cells[1].source = "warnings.warn('old')\nprint(1)"
    ((cell, text),) = found(made, tmp_path / "x.ipynb")
    assert (cell, text[:37]) == (2, "run from top to bottom it shows somet")


@pytest.mark.parametrize(
    ("before", "now", "quoted"),
    [
        ("3 rides", "4 rides", "'4 rides' instead of '3 rides'"),
        ("-" * 90 + "3", "-" * 90 + "4", f"'...{'-' * 30}4' instead of '...{'-' * 30}3'"),
        ("3" + "-" * 90, "4", f"'4' instead of '3{'-' * 56}...'"),
        ("-" * 40, "", f"nothing instead of '{'-' * 40}'"),
    ],
)
def test_long_lines_are_quoted_where_they_differ(before, now, quoted):
    assert differ([printed(before)], [printed(now)]) == quoted


def test_the_page_of_an_estimator_shows_no_key(tmp_path):
    page = {"text/html": '<div class="sk-toggleable__content fitted">Ridge()</div>'}
    made = notebook(code("1", number=1, outputs=[shown(page)]))
    assert found(made, tmp_path / "x.ipynb", run=False) == []


def test_a_file_that_is_no_valid_notebook_is_named_with_the_reason(tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps(notebook() | {"metadata": {"kernelspec": {"language": "python"}}}))
    (fault,) = find_faults(path)
    assert fault.text == (
        f"{str(path)!r} is not a notebook of format 4 ('name' is a required property). "
        "Save it again in JupyterLab."
    )


def test_a_run_ends_a_cell_that_takes_too_long(tmp_path):
    made = notebook(code("import time\n\ntime.sleep(60)"))
    _, (cell, text) = found(made, tmp_path / "x.ipynb", timeout=1)
    assert (cell, text[:49]) == (1, "in a fresh kernel it is not done after 1 seconds.")


def test_a_kernel_that_dies_is_named(tmp_path):
    made = notebook(code("1"), code("import os\n\nos._exit(1)"))
    _, (cell, text) = found(made, tmp_path / "x.ipynb")
    assert (cell, text[:15]) == (2, "its Python died")


def test_a_notebook_is_checked_however_long_the_path_of_the_temporary_folder(tmp_path, monkeypatch):
    (tmp_path / ("long" * 30)).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("long" * 30)))
    made = notebook(code("print(1)", number=1, outputs=[printed("2\n")]))
    ((cell, _),) = found(made, tmp_path / "x.ipynb")
    assert cell == 1


def test_an_undefined_name_is_named_once(tmp_path):
    made = notebook(code("a", number=1), code("print(1)", number=2, outputs=[printed("2")]))
    assert [cell for cell, _ in found(made, tmp_path / "x.ipynb")] == [1, 1]


def test_our_own_notebooks_have_no_faults(capsys):
    paths = sorted(map(str, ROOT.glob("notebooks/0[1-9]*.ipynb")))
    assert main(["check", "--no-run", *paths]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_command_prints_a_line_a_fault_and_ends_with_5(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    nbformat.write(notebook(code("x"), code("y")), "x.ipynb")
    assert main(["check", "x.ipynb", "gone.ipynb"]) == 5
    out, err = capsys.readouterr()
    assert [line.partition(" ")[0] for line in out.splitlines()] == [
        "x.ipynb:", "x.ipynb:cell", "x.ipynb:cell", "gone.ipynb:",
    ]  # fmt: skip
    assert err == "taxi-duration: 4 faults in 2 of 2 notebooks.\n"


def test_the_command_prints_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    nbformat.write(notebook(code("x", number=1)), "x.ipynb")
    assert main(["check", "--no-run", "--json", "x.ipynb"]) == 5
    first, second = json.loads(capsys.readouterr().out)
    assert first["fault"].startswith("it ends with a value")
    assert second == {
        "file": "x.ipynb",
        "cell": 1,
        "fault": "name 'x' is not defined. Define or import it in a cell above.",
    }


def test_the_hook_of_pre_commit_calls_the_command(tmp_path):
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    program, *words = hook["entry"].split()
    path = str(tmp_path / "x.ipynb")
    nbformat.write(notebook(code("print(1)", number=1, outputs=[printed("1\n")])), path)
    assert (program, main([*words, path])) == ("taxi-duration", 0)
