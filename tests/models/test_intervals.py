"""What prediction intervals cover, in each group of predictions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapie.conformity_scores import GammaConformityScore
from mapie.regression import SplitConformalRegressor
from sklearn.base import BaseEstimator, RegressorMixin

from taxi_duration.errors import ModelError
from taxi_duration.evaluation.metrics import coverage
from taxi_duration.models.intervals import Intervals, calibrate

MINUTES = st.floats(-5, 120)


def made(rows, *, seed, noise=0.3):
    """Predictions, and durations that scatter around them by a share of them."""
    random = np.random.default_rng(seed)
    predicted = random.uniform(2, 50, rows)
    return pd.DataFrame(
        {"predicted": predicted, "duration": predicted * random.lognormal(0, noise, rows)}
    )


def covered(predictions, intervals):
    ends = intervals.around(predictions["predicted"])
    return coverage(predictions.assign(**ends)).set_index("predicted")["coverage"]


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_new_rides_end_within_their_interval_as_often_as_was_asked(level):
    intervals = calibrate(made(20_000, seed=0), level=level)
    found = covered(made(20_000, seed=1), intervals)
    np.testing.assert_allclose(found, level, atol=0.03)


class Identity(RegressorMixin, BaseEstimator):
    """A model that predicts what it is given."""

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return X[:, 0]


def test_within_a_group_the_ends_are_those_of_mapie():
    rides = made(5_000, seed=0).query("10 <= predicted < 25")
    theirs = SplitConformalRegressor(
        Identity().fit(None, None), 0.8, GammaConformityScore(sym=False), prefit=True
    )
    theirs.conformalize(rides[["predicted"]].to_numpy(), rides["duration"].to_numpy())
    asked = np.array([12.0, 20.0])
    _, expected = theirs.predict_interval(asked[:, None])
    found = calibrate(rides).around(asked)
    np.testing.assert_allclose(np.stack([*found.values()], axis=1), expected[:, :, 0])


def test_short_middle_and_long_predictions_each_have_a_width_of_their_own():
    rides = made(20_000, seed=0)
    rides.loc[rides["predicted"] > 25, "duration"] = rides["predicted"]
    found = calibrate(rides).around(np.array([5.0, 15.0, 40.0]))
    width = found["high"] - found["low"]
    assert width[1] > width[0] > width[2] == 0


def test_a_model_that_predicts_too_short_gets_a_longer_upper_end():
    rides = made(20_000, seed=0).assign(duration=lambda each: 1.2 * each["duration"])
    found = calibrate(rides)
    assert all(high > -low for low, high in zip(found.low, found.high, strict=True))


def test_a_group_of_few_rides_takes_the_widths_of_all():
    rides = made(1000, seed=0).query("predicted < 25")
    few = pd.concat([rides, pd.DataFrame({"predicted": [30.0], "duration": [300.0]})])
    found, all_of_them = (
        calibrate(few),
        few.assign(predicted=5.0, duration=few.eval("5*duration/predicted")),
    )
    assert found.high[2] == pytest.approx(calibrate(all_of_them).high[0])


@pytest.mark.parametrize(("rides", "high"), [(49, 0.0), (50, 1.0)])
def test_a_group_of_50_rides_has_widths_of_its_own(rides, high):
    exact = pd.DataFrame({"predicted": [20.0] * 1000, "duration": 20.0})
    long = pd.DataFrame({"predicted": [30.0] * rides, "duration": 60.0})
    found = calibrate(pd.concat([exact, long]))
    assert (found.low[2], found.high[2]) == (high, high)


@pytest.mark.parametrize(
    ("minutes", "low", "high"),
    [
        (0.5, 0.4, 1.5),
        (9.9, 8.91, 19.8),
        (10.0, 8.0, 30.0),
        (24.9, 19.92, 74.7),
        (25.0, 0.0, 100.0),
    ],
)
def test_the_ends_are_shares_of_the_prediction_by_its_group(minutes, low, high):
    intervals = Intervals(0.8, low=(-0.1, -0.2, -2.0), high=(1.0, 2.0, 3.0))
    found = intervals.around(np.array([minutes]))
    assert found == pytest.approx({"low": low, "high": high})


@pytest.mark.parametrize(
    ("level", "rides", "low", "high"),
    [(0.5, 98, 0.23, 0.74), (0.5, 100, 0.24, 0.75), (0.8, 100, 0.09, 0.90), (0.99, 100, 0.0, 0.99)],
)
def test_each_end_leaves_out_half_of_what_may_be_missed(level, rides, low, high):
    errors = np.arange(rides) / 100
    found = calibrate(pd.DataFrame({"predicted": 5.0, "duration": 5 + 5 * errors}), level=level)
    assert (found.low[0], found.high[0]) == pytest.approx((low, high))


def test_a_prediction_under_a_minute_counts_as_one():
    rides = pd.DataFrame({"predicted": [0.5] * 100, "duration": 2.5})
    assert calibrate(rides).high[0] == 2.0


def test_the_default_level_is_four_rides_in_five():
    assert calibrate(made(100, seed=0)).level == 0.8


@given(st.lists(MINUTES, min_size=1, max_size=20))
def test_the_prediction_lies_within_its_interval_and_no_ride_ends_before_it_begins(minutes):
    intervals = Intervals(0.8, low=(-0.4, -0.3, -2.0), high=(0.5, 0.4, 0.3))
    found = intervals.around(np.array(minutes))
    assert (found["low"] >= 0).all()
    assert (found["low"] <= np.maximum(minutes, 0)).all()
    assert (found["high"] >= minutes).all()


@pytest.mark.parametrize("level", [0, 1, 80])
def test_a_level_that_is_no_share_is_rejected(level):
    with pytest.raises(ModelError, match=f"Level {level} is no share"):
        calibrate(made(100, seed=0), level=level)
