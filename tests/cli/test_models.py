"""What the commands that promote models print, and how they end."""

import shutil

import pytest

from taxi_duration.cli.main import main
from taxi_duration.registry.loading import find_model


@pytest.fixture
def runs(shelf, tmp_path, monkeypatch):
    """The run ids of trainings, in a database of the test's own."""
    uri, runs = shelf
    copy = shutil.copy(uri.removeprefix("sqlite:///"), tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy}")
    return runs


@pytest.fixture
def say(runs, capsys):
    """Run a command; give its exit code, and what it said."""

    def say(*words):
        code = main(list(words))
        out, err = capsys.readouterr()
        return code, (out + err).rstrip("\n")

    return say


GATE = ("--gate", "2021-03", "--why", "better")


def test_a_run_is_registered_once(say, runs):
    said = (0, "version 1 of taxi-duration is challenger")
    assert [say("register", runs["poor"]) for _ in range(2)] == [said] * 2


def test_a_version_is_promoted_with_the_reason_in_words(say, runs):
    say("register", runs["poor"])
    code, said = say("promote", "challenger", *GATE)
    assert code == 0
    assert said.startswith("version 1 of taxi-duration is champion: its rmse of ")
    assert find_model("champion").version == "1"


def test_a_dry_run_says_what_would_happen(say, runs):
    say("register", runs["poor"])
    code, said = say("promote", "1", *GATE, "--dry-run")
    assert (code, said.partition(":")[0]) == (0, "version 1 of taxi-duration would become champion")
    assert find_model("1").aliases == ("challenger",)


def test_a_refusal_ends_with_the_reasons_and_exit_code_1(say, runs):
    for run in ("good", "weak"):
        say("register", runs[run])
        code, said = say("promote", "challenger", *GATE)
    assert code == 1
    assert said.startswith(
        "taxi-duration: version 2 of taxi-duration does not become champion: its rmse of "
    )
    assert len(said.splitlines()) == 1


def test_a_rollback_says_who_is_champion_again(say, runs):
    for run in ("poor", "good"):
        say("register", runs[run])
        say("promote", "challenger", *GATE)
    assert say("rollback", "--why", "slow") == (0, "version 1 of taxi-duration is champion again")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["register", "0" * 32], "cannot be read"),
        (["promote", "7", *GATE], "There is no model '7'"),
        (["rollback", "--why", "slow"], "There is no registered model 'taxi-duration'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(say, words, reason):
    code, said = say(*words)
    assert code == 1
    assert reason in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("words", [["promote", "1", "--why", "x"], ["promote", "1", "--gate", "x"]])
def test_gate_and_reason_have_to_be_given(say, words):
    assert say(*words)[0] == 2
