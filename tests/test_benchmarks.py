"""The benchmarks run, and say which promised figure a small or a wrong month misses."""

import importlib
import json
import os
import runpy
from pathlib import Path

import pandas as pd
import pytest

from taxi_duration.data.parquet import write_parquet
from taxi_duration.data.sample import make_month
from taxi_duration.months import GREEN, Month

BENCHMARKS, DOCS = (Path(__file__).parents[1] / name for name in ("benchmarks", "docs"))


@pytest.fixture
def benchmark_of(monkeypatch):
    """Import a benchmark as a module."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


@pytest.fixture
def speed(benchmark_of):
    """The benchmark of speed."""
    return benchmark_of("speed")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with three small months."""
    folder = tmp_path_factory.mktemp("small")
    for number in (1, 2, 3):
        month = Month(2021, number)
        write_parquet(make_month(month, rows=1500), folder / GREEN.file(month))
    return folder


@pytest.fixture
def measure(small, benchmark_of, monkeypatch, capsys):
    """Run a benchmark here; give its exit code, and the lines of stdout and stderr.

    All in one process: what its own processes are good for, to compare memory, is not tested here.
    """
    harness = benchmark_of("harness")
    monkeypatch.setattr(harness, "in_own_process", lambda call, *words: call(*words))

    def measure(name, *words, **variables):
        monkeypatch.setattr("sys.argv", [name, *(word.format(small) for word in words)])
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        code = 0
        try:
            runpy.run_path(BENCHMARKS / name, run_name="__main__")
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    return measure


def test_what_runs_in_its_own_process_runs_in_no_other(benchmark_of):
    in_own_process = benchmark_of("harness").in_own_process
    assert len({os.getpid(), in_own_process(os.getpid), in_own_process(os.getpid)}) == 3


def test_the_training_says_each_promise_that_small_months_miss(measure):
    code, table, missed = measure("training.py", "{}")
    assert code == 1
    assert [line.split(" | ")[0] for line in table[2:4]] == ["| reference", "| xgboost"]
    assert table[-1].startswith("| LightGBM | ")
    assert missed[0].startswith("The reference's valid rmse is ")
    assert "xgboost never reached 6.317 on the valid month." in missed
    assert [line.split(": rmse ")[0] for line in missed[-2:]] == ["xgboost", "xgboost, refitted"]


@pytest.mark.parametrize(
    ("valid", "seconds", "said"),
    [
        (5.0, 9.0, []),
        (5.01, 14.9, []),
        (5.03, 9.0, ["xgboost's valid rmse is 5.030, LightGBM's 5.000."]),
        (5.0, 16.0, ["xgboost took 1.60 times LightGBM's time, not 1.5."]),
    ],
)
def test_training_that_is_behind_lightgbm_misses_its_promise(benchmark_of, valid, seconds, said):
    training = benchmark_of("training")
    ours, other = training.Outcome(valid, 9, seconds), training.Outcome(5.0, 9, 10.0)
    assert list(training.worse(ours, other)) == said


def test_the_speed_says_each_promise_that_a_small_month_misses(measure):
    code, table, missed = measure("speed.py", "--rows", "3000", "--repeat", "1")
    assert code == 1
    ways = ["reference", "polars", "duckdb", "trips", "rows", "matrix"]
    assert [line.split()[1] for line in table[2:8]] == ways
    assert any("of the reference's peak memory, not 0.33." in line for line in missed)


@pytest.fixture
def grown(measure, tmp_path):
    """Run the benchmark of growth; give its exit code, what it printed and recorded."""
    results = tmp_path / "results.json"
    words = ["growth.py", "--most", "2000", "--rounds", "2", "--smallest", "1500"]
    code, table, missed = measure(*words, BENCHMARK_RESULTS=str(results))
    return code, table, missed, json.loads(results.read_text())


def test_growth_shows_and_records_time_and_memory_by_rows(grown):
    code, table, missed, results = grown
    assert code == bool(missed)
    assert [line.split()[1] for line in table[2:]] == ["0.0015", "0.002"]
    figures = results["growth"]["figures"]
    assert [each["rows"] for each in figures] == [1500, 2000]
    assert all(each["train gigabytes"] > 0.1 and each["score seconds"] > 0 for each in figures)


GROWN = {"rows": 1000, "train seconds": 1.0, "score seconds": 1.0}
GROWN |= {"train gigabytes": 1.0, "score gigabytes": 1.0}


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ({"train seconds": 2.4}, []),
        ({"train gigabytes": 4.0}, []),
        ({"score seconds": 2.6}, "A row takes 1.30 times as long to score among 2,000 as among"),
        ({"train gigabytes": 4.1}, "To train 2,000 rows takes 4.10 GB, not 4."),
    ],
)
def test_growth_that_is_not_linear_or_too_large_misses_its_promise(benchmark_of, last, said):
    found = [GROWN, GROWN | {"rows": 2000, "train seconds": 2.0, "score seconds": 2.0} | last]
    missed = list(benchmark_of("growth").misses(found))
    assert len(missed) == bool(said)
    assert all(each.startswith(said) for each in missed)


def test_the_page_of_performance_says_what_was_measured(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    performance = importlib.import_module("performance")
    results = json.loads(performance.RESULTS.read_text())
    assert performance.MARKS.search(performance.PAGE.read_text())[0] == performance.tables(results)


@pytest.mark.parametrize("other", ["polars", "duckdb"])
def test_what_reading_is_compared_with_keeps_the_same_rides(speed, tmp_path, other):
    speed.make(tmp_path, 3000)
    ours, theirs = speed.trips(tmp_path), getattr(speed, other)(tmp_path)
    theirs.columns = ours.columns
    pd.testing.assert_frame_equal(theirs, ours, rtol=1e-12)  # polars multiplies by 1/60


def test_the_likeness_of_the_sample_is_printed_for_each_model(measure):
    code, table, err = measure("sample_likeness.py", "{}", "--models", "median")
    assert (code, err) == (0, [])
    assert table[-1].split()[0] == "median"


def test_scoring_says_what_share_of_xgboosts_speed_a_small_month_has(measure):
    code, table, missed = measure("scoring.py", "{}", "--rows", "3000", "--repeat", "1")
    assert code == bool(missed)
    assert [line.split(" | ")[0] for line in table[2:]] == [
        "| XGBoost's own prediction",
        "| scoring a month",
    ]


@pytest.mark.parametrize(
    ("share", "memory", "said"),
    [
        (0.9, 0.5, []),
        (0.89, 0.5, ["Scoring has 0.89 of XGBoost's own speed, not 0.9."]),
        (0.9, 9.0, ["Scoring takes 9.00 GB of memory, not 1.0."]),
    ],
)
def test_scoring_that_is_slow_or_large_misses_its_promise(benchmark_of, share, memory, said):
    assert list(benchmark_of("scoring").misses(share, memory)) == said


@pytest.mark.parametrize(
    ("predict", "invocations", "failed", "said"),
    [
        (0.8, 1.2, 0, []),
        (0.81, 1.2, 0, ["/predict takes 0.81 of a hand-written route, not 0.8."]),
        (0.8, 1.21, 0, ["/invocations takes 1.21 of a trivial model, not 1.2."]),
        (0.8, 1.2, 3, ["3 requests under load failed."]),
    ],
)
def test_a_service_that_is_slow_or_fails_misses_its_promise(
    benchmark_of, predict, invocations, failed, said
):
    assert list(benchmark_of("serving").misses(predict, invocations, failed)) == said


@pytest.fixture
def served(benchmark_of):
    """What the benchmark of the service says of milliseconds that are made up."""
    serving = benchmark_of("serving")
    ways = dict(zip(serving.COMPARED, ([1.0, 2.0, 3.0], [4.0], [6.0], [5.0]), strict=True))
    return serving.summarize({"the library alone": [1.0], **ways, "under load": [9.0] * 1200}, 3)


def test_the_service_is_measured_by_medians_and_the_slowest_of_a_hundred(served):
    assert served["ways"]["/predict"] == {"requests": 3, "p50": 2.0, "p99": pytest.approx(2.98)}
    assert (served["predict"], served["invocations"], served["failed"]) == (0.5, 1.2, 3)


def test_the_page_of_performance_has_a_table_of_the_service(served, monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    performance = importlib.import_module("performance")
    about = {"machine": {"processor": "One", "cores": 2, "load": 1.0}, "figures": served}
    lines = performance.tables({"serving": about}).splitlines()
    assert "| /predict | 3 | 2.0 ms | 3.0 ms | 0.50 |" in lines
    assert "| /invocations | 1 | 6.0 ms | 6.0 ms | 1.20 |" in lines
    assert "| under load | 1,200 | 9.0 ms | 9.0 ms |  |" in lines
    assert "Requests that failed under load: 3." in lines
