"""A model on disk: the same when it comes back, and no code of the file's own."""

import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from taxi_duration.errors import ModelError
from taxi_duration.models.persistence import TRUSTED, load_pipeline, save_pipeline


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


SAVE_WITH_LITTLE_ROOM = """
import resource, sys
from pathlib import Path
from taxi_duration.errors import SourceError
from taxi_duration.models.persistence import load_pipeline, save_pipeline
pipeline = load_pipeline(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save_pipeline(pipeline, Path(sys.argv[1]))
except SourceError as problem:
    print(problem)
"""


def test_a_full_disk_leaves_the_old_one_and_nothing_else(only_the_old):
    command = [sys.executable, "-c", SAVE_WITH_LITTLE_ROOM, str(only_the_old)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"Cannot write {str(only_the_old)!r}: File too large. Make room")


class Bomb:
    """A pickle that runs code as soon as it is loaded."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return open, (str(self.trace), "w")


def test_a_pickle_is_refused_and_not_run(tmp_path):
    (tmp_path / "model.skops").write_bytes(pickle.dumps(Bomb(tmp_path / "trace")))
    with pytest.raises(ModelError, match=r"model\.skops is not a model of this project \("):
        load_pipeline(tmp_path / "model.skops")
    assert not (tmp_path / "trace").exists()


def test_a_type_that_is_not_trusted_is_refused_and_named(tmp_path):
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
def test_a_file_that_was_cut_off_is_refused(saved, tmp_path, left):
    whole = saved.read_bytes()
    (tmp_path / "half.skops").write_bytes(whole[: int(left * len(whole))])
    with pytest.raises(ModelError, match=r"half\.skops is not a model of this project \("):
        load_pipeline(tmp_path / "half.skops")


def test_a_file_with_a_damaged_middle_is_refused(saved, tmp_path):
    whole = saved.read_bytes()
    half = len(whole) // 2
    (tmp_path / "worn.skops").write_bytes(whole[:half] + bytes(100) + whole[half + 100 :])
    with pytest.raises(ModelError, match=r"worn\.skops is not a model of this project \("):
        load_pipeline(tmp_path / "worn.skops")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere\.skops is not a model .*No such file"):
        load_pipeline(tmp_path / "nowhere.skops")
