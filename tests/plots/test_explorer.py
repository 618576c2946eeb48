"""The explorer shows rides like the one that is chosen, widened only as far as it must be."""

import pandas as pd
import pytest
from frames import RIDES, axes_of, heights
from IPython.core.formatters import DisplayFormatter

from taxi_duration import plots
from taxi_duration.errors import ModelError, SchemaError
from taxi_duration.plots.explorer import MIN_RIDES, Ride

MONDAY, FRIDAY, SATURDAY, SUNDAY = (pd.Timestamp(f"2021-03-0{day} 08:30") for day in (1, 5, 6, 7))
CHOSEN = Ride(pickup=1, dropoff=2, weekday=0, hour=8)


def some(number, when=MONDAY, pickup=1, dropoff=2, minutes=10.0):
    ride = {"pickup_datetime": when, "PULocationID": pickup, "DOLocationID": dropoff,
            "trip_distance": 2.0, "duration": minutes}  # fmt: skip
    return pd.DataFrame([ride] * number)


OTHERS = some(MIN_RIDES, SUNDAY, pickup=3, dropoff=4)


def minutes_like(chosen, *rides):
    which, minutes = plots.explorer(pd.concat([*rides, OTHERS])).such_rides(chosen)
    return which.partition(",")[0], len(minutes)


@pytest.mark.parametrize(
    ("rides", "expected"),
    [
        ([some(MIN_RIDES), some(1, SUNDAY)], ("this pair", MIN_RIDES)),
        ([some(MIN_RIDES - 1), some(1, SUNDAY)], ("this pair at any time", MIN_RIDES)),
        ([some(MIN_RIDES - 1), some(1, dropoff=5)], ("from this zone", MIN_RIDES)),
        ([some(MIN_RIDES - 1)], ("all rides", 2 * MIN_RIDES - 1)),
    ],
)
def test_such_rides_are_as_near_as_there_are_twenty(rides, expected):
    assert minutes_like(CHOSEN, *rides) == expected


@pytest.mark.parametrize(
    ("when", "weekday", "hour", "is_like"),
    [
        (FRIDAY, 0, 9, True),
        (FRIDAY, 0, 10, False),
        (FRIDAY, 5, 8, False),
        (SATURDAY, 6, 7, True),
        (SATURDAY, 4, 8, False),
        (FRIDAY.replace(hour=23), 0, 0, True),
        (FRIDAY.replace(hour=0), 0, 23, True),
        (FRIDAY.replace(hour=22), 0, 0, False),
    ],
)
def test_such_a_time_is_within_an_hour_on_a_working_day_or_at_a_weekend(
    when, weekday, hour, is_like
):
    which, _ = minutes_like(Ride(1, 2, weekday, hour), some(MIN_RIDES, when))
    assert which == ("this pair" if is_like else "this pair at any time")


def test_it_begins_with_the_busiest_pair_of_two_zones_at_its_busiest_time():
    same_zone = some(9, pickup=7, dropoff=7)
    rides = pd.concat([same_zone, some(3), some(4, SUNDAY), some(5, pickup=3, dropoff=1)])
    assert plots.explorer(rides).first() == Ride(1, 2, 6, 8)
    assert plots.explorer(same_zone).first() == Ride(7, 7, 0, 8)


def test_the_bars_count_such_rides_and_the_line_is_the_prediction():
    rides = pd.concat([some(MIN_RIDES), some(5, minutes=60.0)])
    explorer = plots.explorer(rides, predict=lambda ride: [12.5])
    axes = axes_of(explorer.picture(CHOSEN))
    assert sum(heights(axes)) == MIN_RIDES + 5
    assert axes.lines[0].get_xdata() == [12.5, 12.5]
    assert explorer.text(CHOSEN) == (
        "25 rides (this pair, Monday to Friday, within an hour): median 10.0 minutes; "
        "predicted 12.5."
    )


def test_an_interval_is_a_band():
    minutes = pd.DataFrame({"duration": [12.0], "low": [9.0], "high": [15.0]})
    explorer = plots.explorer(some(MIN_RIDES), predict=lambda ride: minutes)
    band = axes_of(explorer.picture(CHOSEN)).patches[-1]
    assert (band.get_x(), band.get_width()) == (9, 6)
    assert explorer.text(CHOSEN).endswith("predicted 12.0, interval 9.0 to 15.0.")


def test_the_ride_that_is_predicted_is_the_chosen_one_with_its_usual_distance():
    asked = []
    plots.explorer(some(MIN_RIDES), predict=lambda ride: asked.append(ride) or [1]).text(
        Ride(1, 2, 2, 17)
    )
    (ride,) = asked[0].to_dict("records")
    assert ride == {"pickup_datetime": pd.Timestamp("2021-03-03 17:00"), "PULocationID": 1,
                    "DOLocationID": 2, "trip_distance": 2.0}  # fmt: skip


def controls(explorer):
    box = explorer.widget()
    lists, words, picture = box.children
    return {each.description: each for each in lists.children}, words, picture


def test_a_change_of_a_list_changes_words_and_picture():
    rides = pd.concat([some(MIN_RIDES), some(2 * MIN_RIDES, SUNDAY)])
    lists, words, picture = controls(plots.explorer(rides))
    assert words.value.startswith("40 rides")
    before = picture.value
    lists["weekday"].value = 0
    assert words.value.startswith("20 rides (this pair, Monday to Friday, within an hour)")
    assert picture.value != before
    assert bytes(picture.value[:4]) == b"\x89PNG"


def test_zones_are_listed_by_name_where_it_is_known():
    lists, _, _ = controls(plots.explorer(some(MIN_RIDES), names={1: "Old Mill"}))
    assert lists["pickup"].options == (("1 Old Mill", 1),)
    assert lists["dropoff"].options == (("2", 2),)


def test_a_ride_that_cannot_be_predicted_is_said_in_words():
    def refuse(ride):
        raise ModelError("Zone <b> is unknown.")

    _, words, _ = controls(plots.explorer(some(MIN_RIDES), predict=refuse))
    assert words.value == "Zone &lt;b&gt; is unknown."


def test_where_nobody_can_choose_it_is_a_picture():
    data, metadata = DisplayFormatter().format(plots.explorer(RIDES))
    assert set(data) == {"image/png", "text/plain"}
    assert metadata["image/png"]["alt"].startswith("Histogram of the durations of rides")


def test_rides_without_a_column_are_rejected():
    with pytest.raises(SchemaError, match="Column 'DOLocationID' is missing"):
        plots.explorer(RIDES.drop(columns="DOLocationID"))
