"""`make` rejects an unsupported Python in one line; `.ci/run` installs what tests need."""

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


@pytest.mark.parametrize(("words", "host"), [([], "127.0.0.1"), (["UI_HOST=0.0.0.0"], "0.0.0.0")])
def test_the_pages_of_runs_are_for_this_computer_unless_it_is_said(tmp_path, words, host):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv").mkdir()
    for name in ("requirements.txt", "setup.cfg", "pyproject.toml", ".venv/ready"):
        (tmp_path / name).touch()
    (tmp_path / "taxi-duration").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "taxi-duration").chmod(0o755)
    how = {"cwd": tmp_path, "env": {"PATH": os.environ["PATH"]}}  # without what make hands down
    command = [MAKE, "ui", f"BIN={tmp_path}", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, **how)
    assert done.stdout == f"ui --host {host}\n"


def test_a_package_of_the_extras_that_cannot_be_installed_stops_nothing(tmp_path):
    for name in ("bash", "dirname", "ls"):
        (tmp_path / name).symlink_to(shutil.which(name))
    for name in ("make", "apt-get", "java", "initdb", "chromedriver"):
        (tmp_path / name).write_text(
            f'#!{tmp_path}/bash\necho {name} "$@" >&3; [ {name} != apt-get ]\n'
        )
        (tmp_path / name).chmod(0o755)
    words = [f"exec {ROOT}/.ci/run 3>&1"]
    done = subprocess.run(["bash", "-c", *words], env={"PATH": str(tmp_path)}, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b".ci/run: chromium cannot be installed\n")
    assert done.stdout.decode().splitlines() == [
        "make test", "apt-get update", "apt-get install -y chromium", "make test-extras",
        "make audit",
    ]  # fmt: skip
