"""The named models: made, fitted, stopped early, and what they may know."""

from dataclasses import replace
from functools import partial

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import root_mean_squared_error

from taxi_duration.data.batches import in_batches
from taxi_duration.errors import ModelError
from taxi_duration.evaluation.metrics import score_parts
from taxi_duration.models.catalog import MODELS, make_model
from taxi_duration.models.features import RideFeatures
from taxi_duration.models.training import fit, month_level

NAMES = list(MODELS)
AFTER = ["dropoff_datetime", "duration"]
TLC_AFTER = ["VendorID", "store_and_fwd_flag", "RatecodeID", "passenger_count", "fare_amount"]
TLC_AFTER += ["extra", "mta_tax", "tip_amount", "tolls_amount", "ehail_fee", "total_amount"]
TLC_AFTER += ["improvement_surcharge", "payment_type", "trip_type", "congestion_surcharge"]
ANY_RIDE = st.fixed_dictionaries(
    {
        "pickup_datetime": st.none() | st.datetimes(pd.Timestamp(2009, 1, 1), pd.Timestamp.max),
        "PULocationID": st.none() | st.integers(-1, 9999),
        "DOLocationID": st.none() | st.integers(-1, 9999),
        "trip_distance": st.none() | st.floats(-10, 300_000),
    }
)


@pytest.fixture(scope="module")
def stopped(split):
    """A model that learns so fast that it soon gets worse."""
    return fit("xgboost", split.train, split.valid, learning_rate=0.9, max_depth=6, threads=1)


def make_rides(rows):
    time, *numbers = ["pickup_datetime", "PULocationID", "DOLocationID", "trip_distance"]
    rides = pd.DataFrame(rows, columns=[time, *numbers])
    return rides.astype({time: "datetime64[us]", **dict.fromkeys(numbers, float)})


def test_each_says_in_one_line_what_it_is():
    assert all(recipe.about and "\n" not in recipe.about for recipe in MODELS.values())


@pytest.mark.parametrize("name", ["xgbost", "", None, "Ridge"])
def test_an_unknown_model_is_rejected_and_all_are_named(name):
    with pytest.raises(ModelError) as error:
        make_model(name)
    assert str(error.value).startswith(f"Model {name!r} is unknown. ")
    assert str(error.value).endswith(f"Known: {', '.join(map(repr, NAMES))}.")


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_parameter_is_rejected(name):
    with pytest.raises(ModelError, match=rf"Model '{name}' has no parameter 'depth'\. .*Known: "):
        make_model(name, depth=3)


def test_the_nearest_parameter_is_offered():
    with pytest.raises(ModelError, match="Did you mean 'alpha'"):
        make_model("ridge", alhpa=1.0)


@pytest.mark.parametrize(("name", "wrong"), [("ridge", {"alpha": -1.0}),
                                             ("xgboost", {"max_depth": "deep"})])  # fmt: skip
def test_a_parameter_that_no_fit_can_use_is_rejected(split, name, wrong):
    with pytest.raises(ModelError, match=rf"Model '{name}' cannot be fitted: "):
        fit(name, split.train, split.valid, **wrong)


def test_a_parameter_given_takes_the_place_of_the_default():
    assert make_model("lasso", alpha=0.5)["regressor"].alpha == 0.5
    assert make_model("lasso")["regressor"].alpha == 1e-4


def test_one_object_leads_from_rides_to_minutes(fitted, split):
    minutes = fitted.pipeline.predict(split.test.frame)
    assert minutes.shape == (len(split.test),)
    assert np.isfinite(minutes).all()


def test_what_is_known_only_after_the_ride_changes_no_prediction(fitted, split):
    rides = split.test.frame
    rng = np.random.default_rng(0)
    noise = {name: rng.uniform(0, 99, len(rides)) for name in TLC_AFTER}
    blanked = rides.assign(**noise, dropoff_datetime=pd.NaT, duration=np.nan)
    expected = fitted.pipeline.predict(rides)
    np.testing.assert_array_equal(fitted.pipeline.predict(blanked), expected)
    np.testing.assert_array_equal(fitted.pipeline.predict(rides.drop(columns=AFTER)), expected)


def test_the_columns_that_a_model_says_it_takes_are_enough(fitted, split):
    rides = split.test.frame
    enough = rides[list(MODELS[fitted.name].inputs)]
    np.testing.assert_array_equal(fitted.pipeline.predict(enough), fitted.pipeline.predict(rides))


def test_no_model_takes_what_is_known_only_after_the_ride():
    taken = {column for recipe in MODELS.values() for column in recipe.inputs}
    assert taken == {"pickup_datetime", "PULocationID", "DOLocationID", "trip_distance"}


@settings(max_examples=15)
@given(st.lists(ANY_RIDE, min_size=1, max_size=4))
def test_any_ride_gets_a_number_of_minutes(fitted, rows):
    assert np.isfinite(fitted.pipeline.predict(make_rides(rows))).all()


@settings(max_examples=15)
@given(st.data())
def test_a_ride_gets_the_same_minutes_alone_and_among_others(fitted, split, data):
    rides = split.test.frame
    rows = data.draw(st.lists(st.integers(0, len(rides) - 1), min_size=1, max_size=6))
    alone = [fitted.pipeline.predict(rides.iloc[[row]])[0] for row in rows]
    np.testing.assert_allclose(fitted.pipeline.predict(rides.iloc[rows]), alone, rtol=1e-6)


@pytest.mark.parametrize("refit", [False, True])
def test_fit_and_refit_are_timed_apart(monkeypatch, split, refit):
    clock = iter([100.0, 103.0, 110.0])
    monkeypatch.setattr("taxi_duration.models.training.perf_counter", lambda: next(clock))
    timed = fit("median", split.train, split.valid, refit=refit)
    assert (timed.seconds, timed.refit_seconds) == (3.0, 7.0)


@pytest.mark.parametrize(
    ("name", "given", "remembered"),
    [
        ("median", {}, {}),
        ("lasso", {}, {"alpha": 1e-4}),
        ("lasso", {"alpha": 0.5, "max_iter": 9}, {"alpha": 0.5, "max_iter": 9}),
    ],
)
def test_a_model_remembers_the_parameters_that_were_set(split, name, given, remembered):
    fitted = fit(name, split.train, split.valid, **given)
    assert fitted.parameters.items() >= remembered.items()


def test_only_boosted_models_have_rounds_and_a_curve_over_them(fitted):
    boosted = MODELS[fitted.name].boosted
    assert (fitted.rounds is not None) == boosted
    assert (len(fitted.curve) > 0) == boosted


def test_boosting_stops_at_the_round_that_was_best_on_the_valid_month(stopped):
    assert stopped.rounds == stopped.curve["valid"].argmin() + 1
    assert len(stopped.curve) == stopped.rounds + 50


def test_the_number_of_rounds_is_then_fixed(stopped):
    booster = stopped.pipeline["regressor"]
    assert booster.n_estimators == stopped.rounds == stopped.parameters["n_estimators"]
    assert booster.get_booster().num_boosted_rounds() == stopped.rounds
    assert booster.early_stopping_rounds is None


def test_the_rounds_left_away_change_no_prediction(stopped, split):
    """The same, by hand, with all rounds kept: XGBoost then predicts with the best ones."""
    minutes = split.train.frame["duration"]
    model = make_model("xgboost", learning_rate=0.9, max_depth=6, threads=1)
    seen = model["features"].fit_transform(split.train.frame, minutes)
    unseen = model["features"].transform(split.valid.frame)
    whole = model["regressor"].set_params(early_stopping_rounds=50)
    whole.fit(seen, minutes, eval_set=[(unseen, split.valid.frame["duration"])], verbose=False)
    expected = whole.predict(unseen)
    np.testing.assert_array_equal(stopped.pipeline.predict(split.valid.frame), expected)


@pytest.mark.parametrize("name", ["reference", "xgboost", "quote"])
def test_the_best_of_the_curve_is_the_error_of_the_model(fit_quickly, split, name):
    fitted = fit_quickly(name)
    valid = split.valid.frame
    error = root_mean_squared_error(valid["duration"], fitted.pipeline.predict(valid))
    assert fitted.curve["valid"].min() == pytest.approx(error, rel=1e-5)


def test_rides_in_several_batches_give_the_features_of_one(split, monkeypatch):
    rides, minutes = split.train.frame, split.train.frame["duration"]
    whole = RideFeatures().fit_transform(rides, minutes)
    monkeypatch.setattr("taxi_duration.models.features.BLOCK", 200)
    features, batches = RideFeatures(), partial(in_batches, list(split.train.blocks()), rows=300)
    training = features.fit_batches(batches)
    matrices, labels = zip(*features.training_matrices(batches(), training), strict=True)
    assert len(matrices) > 5
    np.testing.assert_allclose(np.concatenate(matrices), whole, rtol=1e-6)
    np.testing.assert_array_equal(np.concatenate(labels), minutes)


def test_a_refit_learns_from_both_months_with_the_rounds_that_were_found(fit_quickly, split):
    once, refitted = fit_quickly("xgboost"), fit_quickly("xgboost", refit=True)
    both = (split.train + split.valid).frame
    model = make_model("xgboost", n_estimators=once.rounds, max_depth=4, threads=1)
    expected = model.fit(both, both["duration"]).predict(split.test.frame)
    np.testing.assert_array_equal(refitted.pipeline.predict(split.test.frame), expected)
    assert refitted.rounds == once.rounds
    assert refitted.refit_seconds > 0


def test_a_model_has_seen_its_valid_month_too(fitted, split):
    assert fitted.months == split.train.months + split.valid.months


def test_a_refit_keeps_the_first_model_too(fit_quickly, split):
    once, refitted = fit_quickly("xgboost"), fit_quickly("xgboost", refit=True)
    expected = once.pipeline.predict(split.test.frame)
    np.testing.assert_array_equal(refitted.first.predict(split.test.frame), expected)
    assert once.first is once.pipeline


def test_a_refit_also_serves_models_without_rounds(fit_quickly, split):
    both = (split.train + split.valid).frame
    expected = make_model("ridge").fit(both, both["duration"]).predict(split.test.frame)
    refitted = fit_quickly("ridge", refit=True)
    np.testing.assert_array_equal(refitted.pipeline.predict(split.test.frame), expected)


def test_the_level_is_the_minutes_taken_as_a_multiple_of_those_predicted():
    rides = pd.DataFrame({"duration": [10.0, 20.0, 30.0], "predicted": [10.0, 10.0, 20.0]})
    assert month_level(rides) == 1.5


@pytest.mark.parametrize("name", ["xgboost", "quote"])
def test_the_level_is_that_of_the_valid_month_as_the_first_fit_predicts_it(
    fit_quickly, split, name
):
    fitted, valid = fit_quickly(name), split.valid.frame
    predicted = fitted.first.predict(valid).astype(float)
    assert fitted.first_level == fitted.level
    assert fitted.level == pytest.approx(month_level(valid.assign(predicted=predicted)), rel=1e-7)


def test_a_refit_weighs_the_valid_month_by_its_rides(fit_quickly, split):
    once, refitted = fit_quickly("xgboost"), fit_quickly("xgboost", refit=True)
    weight = len(split.valid) / len(split.train + split.valid)
    assert refitted.first_level == once.level != 1
    assert refitted.level == once.level / (1 - weight + weight * once.level)


def test_the_level_of_several_valid_months_is_that_of_the_newest(split):
    few, slower = {"n_estimators": 1, "threads": 1}, split.test.frame
    slower = replace(split.test, frame=slower.assign(duration=1.2 * slower["duration"]))
    one, other = (fit("xgboost", split.train, each, **few) for each in (split.valid, slower))
    both = fit("xgboost", split.train, split.valid + slower, refit=True, **few)
    assert both.first_level == pytest.approx(other.level) != pytest.approx(one.level)
    weight = len(split.valid + slower) / len(split.train + split.valid + slower)
    rides = (split.valid + slower).frame
    whole = month_level(rides.assign(predicted=both.first.predict(rides).astype(float)))
    assert both.level == pytest.approx(both.first_level / (1 - weight + weight * whole))


@pytest.mark.parametrize("refit", [False, True])
def test_without_the_level_the_same_trees_predict_as_they_are(fit_quickly, split, refit):
    at_level, as_is = (fit_quickly("xgboost", refit=refit, level=each) for each in (True, False))
    assert (as_is.level, as_is.first_level) == (1, 1)
    trees = [each.pipeline["regressor"].get_booster().save_raw("ubj") for each in (at_level, as_is)]
    assert trees[0] == trees[1]


def test_only_models_on_the_features_of_a_ride_have_a_level(fitted):
    assert (fitted.level != 1) == (fitted.name in {"xgboost", "quote"})


@settings(max_examples=5)
@given(st.floats(0.5, 2))
def test_a_valid_month_that_takes_longer_by_a_factor_has_its_level_times_that(split, factor):
    few = {"n_estimators": 1, "threads": 1}
    slower = split.valid.frame.assign(duration=factor * split.valid.frame["duration"])
    once = fit("xgboost", split.train, split.valid, **few)
    scaled = fit("xgboost", split.train, replace(split.valid, frame=slower), **few)
    assert scaled.rounds == once.rounds
    assert scaled.level == pytest.approx(factor * once.level)


@pytest.mark.parametrize(("base_score", "level"), [(-1e4, r"-0\.00\d+"), (1e39, "nan")])
def test_a_model_that_predicts_no_minutes_is_rejected(split, base_score, level):
    tiny = {"n_estimators": 1, "learning_rate": 1e-6, "threads": 1}
    with pytest.raises(ModelError, match=rf"predicts no minutes, its level .* is {level}\."):
        fit("xgboost", split.train, split.valid, base_score=base_score, **tiny)


def test_the_same_seed_makes_the_same_model(fit_quickly, split):
    one = fit_quickly("xgboost").pipeline["regressor"]
    other = fit("xgboost", split.train, split.valid, n_estimators=8, max_depth=4, threads=1)
    raw = other.pipeline["regressor"].get_booster().save_raw("ubj")
    assert one.get_booster().save_raw("ubj") == raw


def test_another_seed_makes_another_model(fit_quickly):
    one, other = (
        fit_quickly("xgboost", random_state=seed).pipeline["regressor"] for seed in (0, 1)
    )
    assert one.get_booster().save_raw("ubj") != other.get_booster().save_raw("ubj")


@pytest.mark.parametrize(("asked", "used"), [(1, 1), (2, 2), (None, joblib.cpu_count())])
def test_the_number_of_threads_is_remembered(fit_quickly, asked, used):
    few = fit_quickly("xgboost", n_estimators=1, threads=asked)
    assert few.threads == few.pipeline["regressor"].n_jobs == used


def test_the_reference_takes_a_distance_of_0_for_a_distance(fit_quickly, rides):
    reference = fit_quickly("reference").pipeline
    zero, missing = (rides[:50].assign(trip_distance=miles) for miles in (0.0, np.nan))
    assert (reference.predict(zero) != reference.predict(missing)).any()


def test_the_boosted_model_beats_the_naive_one(fit_quickly, split):
    naive, boosted = (
        score_parts(fit_quickly(name, **how), split).set_index("part")["rmse"]["test"]
        for name, how in (("median", {}), ("xgboost", {"n_estimators": 60, "max_depth": 8}))
    )
    assert boosted < naive
