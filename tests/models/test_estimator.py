"""One answer to a question about rides, whichever way it is asked."""

import pandas as pd
import pytest

from taxi_duration.errors import ModelError, SchemaError
from taxi_duration.models.estimator import Estimator
from taxi_duration.models.intervals import Intervals
from taxi_duration.models.training import MODELS

SURE = Intervals(0.8, low=(-0.3, -0.2, -0.2), high=(0.4, 0.3, 0.3))


@pytest.fixture(scope="module", params=["xgboost", "quote", "median"])
def estimator(request, fit_quickly):
    inputs = MODELS[request.param].inputs
    return Estimator(request.param, inputs, fit_quickly(request.param).pipeline, SURE)


@pytest.fixture(scope="module")
def asked(rides):
    """Rides as somebody sends them: text for times, numbers for zones."""
    some = rides.head(20)[["pickup_datetime", "PULocationID", "DOLocationID", "trip_distance"]]
    return some.assign(pickup_datetime=some["pickup_datetime"].astype(str))


def test_the_minutes_are_those_of_the_pipeline_and_the_ends_those_of_the_intervals(
    estimator, asked, rides
):
    found = estimator.predict(asked)
    expected = estimator.pipeline.predict(rides.head(20))
    assert found["duration"].tolist() == expected.astype(float).tolist()
    pd.testing.assert_frame_equal(found[["low", "high"]], SURE.around(expected))


def test_rides_keep_their_index(estimator, asked):
    shuffled = asked.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(
        estimator.predict(shuffled), estimator.predict(asked).loc[shuffled.index]
    )


def test_no_rides_have_no_answers(estimator, asked):
    assert list(estimator.predict(asked[:0])) == ["duration", "low", "high"]


def test_what_was_saved_answers_the_same(estimator, asked, tmp_path):
    estimator.save(tmp_path)
    loaded = Estimator.load(tmp_path)
    assert (loaded.name, loaded.inputs) == (estimator.name, estimator.inputs)
    pd.testing.assert_frame_equal(loaded.predict(asked), estimator.predict(asked))


def test_a_ride_that_is_not_valid_is_refused(estimator, asked):
    bad = asked.astype({"PULocationID": object}).reset_index(drop=True)
    bad.loc[3, "PULocationID"] = 9999
    with pytest.raises(SchemaError, match=r"Not a valid ride: row 3: PULocationID .* got 9999"):
        estimator.predict(bad)


def test_only_a_model_that_needs_the_distance_refuses_a_ride_without(estimator, asked):
    without = asked.drop(columns="trip_distance")
    if estimator.needs_distance:
        with pytest.raises(
            SchemaError, match=r"trip_distance is missing or no number .the model 'quote'"
        ):
            estimator.predict(without)
    else:
        pd.testing.assert_frame_equal(estimator.predict(without), estimator.predict(asked))


@pytest.mark.parametrize("name", ["about.json", "pipeline.skops", "intervals.json"])
def test_a_folder_with_a_damaged_file_is_refused(estimator, tmp_path, name):
    estimator.save(tmp_path)
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(ModelError):
        Estimator.load(tmp_path)
