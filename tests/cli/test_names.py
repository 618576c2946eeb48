"""A name given on the command line stays in its folder, and on its line."""

import pytest

from taxi_duration.cli.main import main
from taxi_duration.errors import UsageError, check_name
from taxi_duration.registry.promotion import register

PLAIN = ["taxi-duration-quote", "Bob's notebook (2)", "ü ß", "a.b+c", "x" * 200]
OUTSIDE = ["../../x", "/tmp/x", "a/b", "a\\b", "a:b", ".", "..", ".hidden", " x", ""]
UNPRINTABLE = ["two\nlines", "\u202ex", "\x1b[31m"]


@pytest.mark.parametrize("name", PLAIN)
def test_a_usual_name_is_accepted(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", [*OUTSIDE, *UNPRINTABLE, "x" * 201, "ü" * 101])
def test_a_name_that_leaves_its_folder_or_line_is_rejected(name):
    with pytest.raises(UsageError, match="cannot be used"):
        check_name(name)


def test_results_stay_in_their_folder(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--name", "../../x"]) == 2
    assert "Name '../../x' cannot be used" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["two\nlines", "x@champion", "x' AND name = 'y", 'x"'])
def test_a_name_of_a_model_that_mlflow_would_take_apart_is_rejected(name):
    with pytest.raises(UsageError, match="cannot be used"):
        register("0" * 32, name=name)


def test_a_notebook_whose_name_has_two_lines_is_rejected(tmp_path, capsys):
    notebook = tmp_path / "two\nlines.ipynb"
    notebook.touch()
    assert main(["run", str(notebook), "--into", str(tmp_path / "runs")]) == 2
    assert r"Name 'two\nlines' cannot be used" in capsys.readouterr().err
