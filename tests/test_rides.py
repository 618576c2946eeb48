"""Which rides are answered, which are refused, and what is said of them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_duration.errors import SchemaError
from taxi_duration.rides import REFUSED, read_rides, refusals, repaired, tell_refusals

GOOD = {
    "pickup_datetime": "2021-03-01 08:00:00",
    "PULocationID": 74,
    "DOLocationID": 75,
    "trip_distance": 2.5,
}
ANYTHING = st.none() | st.floats() | st.integers(-(10**6), 10**6) | st.text(max_size=8)
ANY_RIDE = st.fixed_dictionaries(dict.fromkeys(GOOD, ANYTHING))


def one(**changed):
    return pd.DataFrame([GOOD | changed])


def refused(rides, **how):
    return refusals(read_rides(rides), **how)


def test_a_good_ride_is_accepted():
    assert refused(one()).isna().all()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pickup_datetime": None}, "pickup_datetime is missing or no time"),
        ({"pickup_datetime": "yesterday"}, "pickup_datetime is missing or no time, got yesterday"),
        ({"pickup_datetime": 1614585600}, "pickup_datetime is missing or no time, got 1614585600"),
        ({"PULocationID": None}, "PULocationID is missing"),
        ({"PULocationID": 0}, "PULocationID is not one of TLC's zones 1 to 265, got 0"),
        ({"PULocationID": 1.5}, "PULocationID is not one of TLC's zones 1 to 265, got 1.5"),
        ({"DOLocationID": 9999}, "DOLocationID is not one of TLC's zones 1 to 265, got 9999"),
        ({"DOLocationID": "here"}, "DOLocationID is missing, got here"),
        ({"trip_distance": None}, "trip_distance is missing (the model 'quote' needs none)"),
        ({"trip_distance": -5.5}, "trip_distance is not 0 or more miles, got -5.5"),
        ({"trip_distance": np.inf}, "trip_distance is not 0 or more miles, got inf"),
    ],
)
def test_a_bad_ride_is_refused_with_row_field_and_limit(changed, said):
    rides = pd.concat([one(), one(**changed)], ignore_index=True).astype(object)
    assert tell_refusals(rides, refused(rides)) == f"row 1: {said}"


@pytest.mark.parametrize(("distance", "usual"), [(0, True), (0.1, False), (60, False), (61, True)])
def test_a_distance_of_0_or_over_60_miles_is_repaired_not_refused(distance, usual):
    rides = read_rides(one(trip_distance=distance))
    assert refusals(rides).isna().all()
    assert repaired(rides).tolist() == [usual]


def test_a_model_without_distance_refuses_no_ride_for_it():
    rides = pd.concat([one(trip_distance=None), one(trip_distance=-1), one()])
    assert refused(rides, distance=False).isna().all()
    assert refused(rides.drop(columns="trip_distance"), distance=False).isna().all()


@pytest.mark.parametrize(
    "time",
    [
        "2021-03-01T13:00:00Z",
        "2021-03-01T08:00:00-05:00",
        "2021-03-01 08:00:00",
        pd.Timestamp("2021-03-01 14:00", tz="Europe/Berlin"),
        pd.Timestamp("2021-03-01 08:00"),
        np.datetime64("2021-03-01T08:00"),
    ],
)
def test_a_time_with_a_zone_becomes_new_yorks(time):
    eight = pd.Timestamp("2021-03-01 08:00")
    assert read_rides(one(pickup_datetime=time))["pickup_datetime"].tolist() == [eight]
    mixed = pd.concat([one(pickup_datetime=time), one()]).astype(object)
    assert read_rides(mixed)["pickup_datetime"].tolist() == [eight, eight]


def test_summer_and_winter_time_are_told_apart():
    times = ["2021-03-14T06:59:00Z", "2021-03-14T07:00:00Z"]
    rides = pd.concat([one(pickup_datetime=time) for time in times])
    assert read_rides(rides)["pickup_datetime"].dt.hour.tolist() == [1, 3]


@pytest.mark.parametrize("name", ["pickup_datetime", "PULocationID", "DOLocationID"])
def test_a_missing_column_is_an_error_not_a_refusal(name):
    with pytest.raises(SchemaError, match=f"no column '{name}'"):
        read_rides(one().drop(columns=name))


@given(st.lists(ANY_RIDE, max_size=6))
def test_accepted_and_refused_rides_add_up_whatever_is_given(rows):
    rides = pd.DataFrame(rows, columns=list(GOOD), dtype=object)
    found = refused(rides)
    assert found.isna().sum() + found.value_counts().sum() == len(rows)
    assert set(found.dropna()) <= set(REFUSED)


@given(st.lists(ANY_RIDE, max_size=6))
def test_an_accepted_ride_has_a_time_two_zones_and_a_distance(rows):
    rides = read_rides(pd.DataFrame(rows, columns=list(GOOD), dtype=object))
    accepted = rides[refusals(rides).isna()]
    assert accepted.notna().all(axis=None)
    assert accepted[["PULocationID", "DOLocationID"]].isin(range(1, 266)).all(axis=None)
    assert (np.isfinite(accepted["trip_distance"]) & (accepted["trip_distance"] >= 0)).all()


def test_of_many_refused_rides_the_first_are_told_and_the_others_counted():
    rides = pd.concat([one(PULocationID=0)] * 7, ignore_index=True)
    said = tell_refusals(rides, refused(rides), at_most=2)
    assert said.count("row ") == 2
    assert said.endswith("; and 5 more rows")
