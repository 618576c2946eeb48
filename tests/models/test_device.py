"""A GPU is used where it is asked for and there, and never needed by what was fitted."""

import pytest

from taxi_duration.errors import EngineError, ModelError, UsageError
from taxi_duration.models import catalog
from taxi_duration.models.catalog import MODELS
from taxi_duration.models.estimator import Estimator
from taxi_duration.models.spaces import Range, Space
from taxi_duration.models.training import fit
from taxi_duration.models.tuning import search
from taxi_duration.tracking.training import record_all

QUICK = Space("quick", {"max_depth": Range(2, 5, "whole")}, fixed={"n_estimators": 3})
MISSING = r"^Device 'cuda:99' is not available: XGBoost finds no such GPU\. Take 'cpu'"


@pytest.fixture
def falls_back(monkeypatch):
    """The devices that were asked for; without a GPU, XGBoost takes the processor by itself."""
    devices = []
    monkeypatch.setattr(catalog, "check_device", devices.append)
    return devices


@pytest.mark.parametrize("name", ["cpu:0", "cuda:", "cuda:x", "GPU", "", "cuda\n"])
def test_a_device_that_xgboost_does_not_know_is_rejected(name):
    with pytest.raises(UsageError, match=r"is unknown\. Take 'cpu', 'cuda' or 'cuda:1'"):
        catalog.check_device(name)


@pytest.mark.parametrize("refit", [False, True])
def test_training_on_a_gpu_that_is_not_there_is_rejected(split, refit):
    with pytest.raises(EngineError, match=MISSING):
        fit("xgboost", split.train, split.valid, refit=refit, device="cuda:99")


def test_a_search_on_a_gpu_that_is_not_there_is_rejected_before_it_starts(split):
    with pytest.raises(EngineError, match=MISSING):
        search("xgboost", split.train, split.valid, device="cuda:99")


def test_nothing_is_recorded_when_one_of_the_models_has_no_device(split):
    with pytest.raises(ModelError, match=r"Model 'ridge' has no parameter 'device'\."):
        record_all(["xgboost", "ridge"], split, device="cpu")


def test_predicting_on_a_gpu_that_is_not_there_is_rejected(fit_quickly):
    model = Estimator("xgboost", (), fit_quickly("xgboost").pipeline, None)
    with pytest.raises(EngineError, match=MISSING):
        model.on("cuda:99")


def test_a_model_without_trees_predicts_on_the_processor_only(fit_quickly):
    ridge = Estimator("ridge", MODELS["ridge"].inputs, fit_quickly("ridge").pipeline, None)
    assert ridge.on("cpu") is ridge
    with pytest.raises(ModelError, match="Model 'ridge' predicts on the processor only"):
        ridge.on("cuda")


@pytest.mark.filterwarnings("ignore:.*No visible GPU", "ignore:.*Device is changed")
@pytest.mark.parametrize("refit", [False, True])
def test_what_was_fitted_on_a_gpu_predicts_on_the_processor(fit_quickly, falls_back, refit):
    fitted = fit_quickly("xgboost", device="cuda", refit=refit)
    pipelines = (fitted.first, fitted.pipeline)
    assert {each["regressor"].get_params()["device"] for each in pipelines} == {"cpu"}
    assert fitted.parameters["device"] == "cuda"


@pytest.mark.filterwarnings("ignore:.*No visible GPU", "ignore:.*Device is changed")
def test_each_trial_is_fitted_on_the_device(split, falls_back):
    list(search("xgboost", split.train, split.valid, space=QUICK, trials=2, device="cuda"))
    assert falls_back == ["cuda"] * 3  # the check ahead, and two trials
