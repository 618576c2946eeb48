"""The naive model: the median of similar rides, or of the next wider group."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_duration.models.baseline import MedianDuration


def make_rides(*rides):
    rides = pd.DataFrame(rides, columns=["hour", "PULocationID", "DOLocationID"])
    start = pd.Timestamp("2021-01-04") + pd.to_timedelta(rides.pop("hour"), "h")
    return rides.assign(pickup_datetime=start)


SEEN = make_rides((8, 1, 2), (8, 1, 2), (8, 1, 2), (12, 1, 2), (8, 1, 3), (12, 1, 3), (8, 5, 6))
MODEL = MedianDuration().fit(SEEN, [4.0, 5.0, 30.0, 9.0, 15.0, 21.0, 50.0])


@pytest.mark.parametrize(
    ("ride", "minutes"),
    [
        pytest.param((9, 1, 2), 5.0, id="the pair in that part of the day"),
        pytest.param((23, 1, 2), 7.0, id="else the pair"),
        pytest.param((12, 1, 9), 15.0, id="else the pick-up zone in that part of the day"),
        pytest.param((23, 1, 9), 12.0, id="else the pick-up zone"),
        pytest.param((9, 200, 1), 15.0, id="else all rides"),
        pytest.param((9, 9999, -1), 15.0, id="else all rides, also from nowhere"),
        pytest.param((None, 1, 2), 7.0, id="without a time, the pair"),
    ],
)
def test_the_narrowest_group_with_a_ride_predicts(ride, minutes):
    assert MODEL.predict(make_rides(ride)).tolist() == [minutes]


@pytest.mark.parametrize(
    ("hour", "same"), [(5, 0), (6, 9), (9, 6), (10, 15), (16, 19), (20, 23), (0, 5)]
)
def test_hours_of_one_part_of_the_day_are_alike(hour, same):
    model = MedianDuration().fit(make_rides((hour, 1, 2), (12.5, 1, 2)), [5.0, 15.0])
    expected = model.predict(make_rides((hour, 1, 2)))
    assert model.predict(make_rides((same, 1, 2))).tolist() == expected.tolist()


@given(st.permutations(range(len(SEEN))))
def test_the_order_of_the_rides_does_not_matter(order):
    minutes = pd.Series([4.0, 5.0, 30.0, 9.0, 15.0, 21.0, 50.0])
    shuffled = MedianDuration().fit(SEEN.iloc[order], minutes.iloc[order])
    assert shuffled.predict(SEEN).tolist() == MODEL.predict(SEEN).tolist()


def test_it_beats_one_number_for_all(rides):
    minutes = rides["duration"]
    error = (MedianDuration().fit(rides, minutes).predict(rides) - minutes).abs().mean()
    assert error < (minutes.median() - minutes).abs().mean()
