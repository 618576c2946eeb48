"""What pages say of the code: that tests, commands and files exist, and that sums are right."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from click import Context

from taxi_duration import __version__
from taxi_duration.cli.main import cli

ROOT = Path(__file__).parents[1]
SCORE = (ROOT / "docs" / "ml-test-score.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", SCORE)
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_is_named_exists(path, name):
    assert f"\ndef {name}(" in (ROOT / path).read_text()


def test_the_page_of_the_library_names_files_of_all_rooms_that_are_there():
    page = (ROOT / "docs" / "library.md").read_text()
    rows = re.findall(r"^\|.*\| (\w+) \| (.*) \|$", page, re.MULTILINE)
    named = {(room, file) for room, text in rows for file in re.findall(r"`(\w+\.py)`", text)}
    there = {path.parts[-2:] for path in ROOT.glob("taxi_duration/*/*.py")}
    assert named <= there
    assert {room for room, _ in named} == {room for room, _ in there}


def test_the_score_is_that_of_the_weakest_part():
    parts = SCORE.split("\n## ")[1:]
    rows = {part.partition("\n")[0].lower(): re.findall(r"^\| \d \|.* \| ([\d.]+) \|$", part, re.M)
            for part in parts}  # fmt: skip
    assert [len(scores) for scores in rows.values()] == [7, 7, 7, 7]
    sums = {part: sum(map(float, scores)) for part, scores in rows.items()}
    said = re.findall(r"^\| ([a-z ]+) \| ([\d.]+) \|$", SCORE, re.M)
    assert {part: float(score) for part, score in said} == sums
    assert f"| **score** | **{min(sums.values()):g}** |" in SCORE


def test_a_half_or_whole_point_is_for_something_and_none_says_no():
    rows = re.findall(r"^\| \d \| .* \| (.*) \| ([\d.]+) \|$", SCORE, re.M)
    assert [here for here, score in rows if (score == "0") != here.startswith("no")] == []
    assert [here for here, score in rows if score == "1" and "`tests/" not in here] == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_each_command_that_a_page_names_exists_with_its_options(path):
    for command, words in re.findall(r"taxi-duration ([a-z]+)([^`\n#|]*)", path.read_text()):
        known = cli.get_command(Context(cli), command)
        assert known, command
        options = {option for each in known.params for option in each.opts}
        assert set(re.findall(r" (--[a-z-]+)", words)) <= {*options, "--help"}, (command, words)


def test_the_workflow_runs_what_ci_runs_on_each_python_that_is_supported():
    supported = re.findall(r"Python :: (3\.\d+)$", (ROOT / "setup.cfg").read_text(), re.M)
    job = WORKFLOW["jobs"]["all"]
    assert job["strategy"]["matrix"]["python"] == supported
    assert job["steps"][-1]["run"] == "bash .ci/run"


def test_the_workflow_tries_the_oldest_and_the_newest_libraries():
    legs = WORKFLOW["jobs"]["bounds"]["strategy"]["matrix"]["include"]
    assert {leg["resolution"] for leg in legs} == {"lowest-direct", "highest"}
    target = WORKFLOW["jobs"]["bounds"]["steps"][-1]["run"].split()[1]
    assert f"\n{target}: " in (ROOT / "Makefile").read_text()


def test_actions_are_pinned_to_a_commit():
    used = [step["uses"] for job in WORKFLOW["jobs"].values() for step in job["steps"]
            if "uses" in step]  # fmt: skip
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", each)] == []


def test_a_citation_is_of_this_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__


def test_what_commands_write_where_nobody_says_otherwise_is_ignored_by_git():
    places = [str(each.default) for command in cli.commands.values() for each in command.params
              if each.name == "into" and each.default not in {None, ".", "notebooks"}]  # fmt: skip
    made = [f"{place}/new.md" for place in places] + ["green_tripdata_2021-01.parquet"]
    assert len(made) > 4
    words = ["git", "check-ignore", "--no-index", *made]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == made


LINKED = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]


@pytest.mark.parametrize("path", [*LINKED, *sorted(ROOT.glob("docs/*.md"))], ids=lambda p: p.name)
def test_each_link_to_a_file_leads_to_one(path):
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []
