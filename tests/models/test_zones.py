"""Zones as numbers, medians by group, and the map that the trips draw."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_duration.data.batches import in_batches
from taxi_duration.data.rides import N_ZONES, ZONES
from taxi_duration.models.zones import PairDistances, ZoneMap, pair_codes, zone_codes

CITY = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=4, max_size=12, unique=True
).map(lambda places: np.array(places, dtype=float))


def ride_everywhere(places, *, first=1):
    """Make two rides between any two places, one each way, as far as the crow flies."""
    here, there = np.nonzero(~np.eye(len(places), dtype=bool))
    miles = np.hypot(*(places[here] - places[there]).T)
    return pd.DataFrame(
        {"PULocationID": here + first, "DOLocationID": there + first, "trip_distance": miles}
    )


def distances(coordinates):
    return np.linalg.norm(coordinates[:, None] - coordinates[None], axis=-1)


def learned(rides):
    return ZoneMap().fit(rides).coordinates_


@given(CITY)
def test_a_flat_city_is_recovered(places):
    found = learned(ride_everywhere(places))[1 : len(places) + 1]
    np.testing.assert_allclose(distances(found), distances(places), atol=1e-3)


@given(CITY, st.randoms(use_true_random=False))
def test_the_order_of_the_rides_does_not_matter(places, random):
    rides = ride_everywhere(places)
    order = random.sample(range(len(rides)), len(rides))
    np.testing.assert_array_equal(learned(rides.iloc[order]), learned(rides))


@given(CITY)
def test_the_way_back_says_the_same_as_the_way_there(places):
    rides = ride_everywhere(places)
    back = rides.rename(columns={"PULocationID": "DOLocationID", "DOLocationID": "PULocationID"})
    np.testing.assert_array_equal(learned(back), learned(rides))


def test_pairs_that_nobody_rode_are_filled_in_by_the_shortest_way():
    street = np.array([[0.0, 0], [3, 0], [5, 0], [9, 0]])
    rides = ride_everywhere(street)
    neighbours = rides[abs(rides["PULocationID"] - rides["DOLocationID"]) == 1]
    found = learned(neighbours)[1:5]
    np.testing.assert_allclose(distances(found), distances(street), atol=1e-3)


SQUARE = ride_everywhere(np.array([[0.0, 0], [0, 4], [4, 0], [4, 4]]))


@pytest.mark.parametrize("distance", [0.0, -2.0, 61.0, np.nan])
def test_a_distance_that_no_ride_can_have_draws_nothing(distance):
    wrong = SQUARE.assign(trip_distance=distance)
    np.testing.assert_array_equal(learned(pd.concat([SQUARE, wrong])), learned(SQUARE))


@pytest.mark.parametrize("zone", [0, 264, 265, 9999])
def test_a_zone_that_is_nowhere_is_not_on_the_map(zone):
    nowhere = SQUARE.assign(DOLocationID=zone)
    np.testing.assert_array_equal(learned(pd.concat([SQUARE, nowhere])), learned(SQUARE))


def test_a_pair_that_was_ridden_once_is_not_believed():
    once = pd.DataFrame({"PULocationID": [1], "DOLocationID": [9], "trip_distance": [3.0]})
    assert np.isnan(learned(pd.concat([SQUARE, once]))[9]).all()


def test_zones_that_no_ride_connects_to_the_others_are_missing():
    island = ride_everywhere(np.array([[0.0, 0], [1, 0]]), first=100)
    found = learned(pd.concat([SQUARE, island]))
    assert np.flatnonzero(~np.isnan(found[:, 0])).tolist() == [1, 2, 3, 4]


def test_too_few_zones_make_no_map():
    assert np.isnan(learned(SQUARE[:0])).all()
    assert len(ZoneMap().fit(SQUARE[:0]).places()) == 0


def test_the_columns_are_both_ends_the_way_and_the_straight_line(rides):
    zone_map = ZoneMap().fit(rides)
    rides = rides[rides[list(ZONES)].isin(zone_map.places()["zone"].tolist()).all(axis=1)]
    found = zone_map.transform(rides)
    pickup, dropoff = (zone_map.coordinates_[rides[name]] for name in ZONES)
    np.testing.assert_array_equal(found[:, :3], pickup)
    np.testing.assert_array_equal(found[:, 3:6], dropoff)
    np.testing.assert_array_equal(found[:, 6:8], (dropoff - pickup)[:, :2])
    np.testing.assert_array_equal(found[:, 8], np.hypot(found[:, 6], found[:, 7]))


def test_a_zone_never_seen_is_off_the_map_and_none_of_its_numbers_is_missing():
    unseen = SQUARE[:1].assign(PULocationID=263)
    found = ZoneMap().fit(SQUARE).transform(unseen)[0]
    np.testing.assert_array_equal(found[[0, 1, 2, 6, 7, 8]], [-100, -100, -100, 0, 0, -100])
    assert (abs(found[3:6]) < 10).all()


@pytest.mark.parametrize("mirror", [1, -1])
def test_the_drawn_map_has_north_up_and_east_to_the_right(mirror):
    city = {14: (0, 0), 75: (-1, 9), 100: (5, 3), 130: (9, 6), 200: (0, 20)}
    zones, places = list(city), np.array(list(city.values()), dtype=float)
    rides = ride_everywhere(places[:, ::mirror], first=0)
    numbers = {end: np.array(zones)[rides[end]] for end in ("PULocationID", "DOLocationID")}
    found = ZoneMap().fit(rides.assign(**numbers)).places()
    assert found["zone"].tolist() == zones
    drawn = found[["east", "north"]].to_numpy()
    np.testing.assert_allclose(drawn - drawn[0], places, atol=1e-3)


def test_turning_the_map_changes_no_distance(rides):
    zone_map = ZoneMap().fit(rides)
    places = zone_map.places()
    flat = zone_map.coordinates_[places["zone"], :2]
    drawn = places[["east", "north"]].to_numpy()
    np.testing.assert_allclose(distances(drawn), distances(flat), rtol=1e-4)


@given(st.lists(st.none() | st.floats(-1e9, 1e9) | st.integers(-300, 300)))
def test_any_number_is_a_zone_or_none(numbers):
    codes = zone_codes(pd.Series(numbers, dtype=float))
    assert ((codes >= 0) & (codes < N_ZONES)).all()
    known = [int(number) if number and 1 <= number < N_ZONES else 0 for number in numbers]
    assert codes.tolist() == known


def test_each_pair_has_a_number_of_its_own():
    pickup, dropoff = np.divmod(np.arange(N_ZONES**2), N_ZONES)
    assert len(np.unique(pair_codes(pickup, dropoff))) == N_ZONES**2


def pair_distances(rows, *, batch):
    """Give the distances of rides (pick-up, drop-off, miles), in batches of so many."""
    numbers = dict(zip((*ZONES, "trip_distance"), np.array(rows, dtype=float).T, strict=True))
    return PairDistances(in_batches([numbers], rows=batch))


RIDES = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.floats(-1, 70, width=32)), min_size=1
)


@given(RIDES, st.integers(1, 5))
def test_the_medians_of_pairs_and_pickups_are_those_of_pandas(rows, batch):
    found = pair_distances(rows, batch=batch)
    rides = pd.DataFrame(rows, columns=["pickup", "dropoff", "miles"])
    rides = rides[(rides["miles"] > 0) & (rides["miles"] <= 60)]
    assert found.rides == len(rows)
    pairs = rides.groupby(["pickup", "dropoff"])["miles"].median()
    assert np.count_nonzero(~np.isnan(found.one_way())) == len(pairs)
    for (pickup, dropoff), miles in pairs.items():
        assert found.one_way()[pickup, dropoff] == pytest.approx(miles, rel=1e-6)
    starts = rides.groupby("pickup")["miles"].median().reindex(range(N_ZONES))
    starts = starts.fillna(rides["miles"].median() if len(rides) else 0)
    np.testing.assert_allclose(found.by_pickup(), starts, rtol=1e-6)


def test_the_median_of_both_ways_needs_two_rides():
    found = pair_distances([(1, 2, 1), (2, 1, 4), (1, 3, 5), (4, 4, 6), (4, 4, 8)], batch=2)
    both = found.both_ways()
    assert both[1, 2] == both[2, 1] == 2.5
    assert both[4, 4] == 7
    assert np.count_nonzero(~np.isnan(both)) == 3
