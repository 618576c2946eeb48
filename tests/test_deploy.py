"""What lies in deploy/ is short and calls commands that exist, with the pins that we have."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from taxi_duration.cli.main import cli

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "deploy").iterdir())
TEXTS = ("crontab", "github-actions.yml")


def pins(name):
    """The version of each library."""
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_for_an_orchestrator_has_at_most_40_lines(path):
    assert len(path.read_text().splitlines()) <= 40


@pytest.mark.parametrize("name", TEXTS)
def test_the_command_that_is_scheduled_exists_with_its_options(name):
    text = (ROOT / "deploy" / name).read_text()
    (line,) = re.findall(r"taxi-duration (month .*?)(?: \|\||$)", text, re.MULTILINE)
    command, *words = shlex.split(line.replace("$MONTH", "2021-04"))
    cli.commands[command].make_context(command, words)


def test_all_schedules_are_the_same():
    found = [re.findall(r"0 6 \d+ \* \*", path.read_text()) for path in FILES]
    assert sorted({when for each in found for when in each}) == ["0 6 20 * *"]


def test_the_workflow_sets_up_what_make_does():
    workflow = yaml.safe_load((ROOT / "deploy" / "github-actions.yml").read_text())
    steps = workflow["jobs"]["month"]["steps"]
    assert next(step["run"] for step in steps if "run" in step) == "make .venv/ready"


def test_the_requirements_of_the_extras_agree_with_those_of_all():
    all_of_us, extras = pins("requirements.txt"), pins("requirements-extras.txt")
    assert len(all_of_us) > 150
    assert {name: extras.get(name) for name in all_of_us} == all_of_us
    assert {"prefect", "kfp"} <= extras.keys() - all_of_us.keys()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-extras.txt"])
def test_requirements_name_no_place(name):
    assert not re.search(r"://|--(extra-)?index-url|--find-links", (ROOT / name).read_text())
