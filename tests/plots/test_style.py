"""What every picture keeps to: axes, alternative text, one look, the same bytes, clear errors."""

import base64
import re
import xml.etree.ElementTree as ET
from functools import cache
from io import BytesIO
from string import ascii_lowercase

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from frames import MODELS, PICTURES, RIDES, SCORES, TRIALS, axes_of, draw, draw_anew
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter
from matplotlib import pyplot as plt
from matplotlib.colors import is_color_like, same_color

from taxi_duration import plots
from taxi_duration.errors import SchemaError, SourceError
from taxi_duration.plots.style import model_colour

ORIGINALS = {name: frame.copy() for name, (_, frame) in PICTURES.items()}
every_picture = pytest.mark.parametrize("name", PICTURES)


def png(picture):
    return base64.b64decode(picture._repr_mimebundle_()[0]["image/png"])


@cache
def first_png(name):
    return png(draw(name))


def test_every_drawing_function_is_tried_here():
    variants = {"error_without_rounds", "quality_within_bounds"}
    assert set(PICTURES) - variants == set(plots.__all__) - {"explorer"}


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
    function, frame = PICTURES[name]
    assert function(frame.iloc[: len(frame) - 1]).alt == draw(name).alt


@every_picture
def test_drawing_leaves_no_figure_open(name):
    first_png(name)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", ["rows_by_reason", "error_by_hour", "scatter"])
def test_drawing_leaves_the_users_settings_as_they_were(name):
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


def test_a_users_own_settings_do_not_change_a_picture():
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
def test_a_frame_without_rows_is_rejected(name):
    function, frame = PICTURES[name]
    with pytest.raises(SchemaError, match="has no rows"):
        function(frame[:0])


@pytest.mark.parametrize("name", [name for name in PICTURES if name != "rows_by_reason"])
def test_a_frame_without_the_columns_is_rejected_by_name(name):
    function, _ = PICTURES[name]
    with pytest.raises(SchemaError, match=r"Column '\w+' is missing in the frame to draw"):
        function(pd.DataFrame({"colour": ["red"]}))


def test_a_misspelt_column_is_recognised():
    with pytest.raises(SchemaError, match="Did you mean 'durations'"):
        plots.log_durations(RIDES.rename(columns={"duration": "durations"}))


def test_rows_with_missing_values_only_are_rejected():
    with pytest.raises(SchemaError, match="'duration', 'predicted'"):
        plots.scatter(RIDES.assign(predicted=np.nan))


@pytest.mark.parametrize("draw", [plots.search_history, plots.error_by_parameter])
def test_a_missing_error_is_named(draw):
    with pytest.raises(SchemaError, match="Column 'valid_rmse' is missing"):
        draw(TRIALS.drop(columns="valid_rmse"))


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
    assert len({model_colour(model) for model in MODELS}) == 7


@settings(max_examples=30)
@given(st.text(ascii_lowercase).filter(lambda name: name not in MODELS))
def test_another_model_has_a_colour_of_none_of_the_seven(model):
    assert is_color_like(model_colour(model))
    assert model_colour(model) not in map(model_colour, MODELS)


@pytest.mark.parametrize("model", ["median", "reference", "quote"])
def test_a_model_has_the_same_colour_in_two_pictures(model):
    line = axes_of(plots.error_by(SCORES, model=model)).lines[0]
    dots = axes_of(draw("compare_models")).collections[1].get_facecolor()
    assert same_color(dots[MODELS.index(model)], line.get_color())
