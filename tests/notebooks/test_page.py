"""The page of a notebook: its story, its parameters, and nothing from elsewhere."""

import re
from html import unescape
from pathlib import Path

import nbformat
import pytest
from pages import Elements

from taxi_duration.notebooks.discovery import inspect
from taxi_duration.notebooks.page import write_page
from taxi_duration.notebooks.parameters import Parameter

STORY = Path(__file__).parents[1] / "broken_notebooks" / "story.ipynb"
OUTPUTS = [
    {"text/html": "<table><tr><td>4.2</td></tr></table>", "text/plain": "4.2"},
    {"image/png": "aGVsbG8=", "text/plain": "<Figure>"},
    {"application/vnd.taxi+json": {"secret": 1}},
]


def page(path, **how):
    notebook = nbformat.read(STORY, 4)
    alt = {"image/png": {"alt": 'A "dot" & <more>'}}
    for cell, data in zip(notebook.cells[-3:], OUTPUTS, strict=True):
        cell.outputs = [nbformat.v4.new_output("display_data", data, metadata=alt)]
    values = {"rows": 5, "models": ["a", "<b>"]}
    write_page(notebook, path, title="story", parameters=inspect(STORY), values=values, **how)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    return page(tmp_path_factory.mktemp("pages") / "story.html")


def test_a_page_tells_the_story_and_shows_the_results(html):
    assert "How far does a taxi go?" in html
    assert "<td>4.2</td>" in html


def test_a_page_has_no_code(html):
    assert "base64.b64decode" not in html
    assert "Literal" not in html


def test_a_page_may_show_the_code(tmp_path):
    assert "b64decode" in page(tmp_path / "code.html", code=True)


def test_a_figure_has_its_alt_text(html):
    (image,) = Elements(html).named("img")
    assert image["alt"] == 'A "dot" & <more>'
    assert image["src"] == "data:image/png;base64,aGVsbG8="


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> `x` [y](z) &lt;"


def test_what_parameters_names_and_outputs_hold_is_text_to_a_page(tmp_path):
    cell = nbformat.v4.new_code_cell()
    kinds = {"image/png": {"alt": HOSTILE}, "image/svg+xml": {"alt": HOSTILE}}
    for data in ({"image/png": "aGVsbG8="}, {"image/svg+xml": "<svg/>"}, {"text/plain": HOSTILE}):
        cell.outputs.append(nbformat.v4.new_output("display_data", data, metadata=kinds))
    cell.outputs.append(nbformat.v4.new_output("stream", text=HOSTILE))
    parameter = Parameter(HOSTILE, "str", HOSTILE, HOSTILE)
    write_page(
        nbformat.v4.new_notebook(cells=[cell]), tmp_path / "page", title=HOSTILE,
        parameters=[parameter], values={HOSTILE: f"{HOSTILE} changed"},
    )  # fmt: skip
    html = (tmp_path / "page").read_text()
    elements = Elements(html)
    assert elements.named("script") == []
    assert [image["alt"] for image in elements.named("img")] == [HOSTILE] * 2
    assert unescape(html).count(HOSTILE) == 10


def test_a_result_for_programs_is_left_out(html):
    assert "secret" not in html


def test_a_page_loads_nothing_from_elsewhere(html):
    elements = Elements(html)
    assert elements.named("script", "link", "iframe", "object") == []
    assert all(image["src"].startswith("data:") for image in elements.named("img"))
    assert re.findall(r"url\(|@import", html) == []


def test_a_page_forbids_what_an_output_may_want_to_load(html):
    (policy,) = [meta["content"] for meta in Elements(html).named("meta") if "http-equiv" in meta]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_only_links_to_follow_name_another_address(html):
    links = [link.get("href", "") for link in Elements(html).named("a")]
    assert re.findall(r"https?://[^\"<]+", html) == [at for at in links if at.startswith("http")]


def test_the_parameters_stand_before_the_story(html):
    assert html.index("<table>") < html.index("How far does a taxi go?")


@pytest.mark.parametrize(
    "row",
    [
        ["service", "green", "green", "no", "kind of taxi"],
        ["rows", "5", "3", "yes", "rides to make up"],
        ["models", "a, &lt;b&gt;", "median", "yes", "which to compare"],
        ["limit", "None", "None", "no", "minutes, if any"],
    ],
)
def test_a_row_says_value_default_changed_and_meaning(html, row):
    head, *cells = row
    pattern = rf'<th scope="row">{head}</th>\s*' + r"\s*".join(
        f"<td>{re.escape(cell)}</td>" for cell in cells
    )
    assert re.search(pattern, html)
