"""Why a ride is predicted to take its minutes: the reasons add up, and say what is known."""

import numpy as np
import pandas as pd
import pytest

from taxi_duration import plots
from taxi_duration.errors import ModelError, SchemaError
from taxi_duration.evaluation.explanation import AVERAGE, REASONS, explain, influence
from taxi_duration.models.catalog import MODELS
from taxi_duration.models.estimator import Estimator
from taxi_duration.models.features import RideFeatures
from taxi_duration.models.intervals import Intervals

INTERVALS = Intervals(0.8, low=(-0.3, -0.2, -0.2), high=(0.4, 0.3, 0.3))


@pytest.fixture(scope="module")
def make_estimator(fit_quickly):
    def make_estimator(name):
        fitted = fit_quickly(name)
        inputs = MODELS[name].inputs
        return Estimator(name, inputs, fitted.pipeline, INTERVALS, fitted.level)

    return make_estimator


@pytest.fixture(scope="module", params=["xgboost", "quote"])
def estimator(request, make_estimator):
    return make_estimator(request.param)


@pytest.fixture(scope="module")
def given(rides):
    return rides.iloc[[5, 50, 500]]


def test_the_reasons_of_a_ride_add_up_to_its_prediction_at_the_models_level(estimator, given):
    assert estimator.level != 1
    found = explain(estimator, given).groupby("ride")["minutes"].sum()
    np.testing.assert_allclose(found, estimator.predict(given)["duration"], atol=1e-3)


def test_the_first_reason_is_the_average_ride_and_the_same_for_all(estimator, given):
    found = explain(estimator, given).groupby("ride").first()
    assert set(found["because"]) == {AVERAGE}
    assert found["minutes"].nunique() == 1


def test_a_reason_says_what_was_known_of_the_ride(make_estimator, given):
    found = explain(make_estimator("xgboost"), given).query("ride == 50").set_index("because")
    ride = given.loc[50]
    assert found.loc["distance", "value"] == f"{ride.trip_distance:.1f} miles"
    assert found.loc["pick-up zone", "value"] == str(ride.PULocationID)
    assert found.loc["time of day", "value"] == f"{ride.pickup_datetime:%H:%M}"


@pytest.mark.parametrize("distance", [True, False])
def test_each_feature_stands_behind_exactly_one_reason(rides, distance):
    features = RideFeatures(distance=distance).fit(rides, rides["duration"])
    made_of = [name for names in REASONS.values() for name in names]
    assert len(made_of) == len(set(made_of))
    assert set(features.get_feature_names_out()) <= set(made_of)


def test_of_many_rides_the_strongest_reason_comes_first(estimator, rides):
    found = influence(estimator, rides)
    assert set(found["because"]) == set(REASONS)
    assert found["minutes"].is_monotonic_decreasing
    assert (found["minutes"] >= 0).all()


def test_a_model_without_ride_features_cannot_be_explained(make_estimator, given):
    with pytest.raises(ModelError, match="Model 'ridge' cannot be explained"):
        explain(make_estimator("ridge"), given)


def test_the_picture_of_the_reasons_ends_at_the_prediction(estimator, given):
    table = explain(estimator, given).query("ride == 500")
    (axes,) = plots.contributions(table).figure.axes
    minutes = estimator.predict(given)["duration"][500]
    assert axes.lines[0].get_xdata()[0] == pytest.approx(minutes, abs=1e-3)
    assert axes.get_title(loc="left") == f"Why {minutes:.1f} minutes"
    assert len(axes.patches) == len(table)


def test_the_picture_of_influences_has_a_bar_for_each(estimator, rides):
    table = influence(estimator, rides)
    (axes,) = plots.mean_contributions(table, model=estimator.name).figure.axes
    assert [bar.get_width() for bar in axes.patches] == table["minutes"].tolist()


@pytest.mark.parametrize("draw", [plots.contributions, plots.mean_contributions])
def test_without_rows_nothing_is_drawn(draw):
    with pytest.raises(SchemaError):
        draw(pd.DataFrame(columns=["because", "value", "minutes"]))
