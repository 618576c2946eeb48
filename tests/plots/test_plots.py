"""What every picture keeps to, and that each shows the numbers of its frame."""

import base64
import re
import xml.etree.ElementTree as ET
from functools import cache
from io import BytesIO
from itertools import pairwise
from string import ascii_lowercase

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter
from matplotlib import pyplot as plt
from matplotlib.colors import is_color_like, same_color

from taxi_duration import plots
from taxi_duration.errors import SchemaError, SourceError
from taxi_duration.plots.monitoring import ageing
from taxi_duration.plots.places import LANDMARKS, LINE
from taxi_duration.plots.style import colour_of

ROWS = 4000
MODELS = ["median", "linear", "ridge", "lasso", "reference", "xgboost", "quote"]
ENDS = ["PULocationID", "DOLocationID"]


def make_rides():
    rng = np.random.default_rng(0)
    minutes = rng.uniform(1, 60, ROWS).round(2)
    pickup = pd.Timestamp("2021-03-01") + pd.to_timedelta(rng.integers(0, 28 * 1440, ROWS), "min")
    return pd.DataFrame(
        {
            "pickup_datetime": pickup.astype("datetime64[us]"),
            "PULocationID": rng.integers(1, 9, ROWS),
            "DOLocationID": rng.integers(1, 9, ROWS),
            "trip_distance": minutes / 4,
            "duration": minutes,
            "predicted": (minutes + rng.normal(-1, 3, ROWS)).clip(0.5, 59.5),
            "month": np.where(rng.random(ROWS) < 0.5, "2021-02", "2021-03"),
        }
    )


RIDES = make_rides()
ALL_RIDES = pd.DataFrame(
    {
        "duration": [5.0, 7.5, 30.0, 0.2, 1439.0, -3.0, None],
        "left_out": pd.Categorical([None] * 3 + ["under", "over", "before", "no time"]),
    }
)
COUNTS = pd.Series({"under 1 minute": 1448, "over 60 minutes": 1162, "no time": 0})
SCORES = pd.DataFrame(
    {
        "distance": pd.Categorical(["0", "0-1", "over 1"]),
        "rmse": [9.0, 3.0, 6.0],
        "mae": [7.0, 2.0, 4.0],
        "bias": [-3.0, 0.1, -1.0],
        "within_5": [0.4, 0.9, 0.6],
        "rows": [20, 300, 400],
    }
)
COMPARISON = pd.DataFrame(
    {"model": MODELS, "valid_rmse": np.arange(7) + 3.25, "test_rmse": np.arange(7) + 3.0}
)
CURVE = pd.DataFrame({"train": [9.0, 6.0, 5.0, 4.0], "valid": [9.5, 7.0, 6.5, 6.75]})
IMPORTANCE = pd.DataFrame({"feature": ["weekday", "distance"], "importance": [1.0, 3.0]})
SIZES = pd.DataFrame(
    {
        "model": MODELS,
        "valid_rmse": [11.0, 9.2, 9.3, 9.5, 6.6, 5.9, 8.3],
        "size_mb": [0.04, 0.04, 0.03, 0.02, 4.2, 1.2, 0.6],
        "front": [False, True, True, True, False, True, True],
    }
)
TRIALS = pd.DataFrame(
    {
        "number": range(4),
        "valid_rmse": [5.4, 5.2, 5.3, 5.25],
        "rounds": 9,
        "seconds": 1.0,
        "max_depth": [5, 8, 9, 7],
        "reg_lambda": [0.5, 80.0, 9.0, 30.0],
    }
)
REASONS = pd.DataFrame(
    {
        "because": ["average ride", "distance", "time of day"],
        "value": ["", "2.5 miles", "08:00"],
        "minutes": [16.0, -5.5, 1.5],
    }
)
WORK = pd.DataFrame(
    {
        "month": ["2021-02", "2021-03"],
        "rmse": [5.0, 9.0],
        "bias": [-1.0, -4.0],
        "coverage": [0.8, 0.5],
        "rejected": [0.0, 0.2],
        "verdict": ["", "rmse above its limit"],
    }
)
DRIFT = pd.DataFrame({"month": ["2021-02", "2021-03"], "column": "distance", "psi": [0.01, 0.4]})
BACKTEST = pd.DataFrame(
    {"tested": ["2021-03", "2021-04"], "window": 1, "half_life": [None, 14.0], "age": 1,
     "rmse": [5.0, 5.5]}
)  # fmt: skip
PLACES = pd.DataFrame({"zone": range(1, 9), "east": range(8), "north": [0, 3, 1, 2, 5, 4, 7, 6]})

PICTURES = {
    "durations": (plots.durations, ALL_RIDES),
    "log_durations": (plots.log_durations, RIDES),
    "left_out": (plots.left_out, COUNTS),
    "rides_by_hour": (plots.rides_by_hour, RIDES),
    "duration_by_hour": (plots.duration_by_hour, RIDES),
    "duration_by_distance": (plots.duration_by_distance, RIDES),
    "duration_by_month": (plots.duration_by_month, RIDES),
    "predicted_and_actual": (plots.predicted_and_actual, RIDES),
    "scatter": (plots.scatter, RIDES),
    "residuals": (plots.residuals, RIDES),
    "error_by_hour": (lambda rides: plots.error_by_hour(rides, at_least=5), RIDES),
    "rmse_by_hour": (lambda rides: plots.error_by_hour(rides, measure="rmse", at_least=5), RIDES),
    "error_by": (plots.error_by, SCORES),
    "compare_models": (plots.compare_models, COMPARISON),
    "pareto_front": (plots.pareto_front, SIZES),
    "learning_curve": (plots.learning_curve, CURVE),
    "learned_at_once": (plots.learning_curve, CURVE[:1]),
    "feature_importance": (plots.feature_importance, IMPORTANCE),
    "search_history": (plots.search_history, TRIALS),
    "search_slices": (plots.search_slices, TRIALS),
    "reasons": (plots.reasons, REASONS),
    "influences": (plots.influences, REASONS),
    "answers": (plots.answers, RIDES.assign(low=1.0, high=50.0)),
    "quality": (plots.quality, WORK),
    "drifts": (plots.drifts, DRIFT),
    "ageing": (ageing, BACKTEST),
    "zone_map": (lambda places: plots.zone_map(places, rides=RIDES), PLACES),
}
ORIGINALS = {name: data.copy() for name, (_, data) in PICTURES.items()}
every_picture = pytest.mark.parametrize("name", PICTURES)


def draw_anew(name):
    function, data = PICTURES[name]
    return function(data)


draw = cache(draw_anew)


def png(picture):
    return base64.b64decode(picture._repr_mimebundle_()[0]["image/png"])


@cache
def first_png(name):
    return png(draw(name))


def axes_of(picture):
    return picture.figure.axes[0]


def test_every_drawing_function_is_tried_here():
    assert set(PICTURES) - {"rmse_by_hour", "learned_at_once"} == set(plots.__all__)


@every_picture
def test_every_axis_says_what_it_shows(name):
    axes = [part for part in draw(name).figure.axes if part.get_label() != "<colorbar>"]
    assert all(part.get_ylabel() for part in axes)
    assert axes[-1].get_xlabel()


@every_picture
def test_every_picture_names_a_unit_on_an_axis(name):
    axes = draw(name).figure.axes
    labels = " ".join(part.get_xlabel() + part.get_ylabel() for part in axes)
    assert re.search(r"minutes|hours|miles|rides|rows|%", labels)


@every_picture
def test_the_alternative_text_is_one_sentence(name):
    alt = draw(name).alt
    assert re.fullmatch(r"[A-Z][^.]{40,}\.", alt)
    assert "\n" not in alt


@pytest.mark.parametrize("name", ["log_durations", "residuals", "duration_by_month"])
def test_the_alternative_text_does_not_change_with_the_data(name):
    function, data = PICTURES[name]
    assert function(data.iloc[: len(data) - 1]).alt == draw(name).alt


@every_picture
def test_drawing_leaves_no_figure_open(name):
    first_png(name)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", ["left_out", "error_by_hour", "scatter"])
def test_drawing_leaves_the_readers_settings_as_they_were(name):
    before = dict(mpl.rcParams)
    png(draw_anew(name))
    assert dict(mpl.rcParams) == before


@every_picture
def test_the_same_frame_gives_the_same_bytes(name):
    assert png(draw_anew(name)) == first_png(name)


@every_picture
def test_the_frame_is_left_as_it_was(name):
    draw(name)
    assert PICTURES[name][1].equals(ORIGINALS[name])


@pytest.mark.parametrize("name", ["error_by_hour", "error_by", "zone_map"])
def test_shown_twice_a_picture_gives_the_same_bytes(name):
    assert png(draw(name)) == first_png(name)


def test_a_readers_own_settings_do_not_change_a_picture():
    plain = first_png("error_by")
    with mpl.rc_context({"font.size": 30, "savefig.dpi": 20, "axes.grid": False}):
        assert png(draw_anew("error_by")) == plain


def test_a_notebook_shows_a_picture_once_with_its_alternative_text():
    picture = draw("compare_models")
    data, metadata = DisplayFormatter().format(picture)
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"] == f"Picture: {picture.alt}"
    assert metadata == {"image/png": {"alt": picture.alt, "width": 800, "height": 412}}


def test_the_png_is_sharp_at_the_width_that_the_page_gives_it():
    bundle, metadata = draw("error_by")._repr_mimebundle_()
    pixels = matplotlib.image.imread(BytesIO(base64.b64decode(bundle["image/png"])))
    assert pixels.shape[1] == 1.5 * metadata["image/png"]["width"]


@every_picture
def test_a_frame_without_rows_is_refused(name):
    function, data = PICTURES[name]
    with pytest.raises(SchemaError, match="has no rows"):
        function(data[:0])


@pytest.mark.parametrize("name", [name for name in PICTURES if name != "left_out"])
def test_a_frame_without_the_columns_is_refused_by_name(name):
    function, _ = PICTURES[name]
    with pytest.raises(SchemaError, match=r"Column '\w+' is missing in the frame to draw"):
        function(pd.DataFrame({"colour": ["red"]}))


def test_a_misspelt_column_is_recognised():
    with pytest.raises(SchemaError, match="Did you mean 'durations'"):
        plots.log_durations(RIDES.rename(columns={"duration": "durations"}))


def test_rows_with_missing_values_only_are_refused():
    with pytest.raises(SchemaError, match="'duration', 'predicted'"):
        plots.scatter(RIDES.assign(predicted=np.nan))


def test_an_unknown_measure_is_refused():
    with pytest.raises(SchemaError, match="Did you mean 'rmse'"):
        plots.error_by_hour(RIDES, measure="rsme")


def test_too_few_rides_for_any_error_are_refused():
    with pytest.raises(SchemaError, match="has no rows"):
        plots.residuals(RIDES[:3])


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_saved_picture_is_the_same_each_time_and_alone_in_its_folder(tmp_path, suffix):
    first = draw("error_by").save(tmp_path / f"error.{suffix}").read_bytes()
    second = draw("error_by").save(tmp_path / f"error.{suffix}").read_bytes()
    assert first == second
    assert [path.name for path in tmp_path.iterdir()] == [f"error.{suffix}"]


def test_a_saved_svg_carries_the_alternative_text(tmp_path):
    picture = draw("error_by")
    root = ET.parse(picture.save(tmp_path / "error.svg")).getroot()
    assert picture.alt in "".join(root.itertext())


def test_a_picture_is_not_saved_in_an_unknown_format(tmp_path):
    with pytest.raises(SourceError, match=r"'error\.gif' has no known format. End it in .png"):
        draw("error_by").save(tmp_path / "error.gif")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match=r"Cannot write .*error\.png'.* choose another folder"):
        draw("error_by").save(tmp_path / "file" / "error.png")


def test_the_seven_models_have_seven_colours():
    assert len({colour_of(model) for model in MODELS}) == 7


@settings(max_examples=30)
@given(st.text(ascii_lowercase).filter(lambda name: name not in MODELS))
def test_a_model_of_ones_own_has_a_colour_of_none_of_the_seven(model):
    assert is_color_like(colour_of(model))
    assert colour_of(model) not in map(colour_of, MODELS)


@pytest.mark.parametrize("model", ["median", "reference", "quote"])
def test_a_model_has_the_same_colour_in_two_pictures(model):
    line = axes_of(plots.error_by(SCORES, model=model)).lines[0]
    dots = axes_of(draw("compare_models")).collections[1].get_facecolor()
    assert same_color(dots[MODELS.index(model)], line.get_color())


def heights(axes):
    return [bar.get_height() for bar in axes.patches]


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


def test_the_bars_of_left_out_are_as_long_as_the_counts():
    bars = axes_of(draw("left_out")).patches
    assert [bar.get_width() for bar in bars] == COUNTS.tolist()


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
    cells = axes_of(plots.duration_by_distance(RIDES, longest=5)).collections[0]
    assert cells.get_array().sum() == (RIDES["trip_distance"] <= 5).sum()


def test_the_dots_of_duration_by_month_are_medians():
    dots = axes_of(draw("duration_by_month")).collections[-1].get_offsets()
    assert dots[:, 1].tolist() == RIDES.groupby("month")["duration"].median().tolist()


def test_hours_with_few_rides_are_left_out_of_a_months_line():
    _, hourly = plots.duration_by_month(RIDES[:500], at_least=10).figure.axes
    size = RIDES[:500].groupby(["month", RIDES["pickup_datetime"].dt.hour]).size()
    drawn = [np.isfinite(line.get_ydata()).sum() for line in hourly.lines]
    assert drawn == (size >= 10).groupby("month").sum().tolist()


def test_the_picture_of_months_says_which_hours_it_leaves_out():
    _, hourly = draw("duration_by_month").figure.axes
    assert hourly.get_title(loc="left") == "Mean by hour with 30 rides or more"


def test_predicted_and_actual_count_the_same_rides():
    *bars, outline = axes_of(draw("predicted_and_actual")).patches
    assert outline.get_data().values.sum() == ROWS
    assert sum(bar.get_height() for bar in bars) == ROWS


def test_predictions_outside_the_hour_are_counted_at_its_ends():
    picture = plots.predicted_and_actual(RIDES[:2].assign(predicted=[-5.0, 99.0]))
    counts = axes_of(picture).patches[-1].get_data().values
    assert (counts[0], counts[-1]) == (1, 1)


def test_the_cells_of_the_scatter_count_every_ride():
    assert axes_of(draw("scatter")).collections[0].get_array().sum() == ROWS


@pytest.mark.parametrize("name", ["residuals", "error_by"])
def test_a_line_marks_zero_error(name):
    lines = [line.get_ydata() for line in axes_of(draw(name)).lines]
    assert [0, 0] in [list(line) for line in lines]


def test_the_median_error_is_predicted_minus_actual():
    picture = plots.residuals(RIDES.assign(predicted=RIDES["duration"] - 2), at_least=1)
    assert axes_of(picture).lines[0].get_ydata() == pytest.approx(-2)


def test_bias_is_white_at_zero():
    low, high = axes_of(draw("error_by_hour")).collections[0].get_clim()
    assert low == -high


@pytest.mark.parametrize(("measure", "error"), [("bias", -2), ("rmse", 2)])
def test_the_cells_of_error_by_hour_are_the_error(measure, error):
    rides = RIDES.assign(predicted=RIDES["duration"] - 2)
    picture = plots.error_by_hour(rides, measure=measure, at_least=1)
    cells = axes_of(picture).collections[0].get_array().compressed()
    assert cells == pytest.approx(error)


def test_the_month_of_error_by_hour_is_named():
    picture = plots.error_by_hour(RIDES, at_least=5, model="ridge", month="2021-02")
    assert axes_of(picture).get_title(loc="left") == "Bias by hour, 2021-02: ridge"


def test_error_by_hour_may_have_the_colours_of_another_picture():
    later = RIDES.assign(predicted=RIDES["predicted"] + 3)
    picture = plots.error_by_hour(later, scale_of=RIDES, at_least=5)
    limits = [axes_of(each).collections[0].get_clim() for each in (picture, draw("error_by_hour"))]
    assert limits[0] == limits[1]


def test_hours_with_few_rides_are_left_out_of_error_by_hour():
    hours = RIDES["pickup_datetime"].dt.strftime("%a %H").value_counts()
    cells = axes_of(plots.error_by_hour(RIDES, at_least=25)).collections[0].get_array()
    assert cells.count() == (hours >= 25).sum()


def test_error_by_draws_the_scores_and_the_rides():
    errors, rides = draw("error_by").figure.axes
    assert errors.lines[0].get_ydata().tolist() == SCORES["rmse"].tolist()
    assert errors.lines[1].get_ydata().tolist() == SCORES["bias"].tolist()
    assert heights(rides) == SCORES["rows"].tolist()


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
    axes = axes_of(draw("learned_at_once"))
    assert [bar.get_width() for bar in axes.patches] == [9.0, 9.5]


def test_importances_are_shares_with_the_largest_on_top():
    axes = axes_of(draw("feature_importance"))
    assert [bar.get_width() for bar in axes.patches] == [75, 25]
    assert axes.get_yticklabels()[0].get_text() == "distance"


def test_the_map_draws_miles_alike_in_both_directions():
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
    assert np.diff([name.xyann[1] for name in names]).max() <= -LINE + 1e-9


def test_rides_beyond_the_map_are_not_on_it():
    rides = pd.DataFrame([(1, 2), (264, 2), (1, 265)], columns=ENDS)
    lines = axes_of(plots.zone_map(PLACES, rides=rides)).collections[0]
    assert len(lines.get_segments()) == 1


def test_sizes_are_told_as_plain_numbers_with_room_between():
    axes = axes_of(plots.pareto_front(SIZES.assign(size_mb=np.geomspace(0.03, 0.6, 7))))
    axes.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels(which="both")]
    shown = sorted((box.x0, box.x1) for box in boxes if box.width)
    assert len(shown) > 3
    assert all(end < start for (_, end), (start, _) in pairwise(shown))
