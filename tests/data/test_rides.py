"""Which rides are accepted, which are rejected, and the message about them."""

from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_duration.data.rides import (
    REASONS,
    format_rejections,
    in_new_york,
    is_invalid_zone,
    is_plausible_distance,
    read_minutes,
    read_rides,
    rejections,
)
from taxi_duration.errors import SchemaError

GOOD = {
    "pickup_datetime": "2021-03-01 08:00:00",
    "PULocationID": 74,
    "DOLocationID": 75,
    "trip_distance": 2.5,
}
ANYTHING = (
    st.none()
    | st.floats()
    | st.integers()
    | st.text(max_size=8)
    | st.booleans()
    | st.binary()
    | st.lists(st.integers(), max_size=2)
    | st.datetimes()
    | st.timedeltas()
    | st.decimals()
)
ANY_RIDE = st.fixed_dictionaries(dict.fromkeys(GOOD, ANYTHING))


def one(**changed):
    return pd.DataFrame([GOOD | changed])


def rejected(rides, **how):
    return rejections(read_rides(rides), **how)


def test_the_reasons_have_the_index_of_their_rides():
    rides = pd.DataFrame([GOOD, GOOD | {"DOLocationID": 9999}], index=[7, 3])
    assert rejected(rides).notna().to_dict() == {7: False, 3: True}


@pytest.mark.parametrize("zone", ["PULocationID", "DOLocationID"])
def test_a_model_without_distance_takes_rides_without_one_and_their_zones_are_checked(zone):
    rides = one().drop(columns="trip_distance")
    assert read_rides(rides)["trip_distance"].isna().all()
    assert rejected(rides, distance=False).isna().all()
    reasons = rejected(rides.assign(**{zone: 9999}), distance=False)
    assert reasons.tolist() == [f"{zone} is not one of TLC's zones 1 to 265"]


@pytest.mark.parametrize("zone", ["PULocationID", "DOLocationID"])
@pytest.mark.parametrize(("number", "is_valid"), [(0, False), (1, True), (265, True), (266, False)])
def test_zones_are_numbered_from_1_to_265(zone, number, is_valid):
    assert rejected(one(**{zone: number})).isna().all() == is_valid


@pytest.mark.parametrize("kind", ["int32", "int64", "float32", "float64"])
def test_zones_of_any_type_of_number_are_those_from_1_to_265(kind):
    zones = np.array([0, 1, 2, 264, 265, 266], dtype=kind)
    assert is_invalid_zone(zones).tolist() == [True, False, False, False, False, True]


def test_a_good_ride_is_accepted():
    assert rejected(one()).isna().all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"pickup_datetime": None}, "pickup_datetime is missing or no time"),
        ({"pickup_datetime": "yesterday"}, "pickup_datetime is missing or no time, got yesterday"),
        ({"pickup_datetime": 1614585600}, "pickup_datetime is missing or no time, got 1614585600"),
        ({"pickup_datetime": "now"}, "pickup_datetime is missing or no time, got now"),
        ({"pickup_datetime": "08:00"}, "pickup_datetime is missing or no time, got 08:00"),
        (
            {"pickup_datetime": "1899-12-31T23:59:59"},
            "pickup_datetime is missing or no time, got 1899-12-31T23:59:59",
        ),
        (
            {"pickup_datetime": "2200-01-01"},
            "pickup_datetime is missing or no time, got 2200-01-01",
        ),
        ({"pickup_datetime": "a\nb"}, r"pickup_datetime is missing or no time, got a\nb"),
        ({"PULocationID": None}, "PULocationID is missing or no number"),
        ({"PULocationID": True}, "PULocationID is missing or no number, got True"),
        ({"PULocationID": [74]}, "PULocationID is missing or no number, got [74]"),
        ({"PULocationID": "7_4"}, "PULocationID is missing or no number, got 7_4"),
        ({"PULocationID": "９"}, "PULocationID is missing or no number, got ９"),
        (
            {"PULocationID": 10**5000},
            "PULocationID is missing or no number, got a number of thousands of digits",
        ),
        (
            {"PULocationID": "9" * 5000},
            f"PULocationID is not one of TLC's zones 1 to 265, got {'9' * 60}...",
        ),
        (
            {"PULocationID": 2**32 + 74},
            "PULocationID is not one of TLC's zones 1 to 265, got 4294967370",
        ),
        ({"PULocationID": 266}, "PULocationID is not one of TLC's zones 1 to 265, got 266"),
        ({"PULocationID": -np.inf}, "PULocationID is not one of TLC's zones 1 to 265, got -inf"),
        ({"PULocationID": 0}, "PULocationID is not one of TLC's zones 1 to 265, got 0"),
        ({"PULocationID": 1.5}, "PULocationID is not one of TLC's zones 1 to 265, got 1.5"),
        ({"DOLocationID": 9999}, "DOLocationID is not one of TLC's zones 1 to 265, got 9999"),
        ({"DOLocationID": "here"}, "DOLocationID is missing or no number, got here"),
        (
            {"trip_distance": None},
            "trip_distance is missing or no number (the model 'quote' needs none)",
        ),
        ({"trip_distance": -5.5}, "trip_distance is not 0 or more miles, got -5.5"),
        ({"trip_distance": np.inf}, "trip_distance is not 0 or more miles, got inf"),
    ],
)
def test_a_bad_ride_is_rejected_with_row_field_and_limit(changed, message):
    rides = pd.DataFrame([GOOD, GOOD | changed], dtype=object)
    assert format_rejections(rides, rejected(rides)) == f"row 1: {message}"


@pytest.mark.parametrize("zone", [1, 265, 74.0, "74", np.int8(74), Decimal(74)])
def test_a_zone_may_be_any_number_from_1_to_265(zone):
    assert rejected(one(PULocationID=zone)).isna().all()


@pytest.mark.parametrize("time", ["1900-01-01", "2199-12-31T23:59:59.999999", "20210301"])
def test_a_time_may_be_of_the_years_1900_to_2199(time):
    assert rejected(one(pickup_datetime=time)).isna().all()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_time_that_would_wrap_around_is_none(unit):
    far = np.array([2**62], dtype=f"datetime64[{unit}]")
    late = pd.Series(np.concatenate([far, np.array(["2021-03-01"], dtype=far.dtype)]))
    expected = [True, False] if unit != "ns" else [False, False]  # 2**62 ns are in 2116
    assert np.isnat(in_new_york(late)).tolist() == expected


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "+01:00"])
@pytest.mark.parametrize("made", ["pandas", "arrow"])
def test_a_column_of_times_with_a_zone_becomes_new_yorks(zone, made):
    times = pd.Series(pd.to_datetime(["2021-03-01 13:00Z"])).dt.tz_convert(zone)
    if made == "arrow":
        times = times.astype(pd.ArrowDtype(pa.timestamp("us", zone)))
    assert in_new_york(times).tolist() == [datetime(2021, 3, 1, 8)]


def test_the_first_moment_of_1900_is_a_time_beside_one_that_is_none():
    times = pd.Series(["1900-01-01", "2200-01-01", "2199-12-31"])
    assert np.isnat(in_new_york(times)).tolist() == [False, True, False]


def test_minutes_can_be_read_from_text():
    begun, ended = (pd.Series([text]) for text in ("2021-03-01 08:00", "2021-03-01T13:10:00Z"))
    assert read_minutes(begun, ended).tolist() == [10.0]


def test_minutes_between_times_with_a_zone_are_those_that_passed():
    begun, ended = (pd.Series([pd.Timestamp(f"2021-11-07 {hour}Z")]) for hour in ("05:50", "06:10"))
    assert read_minutes(begun, ended).tolist() == [20.0]
    clocks = [pd.Series(in_new_york(times)) for times in (begun, ended)]
    assert read_minutes(*clocks).tolist() == [-40.0]


@pytest.mark.parametrize("missing", ["pickup", "dropoff"])
def test_minutes_are_missing_where_a_time_is(missing):
    times = {"pickup": "2021-03-01 08:00", "dropoff": "2021-03-01 08:10"} | {missing: None}
    begun, ended = (pd.Series(pd.to_datetime([time])) for time in times.values())
    assert np.isnan(read_minutes(begun, ended)).all()


@pytest.mark.parametrize("distance", [0, 0.1, 60, 61])
def test_a_distance_of_0_or_over_60_miles_is_accepted_though_implausible(distance):
    rides = read_rides(one(trip_distance=distance))
    assert rejections(rides).isna().all()
    plausible = is_plausible_distance(rides["trip_distance"])
    assert plausible.tolist() == [distance in (0.1, 60)]


def test_a_model_without_distance_rejects_no_ride_for_it():
    rides = pd.concat([one(trip_distance=None), one(trip_distance=-1), one()])
    assert rejected(rides, distance=False).isna().all()
    assert rejected(rides.drop(columns="trip_distance"), distance=False).isna().all()


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


def test_summer_and_winter_time_are_distinguished():
    times = ["2021-03-14T06:59:00Z", "2021-03-14T07:00:00Z"]
    rides = pd.concat([one(pickup_datetime=time) for time in times])
    assert read_rides(rides)["pickup_datetime"].dt.hour.tolist() == [1, 3]


@pytest.mark.parametrize("name", ["pickup_datetime", "PULocationID", "DOLocationID"])
def test_a_missing_column_is_an_error_not_a_rejection(name):
    with pytest.raises(SchemaError, match=f"no column '{name}'"):
        read_rides(one().drop(columns=name))


@given(st.lists(ANY_RIDE, max_size=6))
def test_accepted_and_rejected_rides_add_up_whatever_is_given(rows):
    rides = pd.DataFrame(rows, columns=list(GOOD), dtype=object)
    found = rejected(rides)
    assert found.isna().sum() + found.value_counts().sum() == len(rows)
    assert set(found.dropna()) <= set(REASONS)


@given(st.lists(ANY_RIDE, max_size=6))
def test_an_accepted_ride_has_a_time_two_zones_and_a_distance(rows):
    rides = read_rides(pd.DataFrame(rows, columns=list(GOOD), dtype=object))
    accepted = rides[rejections(rides).isna()]
    assert accepted.notna().all(axis=None)
    assert accepted[["PULocationID", "DOLocationID"]].isin(range(1, 266)).all(axis=None)
    assert (np.isfinite(accepted["trip_distance"]) & (accepted["trip_distance"] >= 0)).all()


def test_rides_keep_their_index():
    rides = pd.concat([one(), one()], keys=["a", "b"]).droplevel(1)
    assert read_rides(rides).index.tolist() == ["a", "b"]


def test_a_value_that_is_a_list_is_shown():
    rides = one(PULocationID=[74, 75])
    assert format_rejections(rides, rejected(rides)).endswith("no number, got [74, 75]")


def test_a_value_that_python_cannot_write_is_described():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    rides = one(PULocationID=nested)
    assert format_rejections(rides, rejected(rides)).endswith(", got lists within lists")


@pytest.mark.parametrize(("given", "shown"), [("x" * 60, "x" * 60), ("x" * 61, "x" * 60 + "...")])
def test_a_long_value_is_shortened(given, shown):
    rides = one(PULocationID=given)
    assert format_rejections(rides, rejected(rides)).endswith(f", got {shown}")


def test_a_time_with_a_zone_and_one_without_are_compared_on_new_yorks_clock():
    begun = pd.Series(pd.to_datetime(["2021-03-01 08:00"]))
    ended = pd.Series(pd.to_datetime(["2021-03-01 13:10Z"]))
    assert read_minutes(begun, ended).tolist() == [10.0]


def test_five_rejected_rides_are_all_listed():
    rides = pd.concat([one(PULocationID=0)] * 5, ignore_index=True)
    message = format_rejections(rides, rejected(rides))
    assert (message.count("row "), "more" in message) == (5, False)


def test_of_many_rejected_rides_the_first_are_listed_and_the_others_counted():
    rides = pd.concat([one(PULocationID=0)] * 7, ignore_index=True)
    message = format_rejections(rides, rejected(rides))
    assert message.count("row ") == 5
    assert message.endswith("; and 2 more rows")
