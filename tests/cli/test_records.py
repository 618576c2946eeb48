"""Commands on what was recorded: reproduce, history, card."""

import re
from pathlib import Path

import pytest

from taxi_duration.cli.main import main
from taxi_duration.registry.loading import find_model


@pytest.fixture
def champion(reader, monkeypatch):
    """The run of the champion that the commands of the README have made."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", reader.store)
    return find_model("champion").run_id


@pytest.fixture
def call(capsys):
    """Run a command here; give its exit code, and what it printed."""

    def call(*words):
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.mark.parametrize("command", ["reproduce", "history", "card"])
def test_help_has_an_example(call, command):
    code, out, _ = call(command, "--help")
    assert code == 0
    assert f"\n    taxi-duration {command}" in out


def test_the_champion_of_a_run_of_all_notebooks_is_reproduced(call, champion):
    code, out, _ = call("reproduce", "champion")
    assert out.startswith(f"Model 'xgboost' of run {champion}: reproduced.")
    assert code == 0


def test_the_gate_of_the_champion_was_the_newest_month(champion):
    assert find_model("champion").verdict.months == ("2021-04",)


def test_other_data_end_in_exit_code_7_and_a_line_for_each_file(call, champion, tmp_path):
    call("sample", "2021-02..2021-04", "--rows", "50", "--into", tmp_path)
    code, out, _ = call("reproduce", champion, "--source", tmp_path)
    assert code == 7
    assert "not reproduced" in out
    assert out.count("is not the file that was recorded") == 3


def test_a_missing_run_ends_in_one_line(call, champion):
    code, out, err = call("reproduce", "0" * 32)
    assert (code, out, err.count("\n")) == (7, "", 1)


def test_history_shows_months_and_data_of_a_version_and_who_promoted_it(call, champion):
    code, out, _ = call("history")
    assert code == 0
    assert out.startswith("version 1, ")
    assert champion in out
    assert "train 2021-02, valid 2021-03, test 2021-04" in out
    assert re.search(r"green_tripdata_2021-02\.parquet [0-9a-f]{12}\b", out)
    assert re.search(r"promoted \d{4}-\d\d-\d\d \d\d:\d\d UTC by .*: 04_select", out)


def test_the_history_of_a_missing_model_ends_in_one_line(call, champion):
    code, _, err = call("history", "bus-duration")
    assert (code, err.count("\n")) == (7, 1)
    assert "There is no registered model 'bus-duration'" in err


def test_a_card_is_written_and_its_paths_are_printed(call, champion, tmp_path):
    code, out, _ = call("card", "--into", tmp_path)
    assert code == 0
    assert [Path(line).name for line in out.splitlines()] == [
        "taxi-duration-1.md",
        "taxi-duration-1.html",
    ]
    assert "xgboost" in (tmp_path / "taxi-duration-1.md").read_text()
