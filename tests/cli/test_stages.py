"""What `run --dry-run` says of stages: whether each would run, why, and by which digest."""

import re
from pathlib import Path

import pytest

from taxi_duration.cli.main import main

STORY = str(Path(__file__).parents[1] / "broken_notebooks" / "story.ipynb")


@pytest.fixture
def dry_run(store, tmp_path, monkeypatch, capsys):
    """The name, digest and state that are said of a notebook."""
    monkeypatch.chdir(tmp_path)

    def dry_run(*words):
        assert main(["run", STORY, *words, "--dry-run"]) == 0
        return capsys.readouterr().out.strip().split("  ")

    return dry_run


def test_a_stage_that_has_not_run_would_run_and_does_not(dry_run, tmp_path):
    name, digest, state = dry_run()
    assert (name, state) == ("story", "it has not run")
    assert re.fullmatch(r"[0-9a-f]{64}", digest)
    assert not (tmp_path / "runs").exists()


def test_after_a_run_nothing_has_changed_and_the_digest_is_the_same(dry_run, capsys):
    _, before, _ = dry_run()
    assert main(["run", STORY]) == 0
    capsys.readouterr()
    assert dry_run() == ["story", before, "nothing has changed"]


def test_another_parameter_has_another_digest(dry_run):
    assert dry_run()[1] != dry_run("-p", "rows=7")[1]
