"""An executed notebook as an HTML page: its story and results, without code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_duration.notebooks.parameters import Parameter
from taxi_duration.tracking.mlflow_pages import RESULT

if TYPE_CHECKING:
    from nbconvert.exporters import HTMLExporter
    from nbformat import NotebookNode

MIME_TYPES = [  # the first that an output has is shown
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/plain",
    "application/json",
    RESULT,  # for programs: listed against a warning, not shown
]


def write_page(
    notebook: NotebookNode,
    path: Path,
    *,
    title: str,
    parameters: Sequence[Parameter] = (),
    values: Mapping[str, object] | None = None,
    code: bool = False,
) -> None:
    """Write the page: one file that loads nothing from anywhere, figures with their alt text.

    Parameters
    ----------
    parameters, values : list of Parameter, dict
        What the notebook declares, and the values it ran with: the table on top.
    code : bool
        Whether to show the cells' code too.
    """
    rows = [
        {
            "name": each.name,
            "value": _text((values or {}).get(each.name, each.default)),
            "default": _text(each.default),
            "help": each.help,
        }
        for each in parameters
    ]
    html, _ = _exporter(code).from_notebook_node(notebook, {"parameters": rows, "title": title})
    path.write_text(html, encoding="utf-8")


@cache  # since its templates take longer than a page
def _exporter(code: bool) -> HTMLExporter:
    from nbconvert.exporters import HTMLExporter
    from traitlets.config import Config

    return HTMLExporter(
        config=Config(NbConvertBase={"display_data_priority": MIME_TYPES}),
        extra_template_basedirs=[str(Path(__file__).parent / "templates")],
        template_name="page",
        exclude_input=not code,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
