"""Which trainings may be compared, and which of them are worth it."""

from itertools import cycle
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_duration.data.trips import load_trips
from taxi_duration.errors import ModelError, NotebookError
from taxi_duration.notebooks.runner import run
from taxi_duration.registry.selection import (
    candidates,
    pareto_front,
    select_best,
    throughput,
    with_throughput,
)
from taxi_duration.tracking.runs import read_record
from taxi_duration.tracking.store import client, open_store
from taxi_duration.tracking.training import record, record_all

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture
def runs(shelf, monkeypatch):
    """The run ids of trainings; the store is only read."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", shelf[0])
    return shelf[1]


def test_the_candidates_are_the_finished_trainings_the_best_first(runs, months):
    found = candidates(months.valid)
    assert sorted(found["run_id"]) == sorted(runs.values())
    assert found["valid_rmse"].is_monotonic_increasing


def test_the_candidates_say_which_are_on_the_front(runs, months):
    found = candidates(months.valid)
    on_front = pareto_front(found["valid_rmse"], found["size_mb"])
    assert found["front"].tolist() == on_front.tolist()


def test_candidates_may_be_of_one_kind(runs, months):
    assert candidates(months.valid, model="ridge")["run_id"].tolist() == [runs["poor"]]


def test_candidates_may_be_those_of_some_executions(shelf, registry, months):
    registry()
    for name, execution in {"poor": "one", "weak": "two", "good": "other"}.items():
        client().set_tag(shelf[1][name], "execution", execution)
    found = candidates(months.valid, executions=["one", "two"])
    assert sorted(found["run_id"]) == sorted(shelf[1][name] for name in ("poor", "weak"))
    with pytest.raises(ModelError, match="has no finished 'model'"):
        candidates(months.valid, executions=["none"])


@pytest.mark.parametrize("month", ["2021-03", "2020-02"])
def test_trainings_chosen_by_other_rides_are_no_candidates(runs, month):
    with pytest.raises(ModelError, match="Run the notebook 02_train on these months first"):
        candidates(load_trips(month))


def test_the_same_month_with_other_rides_is_another_one(runs, months, tmp_path):
    from taxi_duration.data.parquet import write_parquet
    from taxi_duration.data.sample import make_month
    from taxi_duration.months import GREEN

    (month,) = months.valid.months
    write_parquet(make_month(month, rows=800, seed=7), tmp_path / GREEN.file(month))
    with pytest.raises(ModelError, match="has no finished 'model'"):
        candidates(load_trips(month, source=tmp_path))


def test_of_trainings_that_predict_the_same_the_latest_is_the_candidate(store, split):
    latest = [record("median", split).run_id for _ in range(2)][-1]
    assert candidates(split.valid)["run_id"].tolist() == [latest]


def test_a_training_that_failed_is_no_candidate(store, split):
    def fail(predictions):
        raise ValueError("no colours")

    record("median", split)
    with pytest.raises(ValueError, match="no colours"):
        record("ridge", split, pictures=[fail])
    assert candidates(split.valid)["model"].tolist() == ["median"]


def test_the_parent_of_trainings_is_no_candidate(store, split):
    training = record_all(["median"], split, notebook="02_train")
    found = candidates(split.valid)
    assert found["run_id"].tolist() == [training.runs[0].run_id]
    assert found["notebook"].tolist() == ["02_train"]


SIZES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8)


@given(SIZES)
def test_a_row_is_on_the_front_unless_another_is_beyond_it(rows):
    table = pd.DataFrame(rows, columns=["error", "size"])
    on_front = pareto_front(table["error"], table["size"])
    for (error, size), front in zip(rows, on_front, strict=True):
        beyond = [each for each in rows if each[0] <= error and each[1] <= size]
        assert front == all(each == (error, size) for each in beyond)


TABLE = pd.DataFrame(
    {
        "model": ["deep", "wide", "flat"],
        "valid_rmse": [5.0, 5.5, 6.0],
        "size_mb": [40.0, 8.0, 1.0],
        "fit_seconds": [10.0, 90.0, 1.0],
    }
)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, "deep"),
        ({"at_most_mb": 10}, "wide"),
        ({"at_most_mb": 10, "at_most_seconds": 20}, "flat"),
    ],
)
def test_the_lowest_error_within_the_limits_is_chosen(limits, expected):
    assert select_best(TABLE, **limits)["model"] == expected


def test_limits_that_no_candidate_keeps_are_an_error_that_names_the_least(runs):
    with pytest.raises(ModelError, match=r"size_mb of at most 0.5; the least is 1\. Allow more"):
        select_best(TABLE, at_most_mb=0.5)


def test_the_speed_of_each_candidate_is_measured_on_its_own_model(runs, months, monkeypatch):
    def measured(pipeline, rides):
        return type(pipeline["regressor"]).__name__, len(rides)

    monkeypatch.setattr("taxi_duration.registry.selection.throughput", measured)
    table = pd.DataFrame({"run_id": [runs["poor"], runs["good"]]})
    found = with_throughput(table, months.valid.frame)["rows_per_second"].tolist()
    number = len(months.valid)
    assert found == [("Ridge", number), ("XGBRegressor", number)]


class Still:
    """A pipeline that remembers how many rides it has predicted, each time."""

    def __init__(self):
        self.predicted = []

    def predict(self, rides):
        self.predicted.append(len(rides))


@pytest.mark.parametrize(("rows", "predicted", "speed"), [(100, 100, 50), (30_000, 20_000, 10_000)])
def test_the_speed_is_that_of_the_best_of_three_repeats(monkeypatch, rows, predicted, speed):
    clock, pipeline = iter([0.0, 4.0, 10.0, 12.0, 20.0, 23.0]), Still()
    monkeypatch.setattr("taxi_duration.registry.selection.perf_counter", lambda: next(clock))
    assert throughput(pipeline, pd.DataFrame(index=range(rows))) == speed
    assert pipeline.predicted == [predicted] * 3


@pytest.mark.parametrize("refit", [False, True])
def test_a_candidate_costs_its_bytes_and_the_seconds_of_fit_and_refit(
    store, split, monkeypatch, refit
):
    clock = cycle([100.0, 103.0, 110.0])
    monkeypatch.setattr("taxi_duration.models.training.perf_counter", lambda: next(clock))
    metrics = read_record(record("median", split, refit=refit).run_id).metrics
    (found,) = candidates(split.valid).to_dict("records")
    assert (found["fit_seconds"], found["refit"]) == (10.0, refit)
    assert found["size_mb"] == round(metrics["model_bytes"] / 1e6, 2)


def test_04_select_tells_a_reader_whose_store_is_empty_what_to_run(store, tmp_path):
    open_store()
    with pytest.raises(NotebookError, match="Run the notebook 02_train on these months first"):
        run(NOTEBOOKS / "04_select.ipynb", into=tmp_path)
