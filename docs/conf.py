"""How Sphinx makes a site of these pages and of the notebooks: `make docs`."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

import taxi_duration

project = html_title = "taxi_duration"
release = taxi_duration.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc"]

html_theme = "furo"
html_static_path, html_css_files = ["_static"], ["pages.css"]
html_show_sourcelink = html_show_copyright = html_show_sphinx = html_copy_source = False
html_show_search_summary = False  # would fetch pages, which a browser does not do from a disk

nb_execution_mode = "off"  # what is shown was committed, and `make test` compares it
default_role = "literal"  # `name` in docstrings
suppress_warnings = ["mystnb.unknown_mime_type"]  # results for programs, shown as tables before
myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings say types, with their units
autodoc_default_options = {"members": True, "imported-members": True, "member-order": "bysource"}
numpydoc_show_class_members = False

FILE = re.compile(r"\[[^]\n]*\]\(\.\./(?!notebooks/)([^)\n]+)\)")


def setup(app: Sphinx) -> None:
    """Fit pages that are read in the repository, too, to a site."""
    app.connect("source-read", _as_on_a_site)


def _as_on_a_site(app: Sphinx, docname: str, source: list[str]) -> None:  # noqa: ARG001
    """Have links as `make docs` copies pages and notebooks; name other files of the repository."""
    if docname.startswith("notebooks/"):
        source[0] = source[0].replace("](../docs/", "](../")
    else:
        source[0] = FILE.sub(r"`\1`", source[0]).replace("](../notebooks/", "](notebooks/")
