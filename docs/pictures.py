"""Take the README's pictures out of the committed notebooks.

python docs/pictures.py
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

DOCS = Path(__file__).parent
PICTURES = {
    "zone_map.png": ("01_explore.ipynb", "plots.zone_map("),
    "compare_models.png": ("02_train.ipynb", "plots.compare_models("),
}


def picture(notebook: str, call: str) -> bytes:
    """Return the picture that the cell with this call shows."""
    cells = json.loads((DOCS.parent / "notebooks" / notebook).read_text())["cells"]
    (cell,) = [cell for cell in cells if call in "".join(cell["source"])]
    (image,) = [output["data"]["image/png"] for output in cell["outputs"]]
    return base64.b64decode("".join(image))


if __name__ == "__main__":
    for name, where in PICTURES.items():
        (DOCS / name).write_bytes(picture(*where))
