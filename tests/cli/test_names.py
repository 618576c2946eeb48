"""A name given on the command line stays in its folder, and on its line."""

from pathlib import Path

import pytest

from taxi_duration.cli.main import main
from taxi_duration.errors import UsageError, check_folder, check_name

PLAIN = ["taxi-duration-quote", "Bob's notebook (2)", "ü ß", "a.b+c", "x" * 200, "console", "com"]
OUTSIDE = ["../../x", "..", ".", "/tmp/x", "a/b", "a\\b", "a:b", "C:x", ".hidden", ""]
UNPRINTABLE = ["two\nlines", "\u202ex", "\x1b[31m", "bell\a", "nul\0"]
TAKEN_OTHERWISE = ["-rf", "--help", " x", "x ", "x.", "x" * 201, "ü" * 101]
DEVICES = ["CON", "nul", "Com1.txt"]
BAD = [*OUTSIDE, *UNPRINTABLE, *TAKEN_OTHERWISE, *DEVICES]
STORY = Path(__file__).parents[1] / "broken_notebooks" / "story.ipynb"
PLACES = [
    ["new", "--", "NAME"],
    ["run", str(STORY), "--name", "NAME"],
    ["status", "--", "NAME"],
    ["register", "0" * 32, "--name", "NAME"],
    ["promote", "1", "--gate", "2021-03", "--why", "x", "--name", "NAME"],
    ["rollback", "--why", "x", "--name", "NAME"],
    ["history", "--", "NAME"],
]
OF_MODELS = ["x@champion", "x' AND name = 'y", 'x"']


@pytest.fixture
def here(tmp_path, store, monkeypatch):
    """A folder deep in another one, so that it is seen what lands outside."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    return tmp_path


@pytest.mark.parametrize("name", PLAIN)
def test_a_usual_name_is_accepted(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_leaves_its_folder_or_line_is_rejected(name):
    with pytest.raises(UsageError, match="cannot be used"):
        check_name(name)


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_no_command_takes_it_and_nothing_is_made(name, here):
    for words in PLACES:
        assert main([name if word == "NAME" else word for word in words]) == 2, words
    made = {path.name for path in here.rglob("*") if not path.name.startswith("mlflow.db")}
    assert made == {"a", "b"}


@pytest.mark.parametrize("name", OF_MODELS)
def test_a_name_that_mlflow_would_take_apart_is_that_of_no_model(name, here, capsys):
    for words in PLACES[3:]:
        assert main([name if word == "NAME" else word for word in words]) == 2
        assert "cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["../1", "models:/../1", "..@champion", "-x/1", "con/1"])
def test_an_address_names_no_model_outside(address, here, capsys):
    assert main(["card", "--", address]) in (2, 7)
    assert list(Path().iterdir()) == []


def test_results_are_not_looked_for_outside(here, capsys):
    assert main(["status", "../x"]) == 2
    assert "Name '../x' cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("stem", ["two\nlines", "-rf", "a\\b", "nul", "x."])
def test_a_notebook_whose_name_would_be_taken_otherwise_is_rejected(stem, here, capsys):
    notebook = here / f"{stem}.ipynb"
    notebook.write_bytes(STORY.read_bytes())
    assert main(["run", str(notebook)]) == 2
    assert "cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["/tmp/x", "../x", "a/.b", "-x", "ü ß/2021"])
def test_a_folder_may_be_anywhere(folder):
    assert check_folder(Path(folder)) == Path(folder)


INTO = [["run", str(STORY)], ["sample", "2021-01"], ["card"], ["score", "2021-01"]]


@pytest.mark.parametrize("part", ["two\nlines", "\x1b[31m", "x" * 201], ids=ascii)
def test_a_folder_with_a_part_that_cannot_be_shown_is_rejected(part, here, capsys):
    for words in INTO:
        assert main([*words, "--into", f"a/{part}/b"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "cannot be used" in line
    assert list(Path().iterdir()) == []
