"""Pictures agree though a machine shades an edge otherwise; what a reader sees is found."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from taxi_duration.notebooks.pictures import SHADES, Picture, difference, read_pictures

BARS = np.full((60, 80, 3), 255, dtype="uint8")
BARS[20:, 10:30] = (51, 71, 91)
BARS[40:, 40:60] = (200, 120, 42)


def picture(colours: np.ndarray, alt: str = "Two bars.") -> list[Picture]:
    file = BytesIO()
    Image.fromarray(colours).save(file, format="png")
    return [Picture(file.getvalue(), alt)]


def changed(rows: slice, columns: slice, colour: object) -> np.ndarray:
    colours = BARS.copy()
    colours[rows, columns] = colour
    return colours


def test_a_picture_agrees_with_itself():
    assert difference(picture(BARS), picture(BARS)) is None


@pytest.mark.parametrize(
    "fresh",
    [
        changed(slice(40, None), slice(40, 60), (200 - SHADES, 120, 42)),
        changed(slice(39, 40), slice(40, 60), (228, 188, 149)),
        changed(slice(39, 40), slice(40, 60), (200, 120, 42)),
        np.roll(BARS, 1, axis=1),
    ],
    ids=["a shade", "an edge half way", "an edge on the next pixel", "all on the next pixel"],
)
def test_what_rounding_may_change_is_not_a_difference(fresh):
    assert difference(picture(BARS), picture(fresh)) is None


@pytest.mark.parametrize(
    ("fresh", "found"),
    [
        (
            changed(slice(38, 40), slice(40, 60), (200, 120, 42)),
            "columns 40-59 of 80 and rows 38-39",
        ),
        (changed(slice(20, 22), slice(10, 30), 255), "s 10-29 of 80 and rows 20-21"),
        (changed(slice(40, None), slice(40, 60), (51, 71, 91)), "400 pixels"),
        (changed(slice(0, 3), slice(0, 3), 0), "is drawn differently"),
        (BARS[:, :-1], "79 x 60 pixels, not 80 x 60"),
    ],
    ids=["a longer bar", "a shorter bar", "another colour", "a dot", "another size"],
)
def test_what_a_reader_sees_is_a_difference(fresh, found):
    assert found in difference(picture(BARS), picture(fresh))


def test_another_alternative_text_is_a_difference():
    assert "'Some bars.', not 'Two bars.'" in difference(picture(BARS), picture(BARS, "Some bars."))


def test_a_missing_picture_is_a_difference():
    assert difference(picture(BARS), []) == "0 pictures are drawn, 1 are in the notebook"


def test_outputs_without_pictures_are_passed_over():
    assert (
        read_pictures([{"output_type": "stream", "text": "x"}, {"data": {"text/plain": "3"}}]) == []
    )
