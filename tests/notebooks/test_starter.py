"""`taxi-duration new` begins a notebook or a project, and overwrites nothing."""

import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

import nbformat
import pytest

from taxi_duration import __version__
from taxi_duration.cli.main import main
from taxi_duration.notebooks import discovery, starter
from taxi_duration.notebooks.check import find_faults
from taxi_duration.notebooks.discovery import find_notebooks, inspect

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
SOURCE = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "requirements.txt")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A new notebook."""
    return starter.start_notebook("07_night_rides", tmp_path_factory.mktemp("begun") / "notebooks")


def test_a_new_notebook_passes_the_check(begun):
    assert find_faults(begun) == []


def test_a_new_notebook_has_a_title_parameters_and_a_result(begun):
    cells = nbformat.read(begun, as_version=4).cells
    assert cells[0].source.startswith("# Night rides?\n")
    assert [each.name for each in inspect(begun)] == ["most", "power"]
    assert cells[-1].outputs[0].data["application/vnd.taxi+json"] == {"rows": 5, "share": 0.455}


def test_a_new_notebook_is_in_the_folder_of_notebooks_and_the_next_commands_are_said(
    here, monkeypatch, capsys
):
    monkeypatch.setattr(starter, "_executed", lambda stem: "{}")
    assert main(["new", "two words.ipynb"]) == 0
    path, _, *words = capsys.readouterr().out.splitlines()
    assert Path(path).read_text() == "{}"
    assert [line.split()[0] for line in words] == ["jupyter", "taxi-duration", "pytest"]
    assert all(line.endswith(" 'notebooks/two words.ipynb'") for line in words)


def test_a_notebook_that_is_there_is_not_overwritten(begun, capsys):
    before = begun.read_bytes()
    assert main(["new", begun.stem, "--into", str(begun.parent)]) == 2
    assert "exists already. Take another name." in capsys.readouterr().err
    assert begun.read_bytes() == before


def test_a_new_notebook_whose_kernel_fails_is_not_written(here, monkeypatch, capsys):
    (here / "notebook.md").write_text("# TITLE\n```python\n1 / 0\n```\n")
    monkeypatch.setattr(starter, "TEMPLATES", here)
    assert main(["new", "first", "--into", "."]) == 5
    said = capsys.readouterr().err
    assert "The new notebook cannot be executed: in a fresh kernel it raises Zero" in said
    assert [path.name for path in here.iterdir()] == ["notebook.md"]


def test_a_library_that_is_missing_is_named(here, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "nbformat", None)
    assert main(["new", "first"]) == 5
    assert "Install it: pip install 'taxi-duration[notebooks]'" in capsys.readouterr().err
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("words", [[], ["x", "--project", "y"], ["../x"]])
def test_neither_and_both_and_a_name_that_leads_elsewhere_are_rejected(words, here, capsys):
    assert main(["new", *words]) == 2
    assert list(here.iterdir()) == []


@pytest.fixture
def project(here, capsys):
    """A new project, in a folder that was empty, and what is printed."""
    (here / "taxis").mkdir()
    assert main(["new", "--project", "taxis"]) == 0
    return here / "taxis", capsys.readouterr().out


def test_a_project_has_our_notebooks_and_says_what_it_has(project):
    folder, printed = project
    notebooks = sorted((folder / "notebooks").iterdir())
    assert [path.read_bytes() for path in notebooks] == [path.read_bytes() for path in NOTEBOOKS]
    *said, last = printed.splitlines()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sorted(said) == sorted(str(path.relative_to(folder.parent)) for path in files)
    assert last == "Go on with: cd taxis && make run"


@pytest.mark.parametrize(
    ("recorded", "origin"),
    [
        (None, f"taxi-duration=={__version__}"),
        ('{"url": "file:///a%20b/t.whl", "archive_info": {}}', "file:///a%20b/t.whl"),
        (
            '{"url": "https://x.org/t", "vcs_info": {"vcs": "git", "commit_id": "c4"}}',
            "git+https://x.org/t@c4",
        ),
    ],
)
def test_a_project_installs_the_package_from_where_it_came(here, monkeypatch, recorded, origin):
    kind = type(distribution("taxi-duration"))
    monkeypatch.setattr(kind, "read_text", lambda _self, _name: recorded)
    starter.start_project(here / "taxis")
    assert f"TAXI_DURATION ?= {origin}\n" in (here / "taxis" / "Makefile").read_text()


def test_a_project_has_the_version_that_made_it_in_its_workflow(project):
    texts = [(project[0] / name).read_text() for name in starter.PLACES.values()]
    assert sum(f"|| 'taxi-duration=={__version__}'" in text for text in texts) == 1
    assert not re.search("VERSION|ORIGIN", "".join(texts))


@pytest.mark.soak
def test_a_project_that_cannot_install_the_package_says_so_at_once(project):
    words = ["make", "-s", "TAXI_DURATION=./none.whl", f"PYTHON={sys.executable}", "check"]
    done = subprocess.run(words, cwd=project[0], capture_output=True, text=True)
    assert done.returncode
    assert "No taxi_duration at ./none.whl. Name a wheel, folder or repository" in done.stderr


def test_a_project_does_not_overwrite_a_folder(project, capsys):
    makefile = project[0] / "Makefile"
    makefile.write_text("mine")
    assert main(["new", "--project", "taxis"]) == 2
    assert "exists already. Name a new folder." in capsys.readouterr().err
    assert makefile.read_text() == "mine"


def test_a_project_that_cannot_be_finished_leaves_nothing(here, monkeypatch):
    monkeypatch.setitem(starter.PLACES, "README.md", "Makefile/README.md")
    assert main(["new", "--project", "taxis"]) == 4
    assert list(here.iterdir()) == []


def test_the_notebooks_of_the_package_are_found_where_there_are_none(here):
    assert find_notebooks() == [path for path in NOTEBOOKS if path.stem != "00_before"]


def test_notebooks_beside_the_package_are_found_but_make_no_project(here, monkeypatch, capsys):
    image = here / "image"
    (image / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "01_explore.ipynb", image / "notebooks")
    monkeypatch.setattr(discovery, "CHECKOUT", image)
    assert [path.stem for path in find_notebooks()] == ["01_explore"]
    assert main(["new", "--project", "taxis"]) == 5
    assert "requirements.txt is not installed here" in capsys.readouterr().err
    assert list(here.iterdir()) == [image]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The commands of a fresh environment with our wheel; the other libraries are those here."""
    place = tmp_path_factory.mktemp("wheel")
    for name in SOURCE:
        shutil.copy(ROOT / name, place)
    for name in ("taxi_duration", "notebooks"):
        shutil.copytree(ROOT / name, place / name)
    (place / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "nbval_sanitize.cfg", place / "tests")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", "dist", ".", cwd=place)
    run(sys.executable, "-m", "venv", "--without-pip", "fresh", cwd=place)
    wheels = place.glob("dist/*")
    run(*pip, "--python", "fresh/bin/python", "install", "--no-deps", *wheels, cwd=place)
    (libraries,) = place.glob("fresh/lib/*/site-packages")
    (libraries / "others.pth").write_text(sysconfig.get_path("purelib"))
    return place / "fresh" / "bin"


def run(*words, cwd):
    """Run a command, which has to succeed; return what it prints."""
    done = subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.soak
def test_the_wheel_has_all_that_a_project_needs_and_its_own_check_passes(installed, tmp_path):
    run(installed / "taxi-duration", "new", "--project", "taxis", cwd=tmp_path)
    run(installed / "taxi-duration", "new", "07_mine", cwd=tmp_path / "taxis")
    tells = "import taxi_duration; print(taxi_duration.__file__)"
    assert str(installed.parent) in run(installed / "python", "-c", tells, cwd=tmp_path)
    made = [path.name for path in sorted((tmp_path / "taxis" / "notebooks").iterdir())]
    assert made == [*(path.name for path in NOTEBOOKS), "07_mine.ipynb"]
    printed = run("make", "-s", f"BIN={installed}", "test", cwd=tmp_path / "taxis")
    assert " passed in " in printed


@pytest.mark.soak
def test_the_notebooks_of_the_wheel_run_without_a_project(installed, tmp_path):
    shown = run(installed / "taxi-duration", "inspect", "01_explore", cwd=tmp_path)
    assert shown.startswith("source: str = ")
