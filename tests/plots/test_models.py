"""The pictures of models show their errors, rounds, sizes and trials."""

from itertools import pairwise

import numpy as np
import pytest
from frames import COMPARISON, MODELS, SIZES, TRIALS, axes_of, draw
from matplotlib.colors import same_color

from taxi_duration import plots
from taxi_duration.errors import SchemaError
from taxi_duration.plots.style import model_colour


def test_the_best_model_on_the_valid_month_is_on_top():
    axes = axes_of(plots.compare_models(COMPARISON[::-1]))
    assert axes.yaxis_inverted()
    assert [label.get_text() for label in axes.get_yticklabels()] == MODELS


def test_the_dots_of_compare_models_are_the_errors():
    _, valid, test = axes_of(draw("compare_models")).collections
    assert valid.get_offsets()[:, 0].tolist() == COMPARISON["valid_rmse"].tolist()
    assert test.get_offsets()[:, 0].tolist() == COMPARISON["test_rmse"].tolist()


def test_the_learning_curve_marks_the_round_with_the_lowest_valid_error():
    *_, best = axes_of(draw("learning_curve")).lines
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (3, 6.5)


def test_a_model_without_rounds_has_a_bar_for_each_month():
    axes = axes_of(draw("error_without_rounds"))
    assert [bar.get_width() for bar in axes.patches] == [9.0, 9.5]


def test_importances_are_shares_with_the_largest_on_top():
    axes = axes_of(draw("feature_importance"))
    assert [bar.get_width() for bar in axes.patches] == [75, 25]
    assert axes.get_yticklabels()[0].get_text() == "distance"


def test_sizes_are_shown_as_plain_numbers_with_room_between():
    axes = axes_of(plots.pareto_front(SIZES.assign(size_mb=np.geomspace(0.03, 0.6, 7))))
    axes.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels(which="both")]
    shown = sorted((box.x0, box.x1) for box in boxes if box.width)
    assert len(shown) > 3
    assert all(end < start for (_, end), (start, _) in pairwise(shown))


def dots(axes):
    return np.asarray(axes.collections[0].get_offsets()).tolist()


def test_each_trial_is_a_dot_of_the_history():
    axes = axes_of(draw("search_history"))
    assert dots(axes) == [[0, 5.4], [1, 5.2], [2, 5.3], [3, 5.25]]


def test_the_best_so_far_never_rises():
    axes = axes_of(draw("search_history"))
    assert axes.lines[0].get_ydata().tolist() == [5.4, 5.2, 5.2, 5.2]


def test_the_best_trial_is_marked_in_the_models_colour():
    mark = axes_of(plots.search_history(TRIALS, model="quote")).lines[1]
    assert (mark.get_xdata().tolist(), mark.get_ydata().tolist()) == ([1], [5.2])
    assert same_color(mark.get_color(), model_colour("quote"))


def test_the_untuned_error_is_drawn_where_it_is_known():
    lines = axes_of(plots.search_history(TRIALS, untuned=5.5)).lines
    assert 5.5 in lines[-1].get_ydata()
    assert len(lines) == len(axes_of(draw("search_history")).lines) + 1


def test_each_parameter_has_a_panel_and_no_other_column_has_one():
    panels = draw("error_by_parameter").figure.axes
    names = ["max_depth", "reg_lambda", "subsample", "reg_alpha", "gamma"]
    assert [axes.get_xlabel() for axes in panels] == names


def test_a_panel_shows_the_error_of_each_trial_over_its_parameter():
    panels = draw("error_by_parameter").figure.axes
    assert dots(panels[0]) == TRIALS[["max_depth", "valid_rmse"]].to_numpy().tolist()


def test_the_best_trial_is_ringed_in_each_panel():
    rings = [axes.lines[0].get_xydata().tolist() for axes in draw("error_by_parameter").figure.axes]
    assert rings == [[[8, 5.2]], [[80, 5.2]], [[0.8, 5.2]], [[1, 5.2]], [[0, 5.2]]]


def test_a_parameter_that_spans_decades_has_a_logarithmic_axis():
    scales = [axes.get_xscale() for axes in draw("error_by_parameter").figure.axes]
    assert scales == ["linear", "log", "linear", "linear", "linear"]


def test_trials_without_a_parameter_are_rejected():
    with pytest.raises(SchemaError, match="Column 'parameter' is missing"):
        plots.error_by_parameter(TRIALS[["number", "valid_rmse", "rounds", "seconds"]])
