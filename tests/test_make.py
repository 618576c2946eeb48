"""`make` rejects an unsupported Python in one line, and sets nothing up."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(not MAKE, reason="there is no make")


@pytest.fixture
def rejection(tmp_path):
    """What `make run` says, beside make's own words, with these variables."""
    for name in ("Makefile", "requirements.txt", "setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)

    def rejection(*variables, **environment):
        done = subprocess.run(
            [MAKE, "run", *variables], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 2
        assert not (tmp_path / ".venv").exists()
        (line,) = [line for line in done.stderr.splitlines() if not line.startswith("make")]
        return line

    return rejection


def test_another_python_is_rejected(rejection):
    false = shutil.which("false")
    said = f"taxi_duration needs Python 3.11, 3.12 or 3.13, and {false} is another. Name one: "
    assert rejection(f"PYTHON={false}").startswith(said)


def test_no_python_is_rejected(rejection, tmp_path):
    assert "needs Python 3.11, 3.12 or 3.13; none was found." in rejection(PATH=str(tmp_path))


@pytest.fixture
def ui(tmp_path):
    """How `make ui` starts MLflow's server, which only prints its words, and what is said."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv").mkdir()
    for name in ("requirements.txt", "setup.cfg", "pyproject.toml", ".venv/ready"):
        (tmp_path / name).touch()
    for name in ("mlflow", "taxi-duration"):
        (tmp_path / name).write_text('#!/bin/sh\necho "$@"\n')
        (tmp_path / name).chmod(0o755)

    def ui(*words):
        command = [MAKE, "ui", f"BIN={tmp_path}", *words]
        how = {"cwd": tmp_path, "env": {"PATH": os.environ["PATH"]}}  # without what make hands down
        done = subprocess.run(command, capture_output=True, text=True, check=True, **how)
        return done.stdout, done.stderr

    return ui


@pytest.mark.parametrize("words", [[], ["UI_HOST=localhost"], ["UI_HOST=::1"]])
def test_the_pages_of_runs_are_for_this_computer(ui, words):
    out, err = ui(*words)
    host = words[0].partition("=")[2] if words else "127.0.0.1"
    assert f"server -w 1 --host {host} " in out
    assert err == ""


def test_who_shows_them_to_others_learns_how_to_ask_for_a_password(ui):
    out, err = ui("UI_HOST=0.0.0.0")
    assert "--host 0.0.0.0 " in out
    assert "--app-name basic-auth" in err
    assert len(err.splitlines()) == 1
