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
def call(runs, capsys):
    """Run a command; give its exit code and output."""

    def call(*words):
        code = main(list(words))
        out, err = capsys.readouterr()
        return code, (out + err).rstrip("\n")

    return call


GATE = ("--gate", "2021-03", "--why", "better")


def test_a_run_is_registered_once(call, runs):
    text = (0, "version 1 of taxi-duration is challenger")
    assert [call("register", runs["poor"]) for _ in range(2)] == [text] * 2


def test_promote_prints_the_reason(call, runs):
    call("register", runs["poor"])
    code, text = call("promote", "challenger", *GATE)
    assert code == 0
    assert text.startswith("version 1 of taxi-duration is champion: its rmse of ")
    assert find_model("champion").version == "1"


def test_a_dry_run_prints_what_would_happen(call, runs):
    call("register", runs["poor"])
    code, text = call("promote", "1", *GATE, "--dry-run")
    assert (code, text.partition(":")[0]) == (0, "version 1 of taxi-duration would become champion")
    assert find_model("1").aliases == ("challenger",)


def test_a_rejected_version_ends_with_the_reasons_and_exit_code_7(call, runs):
    for run in ("good", "weak"):
        call("register", runs[run])
        code, text = call("promote", "challenger", *GATE)
    assert code == 7
    assert text.startswith(
        "taxi-duration: version 2 of taxi-duration does not become champion: its rmse of "
    )
    assert len(text.splitlines()) == 1


def test_a_rollback_names_the_champion(call, runs):
    for run in ("poor", "good"):
        call("register", runs[run])
        call("promote", "challenger", *GATE)
    assert call("rollback", "--why", "slow") == (0, "version 1 of taxi-duration is champion again")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["register", "0" * 32], "There is no run"),
        (["promote", "7", *GATE], "There is no model '7'"),
        (["rollback", "--why", "slow"], "There is no registered model 'taxi-duration'"),
    ],
)
def test_what_cannot_be_done_ends_in_one_line(call, words, reason):
    code, text = call(*words)
    assert code == 7
    assert reason in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("words", [["promote", "1", "--why", "x"], ["promote", "1", "--gate", "x"]])
def test_gate_and_reason_are_required(call, words):
    assert call(*words)[0] == 2
