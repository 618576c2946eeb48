"""The commands score, serve, monitor and backtest: results, output and exit codes."""

import re

import pandas as pd
import pytest

from taxi_duration.cli.main import main
from taxi_duration.tracking.store_address import beside_store

WORK = ("score", "serve", "monitor", "backtest")


@pytest.fixture
def at_work(employed, monkeypatch):
    """The store of a champion is in use."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", employed[0])


@pytest.fixture
def score(at_work, tmp_path):
    """Score months into a folder of the test's own."""
    return lambda *words: main(["score", *words, "--into", str(tmp_path)])


def test_score_says_where_and_how_many_rows_are_predicted(score, capsys, tmp_path):
    assert score("2021-02") == 0
    text = capsys.readouterr().out
    assert text == f"{tmp_path}/service=green/month=2021-02  6,000 predicted, 0 rejected\n"


def test_predictions_that_exist_are_kept_as_before(score, capsys):
    score("2021-02")
    capsys.readouterr()
    assert score("2021-02") == 0
    assert capsys.readouterr().out.endswith("0 rejected (as before)\n")


def test_force_predicts_a_month_again(score, capsys):
    score("2021-02")
    capsys.readouterr()
    assert score("2021-02", "--force") == 0
    assert "as before" not in capsys.readouterr().out


def test_each_month_of_a_range_has_a_line(score, capsys):
    assert score("2021-02..2021-03") == 0
    assert re.findall(r"month=(\S+)", capsys.readouterr().out) == ["2021-02", "2021-03"]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["2021-13"], 4, "Month '2021-13' does not exist"),
        (["2021-02", "--model", "models:/nobody@champion"], 7, "in the notebook 04_select"),
        (["2021-02", "--source", "/no/such/folder"], 4, "no/such/folder"),
    ],
    ids=["month", "model", "source"],
)
def test_a_month_that_cannot_be_scored_ends_in_one_line(score, capsys, words, code, text):
    assert score(*words) == code
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert text in line


@pytest.mark.parametrize(
    "words",
    [["score"], ["score", "2021-02", "--service", "boat"], ["backtest", "x", "--windows", "one"]],
)
def test_wrong_words_end_with_2(words, capsys):
    assert main(words) == 2
    assert "Error: " in capsys.readouterr().err


@pytest.mark.parametrize("command", WORK)
def test_help_has_an_example(command, capsys):
    assert main([command, "--help"]) == 0
    assert f"  taxi-duration {command}" in capsys.readouterr().out


@pytest.fixture
def monitor(at_work, tmp_path):
    """Monitor months that were scored into a folder."""

    def monitor(months, predictions=None):
        words = ["--predictions", str(predictions)] if predictions else []
        return main(["monitor", months, *words, "--into", str(tmp_path / "report")])

    return monitor


def test_two_slow_months_end_with_3_and_a_report(monitor, slow_months, tmp_path, capsys):
    months, scored = "2021-04..2021-05", tmp_path / "scored"
    main(["score", months, "--source", str(slow_months), "--into", str(scored)])
    capsys.readouterr()
    assert monitor(months, scored) == 3
    verdict, report = capsys.readouterr().out.splitlines()
    assert verdict.endswith("Retrain.")
    assert report == f"Report: {tmp_path / 'report' / '06_monitor.html'}"
    assert "<img" in (tmp_path / "report" / "06_monitor.html").read_text()


def test_an_ordinary_month_ends_with_0(monitor, capsys):
    assert monitor("2021-02") == 0
    assert "2021-02: within its limits.\n" in capsys.readouterr().out


def test_predictions_are_beside_the_recorded_runs_unless_a_folder_is_named(at_work, capsys):
    assert main(["score", "2021-02"]) == 0
    folder, _, counts = capsys.readouterr().out.partition("  ")
    assert folder == str(beside_store("predictions") / "service=green" / "month=2021-02")
    assert counts == "6,000 predicted, 0 rejected (as before)\n"


@pytest.fixture
def backtest(tmp_path):
    """Back-test a quick model into a folder of the test's own."""
    how = ["--model", "ridge", "--windows", "1", "--ahead", "1", "--into", str(tmp_path / "back")]
    return lambda months: main(["backtest", months, *how])


def test_a_back_test_leaves_a_table_and_a_figure(backtest, tmp_path, capsys):
    assert backtest("2021-01..2021-03") == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "Train on 1 month.",
        str(tmp_path / "back" / "backtest.png"),
    ]
    table = pd.read_csv(tmp_path / "back" / "backtest.csv")
    assert table["tested"].tolist() == ["2021-03"]
    assert pd.read_csv(tmp_path / "back" / "windows.csv")["verdict"].tolist() == ["shortest"]


def test_too_few_months_for_a_back_test_end_with_4(backtest, capsys):
    assert backtest("2021-01..2021-02") == 4
    assert "2 months are too few" in capsys.readouterr().err
