"""The benchmarks run, and say which promised figure a small or a wrong month misses."""

import importlib
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from taxi_duration.data.files import write_parquet
from taxi_duration.data.sample import make_month
from taxi_duration.months import GREEN, Month

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


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
def measure(tmp_path_factory):
    """Run a benchmark; give its exit code, and the lines of stdout and stderr."""
    folder = tmp_path_factory.mktemp("small")
    for number in (1, 2, 3):
        month = Month(2021, number)
        write_parquet(make_month(month, rows=1500), folder / GREEN.file(month))

    def measure(name, *words):
        command = [sys.executable, BENCHMARKS / name, *[word.format(folder) for word in words]]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()

    return measure


def test_the_training_says_each_promise_that_small_months_miss(measure):
    code, table, missed = measure("training.py", "{}")
    assert code == 1
    assert [line.split(" | ")[0] for line in table[2:4]] == ["| reference", "| xgboost"]
    assert missed[0].startswith("The reference's valid rmse is ")
    assert "xgboost never reached 6.317 on the valid month." in missed


def test_the_speed_says_each_promise_that_a_small_month_misses(measure):
    code, table, missed = measure("speed.py", "--rows", "3000", "--repeat", "1")
    assert code == 1
    ways = ["reference", "polars", "duckdb", "trips", "rows", "matrix"]
    assert [line.split()[1] for line in table[2:8]] == ways
    assert any("of the reference's peak memory, not 0.33." in line for line in missed)


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
