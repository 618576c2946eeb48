"""A model card says what the record says, and no figure beside."""

import re
import shlex
import shutil
from html import unescape
from itertools import takewhile
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from mlflow import MlflowClient
from shelf import changed_file

from taxi_duration.errors import SourceError, TrackingError, printable
from taxi_duration.registry.card import (
    TEMPLATES,
    WHOLE,
    _code,
    _shorten,
    _text,
    _word,
    attach_card,
    make_card,
)
from taxi_duration.registry.loading import NAME, find_model
from taxi_duration.registry.promotion import promote, register
from taxi_duration.tracking.runs import files_of, read_record
from taxi_duration.tracking.training import record

WHY = "better | by <b>far</b>"
NUMBER = re.compile(r"\d[\d,.]*\d|\d")


@pytest.fixture(scope="module")
def models(registry_database, months, tmp_path_factory):
    """Two versions of different runs; the second, refitted, was promoted over the first."""
    copy = shutil.copy(registry_database("poor"), tmp_path_factory.mktemp("cards"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy}")
        trees = record("xgboost", months, n_estimators=40, max_depth=5, threads=1, refit=True)
        assert promote(register(trees.run_id), months.test, why=WHY).accepted
        yield [find_model(number) for number in "12"]


@pytest.fixture(scope="module")
def cards(models):
    return [make_card(model) for model in models]


@pytest.fixture(scope="module")
def run_files(models):
    """Where the files of the second one's run lie."""
    place = MlflowClient().get_run(models[1].run_id).info.artifact_uri
    return Path(place.removeprefix("file://"))


def table_of(card, *titles):
    """The lines of the table with these titles, as the card has them."""
    _, _, after = card.markdown.partition(f"| {' | '.join(titles)} |\n")
    rows = takewhile(lambda line: line.startswith("|"), after.splitlines())
    return [line.strip("| ").split(" | ") for line in rows][1:]


@pytest.mark.parametrize("which", [0, 1], ids=["first", "second"])
def test_the_errors_are_those_of_the_record(cards, models, which):
    metrics = read_record(models[which].run_id).metrics
    lines = {"train": "train", "valid": "valid", "test": "test"}
    lines |= {f"naive, {part}": f"naive_{part}" for part in lines}
    assert table_of(cards[which], "month", "rmse", "mae", "bias", "within 5 minutes") == [
        [
            name,
            f"{metrics[f'{key}_rmse']:.2f}",
            f"{metrics[f'{key}_mae']:.2f}",
            f"{metrics[f'{key}_bias']:.2f}",
            f"{metrics[f'{key}_within_5']:.1%}",
        ]
        for name, key in lines.items()
    ]


def test_the_coverage_is_that_of_the_test_month(cards, models):
    metrics = read_record(models[1].run_id).metrics
    names = {"all": "all", "under 10": "under_10", "10-25": "10-25", "over 25": "over_25"}
    assert table_of(cards[1], "predicted", "coverage", "width") == [
        [name, f"{metrics[f'test_coverage_{key}']:.1%}", f"{metrics[f'test_width_{key}']:.2f}"]
        for name, key in names.items()
    ]


def test_the_costs_are_those_of_the_record_and_of_the_gate(cards, models):
    metrics = read_record(models[1].run_id).metrics
    lines = [
        f"| size on disk, in MB | {metrics['model_bytes'] / 1e6:.2f} |",
        f"| seconds of the fit | {metrics['fit_seconds']:.2f} |",
        f"| seconds of the refit | {metrics['refit_seconds']:.2f} |",
        f"| rides a second, at the gate | {models[1].verdict.rows_per_second:,.0f} |",
    ]
    assert "\n".join(lines) in cards[1].markdown


def test_a_description_leaves_out_the_longest_sections_until_the_database_holds_it(cards):
    text = _shorten(cards[1].markdown)
    assert len(text) <= 5000 < len(cards[1].markdown)
    assert "## How large its errors are" in text
    assert "## What it was made from" not in text


def test_of_a_description_that_is_too_long_the_longest_section_goes():
    sections = {"a": 10, "b": 5000, "z": 20}
    text = _shorten("".join(f"## {name}\n{'x' * length}\n\n" for name, length in sections.items()))
    assert text == f"## a\n{'x' * 10}\n\n## z\n{'x' * 20}\n\n{WHOLE}"


@pytest.mark.parametrize(("more", "is_kept"), [(0, True), (1, False)])
def test_a_description_has_room_for_5000_characters(more, is_kept):
    room = 5000 - len("first\n## a\n\n\n" + WHOLE)
    assert ("## a" in _shorten(f"first\n## a\n{'x' * (room + more)}\n\n")) is is_kept


def test_the_rows_are_those_that_were_kept_and_left_out(cards, months):
    counts = months.rows()
    assert table_of(cards[0], "month", *counts) == [
        [part, *(f"{number:,}" for number in counts.loc[part])] for part in counts.index
    ]


SLICES = """month,by,slice,rmse,mae,bias,within_5,rows
valid,distance,0-1,1,1,0.25,1,60
valid,distance,1-2,9,9,0.5,1,60
test,distance,0-1,3,3,-0.5,1,50
test,distance,1-2,2,2,-0.25,1,1200
test,hour,8,7,7,1,1,49
valid,hour,9,4,4,2,1,60
test,hour,9,2,2,0.75,1,10
"""


@pytest.fixture
def sliced(models, run_files):
    """Make a card of a run with such figures by slice; afterwards the run is as it was."""

    def sliced(text):
        with changed_file(run_files / "slices.csv", text.encode()):
            return make_card(models[1])

    return sliced


TITLES = ["valid rmse", "test rmse", "valid bias", "test bias", "test rows"]


@pytest.mark.parametrize(
    ("by", "lines"),
    [
        ("distance", [["0-1", "1.00", "3.00", "0.25", "-0.50", "50"],
                      ["1-2", "9.00", "2.00", "0.50", "-0.25", "1,200"]]),
        ("hour", [["8", "none", "7.00", "none", "1.00", "49"],
                  ["9", "4.00", "2.00", "2.00", "0.75", "10"]]),
    ],
)  # fmt: skip
def test_a_slice_has_the_figures_of_each_month_in_its_column(sliced, by, lines):
    assert table_of(sliced(SLICES), by, *TITLES) == lines


def test_the_hardest_slice_is_that_of_the_test_month_with_50_rides(sliced):
    said = 'Rides by distance "0-1" were the hardest of the test month: rmse 3.00 minutes on 50'
    assert said in sliced(SLICES).markdown


def test_of_fewer_rides_none_is_the_hardest(sliced):
    few = SLICES.replace(",50\n", ",49\n").replace(",1200\n", ",49\n")
    assert "the hardest of the test month" not in sliced(few).markdown


def test_cards_of_different_runs_have_different_figures(cards):
    errors = [
        re.findall(r"^\| (?:test|valid|train) \|.*\..*$", card.markdown, re.M) for card in cards
    ]
    assert len(errors[0]) == 3
    assert not set(errors[0]) & set(errors[1])


@pytest.mark.parametrize("name", ["card.md.j2", "card.html.j2"])
def test_no_figure_is_typed_into_a_template(name):
    text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|<[^>]*>", "", (TEMPLATES / name).read_text())
    assert NUMBER.findall(text) == []


@pytest.mark.parametrize(
    "word",
    ["Fares", "Judging drivers", "Other cities", "Planned against driven", "Drift", "By hour",
     "naive, test", "over 25", "taxi-duration reproduce taxi-duration/2", "taxi-duration rollback"],
)  # fmt: skip
def test_a_card_tells_what_a_reader_has_to_know(cards, word):
    assert word in cards[1].markdown


def test_a_card_says_the_level_of_a_model_that_has_one(cards, models):
    level = models[1].record.metrics["level"]
    assert f"is taken at {level:.1%}, the level of its newest month" in cards[1].markdown
    assert "is taken at" not in cards[0].markdown


def test_a_card_says_whether_the_model_was_refitted(cards):
    assert ["then trained again on both" in card.markdown for card in cards] == [False, True]


def test_the_former_champion_is_what_it_was_compared_with(cards):
    assert "Against version 1, on the gate's rides" in cards[1].markdown


def test_a_gate_that_used_the_test_month_is_declared(cards):
    assert "That is the test month" in cards[0].markdown


def test_a_promotion_is_shown_with_its_reason(cards):
    assert r"better \| by \<b>far\</b>" in cards[1].markdown


HOSTILE = [
    "<script>alert(1)</script>", "![x](https://evil.example/x.png)", "[x](javascript:alert(1))",
    "<https://evil.example>", "`code`", "*bold* _slanted_ ~~struck~~", "| a | b |",
    "two\n\n# lines",
    "&lt;b&gt; &amp;", "\\", "\\*", "# title #", "x\n---\n", "\u202eabc\x1b[31m", "[x]: /url",
]  # fmt: skip


def rendered(markdown):
    """What a reader sees of it, and the tags that it has."""
    page = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    html = page.render(markdown)
    return unescape(re.sub(r"<[^>]*>", "", html)).strip(), set(re.findall(r"<(\w+)", html))


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize(
    ("form", "tags"),
    [("see {}", {"p"}), ("# {}", {"h1"}), ("- by {}", {"ul", "li"})],
    ids=["paragraph", "title", "item"],
)
def test_what_a_tag_or_parameter_holds_is_text_to_a_card(text, form, tags):
    shown, found = rendered(form.format(_text(text)))
    assert shown == form.strip("#- ").format(printable(" ".join(text.split())))
    assert found == tags


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_stands_in_code_stays_there(text):
    shown, tags = rendered(f"commit {_code(text)}")
    assert tags == {"p", "code"}
    assert shown == f"commit {printable(' '.join(text.split()))}".replace("`", "'")


def test_a_name_is_one_word_of_a_command():
    assert shlex.split(f"rollback --name {_word('x; rm -rf ~ $(y) `z`')} --why x")[2:3] == [
        "x; rm -rf ~ $(y) `z`"
    ]


SAFE = (
    r"\| (text|code|word|rounded|share|whole)\b|^table\(|^\"[^\"]*\" if [\w. |=]+ else \"[^\"]*\"$"
)


def test_the_template_writes_nothing_as_it_is():
    _, _, text = (TEMPLATES / "card.md.j2").read_text().partition("{% endmacro %}")
    written = re.findall(r"\{\{ (.*?) \}\}", text)
    assert len(written) > 40
    assert [each for each in written if not re.search(SAFE, each)] == []


def test_the_page_takes_what_was_written_as_text(cards):
    assert "better | by &lt;b&gt;far&lt;/b&gt;" in cards[1].html


def test_the_page_loads_nothing_from_anywhere(cards):
    assert not re.search(r"""(?:src|href)=|url\(|@import|<script""", cards[1].html)
    assert cards[1].html.count("<table>") > 5


def test_a_version_that_no_gate_has_seen_has_a_card(models, shelf):
    card = make_card(register(shelf[1]["weak"]))
    assert "The promotion gate has not run" in card.markdown
    assert "It has never been champion" in card.markdown


def test_a_card_is_attached_to_run_and_version(cards):
    attach_card(cards[1])
    run_id = cards[1].model.run_id
    tags = MlflowClient().get_model_version(NAME, "2").tags
    assert files_of(run_id, "card") == ["card/taxi-duration-2.html", "card/taxi-duration-2.md"]
    assert tags["card"] == f"runs:/{run_id}/card/taxi-duration-2.html"
    assert MlflowClient().get_model_version(NAME, "2").description == _shorten(cards[1].markdown)


def test_a_card_is_saved_as_two_files(cards, tmp_path):
    paths = cards[0].save(tmp_path / "cards")
    assert [path.name for path in paths] == ["taxi-duration-1.md", "taxi-duration-1.html"]
    assert paths[0].read_text() == cards[0].markdown


def test_a_folder_that_cannot_be_written_is_an_error(cards, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match=r"Cannot write .*duration-1\.md.*another folder"):
        cards[0].save(tmp_path / "file")


@pytest.mark.parametrize("lost", ["slices.csv", "rows.csv"])
def test_a_run_without_its_tables_is_an_error(models, run_files, lost):
    with (
        changed_file(run_files / lost, None),
        pytest.raises(TrackingError, match=f"'{lost}' of run .* cannot be read"),
    ):
        make_card(models[1])
