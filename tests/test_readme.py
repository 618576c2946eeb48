"""The commands that README tells a reader to type do work; its code is run, too (conftest.py)."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
LINES = [line.removeprefix("$ ") for block in BLOCKS for line in block.splitlines()]
IN_PROSE = re.findall(r"`((?:make|taxi-duration) [^`\n]+)`", README)
TYPED = [shlex.join(shlex.split(line, comments=True)) for line in LINES + IN_PROSE]
COMMANDS = [command for command in dict.fromkeys(TYPED) if command]

NOT_RUN = {
    "make run": "set-up, then `taxi-duration run`",
    "make test": "set-up, then these tests",
    "make notebooks": "overwrites the notebooks",
    "make bench": "takes minutes",
    "make clean": "removes the environment that runs this",
    "make lab": "a server",
    "make ui": "a server",
    "taxi-duration fetch 2024-01": "TLC's server",
}


@pytest.fixture(scope="module")
def reader(new_store, tmp_path_factory):
    """The folder and the environment of a reader who types one command after the other."""
    folder = tmp_path_factory.mktemp("reader")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with new_store(folder):
        yield folder, os.environ | {"PATH": path}


@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in NOT_RUN])
def test_a_command_of_the_readme_works(reader, command):
    folder, environment = reader
    done = subprocess.run(
        shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", NOT_RUN)
def test_an_exception_is_a_command_that_the_readme_has(command):
    assert command in COMMANDS
