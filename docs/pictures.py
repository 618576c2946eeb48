"""Make the pictures of README and documents from the committed notebooks.

python docs/pictures.py
"""

from __future__ import annotations

import base64
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parent
NOTEBOOKS = DOCS.parent / "notebooks"
PICTURES = {
    "zone_map.png": ("01_explore.ipynb", "plots.zone_map("),
    "compare_models.png": ("02_train.ipynb", "plots.compare_models("),
}
MONTHS = (  # the first and the last notebook below each
    ("three months", "train: learn  ·  valid: choose  ·  test: judge", 1, 4),
    ("each new month", "predict, then compare", 5, 6),
)
KEPT = (
    ("MLflow: every run, with data and code", 2, 3),
    ("registry: the champion, in batch, over HTTP, on Spark", 4, 6),
)
LIBRARY = "taxi_duration: the tested functions that every notebook calls"
WIDTH, GAP, HEIGHT = 140, 12, 362
STYLE = """
text { font: 12.5px system-ui, sans-serif; fill: #57606a; text-anchor: middle }
.name { font-weight: 600; font-size: 14px; fill: #1f2328 }
rect { fill: #f6f8fa; stroke: #d0d7de }
.month { fill: #ddf4ff; stroke: #54aeff } .kept { fill: #dafbe1; stroke: #4ac26b }
.library { fill: #fff8c5; stroke: #d4a72c }
path { stroke: #8c959f; stroke-width: 1.5; fill: none; marker-end: url(#tip) }
marker path { fill: #8c959f; stroke: none; marker-end: none }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 } .name { fill: #f0f6fc } rect { fill: #151b23; stroke: #3d444d }
  .month { fill: #0c2d4f; stroke: #1f6feb } .kept { fill: #0f2e1b; stroke: #238636 }
  .library { fill: #302406; stroke: #9e6a03 }
}
"""


def cells(notebook: Path) -> list[dict]:
    """Return the cells of a notebook."""
    return json.loads(notebook.read_text(encoding="utf-8"))["cells"]


def picture(notebook: str, call: str) -> bytes:
    """Return the picture that the cell with this call shows."""
    (cell,) = [cell for cell in cells(NOTEBOOKS / notebook) if call in "".join(cell["source"])]
    (image,) = [output["data"]["image/png"] for output in cell["outputs"]]
    return base64.b64decode("".join(image))


def road() -> str:
    """Return the way from months to a champion as SVG: each notebook with its own question."""
    stages = sorted(NOTEBOOKS.glob("0[1-9]_*.ipynb"))
    right = _left(len(stages)) + WIDTH
    parts = [part for number, path in enumerate(stages, 1) for part in _stage(number, path)]
    for name, what, first, last in MONTHS:
        parts += _box(first, last, 8, (name, what), kind="month")
        parts.append(f'<path d="M{_middle(first, last)} 60 v20"/>')
    for what, first, last in KEPT:
        parts += _box(first, last, 246, (what,), kind="kept", height=32)
        parts.append(f'<path d="M{_middle(first, last)} 218 v22"/>')
    parts += _box(1, len(stages), 324, (LIBRARY,), kind="library", height=32)
    back = f"M{right - WIDTH / 4} 284 v24 H{_middle(2, 2)} V286"
    parts += [
        f'<path d="{back}"/>',
        f'<text x="{_middle(4, 4)}" y="303">action needed: train again on newer months</text>',
    ]
    body = "\n".join(parts)
    tip = '<marker id="tip" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" '
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right + 4} {HEIGHT}" role="img">\n'
        f"<style>{STYLE}</style>\n"
        f'{tip}orient="auto"><path d="M0 0 8 4 0 8z"/></marker>\n{body}\n</svg>\n'
    )


def _left(number: int) -> int:
    return 4 + (number - 1) * (WIDTH + GAP)


def _middle(first: int, last: int) -> float:
    return (_left(first) + _left(last) + WIDTH) / 2


def _stage(number: int, path: Path) -> Iterator[str]:
    """Yield a notebook's box, with the question that is its title, and an arrow to the next."""
    question = "".join(cells(path)[0]["source"]).partition("\n")[0].removeprefix("# ")
    yield from _box(number, number, 86, (path.stem, *textwrap.wrap(question, 18)), height=132)
    if number > 1:
        yield f'<path d="M{_left(number) - GAP} 152 h{GAP - 2}"/>'


def _box(
    first: int,
    last: int,
    top: int,
    lines: tuple[str, ...],
    *,
    kind: str = "stage",
    height: int = 46,
) -> Iterator[str]:
    """Yield a box over some columns, with its lines; the first of several is a name."""
    width = _left(last) + WIDTH - _left(first)
    place = f'x="{_left(first)}" y="{top}" width="{width}" height="{height}"'
    yield f'<rect class="{kind}" {place} rx="6"/>'
    for row, line in enumerate(lines):
        style = ' class="name"' if row == 0 and len(lines) > 1 else ""
        y = top + 20 + row * 18 + (4 if row and kind == "stage" else 0)
        yield f'<text{style} x="{_middle(first, last)}" y="{y}">{line}</text>'


if __name__ == "__main__":
    for name, where in PICTURES.items():
        (DOCS / name).write_bytes(picture(*where))
    (DOCS / "road.svg").write_text(road(), encoding="utf-8")
