"""What is told of a scored month, and when somebody has to act."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_duration.drift import WATCHED, drift, stability_index
from taxi_duration.errors import ModelError
from taxi_duration.evaluation import predict, score
from taxi_duration.intervals import calibrate, coverage
from taxi_duration.models import fit
from taxi_duration.monitoring import Limits, Reference, ScoredMonth, monitor
from taxi_duration.trips import load_split, load_trips

FEW = {"n_estimators": 60, "threads": 1}


@pytest.fixture(scope="module")
def months():
    return load_split("2021-01", "2021-02", "2021-03")


@pytest.fixture(scope="module")
def fitted(months):
    return fit("xgboost", months.train, months.valid, **FEW)


@pytest.fixture(scope="module")
def reference(fitted, months):
    valid = predict(fitted, months.valid)
    return Reference(predict(fitted, months.train), score(valid)["rmse"], 0.8, "2021-01")


@pytest.fixture(scope="module")
def scored(fitted, months):
    """Score a month's rides, as they are or changed."""
    intervals = calibrate(predict(fitted, months.valid))

    def scored(month, rides, refused=0):
        minutes = fitted.pipeline.predict(rides).astype(float)
        return ScoredMonth(
            month, rides.assign(predicted=minutes, **intervals.around(minutes)), refused
        )

    return scored


@pytest.fixture(scope="module")
def april():
    return load_trips("2021-04").frame


def slow_rush(rides):
    rush = rides["pickup_datetime"].dt.hour.isin([7, 8, 9, 16, 17, 18, 19])
    return rides.assign(
        duration=rides["duration"].where(~rush, 1.6 * rides["duration"]).clip(upper=60)
    )


def close_a_zone(rides):
    return rides[rides["PULocationID"] != rides["PULocationID"].mode()[0]].reset_index(drop=True)


def test_a_month_is_scored_as_in_training_to_the_last_digit(scored, reference, fitted, months):
    (row,) = monitor([scored("2021-03", months.test.frame)], reference).table.to_dict("records")
    expected = score(predict(fitted, months.test))
    for measure in ("rmse", "mae", "bias", "within_5"):
        assert row[measure] == expected[measure]


def test_the_coverage_is_that_of_the_month(scored, reference, april):
    month = scored("2021-04", april)
    (found,) = monitor([month], reference).table["coverage"]
    assert found == coverage(month.predictions)["coverage"][0]


@pytest.mark.parametrize("month", ["2021-02", "2021-04", "2021-07", "2021-12"])
def test_an_ordinary_month_is_within_its_limits(scored, reference, month):
    report = monitor([scored(month, load_trips(month).frame)], reference)
    assert report.table["verdict"].tolist() == [""]
    assert report.verdict == f"{month}: within its limits."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (slow_rush, r"rmse \d+% above that of the valid month"),
        (close_a_zone, r"pick-up zone drifted \(PSI 0\.\d\d\)"),
        (
            lambda rides: rides.assign(trip_distance=3 * rides["trip_distance"]),
            "distance .* drifted",
        ),
    ],
    ids=["rush hour slower", "zone closed", "kilometres for miles"],
)
def test_a_drifted_month_is_said_to_be(scored, reference, april, change, said):
    report = monitor([scored("2021-04", change(april))], reference)
    assert report.table["verdict"].str.contains(said).tolist() == [True]


def test_a_column_gone_missing_shows_as_refused_rows(scored, reference, april):
    report = monitor([scored("2021-04", april[:0], refused=len(april))], reference)
    assert "100% of rows refused" in report.table["verdict"][0]


def test_one_odd_month_is_no_alarm_but_two_of_the_last_three_are(scored, reference, april):
    good, bad = scored("2021-04", april), scored("2021-04", slow_rush(april))

    def alarm(*months):
        named = [replace(each, month=f"2021-{number:02}") for number, each in enumerate(months, 4)]
        return monitor(named, reference).alarm

    assert [alarm(bad), alarm(good, bad), alarm(bad, good)] == [False, False, False]
    assert [alarm(bad, bad), alarm(bad, good, bad), alarm(bad, bad, good)] == [True, True, False]
    assert not alarm(bad, good, good, bad)


def test_the_verdict_says_what_to_do(scored, reference, april):
    bad = scored("2021-04", slow_rush(april))
    assert monitor([bad], reference).verdict.endswith("Nothing to do yet.")
    both = [bad, replace(bad, month="2021-05")]
    assert monitor(both, reference).verdict.endswith("Retrain.")


def test_months_come_in_their_order_with_the_age_of_the_model(scored, reference, april):
    month = scored("2022-01", april)
    table = monitor([month, replace(month, month="2021-04")], reference).table
    assert table[["month", "age"]].to_numpy().tolist() == [["2021-04", 3], ["2022-01", 12]]


def test_limits_can_be_set(scored, reference, april):
    report = monitor([scored("2021-04", april)], reference, limits=Limits(psi=0.0, months=1))
    assert report.table["verdict"][0].count("drifted") == len(WATCHED)
    assert report.alarm


def test_without_a_month_or_its_durations_nothing_is_judged(scored, reference, april):
    with pytest.raises(ModelError, match="no scored month"):
        monitor([], reference)
    with pytest.raises(ModelError, match="No duration of 2021-04 is known yet"):
        monitor([scored("2021-04", april.assign(duration=np.nan))], reference)


def test_nothing_has_drifted_from_itself(reference):
    found = drift(reference.rides, reference.rides)
    assert found["watched"].tolist() == list(WATCHED.values())
    assert found["psi"].abs().max() == 0
    assert found["shift"].abs().max() == 0


NUMBERS = st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=30)


@given(NUMBERS, NUMBERS, st.booleans())
def test_the_index_is_a_number_from_0_on_whatever_is_compared(now, then, measured):
    now, then = (pd.Series(values, dtype=float) for values in (now, then))
    assert stability_index(now, then, measured=measured) >= 0


def test_the_margins_say_what_each_limit_allows_and_what_was_used_of_it(scored, reference, april):
    report = monitor([scored("2021-04", april, refused=8)], reference)
    margins, (row,) = report.margins(), report.table.to_dict("records")
    assert margins["limit"].tolist() == [0.10, 2.0, 0.05, 0.02, 0.25]
    assert margins["2021-04"].iloc[[0, 3]].tolist() == [
        row["rmse"] / reference.rmse - 1,
        row["refused"],
    ]
