"""How far off: by hand on few rides, and the rules that hold for all."""

from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, RegressorMixin

from taxi_duration.errors import ModelError
from taxi_duration.evaluation.metrics import (
    METRICS,
    SLICES,
    compare,
    coverage,
    importance,
    predict,
    score,
    score_by,
    score_parts,
    score_slices,
)
from taxi_duration.models.catalog import MODELS
from taxi_duration.models.intervals import GROUPS
from taxi_duration.models.zones import ZoneMap

MINUTES = st.floats(0, 60)
PREDICTIONS = st.lists(st.tuples(MINUTES, MINUTES), min_size=1, max_size=20).map(
    lambda pairs: pd.DataFrame(pairs, columns=["duration", "predicted"])
)


def make_predictions():
    hours = pd.Timestamp("2021-03-01") + pd.to_timedelta([8, 8, 30, 9, 54], "h")
    return pd.DataFrame(
        {
            "pickup_datetime": hours,
            "trip_distance": [0.0, 0.5, 1.0, 25.0, 25.0],
            "duration": [10.0, 20.0, 30.0, 40.0, 50.0],
            "predicted": [13.0, 20.0, 24.0, 45.0, 48.0],
        }
    )


@pytest.mark.parametrize("column", ["duration", "predicted"])
@pytest.mark.parametrize("measure", [score, lambda rides: score_by(rides, "hour")])
def test_a_ride_that_lacks_a_figure_is_not_passed_over(measure, column):
    rides = make_predictions()
    rides.loc[1, column] = np.nan
    with pytest.raises(ModelError, match="1 of 5 rides lack their duration or prediction"):
        measure(rides)


def test_no_rides_have_no_score():
    with pytest.raises(ModelError, match="There are no rides to score"):
        score(make_predictions().head(0))


def test_the_measures_are_those_worked_out_by_hand():
    expected = {"rmse": np.sqrt(74 / 5), "mae": 16 / 5, "bias": 0.0, "within_5": 0.8, "rows": 5}
    assert score(make_predictions()) == pytest.approx(expected)


def test_a_model_that_says_too_much_has_a_positive_bias():
    assert score(pd.DataFrame({"duration": [10.0], "predicted": [12.0]}))["bias"] == 2


@given(PREDICTIONS)
def test_rmse_is_never_below_mae_nor_mae_below_bias(predictions):
    found = score(predictions)
    assert found["rmse"] >= found["mae"] - 1e-9
    assert found["mae"] >= abs(found["bias"]) - 1e-9
    assert 0 <= found["within_5"] <= 1


def test_a_prediction_stands_beside_its_ride(fitted, split):
    found = predict(fitted, split.test)
    pd.testing.assert_frame_equal(found.drop(columns="predicted"), split.test.frame)
    minutes = fitted.level * fitted.pipeline.predict(split.test.frame).astype(float)
    assert found["predicted"].tolist() == minutes.tolist()
    assert found["predicted"].dtype == float


@pytest.mark.parametrize(
    ("parts", "predictor"),
    [
        (["train"], "first"),
        (["valid"], "first"),
        (["train", "valid"], "first"),
        (["test"], "pipeline"),
        (["valid", "test"], "first"),
    ],
)
@pytest.mark.parametrize("refit", [False, True])
def test_months_that_a_model_has_seen_are_predicted_by_the_first_fit_without_its_level(
    fit_quickly, split, parts, predictor, refit
):
    fitted = fit_quickly("xgboost", refit=refit)
    trips = reduce(add, (getattr(split, part) for part in parts))
    minutes = getattr(fitted, predictor).predict(trips.frame).astype(float)
    expected = minutes if predictor == "first" else fitted.level * minutes
    assert fitted.level != 1
    assert predict(fitted, trips)["predicted"].tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("by", "slices", "rows"),
    [
        ("distance", ["0", "0-1", "over 20"], [1, 2, 2]),
        ("hour", [6, 8, 9], [2, 2, 1]),
        ("weekday", ["Mon", "Tue", "Wed"], [3, 1, 1]),
    ],
)
def test_slices_come_in_their_order_with_their_rows(by, slices, rows):
    found = score_by(make_predictions(), by)
    assert found[by].tolist() == slices
    assert found["rows"].tolist() == rows


def test_a_slice_is_scored_as_a_whole_would_be():
    predictions = make_predictions()
    found = score_by(predictions, "weekday").set_index("weekday").loc["Mon"]
    assert found.to_dict() == score(predictions.iloc[[0, 1, 3]])


@pytest.mark.parametrize("by", SLICES)
def test_every_ride_is_in_one_slice(fit_quickly, split, by):
    predictions = predict(fit_quickly("ridge"), split.test)
    assert score_by(predictions, by)["rows"].sum() == len(split.test)


@pytest.mark.parametrize(
    ("miles", "band"),
    [(-1, "0"), (0, "0"), (0.1, "0-1"), (1, "0-1"), (1.1, "1-2"), (2, "1-2"), (2.1, "2-5"),
     (5, "2-5"), (5.1, "5-10"), (10, "5-10"), (10.1, "10-20"), (20, "10-20"), (20.1, "over 20")],
)  # fmt: skip
def test_the_end_of_a_band_belongs_to_it(miles, band):
    found = score_by(make_predictions().head(1).assign(trip_distance=miles), "distance")
    assert found["distance"].tolist() == [band]


def test_weekdays_begin_on_monday():
    days = pd.Timestamp("2021-03-01") + pd.to_timedelta(range(7), "D")
    rides = pd.DataFrame({"pickup_datetime": days, "duration": 1.0, "predicted": 1.0})
    found = score_by(rides, "weekday")["weekday"].tolist()
    assert found == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


MILES = {  # five zones on a line from south to north, and one that nobody reaches
    (14, 74): 4.0, (74, 75): 2.0, (75, 200): 4.0, (75, 130): 6.0, (74, 130): 7.0,
}  # fmt: skip


def test_parts_of_the_city_lie_around_the_middle_of_all_rides():
    pairs = [*MILES, *MILES, (10, 10)]
    rides = pd.DataFrame(pairs, columns=["PULocationID", "DOLocationID"]).assign(
        trip_distance=[*MILES.values(), *MILES.values(), 1.0], duration=5.0, predicted=5.0
    )
    places = ZoneMap().fit(rides).places().set_index("zone")
    placed = places.loc[[first for first, _ in [*MILES, *MILES]]]
    east, north = (placed[axis] > placed[axis].median() for axis in ("east", "north"))
    ns, ew = np.where(north, "north", "south"), np.where(east, "east", "west")
    counts = pd.Series([f"{one}-{other}" for one, other in zip(ns, ew, strict=True)]).value_counts()
    found = score_by(rides, "part").set_index("part")["rows"].to_dict()
    assert found == {**counts.to_dict(), "unknown": 1}


def test_where_no_zone_has_a_place_all_rides_begin_in_the_unknown():
    rides = make_predictions().assign(PULocationID=1, DOLocationID=1)
    assert score_by(rides, "part")["part"].tolist() == ["unknown"]


def test_the_slices_of_several_months_stand_below_one_another():
    two = make_predictions().iloc[[0, 3]]
    found = score_slices({"valid": two, "test": two.head(1)})
    assert found.columns.tolist() == ["month", "by", "slice", *METRICS, "rows"]
    assert found.index.tolist() == list(range(8))
    assert found[["month", "by", "slice", "rmse"]].to_numpy().tolist() == [
        ["valid", "distance", "0", 3.0], ["valid", "distance", "over 20", 5.0],
        ["valid", "hour", 8, 3.0], ["valid", "hour", 9, 5.0],
        ["valid", "weekday", "Mon", pytest.approx(np.sqrt(17))],
        ["test", "distance", "0", 3.0], ["test", "hour", 8, 3.0], ["test", "weekday", "Mon", 3.0],
    ]  # fmt: skip


class Pace(RegressorMixin, BaseEstimator):
    """A model for which a mile takes three minutes; it counts the rides that it predicts."""

    predicted = ()

    def fit(self, X, y):
        return self

    def predict(self, X):
        Pace.predicted = (*Pace.predicted, len(X))
        return 3 * X["trip_distance"]


def test_only_what_the_model_uses_is_important(fit_quickly, split):
    rides = split.test.frame.assign(duration=3 * split.test.frame["trip_distance"])
    model = replace(fit_quickly("ridge"), first=Pace())
    found = importance(model, replace(split.test, frame=rides))
    assert found["feature"][0] == "trip_distance"
    assert found["importance"][1:].tolist() == [0.0] * (len(MODELS["ridge"].inputs) - 1)
    shuffled = 3 * np.sqrt(2) * rides["trip_distance"].std()
    assert found["importance"][0] == pytest.approx(shuffled, rel=0.1)


def test_what_leads_astray_has_no_importance(fit_quickly, split):
    rides = split.test.frame.assign(duration=-split.test.frame["trip_distance"])
    model = replace(fit_quickly("ridge"), first=Pace())
    found = importance(model, replace(split.test, frame=rides))
    assert (found["importance"] >= 0).all()
    assert found["importance"].is_monotonic_decreasing


@pytest.mark.parametrize(("rides", "used"), [(6000, 5000), (70, 70)])
def test_importance_is_measured_on_up_to_5000_rides(fit_quickly, months, rides, used):
    Pace.predicted = ()
    model = replace(fit_quickly("ridge"), first=Pace())
    many = replace(months.test, frame=months.test.frame.head(rides))
    first, second = (importance(model, many) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert set(Pace.predicted) == {used}
    assert len(Pace.predicted) == 2 * (1 + 3 * len(MODELS["ridge"].inputs))


def test_coverage_has_a_row_for_all_and_for_each_group_with_its_width_and_rides():
    rides = pd.DataFrame(
        {"predicted": [5.0, 5.0, 30.0], "duration": [5.0, 9.0, 30.0], "low": 4.0, "high": 31.0}
    ).assign(high=[6.0, 6.0, 31.0])
    found = coverage(rides).set_index("predicted")
    assert found.index.tolist() == ["all", GROUPS[0], GROUPS[2]]
    assert found["coverage"].tolist() == pytest.approx([2 / 3, 0.5, 1.0])
    assert found["width"].tolist() == pytest.approx([31 / 3, 2.0, 27.0])
    assert found["rows"].tolist() == [3, 2, 1]


def test_an_unknown_slice_is_rejected():
    with pytest.raises(ModelError, match=r"Slice 'day' is unknown\. .*Known: 'distance', 'hour'"):
        score_by(make_predictions(), "day")


def test_each_part_of_a_split_is_scored(fit_quickly, split):
    fitted = fit_quickly("ridge")
    found = score_parts(fitted, split).set_index("part")
    assert found["rows"].to_dict() == {name: len(trips) for name, trips in split._asdict().items()}
    assert found["rmse"]["valid"] == score(predict(fitted, split.valid))["rmse"]
    assert set(found["model"]) == {"ridge"}


def make_scores(model, *, valid, test):
    rmse = {"train": 1.0, "valid": valid, "test": test}
    rows = [
        {"model": model, "part": part, "rmse": value, "mae": 1.0, "bias": 0.0, "within_5": 0.5}
        for part, value in rmse.items()
    ]
    return pd.DataFrame(rows)


def test_models_are_ordered_by_the_valid_month_whatever_the_test_month_says():
    scores = [
        make_scores("a", valid=7.0, test=4.0),
        make_scores("b", valid=5.0, test=9.0),
        make_scores("c", valid=6.0, test=3.0),
    ]
    found = compare(scores)
    assert found["model"].tolist() == ["b", "c", "a"]
    assert found["valid_rmse"].tolist() == [5.0, 6.0, 7.0]
    assert found["test_rmse"].tolist() == [9.0, 3.0, 4.0]
    columns = [f"{part}_{name}" for part in ("valid", "test") for name in METRICS]
    assert found.columns.tolist() == ["model", *columns]
