"""Trees as arrays predict what XGBoost does, to the last bit."""

import numpy as np
import pytest
import xgboost

from taxi_duration.models.estimator import FlatTrees

FORMS = {
    "as ours": {"max_depth": 8, "min_child_weight": 5},
    "grown leaf by leaf": {"max_depth": 0, "grow_policy": "lossguide", "max_leaves": 40},
    "pruned": {"max_depth": 6, "tree_method": "exact", "gamma": 3.0},
    "stumps": {"max_depth": 1},
    "leaves only": {"gamma": 1e9},
}


@pytest.fixture(scope="module")
def data():
    """Numbers of few different values, so that many rows lie just where a tree splits."""
    random = np.random.default_rng(0)
    features = random.integers(-3, 4, (600, 5)).astype(np.float32)
    features[:, 0] += random.random(600, dtype=np.float32)
    return features, features[:, 0] * features[:, 1] + 17 + random.normal(size=600)


@pytest.fixture(scope="module", params=FORMS)
def booster(request, data):
    train = xgboost.DMatrix(*data)
    return xgboost.train({"nthread": 1, "eta": 0.3} | FORMS[request.param], train, 20)


@pytest.mark.parametrize("rows", [0, 1, 7, 600])
def test_rows_get_the_predictions_of_the_booster(booster, data, rows):
    features = np.asfortranarray(data[0][:rows])
    found = FlatTrees(booster).predict(features)
    assert found.dtype == np.float32
    assert found.tolist() == booster.inplace_predict(features).tolist()


def test_a_value_at_a_split_goes_right():
    halves = xgboost.DMatrix(np.array([[0.0], [1.0]] * 50), np.array([0.0, 1.0] * 50))
    booster = xgboost.train({"max_depth": 1, "nthread": 1}, halves, 1)
    split = np.float32(booster.trees_to_dataframe()["Split"].max())
    below, at = FlatTrees(booster).predict(
        np.array([[np.nextafter(split, np.float32(0))], [split]])
    )
    assert below < at
