"""What a model sees of a ride: known before it, as numbers, row for row."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

from taxi_duration.models.encoding import ZoneTargetEncoder
from taxi_duration.models.features import (
    DistanceRepair,
    ReferenceFeatures,
    RideFeatures,
    clock,
)

TRANSFORMERS = {
    "repair": DistanceRepair,
    "encoder": ZoneTargetEncoder,
    "ride": RideFeatures,
    "quote": lambda: RideFeatures(distance=False),
    "reference": ReferenceFeatures,
}
FEATURES = (Path(__file__).parents[2] / "docs" / "features.md").read_text()
BEFORE = ["pickup_datetime", "PULocationID", "DOLocationID", "trip_distance"]
MINUTES = st.floats(1, 60)
UNUSUAL = st.fixed_dictionaries(
    {
        "pickup_datetime": st.none() | st.datetimes(pd.Timestamp(2009, 1, 1), pd.Timestamp.max),
        "PULocationID": st.none() | st.integers(-1, 9999),
        "DOLocationID": st.none() | st.integers(-1, 9999),
        "trip_distance": st.none() | st.floats(-10, 300_000),
    }
)


def dense(matrix):
    return matrix.toarray() if hasattr(matrix, "toarray") else matrix


def make_rides(rows):
    rides = pd.DataFrame(rows, columns=BEFORE)
    numbers = dict.fromkeys(BEFORE[1:], float)
    return rides.astype({"pickup_datetime": "datetime64[us]", **numbers})


@pytest.fixture(scope="module", params=TRANSFORMERS)
def transformer(request, rides):
    return TRANSFORMERS[request.param]().fit(rides, rides["duration"])


@pytest.fixture(scope="module")
def features(rides):
    return RideFeatures().fit(rides, rides["duration"])


@pytest.fixture(scope="module")
def table(features, rides):
    return pd.DataFrame(features.transform(rides), columns=features.get_feature_names_out())


def documented():
    """Return the head and the rows of the table in docs/features.md, by feature."""
    head, _, *lines = re.findall(r"^\|(.*)\|$", FEATURES.partition("## What they are not")[0], re.M)
    rows = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    return head.split(" | "), {name: row for row in rows for name in re.findall(r"`(\w+)`", row[0])}


def test_each_feature_has_a_row_in_the_documents_and_each_row_a_feature(rides):
    variants = [RideFeatures(distance=known) for known in (True, False)]
    fitted = [each.fit(rides, rides["duration"]) for each in variants]
    assert set(documented()[1]) == {
        name for each in fitted for name in each.get_feature_names_out()
    }


def test_each_row_of_the_documents_says_where_from_when_known_and_why_allowed():
    head, rows = documented()
    assert [len(row) for row in rows.values()] == [len(head)] * len(rows)
    assert all(map(all, rows.values()))


@given(st.data())
def test_a_row_is_the_same_alone_and_among_others(transformer, rides, data):
    rows = data.draw(st.lists(st.integers(0, len(rides) - 1), min_size=1, max_size=8))
    together = dense(transformer.transform(rides.iloc[rows]))
    alone = [dense(transformer.transform(rides.iloc[[row]])) for row in rows]
    np.testing.assert_array_equal(together, np.vstack(alone))


@given(st.lists(UNUSUAL, min_size=1, max_size=5))
def test_any_ride_has_features_known_zone_time_and_distance_or_not(transformer, rows):
    found = dense(transformer.transform(make_rides(rows)))
    assert len(found) == len(rows)
    assert not np.isinf(found).any()


def test_to_learn_twice_is_to_learn_the_same(transformer, rides):
    again = type(transformer)(**transformer.get_params()).fit(rides, rides["duration"])
    np.testing.assert_array_equal(*(dense(one.transform(rides)) for one in (transformer, again)))


def test_nothing_is_read_that_is_known_only_after_the_ride(transformer, rides):
    leaky = rides.assign(fare_amount=rides["duration"], RatecodeID=1.0, payment_type=2.0)
    make = type(transformer)(**transformer.get_params()).fit_transform
    with_it, without = (make(frame, rides["duration"]) for frame in (leaky, rides[BEFORE]))
    np.testing.assert_array_equal(dense(with_it), dense(without))


@pytest.mark.parametrize("distance", [True, False])
def test_each_column_has_a_name(rides, distance):
    features = RideFeatures(distance=distance).fit(rides, rides["duration"])
    names = features.get_feature_names_out()
    assert features.transform(rides).shape == (len(rides), len(names))
    assert len(set(names)) == len(names)


def test_the_columns_are_in_the_order_of_the_table_in_the_documents(features):
    expected = [name for name in documented()[1] if name != "usual_distance"]
    assert features.get_feature_names_out().tolist() == expected


def test_numbers_are_small(features, rides):
    assert features.transform(rides).dtype == np.float32


def test_the_detour_is_the_distance_over_the_straight_line(table):
    expected = table["distance"] / (table["straight_line"] + 0.3)
    np.testing.assert_allclose(table["detour"], expected, rtol=1e-5)


def test_without_the_distance_nothing_depends_on_it(rides):
    features = RideFeatures(distance=False).fit(rides, rides["duration"])
    blanked = rides.assign(trip_distance=np.nan)
    found = features.transform(rides)
    np.testing.assert_array_equal(features.transform(blanked), found)
    np.testing.assert_array_equal(features.transform(rides.drop(columns="trip_distance")), found)


@pytest.mark.parametrize(
    ("time", "minute", "weekday"),
    [
        ("2021-01-03 23:59:59", 1439, 6),
        ("2021-01-04 00:00:00", 0, 0),
        ("2021-03-05 12:30:30", 750, 4),
        ("1969-12-31 23:00:00", 1380, 2),
        (None, np.nan, np.nan),
    ],
)
@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_the_clock_tells_minute_of_the_day_and_day_of_the_week(time, minute, weekday, unit):
    rides = pd.DataFrame({"pickup_datetime": pd.Series([time], dtype=f"datetime64[{unit}]")})
    np.testing.assert_array_equal(clock(rides), [[minute, weekday]])


SHORT = make_rides(
    [
        (None, 1, 2, 2.0),
        (None, 1, 2, 4.0),
        (None, 1, 2, 6.0),
        (None, 1, 3, 9.0),
        (None, 5, 6, 1.0),
        (None, 5, 6, 0.0),
        (None, 1, 2, 99_999.0),
    ]
)


@pytest.mark.parametrize(
    ("ride", "distance"),
    [
        pytest.param((None, 1, 2, 3.5), 3.5, id="as given"),
        pytest.param((None, 1, 2, 60.0), 60.0, id="as given, up to 60 miles"),
        pytest.param((None, 1, 2, 0.0), 4.0, id="else the median of the pair"),
        pytest.param((None, 1, 2, -1.0), 4.0, id="also where it is negative"),
        pytest.param((None, 1, 2, 60.1), 4.0, id="also where it is too far"),
        pytest.param((None, 1, 2, None), 4.0, id="also where it is missing"),
        pytest.param((None, 1, 9, None), 5.0, id="else of the pick-up zone"),
        pytest.param((None, 200, 9, None), 4.0, id="else of all rides"),
        pytest.param((None, None, None, None), 4.0, id="also without zones"),
    ],
)
def test_an_unbelievable_distance_is_repaired(ride, distance):
    found = DistanceRepair().fit(SHORT).transform(make_rides([ride]))[0]
    given_distance = ride[3] or 0.0
    expected = [distance, given_distance, distance != ride[3]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_without_any_believable_distance_the_repair_is_a_number():
    nothing = SHORT.assign(trip_distance=0.0)
    assert DistanceRepair().fit(nothing).transform(SHORT[:1]).tolist() == [[2.0, 2.0, 0.0]]
    assert DistanceRepair().fit(nothing).medians(SHORT[:1]).tolist() == [0.0]


@pytest.fixture(scope="module")
def encoded(rides):
    return ZoneTargetEncoder().fit_transform(rides, rides["duration"])


@settings(max_examples=10)
@given(st.data())
def test_no_ride_has_its_own_duration_in_its_encoding(rides, encoded, data):
    row = data.draw(st.integers(0, len(rides) - 1))
    changed = rides["duration"].to_numpy(copy=True)
    changed[row] += 1000
    found = ZoneTargetEncoder().fit_transform(rides, changed)
    np.testing.assert_array_equal(found[row], encoded[row])
    assert not np.array_equal(found, encoded)


FEW_ZONES = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), MINUTES), min_size=5)


@settings(max_examples=15)
@given(FEW_ZONES)
def test_the_encoding_is_that_of_scikit_learn(rows):
    pickup, dropoff, minutes = np.array(rows).T
    rides = pd.DataFrame({"PULocationID": pickup, "DOLocationID": dropoff})
    keys = np.column_stack([266 * pickup + dropoff, pickup, dropoff])
    folds = KFold(5, shuffle=True, random_state=0)
    theirs, ours = TargetEncoder(target_type="continuous", cv=folds), ZoneTargetEncoder()
    expected = theirs.fit_transform(keys, minutes)
    np.testing.assert_allclose(ours.fit_transform(rides, minutes), expected, rtol=1e-5)
    np.testing.assert_allclose(ours.transform(rides), theirs.transform(keys), rtol=1e-5)


def test_in_training_the_encoding_is_another_than_afterwards(rides, encoded):
    encoder = ZoneTargetEncoder().fit(rides, rides["duration"])
    assert not np.allclose(encoded, encoder.transform(rides))


def test_zones_never_seen_have_the_mean_duration(rides):
    encoder = ZoneTargetEncoder().fit(rides, rides["duration"])
    nowhere = rides[:1].assign(PULocationID=9999, DOLocationID=-5)
    np.testing.assert_allclose(encoder.transform(nowhere), rides["duration"].mean())


def test_the_reference_has_a_column_for_each_pair_and_one_for_the_distance(rides):
    found = ReferenceFeatures().fit(rides).transform(rides)
    pairs = len(rides[["PULocationID", "DOLocationID"]].drop_duplicates())
    assert found.shape == (len(rides), pairs + 1)
    np.testing.assert_array_equal(found[:, :-1].sum(axis=1), np.ones((len(rides), 1)))
    np.testing.assert_array_equal(found[:, [-1]].toarray().ravel(), rides["trip_distance"])


def test_a_pair_that_the_reference_never_saw_is_all_zeros(rides):
    unseen = rides[:1].assign(PULocationID=263, DOLocationID=1)
    found = ReferenceFeatures().fit(rides).transform(unseen)
    assert found[:, :-1].nnz == 0
