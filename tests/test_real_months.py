"""The promised figures, on the real green months of 2021; see the fixture `real`."""

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from taxi_duration.cli.main import main
from taxi_duration.data.files import ENGINES
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


def test_without_the_distance_a_ride_is_predicted_to_6_45_minutes(recorded):
    assert recorded["quote"]["test_rmse"] <= 6.45


def test_with_the_distance_a_ride_is_predicted_to_5_10_minutes(recorded):
    assert recorded["xgboost"]["test_rmse"] <= 5.10


def test_refitted_on_both_months_it_is_predicted_to_4_76_minutes(real):
    months = load_split(*MONTHS, source=real)
    fitted = fit("xgboost", months.train, months.valid, refit=True)
    assert score_parts(fitted, months).set_index("part")["rmse"]["test"] <= 4.76


def test_a_real_month_run_is_reproduced_to_the_last_bit(trained, runs, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained)
    assert main(["reproduce", runs["xgboost"].info.run_id]) == 0
    assert "Required: the same to the last bit" in capsys.readouterr().out
