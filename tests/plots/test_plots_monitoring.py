"""Pictures of a model at work."""

import pandas as pd
import pytest

from taxi_duration import plots
from taxi_duration.errors import SchemaError
from taxi_duration.plots.monitoring import ageing

TABLE = pd.DataFrame(
    {
        "month": ["2021-02", "2021-03"],
        "rmse": [5.0, 9.0],
        "bias": [-1.0, -4.0],
        "coverage": [0.8, 0.5],
        "rejected": [0.0, 0.2],
        "verdict": ["", "rmse 80% above"],
    }
)
DRIFT = pd.DataFrame(
    {"month": ["2021-02", "2021-03"] * 2, "column": ["distance", "distance", "hour", "hour"],
     "psi": [0.01, 0.02, 0.1, 0.4]}
)  # fmt: skip
BACKTEST = pd.DataFrame(
    {
        "tested": ["2021-03", "2021-04", "2021-04"],
        "window": [1, 1, 2],
        "half_life": [None, None, 14.0],
        "age": [1, 2, 1],
        "rmse": [5.0, 5.5, 4.8],
    }
)


def test_the_quality_of_a_model_has_a_panel_for_each_measure():
    picture = plots.quality(TABLE, rmse=5.1, level=0.8)
    measures = ["rmse", "bias", "coverage", "rejected"]
    for axes, measure in zip(picture.figure.axes, measures, strict=True):
        assert axes.lines[0].get_ydata().tolist() == TABLE[measure].tolist()


def test_a_month_out_of_bounds_is_hollow():
    axes = plots.quality(TABLE).figure.axes[0]
    assert axes.lines[1].get_ydata().tolist() == [9.0]
    assert axes.lines[1].get_markerfacecolor() == "white"


def test_training_is_dashed_where_it_is_known():
    axes = plots.quality(TABLE, rmse=5.1).figure.axes[0]
    assert axes.lines[-1].get_ydata() == [5.1, 5.1]
    assert len(plots.quality(TABLE).figure.axes[0].lines) == 2


def test_drift_is_a_cell_for_each_month_and_thing():
    axes = plots.drifts(DRIFT).figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.01", "0.02", "0.10", "0.40"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["distance", "hour"]


def test_a_back_test_has_a_line_for_each_way_to_train():
    left, right = ageing(BACKTEST).figure.axes
    assert [line.get_label() for line in left.lines] == ["1 month", "2 months, half-life 14 days"]
    assert right.lines[0].get_ydata().tolist() == [5.0, 5.5]


@pytest.mark.parametrize(
    ("draw", "frame"),
    [(plots.quality, TABLE), (plots.drifts, DRIFT), (ageing, BACKTEST)],
)
def test_without_rows_nothing_is_drawn(draw, frame):
    with pytest.raises(SchemaError, match="no rows"):
        draw(frame[:0])


def test_answers_are_drawn_before_any_ride_has_ended():
    asked = pd.DataFrame({"predicted": [8.2, 8.4, 30.0], "low": [6, 6, 24], "high": [11, 11, 42]})
    intervals, rides = plots.answers(asked, model="xgboost").figure.axes
    assert sum(bar.get_height() for bar in rides.patches) == len(asked)
    assert intervals.get_ylim()[0] == 0
