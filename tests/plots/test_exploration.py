"""The pictures of rides show each ride, day and zone of their frame."""

import numpy as np
import pandas as pd
import pytest
from frames import ALL_RIDES, PLACES, REASONS, RIDES, ROWS, axes_of, draw, heights
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_duration import plots
from taxi_duration.plots.exploration import LANDMARKS, NAME_STEP

ENDS = ["PULocationID", "DOLocationID"]


def test_the_bars_of_durations_count_every_ride_with_a_duration():
    recorded, kept = draw("durations").figure.axes
    assert sum(heights(recorded)) == ALL_RIDES["duration"].count()
    assert sum(heights(kept)) == ALL_RIDES["left_out"].isna().sum()


def test_durations_can_be_drawn_where_nothing_was_left_out():
    recorded, kept = plots.durations(ALL_RIDES[:3]).figure.axes
    assert sum(heights(recorded)) == sum(heights(kept)) == 3


@settings(max_examples=5, deadline=None)
@given(st.lists(st.floats(1, 60), min_size=1))
def test_the_area_of_log_durations_counts_every_ride(minutes):
    bars = axes_of(plots.log_durations(pd.DataFrame({"duration": minutes}))).patches[0].get_data()
    rides = bars.values * np.diff(np.log(bars.edges)) / np.log(1.1)
    assert rides.sum() == pytest.approx(len(minutes))


def test_the_bars_of_reasons_are_as_long_as_their_rows():
    bars = axes_of(draw("rows_by_reason")).patches
    assert [bar.get_width() for bar in bars] == REASONS.tolist()


def test_the_cells_of_demand_are_rides_a_day():
    cells = axes_of(draw("rides_by_hour")).collections[0].get_array()
    assert 4 * cells.sum() == pytest.approx(ROWS)


def test_a_stray_date_is_not_a_day_of_demand():
    monday_before = RIDES[:1].assign(pickup_datetime=pd.Timestamp("2009-01-05"))
    rides = pd.concat([RIDES, monday_before])
    cells = axes_of(plots.rides_by_hour(rides)).collections[0].get_array()
    assert 4 * cells.sum() == pytest.approx(ROWS + 1)


def test_the_lines_of_duration_by_hour_are_medians():
    weekend = RIDES[RIDES["pickup_datetime"].dt.day_of_week >= 5]
    medians = weekend.groupby(weekend["pickup_datetime"].dt.hour)["duration"].median()
    line = axes_of(draw("duration_by_hour")).lines[1]
    assert line.get_ydata().tolist() == medians.tolist()


def test_the_cells_of_duration_by_distance_count_every_ride():
    cells = axes_of(draw("duration_by_distance")).collections[0]
    assert cells.get_array().sum() == ROWS


def test_rides_farther_than_the_picture_are_not_in_it():
    farther = RIDES.assign(trip_distance=3 * RIDES["trip_distance"])
    cells = axes_of(plots.duration_by_distance(farther)).collections[0]
    assert cells.get_array().sum() == (farther["trip_distance"] <= 15).sum()


def test_the_dots_of_duration_by_month_are_medians():
    dots = axes_of(draw("duration_by_month")).collections[-1].get_offsets()
    assert dots[:, 1].tolist() == RIDES.groupby("month")["duration"].median().tolist()


def test_hours_with_few_rides_are_left_out_of_a_months_line():
    _, hourly = plots.duration_by_month(RIDES[:500], min_rides=10).figure.axes
    size = RIDES[:500].groupby(["month", RIDES["pickup_datetime"].dt.hour]).size()
    drawn = [np.isfinite(line.get_ydata()).sum() for line in hourly.lines]
    assert drawn == (size >= 10).groupby("month").sum().tolist()


def test_the_picture_of_months_says_which_hours_it_leaves_out():
    _, hourly = draw("duration_by_month").figure.axes
    assert hourly.get_title(loc="left") == "Mean by hour with 30 rides or more"


def test_the_map_draws_miles_equally_long_in_both_directions():
    assert axes_of(draw("zone_map")).get_aspect() == 1


def test_the_dots_of_the_map_lie_where_the_zones_do():
    dots = axes_of(draw("zone_map")).collections[-1].get_offsets()
    assert dots.tolist() == PLACES[["east", "north"]].to_numpy().tolist()


def test_the_widest_line_of_the_map_joins_the_busiest_pair():
    rides = pd.DataFrame([(1, 2), (2, 1), (3, 4)], columns=ENDS)
    lines = axes_of(plots.zone_map(PLACES, rides=rides)).collections[0]
    busiest = lines.get_segments()[np.argmax(lines.get_linewidths())]
    assert busiest.tolist() == [[0, 0], [1, 3]]


def test_rides_within_zones_alone_make_a_map_without_lines():
    rides = pd.DataFrame([(1, 1), (2, 2)], columns=ENDS)
    assert axes_of(plots.zone_map(PLACES, rides=rides)).collections[0].get_segments() == []


def test_the_names_of_landmarks_stand_beside_the_map_one_below_the_other():
    places = PLACES.assign(zone=list(LANDMARKS)[:8], north=[0, 3, 1, 2, 5, 4, 7, 7])
    rides = pd.DataFrame([(7, 14), (14, 92)], columns=ENDS)
    names = axes_of(plots.zone_map(places, rides=rides)).texts
    assert min(name.xyann[0] for name in names) > 1
    assert np.diff([name.xyann[1] for name in names]).max() <= -NAME_STEP + 1e-9


def test_rides_beyond_the_map_are_not_on_it():
    rides = pd.DataFrame([(1, 2), (264, 2), (1, 265)], columns=ENDS)
    lines = axes_of(plots.zone_map(PLACES, rides=rides)).collections[0]
    assert len(lines.get_segments()) == 1
