"""A champion watched at work: its figures go on where those of its training ended."""

from dataclasses import replace

import pandas as pd
import pytest
from mlflow import MlflowClient

from taxi_duration.data.files import write_parquet
from taxi_duration.data.sample import make_month
from taxi_duration.data.trips import load_split
from taxi_duration.errors import ModelError
from taxi_duration.months import GREEN, Month
from taxi_duration.registry.loading import NAME
from taxi_duration.registry.promotion import promote, register
from taxi_duration.serving.batch import load_scorer, score_months
from taxi_duration.serving.watching import EXPERIMENT, learned_months, reference_of, watch
from taxi_duration.tracking.runs import read_record
from taxi_duration.tracking.training import record

JANUARY = Month(2021, 1)
MEASURES = ["rmse", "mae", "bias", "within_5"]
TWO = "2021-02..2021-03"


@pytest.fixture
def trained(employed, monkeypatch):
    """What the champion's run recorded; its store is in use."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", employed[0])
    return read_record(employed[1])


@pytest.fixture
def seen(trained):
    """What is seen of the two months that the champion has answered."""
    return watch(TWO)


def recorded(metrics, *, digits=None):
    """The figures of the valid and the test month, as a training recorded them."""
    parts = [[metrics[f"{part}_{name}"] for name in MEASURES] for part in ("valid", "test")]
    table = pd.DataFrame(parts, columns=MEASURES)
    return table if digits is None else table.round(digits)


def test_the_figures_are_those_of_the_training_to_the_last_digit(seen, trained):
    pd.testing.assert_frame_equal(seen.table[MEASURES], recorded(trained.metrics), check_exact=True)


def test_the_coverage_is_that_of_the_training(seen, trained):
    assert seen.table["coverage"].iloc[-1] == trained.metrics["test_coverage_all"]


def test_the_reference_is_what_the_training_was(seen, trained):
    then = seen.reference
    assert (then.rmse, then.last) == (trained.metrics["valid_rmse"], "2021-01")
    assert (then.model, then.level) == ("xgboost", 0.8)


def test_ordinary_months_are_no_alarm(seen):
    assert (seen.alarm, seen.verdict) == (False, "2021-03: within its limits.")


def test_two_slow_months_are_an_alarm(trained, slow_months, tmp_path):
    score_months("2021-04..2021-05", source=slow_months, into=tmp_path)
    found = watch("2021-04..2021-05", predictions=tmp_path)
    assert found.alarm
    assert "above that of the valid month at training" in found.verdict
    assert found.verdict.endswith("Retrain.")


def test_one_slow_month_is_none(trained, slow_months, tmp_path):
    score_months("2021-04", source=slow_months, into=tmp_path)
    found = watch("2021-04", predictions=tmp_path)
    assert (found.alarm, found.verdict[-18:]) == (False, "Nothing to do yet.")


def test_a_month_without_answers_is_refused(trained):
    with pytest.raises(ModelError, match=r"has not scored green 2021-04 .* 05_score first"):
        watch("2021-03..2021-04")


def test_an_alias_is_resolved_once(trained, monkeypatch):
    asked = []
    find = MlflowClient.get_model_version_by_alias
    monkeypatch.setattr(
        MlflowClient, "get_model_version_by_alias",
        lambda client, name, alias: asked.append(alias) or find(client, name, alias),
    )  # fmt: skip
    watch(TWO)
    assert asked == ["champion"]


def test_a_month_that_another_version_has_answered_is_refused(trained, months):
    other = register(record("ridge", months).run_id)
    with pytest.raises(ModelError, match=rf"Version {other.version} .* has not scored"):
        watch(TWO, model=other.address)


def test_training_months_that_are_others_are_refused(trained, tmp_path):
    write_parquet(make_month(JANUARY, rows=600, seed=7), tmp_path / GREEN.file(JANUARY))
    with pytest.raises(ModelError, match="not the one that the model learned from"):
        watch(TWO, source=tmp_path)


def test_a_refitted_model_has_learned_from_the_valid_month_too(trained):
    again = replace(trained, parameters=trained.parameters | {"refit": "True"})
    assert [learned_months(each) for each in (trained, again)] == [
        ["2021-01"],
        ["2021-01", "2021-02"],
    ]


@pytest.mark.parametrize(
    ("refit", "parts", "last"),
    [("False", ["train"], "2021-01"), ("True", ["train", "valid"], "2021-02")],
)
def test_the_reference_is_every_ride_that_the_model_has_learned_from(
    trained, months, refit, parts, last
):
    record = replace(trained, parameters=trained.parameters | {"refit": refit})
    then = reference_of(load_scorer(f"models:/{NAME}@champion"), record, "sample")
    rides = pd.concat([getattr(months, part).frame for part in parts], ignore_index=True)
    pd.testing.assert_frame_equal(then.rides.drop(columns="predicted"), rides)
    assert then.last == last


@pytest.fixture
def look(seen, trained, employed):
    """The run that MLflow has of the first look."""
    store = MlflowClient(employed[0])
    experiment = store.get_experiment_by_name(EXPERIMENT)
    asked = f"params.months = '{TWO}'"
    return store.search_runs([experiment.experiment_id], asked)[0]


def test_a_look_is_recorded_with_its_verdict(look, seen):
    assert look.data.tags["verdict"] == seen.verdict
    assert look.data.tags["alarm"] == "False"
    assert look.data.params["months"] == TWO


def test_a_look_is_recorded_with_a_step_for_each_month(look, seen, employed):
    steps = MlflowClient(employed[0]).get_metric_history(look.info.run_id, "rmse")
    assert [each.value for each in steps] == seen.table["rmse"].tolist()


def test_a_look_is_recorded_with_its_tables(look, employed):
    files = MlflowClient(employed[0]).list_artifacts(look.info.run_id)
    assert [each.path for each in files] == ["drift.csv", "months.csv"]


def test_on_real_months_the_figures_are_those_of_the_training(real, new_store, tmp_path):
    months = load_split("2021-01", "2021-02", "2021-03", source=real)
    with new_store(tmp_path):
        run = record("xgboost", months, learning_rate=0.3, n_estimators=40)
        promote(register(run.run_id), months.test, why="a test")
        score_months(TWO, source=real)
        found, metrics = watch(TWO, source=real), read_record(run.run_id).metrics
    pd.testing.assert_frame_equal(found.table[MEASURES].round(4), recorded(metrics, digits=4))
