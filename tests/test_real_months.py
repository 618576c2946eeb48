"""The promised figures, on the real green months of 2021; see the fixture `real`."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from taxi_duration.cli.main import main
from taxi_duration.data.parquet import ENGINES
from taxi_duration.data.trips import load_split, load_trips
from taxi_duration.evaluation.metrics import score_parts
from taxi_duration.models.training import fit

STORY = Path(__file__).parents[1] / "notebooks" / "02_train.ipynb"
MONTHS = ("2021-01", "2021-02", "2021-03")


@pytest.fixture(scope="module")
def trained(real, new_store, tmp_path_factory):
    """The store of models that the command has trained; the reference takes minutes."""
    folder = tmp_path_factory.mktemp("real")
    words = ["run", STORY, "--source", real, "-p", "models=linear,ridge,lasso,xgboost,quote"]
    for part, month in zip(("train", "valid", "test"), MONTHS, strict=True):
        words += [f"--{part}", month]
    with new_store(folder) as uri:
        command = [sys.executable, "-m", "taxi_duration.cli.main", *words, "--into", folder]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return uri


@pytest.fixture(scope="module")
def runs(trained):
    """The recorded run of each model."""
    store = MlflowClient(trained)
    experiments = [each.experiment_id for each in store.search_experiments()]
    found = store.search_runs(experiments, "tags.model LIKE '%'")
    return {run.data.tags["model"]: run for run in found}


@pytest.fixture(scope="module")
def recorded(runs):
    """The metrics of each model."""
    return {model: run.data.metrics for model, run in runs.items()}


@pytest.mark.parametrize("month", MONTHS)
def test_both_engines_read_the_same_rides(real, month):
    one, other = (load_trips(month, source=real, engine=engine) for engine in ENGINES)
    assert one.frame.equals(other.frame)


def test_the_kept_rows_are_those_of_the_course_notes(recorded):
    for metrics in recorded.values():
        rows = [metrics[f"{part}_rows"] for part in ("train", "valid", "test")]
        assert rows == [73_908, 61_921, 80_372]


@pytest.mark.parametrize(
    ("name", "notes"), [("linear", 7.7587), ("ridge", 7.7037), ("lasso", 7.6166)]
)
def test_the_linear_models_agree_with_the_course_notes(recorded, name, notes):
    assert recorded[name]["valid_rmse"] == pytest.approx(notes, abs=0.0002)


def test_without_the_distance_a_ride_is_predicted_to_6_23_minutes(recorded):
    assert recorded["quote"]["test_rmse"] <= 6.23


def test_with_the_distance_a_ride_is_predicted_to_4_86_minutes(recorded):
    assert recorded["xgboost"]["test_rmse"] <= 4.86


@pytest.mark.parametrize(("name", "level"), [("xgboost", 1.074), ("quote", 1.090)])
def test_rides_of_the_valid_month_took_longer_by_its_level(recorded, name, level):
    assert recorded[name]["level"] == pytest.approx(level, abs=0.003)


def test_the_intervals_cover_four_in_five_rides_and_so_does_each_band(recorded):
    covered = [value for name, value in recorded["xgboost"].items() if "coverage" in name]
    assert len(covered) == 4
    assert 0.78 <= min(covered) <= max(covered) <= 0.82


@pytest.fixture(scope="module")
def refitted(real):
    """The months, and a model refitted on both that it may see."""
    months = load_split(*MONTHS, source=real)
    return months, fit("xgboost", months.train, months.valid, refit=True)


def rmse_in_test(months, fitted):
    return score_parts(fitted, months).set_index("part")["rmse"]["test"]


def test_refitted_on_both_months_it_is_predicted_to_4_65_minutes(refitted):
    assert rmse_in_test(*refitted) <= 4.65


def test_without_the_level_a_ride_was_predicted_to_4_72_minutes(refitted):
    months, fitted = refitted
    without = rmse_in_test(months, replace(fitted, level=1))
    assert rmse_in_test(months, fitted) + 0.05 < without <= 4.72


def test_a_real_month_run_is_reproduced_to_the_last_bit(trained, runs, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained)
    assert main(["reproduce", runs["xgboost"].info.run_id]) == 0
    assert "Required: the same to the last bit" in capsys.readouterr().out
