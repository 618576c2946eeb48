"""Pictures in the outputs of a cell, and how two series of them differ, if they do."""

from __future__ import annotations

import io
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

# The last digit of a number may snap an edge to the next pixel, or shade it a little: so a pixel
# agrees if its colour lies between those of the pixel there and its eight neighbours, give or
# take this much of 255. No pixel may disagree; those of a bar that is two pixels longer do.
SHADES = 16


class Picture(NamedTuple):
    """A picture in a cell's output, with its alternative text."""

    png: bytes
    alt: str


def read_pictures(outputs: Iterable[Mapping]) -> list[Picture]:
    """Return the PNG pictures among a cell's outputs."""
    return [
        Picture(
            _decode(output["data"]["image/png"]),
            output.get("metadata", {}).get("image/png", {}).get("alt", ""),
        )
        for output in outputs
        if "image/png" in output.get("data", {})
    ]


def difference(stored: Sequence[Picture], fresh: Sequence[Picture]) -> str | None:
    """Return how the fresh pictures of a cell differ from the stored ones; None if they agree."""
    if len(stored) != len(fresh):
        return f"{len(fresh)} pictures are drawn, {len(stored)} are in the notebook"
    for number, (old, new) in enumerate(zip(stored, fresh, strict=True), 1):
        if old.alt != new.alt:
            return f"picture {number} now has the alternative text {new.alt!r}, not {old.alt!r}"
        if old.png != new.png and (where := _disagreement(old.png, new.png)):
            return f"picture {number} is drawn differently: {where}"
    return None


def _decode(text: str) -> bytes:
    try:
        return b64decode(text)
    except ValueError:  # it is damaged, and compared as what it is
        return text.encode()


def _disagreement(old_png: bytes, new_png: bytes) -> str | None:
    try:
        stored, fresh = _colours(old_png), _colours(new_png)
    except (OSError, ValueError, SyntaxError):
        return "one is no PNG"
    if stored.shape != fresh.shape:
        old, new = (f"{width} x {height}" for height, width, _ in (stored.shape, fresh.shape))
        return f"{new} pixels, not {old}"
    differing = _out_of_reach(stored, fresh) | _out_of_reach(fresh, stored)
    rows, columns = np.nonzero(differing)
    if not len(rows):
        return None
    return (
        f"{len(rows)} pixels, within columns {columns.min()}-{columns.max()} of "
        f"{fresh.shape[1]} and rows {rows.min()}-{rows.max()} of {fresh.shape[0]}"
    )


def _out_of_reach(image: np.ndarray, other: np.ndarray) -> np.ndarray:
    from scipy.ndimage import maximum_filter, minimum_filter

    low, high = (edge(other, size=(3, 3, 1)) for edge in (minimum_filter, maximum_filter))
    return ((image < low - SHADES) | (image > high + SHADES)).any(axis=2)


def _colours(png: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")).astype("int16")
