"""The pictures of predictions show their errors and intervals."""

import pandas as pd
import pytest
from frames import RIDES, ROWS, SCORES, axes_of, draw, heights

from taxi_duration import plots
from taxi_duration.errors import SchemaError


def test_too_few_rides_for_any_error_are_rejected():
    with pytest.raises(SchemaError, match="has no rows"):
        plots.residuals(RIDES[:3])


def test_predicted_and_actual_count_the_same_rides():
    *bars, outline = axes_of(draw("predicted_and_actual")).patches
    assert outline.get_data().values.sum() == ROWS
    assert sum(bar.get_height() for bar in bars) == ROWS


def test_predictions_outside_the_hour_are_counted_at_its_ends():
    picture = plots.predicted_and_actual(RIDES[:2].assign(predicted=[-5.0, 99.0]))
    counts = axes_of(picture).patches[-1].get_data().values
    assert (counts[0], counts[-1]) == (1, 1)


@pytest.mark.parametrize("name", ["residuals", "error_by"])
def test_a_line_marks_zero_error(name):
    lines = [line.get_ydata() for line in axes_of(draw(name)).lines]
    assert [0, 0] in [list(line) for line in lines]


def test_the_median_error_is_predicted_minus_actual():
    picture = plots.residuals(RIDES.assign(predicted=RIDES["duration"] - 2), min_rides=1)
    assert axes_of(picture).lines[0].get_ydata() == pytest.approx(-2)


def test_bias_is_white_at_zero():
    low, high = axes_of(draw("error_by_hour")).collections[0].get_clim()
    assert low == -high


def test_the_cells_of_error_by_hour_are_the_error():
    rides = RIDES.assign(predicted=RIDES["duration"] - 2)
    picture = plots.error_by_hour(rides, min_rides=1)
    assert axes_of(picture).collections[0].get_array().compressed() == pytest.approx(-2)


def test_the_month_of_error_by_hour_is_named():
    picture = plots.error_by_hour(RIDES, min_rides=5, model="ridge", month="2021-02")
    assert axes_of(picture).get_title(loc="left") == "Bias by hour, 2021-02: ridge"


def test_error_by_hour_may_have_the_colours_of_another_picture():
    later = RIDES.assign(predicted=RIDES["predicted"] + 3)
    picture = plots.error_by_hour(later, same_scale_as=RIDES, min_rides=5)
    limits = [axes_of(each).collections[0].get_clim() for each in (picture, draw("error_by_hour"))]
    assert limits[0] == limits[1]


def test_hours_with_few_rides_are_left_out_of_error_by_hour():
    hours = RIDES["pickup_datetime"].dt.strftime("%a %H").value_counts()
    cells = axes_of(plots.error_by_hour(RIDES, min_rides=25)).collections[0].get_array()
    assert cells.count() == (hours >= 25).sum()


def test_error_by_draws_the_scores_and_the_rides():
    errors, rides = draw("error_by").figure.axes
    assert errors.lines[0].get_ydata().tolist() == SCORES["rmse"].tolist()
    assert errors.lines[1].get_ydata().tolist() == SCORES["bias"].tolist()
    assert heights(rides) == SCORES["rows"].tolist()


def test_the_cells_of_the_scatter_count_every_ride():
    assert axes_of(draw("scatter")).collections[0].get_array().sum() == ROWS


def test_intervals_are_drawn_before_any_ride_has_ended():
    rides = pd.DataFrame({"predicted": [8.2, 8.4, 30.0], "low": [6, 6, 24], "high": [11, 11, 42]})
    intervals, counts = plots.prediction_intervals(rides, model="xgboost").figure.axes
    assert sum(heights(counts)) == len(rides)
    assert intervals.get_ylim()[0] == 0
