"""The pictures of a search show its trials."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color

from taxi_duration import plots
from taxi_duration.errors import SchemaError
from taxi_duration.plots.style import colour_of

TRIALS = pd.DataFrame(
    {
        "number": [2, 0, 1, 3],
        "valid_rmse": [5.3, 5.4, 5.2, 5.25],
        "rounds": 9,
        "seconds": 1.0,
        "max_depth": [9, 5, 8, 7],
        "reg_lambda": [9.0, 0.5, 80.0, 30.0],
        "subsample": [0.9, 0.7, 0.8, 1.0],
        "reg_alpha": 1.0,
        "gamma": 0.0,
    }
)


def axes_of(picture):
    return picture.figure.axes


def dots(axes):
    return np.asarray(axes.collections[0].get_offsets()).tolist()


def test_each_trial_is_a_dot_of_the_history():
    (axes,) = axes_of(plots.search_history(TRIALS))
    assert dots(axes) == [[0, 5.4], [1, 5.2], [2, 5.3], [3, 5.25]]


def test_the_best_so_far_never_rises():
    (axes,) = axes_of(plots.search_history(TRIALS))
    assert axes.lines[0].get_ydata().tolist() == [5.4, 5.2, 5.2, 5.2]


def test_the_best_trial_is_marked_in_the_models_colour():
    (axes,) = axes_of(plots.search_history(TRIALS, model="quote"))
    mark = axes.lines[1]
    assert (mark.get_xdata().tolist(), mark.get_ydata().tolist()) == ([1], [5.2])
    assert same_color(mark.get_color(), colour_of("quote"))


def test_the_untuned_error_is_drawn_where_it_is_known():
    (with_it,) = axes_of(plots.search_history(TRIALS, untuned=5.5))
    (without,) = axes_of(plots.search_history(TRIALS))
    assert 5.5 in with_it.lines[-1].get_ydata()
    assert len(with_it.lines) == len(without.lines) + 1


def test_each_parameter_has_a_panel_and_what_came_of_it_has_none():
    panels = axes_of(plots.search_slices(TRIALS))
    names = ["max_depth", "reg_lambda", "subsample", "reg_alpha", "gamma"]
    assert [axes.get_xlabel() for axes in panels] == names


def test_a_panel_shows_the_error_of_each_trial_over_its_parameter():
    panels = axes_of(plots.search_slices(TRIALS))
    assert dots(panels[0]) == TRIALS[["max_depth", "valid_rmse"]].to_numpy().tolist()


def test_the_best_trial_is_ringed_in_each_panel():
    rings = [axes.lines[0].get_xydata().tolist() for axes in axes_of(plots.search_slices(TRIALS))]
    assert rings == [[[8, 5.2]], [[80, 5.2]], [[0.8, 5.2]], [[1, 5.2]], [[0, 5.2]]]


def test_a_parameter_that_spans_decades_is_drawn_by_its_logarithm():
    scales = [axes.get_xscale() for axes in axes_of(plots.search_slices(TRIALS))]
    assert scales == ["linear", "log", "linear", "linear", "linear"]


@pytest.mark.parametrize("draw", [plots.search_history, plots.search_slices])
def test_a_frame_without_errors_is_refused(draw):
    with pytest.raises(SchemaError, match="Column 'valid_rmse' is missing"):
        draw(TRIALS.drop(columns="valid_rmse"))


def test_slices_need_a_parameter():
    with pytest.raises(SchemaError, match="Column 'parameter' is missing"):
        plots.search_slices(TRIALS[["number", "valid_rmse", "rounds", "seconds"]])
