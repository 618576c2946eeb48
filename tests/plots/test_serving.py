"""The pictures of a model at work show its months and its contributions."""

import pandas as pd
import pytest
from frames import BACKTEST, DRIFT, EXPLANATION, MONTHS, axes_of, draw

from taxi_duration import plots


def test_the_quality_of_a_model_has_a_panel_for_each_measure():
    measures = ["rmse", "bias", "coverage", "rejected"]
    for axes, measure in zip(draw("quality_by_month").figure.axes, measures, strict=True):
        assert axes.lines[0].get_ydata().tolist() == MONTHS[measure].tolist()


def test_a_month_out_of_bounds_is_hollow():
    alarms = axes_of(draw("quality_by_month")).lines[1]
    assert alarms.get_ydata().tolist() == [9.0]
    assert alarms.get_markerfacecolor() == "white"


def test_the_values_at_training_are_dashed_where_they_are_known():
    picture = plots.quality_by_month(MONTHS, rmse=5.1, coverage=0.8)
    errors, _, coverage, _ = (axes.lines for axes in picture.figure.axes)
    assert (errors[-1].get_ydata(), coverage[-1].get_ydata()) == ([5.1, 5.1], [0.8, 0.8])
    assert len(axes_of(draw("quality_by_month")).lines) == len(errors) - 1


def test_drift_is_a_cell_for_each_month_and_column_in_their_order():
    axes = axes_of(draw("drift_by_month"))
    assert [text.get_text() for text in axes.texts] == ["0.01", "0.02", "0.10", "0.40"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["hour", "distance"]


def test_the_months_of_drift_are_in_order_whatever_their_order_in_the_frame():
    axes = axes_of(plots.drift_by_month(DRIFT[::-1]))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2021-02", "2021-03"]


def test_a_back_test_has_a_line_for_each_window():
    left, right = draw("backtest_error").figure.axes
    assert [line.get_label() for line in left.lines] == ["1 month", "2 months"]
    assert right.lines[0].get_ydata().tolist() == [5.0, 5.5]


def test_a_back_test_of_many_windows_leaves_none_out():
    rows = pd.DataFrame({"tested": "2021-12", "window": range(1, 13), "age": 1, "rmse": 5.0})
    left, _ = plots.backtest_error(rows).figure.axes
    assert len(left.lines) == 12


def test_the_left_of_a_back_test_shows_the_month_after_the_training_only():
    left, _ = draw("backtest_error").figure.axes
    assert [line.get_ydata().tolist() for line in left.lines] == [[5.0], [4.8]]
    assert len(BACKTEST) == 3


def test_contributions_begin_where_the_one_before_ends():
    bars = axes_of(draw("contributions")).patches[: len(EXPLANATION)]
    assert [bar.get_x() for bar in bars] == pytest.approx([0, 16.0, 10.5])
    assert [bar.get_width() for bar in bars] == EXPLANATION["minutes"].tolist()


def test_mean_contributions_are_bars_with_the_largest_on_top():
    bars = axes_of(draw("mean_contributions")).patches
    assert [bar.get_width() for bar in bars] == [16.0, 1.5, -5.5]
