"""Commands that look back: a model is made again, its descent told, its card written."""

import re
from pathlib import Path

import pytest

from taxi_duration.cli.main import main
from taxi_duration.registry.loading import find_model


@pytest.fixture
def champion(reader, monkeypatch):
    """The run of the champion that README's reader has made."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", reader.store)
    return find_model("champion").run_id


@pytest.fixture
def say(capsys):
    """Run a command here; give its exit code, and what it printed."""

    def say(*words):
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return say


@pytest.mark.parametrize("command", ["reproduce", "history", "card"])
def test_each_command_explains_itself_with_an_example(say, command):
    code, out, _ = say(command, "--help")
    assert code == 0
    assert f"\n    taxi-duration {command}" in out


def test_the_champion_of_a_run_of_all_notebooks_is_reproduced(say, champion):
    code, out, _ = say("reproduce", "champion")
    assert out.startswith(f"Model 'xgboost' of run {champion}: reproduced.")
    assert code == 0


def test_the_gate_of_the_champion_was_the_newest_month(champion):
    assert find_model("champion").verdict.months == ("2021-04",)


def test_other_data_end_in_exit_code_1_and_one_line_for_each_file(say, champion, tmp_path):
    say("sample", "2021-02..2021-04", "--rows", "50", "--into", tmp_path)
    code, out, _ = say("reproduce", champion, "--source", tmp_path)
    assert code == 1
    assert "not reproduced" in out
    assert out.count("is not the file that was recorded") == 3


def test_a_run_that_is_not_there_ends_in_one_line(say, champion):
    code, out, err = say("reproduce", "0" * 32)
    assert (code, out, err.count("\n")) == (1, "", 1)


def test_history_tells_what_a_version_rests_on_and_who_promoted_it(say, champion):
    code, out, _ = say("history")
    assert code == 0
    assert out.startswith("version 1, ")
    assert champion in out
    assert "train 2021-02, valid 2021-03, test 2021-04" in out
    assert re.search(r"green_tripdata_2021-02\.parquet [0-9a-f]{12}\b", out)
    assert re.search(r"promoted \d{4}-\d\d-\d\d \d\d:\d\d UTC by .*: 04_select", out)


def test_the_history_of_a_model_that_is_not_there_ends_in_one_line(say, champion):
    code, _, err = say("history", "bus-duration")
    assert (code, err.count("\n")) == (1, 1)
    assert "There is no registered model 'bus-duration'" in err


def test_a_card_is_written_and_its_places_are_said(say, champion, tmp_path):
    code, out, _ = say("card", "--into", tmp_path)
    assert code == 0
    assert [Path(line).name for line in out.splitlines()] == [
        "taxi-duration-1.md",
        "taxi-duration-1.html",
    ]
    assert "xgboost" in (tmp_path / "taxi-duration-1.md").read_text()
