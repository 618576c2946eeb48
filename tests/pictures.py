"""How a notebook's committed pictures and freshly drawn ones differ, if they do."""

from __future__ import annotations

import io
from base64 import b64decode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.ndimage import maximum_filter, minimum_filter

__all__ = ["SHADES", "Drawn", "difference", "drawn", "save"]

# The last digit of a number may snap an edge to the next pixel, or shade it a little: so a pixel
# agrees if its colour lies between those of the pixel there and its eight neighbours, give or
# take this much of 255. No pixel may disagree; those of a bar that is two pixels longer do.
SHADES = 16


class Drawn(NamedTuple):
    """A picture in a cell's output."""

    png: bytes
    alt: str


def drawn(outputs: Iterable[Mapping]) -> list[Drawn]:
    """Return the pictures among a cell's outputs."""
    return [
        Drawn(
            b64decode(output["data"]["image/png"]),
            output["metadata"].get("image/png", {}).get("alt", ""),
        )
        for output in outputs
        if "image/png" in output.get("data", {})
    ]


def difference(committed: list[Drawn], fresh: list[Drawn]) -> str | None:
    """Say how the pictures of a cell differ, or return None."""
    if len(committed) != len(fresh):
        return f"{len(fresh)} pictures are drawn, {len(committed)} are in the notebook"
    for number, (old, new) in enumerate(zip(committed, fresh, strict=True), 1):
        if old.alt != new.alt:
            return f"picture {number} now has the alternative text {new.alt!r}, not {old.alt!r}"
        if where := _disagreement(_colours(old.png), _colours(new.png)):
            return f"picture {number} is drawn differently: {where}"
    return None


def save(folder: Path, **kinds: list[Drawn]) -> Path:
    """Write the pictures where a person can look at them, each kind by its name."""
    for kind, pictures in kinds.items():
        for number, picture in enumerate(pictures, 1):
            (folder / f"{number}-{kind}.png").write_bytes(picture.png)
    return folder


def _disagreement(committed: np.ndarray, fresh: np.ndarray) -> str | None:
    if committed.shape != fresh.shape:
        old, new = (f"{width} x {height}" for height, width, _ in (committed.shape, fresh.shape))
        return f"{new} pixels, not {old}"
    differing = _out_of_reach(committed, fresh) | _out_of_reach(fresh, committed)
    rows, columns = np.nonzero(differing)
    if not len(rows):
        return None
    return (
        f"{len(rows)} pixels, within columns {columns.min()}-{columns.max()} of "
        f"{fresh.shape[1]} and rows {rows.min()}-{rows.max()} of {fresh.shape[0]}"
    )


def _out_of_reach(image: np.ndarray, other: np.ndarray) -> np.ndarray:
    low, high = (edge(other, size=(3, 3, 1)) for edge in (minimum_filter, maximum_filter))
    return ((image < low - SHADES) | (image > high + SHADES)).any(axis=2)


def _colours(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")).astype("int16")
