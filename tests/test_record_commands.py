"""Commands that look back: a model is made again, its descent told, its card written."""

import re
from pathlib import Path

import pytest

from taxi_duration.cli import main
from taxi_duration.notebooks import run
from taxi_duration.registry import promote, register
from taxi_duration.tracking import list_runs
from taxi_duration.trips import load_trips

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "02_train.ipynb"


@pytest.fixture(scope="module")
def champion(new_store, tmp_path_factory):
    """The run of a champion, made as `make run` makes it."""
    place = tmp_path_factory.mktemp("commands")
    with new_store(place):
        made = run(NOTEBOOK, parameters={"models": "median,ridge"}, into=place / "runs")
        runs = list_runs(parent=made.result["run_id"]).set_index("model")["run_id"]
        promote(register(runs["ridge"]), load_trips("2021-04"), why="the first")
        yield runs["ridge"]


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


def test_a_champion_of_make_run_is_reproduced(say, champion):
    code, out, _ = say("reproduce", "champion")
    assert out.startswith(f"Model 'ridge' of run {champion}: reproduced.")
    assert "notebook 02_train ran again" in out
    assert code == 0


def test_other_data_end_in_exit_code_1_and_one_line_for_each_file(say, champion, tmp_path):
    say("sample", "2021-01..2021-03", "--rows", "50", "--into", tmp_path)
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
    assert "train 2021-01, valid 2021-02, test 2021-03" in out
    assert re.search(r"green_tripdata_2021-01\.parquet [0-9a-f]{12}\b", out)
    assert re.search(r"promoted \d{4}-\d\d-\d\d \d\d:\d\d UTC by .*: the first", out)


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
    assert "ridge" in (tmp_path / "taxi-duration-1.md").read_text()
