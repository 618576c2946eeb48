"""An estimator predicts the same rides alike, before and after it was saved, without pickle."""

import json
import pickle
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from xgboost import XGBRegressor

from taxi_duration.data.rides import read_rides
from taxi_duration.errors import ModelError, SchemaError, SourceError
from taxi_duration.models.catalog import MODELS
from taxi_duration.models.estimator import FEW, TRUSTED, Estimator, load_pipeline, save_pipeline
from taxi_duration.models.intervals import Intervals

INTERVALS = Intervals(0.8, low=(-0.3, -0.2, -0.2), high=(0.4, 0.3, 0.3))


@pytest.fixture(scope="module", params=["xgboost", "quote", "median"])
def estimator(request, fit_quickly):
    fitted, inputs = fit_quickly(request.param), MODELS[request.param].inputs
    return Estimator(request.param, inputs, fitted.pipeline, INTERVALS, fitted.level)


@pytest.fixture(scope="module")
def given(rides):
    """Rides as somebody sends them: text for times, numbers for zones."""
    some = rides.head(20)[["pickup_datetime", "PULocationID", "DOLocationID", "trip_distance"]]
    return some.assign(pickup_datetime=some["pickup_datetime"].astype(str))


def test_the_minutes_are_the_pipelines_times_the_level_and_the_ends_those_of_the_intervals(
    estimator, given, rides
):
    found = estimator.predict(given)
    expected = estimator.level * estimator.pipeline.predict(rides.head(20)).astype(float)
    assert found["duration"].tolist() == expected.tolist()
    ends = pd.DataFrame(INTERVALS.around(expected))
    pd.testing.assert_frame_equal(found[["low", "high"]], ends)


def test_rides_keep_their_index(estimator, given):
    shuffled = given.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(
        estimator.predict(shuffled), estimator.predict(given).loc[shuffled.index]
    )


def test_unchecked_predictions_of_valid_rides_are_the_same(estimator, given):
    found = estimator.predict_unchecked(read_rides(given))
    pd.testing.assert_frame_equal(found, estimator.predict(given))


def test_a_ride_that_lacks_its_zone_is_predicted_unchecked(estimator, given):
    found = estimator.predict_unchecked(read_rides(given.assign(PULocationID=None)))
    assert np.isfinite(found).all(axis=None)


@pytest.mark.parametrize("name", ["xgboost", "quote"])
def test_few_rides_are_predicted_without_xgboost(fit_quickly, given, name, monkeypatch):
    fitted = fit_quickly(name)
    estimator = Estimator(name, MODELS[name].inputs, fitted.pipeline, INTERVALS, fitted.level)
    monkeypatch.setattr(XGBRegressor, "predict", None)
    estimator.predict(given[:FEW])
    with pytest.raises(TypeError, match="not callable"):
        estimator.predict(given[: FEW + 1])


def test_a_ride_that_lacks_its_time_is_predicted_unchecked_as_by_the_pipeline(estimator, given):
    rides = read_rides(given[:3].assign(pickup_datetime=None))
    expected = estimator.level * estimator.pipeline.predict(rides).astype(float)
    assert estimator.predict_unchecked(rides)["duration"].tolist() == expected.tolist()


def test_no_rides_have_no_predictions(estimator, given):
    assert list(estimator.predict(given[:0])) == ["duration", "low", "high"]


def test_a_loaded_estimator_predicts_the_same(estimator, given, tmp_path):
    estimator.save(tmp_path)
    loaded = Estimator.load(tmp_path)
    assert loaded.intervals == estimator.intervals
    assert (loaded.name, loaded.inputs) == (estimator.name, estimator.inputs)
    assert loaded.level == estimator.level
    pd.testing.assert_frame_equal(loaded.predict(given), estimator.predict(given))


def test_an_estimator_that_was_saved_without_a_level_predicts_as_its_pipeline(estimator, tmp_path):
    path = estimator.save(tmp_path)["about"]
    about = json.loads(path.read_text())
    del about["level"]
    path.write_text(json.dumps(about))
    assert Estimator.load(tmp_path).level == 1


def test_a_ride_that_is_not_valid_is_rejected(estimator, given):
    bad = given.astype({"PULocationID": object}).reset_index(drop=True)
    bad.loc[3, "PULocationID"] = 9999
    with pytest.raises(SchemaError, match=r"Not a valid ride: row 3: PULocationID .* got 9999"):
        estimator.predict(bad)


def test_only_a_model_that_needs_the_distance_rejects_a_ride_without(estimator, given):
    without = given.drop(columns="trip_distance")
    if estimator.needs_distance:
        with pytest.raises(
            SchemaError, match=r"trip_distance is missing or no number .the model 'quote'"
        ):
            estimator.predict(without)
    else:
        pd.testing.assert_frame_equal(estimator.predict(without), estimator.predict(given))


@pytest.mark.parametrize("name", ["about.json", "pipeline.skops"])
def test_a_folder_with_a_damaged_file_is_rejected(estimator, tmp_path, name):
    estimator.save(tmp_path)
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(ModelError):
        Estimator.load(tmp_path)


@pytest.mark.parametrize(
    "intervals", [None, [1], {"level": 0.8}, {"level": 0.8, "low": 1, "high": 2}]
)
def test_a_folder_without_intervals_does_not_hold_a_model(estimator, tmp_path, intervals):
    estimator.save(tmp_path)
    about = {"name": "ridge", "inputs": [], "intervals": intervals}
    (tmp_path / "about.json").write_text(json.dumps(about))
    with pytest.raises(ModelError, match="does not hold a model"):
        Estimator.load(tmp_path)


@pytest.fixture(scope="module")
def saved(fit_quickly, tmp_path_factory):
    return save_pipeline(
        fit_quickly("ridge").pipeline, tmp_path_factory.mktemp("saved") / "ridge.skops"
    )


def test_a_model_predicts_the_same_when_it_comes_back(fitted, split, tmp_path):
    rides = split.test.frame.copy()
    numbers = ["PULocationID", "DOLocationID", "trip_distance"]
    rides[numbers] = rides[numbers].astype(float)
    for gap, column in enumerate(["pickup_datetime", *numbers]):
        rides.loc[gap::7, column] = None
    loaded = load_pipeline(save_pipeline(fitted.pipeline, tmp_path / "model.skops"))
    np.testing.assert_array_equal(loaded.predict(rides), fitted.pipeline.predict(rides))


def test_a_model_that_is_saved_again_takes_the_place_of_the_old_one(fit_quickly, tmp_path):
    for name in ("ridge", "median"):
        save_pipeline(fit_quickly(name).pipeline, tmp_path / "model.skops")
    assert type(load_pipeline(tmp_path / "model.skops")["regressor"]).__name__ == "MedianDuration"
    assert [path.name for path in tmp_path.iterdir()] == ["model.skops"]


@pytest.fixture
def only_the_old(saved, tmp_path):
    """A folder with a model, and how to see that nothing has happened to it."""
    shutil.copy(saved, tmp_path / "model.skops")
    yield tmp_path / "model.skops"
    assert [path.name for path in tmp_path.iterdir()] == ["model.skops"]
    assert (tmp_path / "model.skops").read_bytes() == saved.read_bytes()


def test_a_model_that_cannot_be_saved_leaves_the_old_one_and_nothing_else(only_the_old):
    unsaveable = FunctionTransformer(kw_args={"numbers": (number for number in ())})
    with pytest.raises(TypeError):
        save_pipeline(make_pipeline(unsaveable), only_the_old)


def test_a_full_disk_leaves_the_old_one_and_nothing_else(only_the_old, full_disk):
    pipeline = load_pipeline(only_the_old)
    with full_disk(1000), pytest.raises(SourceError, match=r"Cannot write .*: File too large"):
        save_pipeline(pipeline, only_the_old)


class Bomb:
    """A pickle that runs code as soon as it is loaded."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return open, (str(self.trace), "w")


def test_a_pickle_is_rejected_and_not_run(tmp_path):
    (tmp_path / "model.skops").write_bytes(pickle.dumps(Bomb(tmp_path / "trace")))
    with pytest.raises(ModelError, match=r"model\.skops is not a model of this project \("):
        load_pipeline(tmp_path / "model.skops")
    assert not (tmp_path / "trace").exists()


def test_a_type_that_is_not_trusted_is_rejected_and_named(tmp_path):
    skops.io.dump(FunctionTransformer(subprocess.run), tmp_path / "model.skops")
    with pytest.raises(ModelError, match=r"Untrusted types found in the file: .*subprocess\.run"):
        load_pipeline(tmp_path / "model.skops")


def test_only_our_own_types_and_few_others_are_trusted():
    foreign = {name for name in TRUSTED if not name.startswith("taxi_duration.")}
    assert foreign == {
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBRegressor",
    }


@pytest.mark.parametrize("left", [0, 0.01, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_rejected(saved, tmp_path, left):
    whole = saved.read_bytes()
    (tmp_path / "half.skops").write_bytes(whole[: int(left * len(whole))])
    with pytest.raises(ModelError, match=r"half\.skops is not a model of this project \("):
        load_pipeline(tmp_path / "half.skops")


def test_a_file_with_a_damaged_middle_is_rejected(saved, tmp_path):
    whole = saved.read_bytes()
    half = len(whole) // 2
    (tmp_path / "worn.skops").write_bytes(whole[:half] + bytes(100) + whole[half + 100 :])
    with pytest.raises(ModelError, match=r"worn\.skops is not a model of this project \("):
        load_pipeline(tmp_path / "worn.skops")


def test_a_missing_file_is_rejected(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere\.skops is not a model .*No such file"):
        load_pipeline(tmp_path / "nowhere.skops")
