"""The promised figures, on the real green months of 2021; see the fixture `real`."""

import pytest

from taxi_duration.evaluation import score_parts
from taxi_duration.models import fit
from taxi_duration.trips import load_split


@pytest.fixture(scope="module")
def months(real):
    return load_split("2021-01", "2021-02", "2021-03", source=real)


@pytest.fixture(scope="module")
def rmse(months):
    """Fit a named model, and return its rmse by part."""

    def rmse(name, **how):
        fitted = fit(name, months.train, months.valid, **how)
        return score_parts(fitted, months).set_index("part")["rmse"]

    return rmse


def test_the_kept_rows_are_those_of_the_course_notes(months):
    assert [len(trips) for trips in months] == [73_908, 61_921, 80_372]


@pytest.mark.parametrize(
    ("name", "notes"), [("linear", 7.7587), ("ridge", 7.7037), ("lasso", 7.6166)]
)
def test_the_linear_models_agree_with_the_course_notes(rmse, name, notes):
    assert rmse(name)["valid"] == pytest.approx(notes, abs=0.0002)


def test_without_the_distance_a_ride_is_predicted_to_6_45_minutes(rmse):
    assert rmse("quote")["test"] <= 6.45


def test_with_the_distance_a_ride_is_predicted_to_5_10_minutes(rmse):
    assert rmse("xgboost")["test"] <= 5.10


def test_refitted_on_both_months_it_is_predicted_to_4_76_minutes(rmse):
    assert rmse("xgboost", refit=True)["test"] <= 4.76
