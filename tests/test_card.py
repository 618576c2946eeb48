"""A model card says what the record says, and no figure beside."""

import re
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from taxi_duration.card import TEMPLATES, attach_card, make_card
from taxi_duration.errors import TrackingError
from taxi_duration.journal import entries
from taxi_duration.records import download, files_of, read_record
from taxi_duration.registry import find_version, promote, register
from taxi_duration.store import store_uri
from taxi_duration.tracking import record

NAME = "carded"
WHY = "better | by <b>far</b>"
NUMBER = re.compile(r"\d[\d,.]*\d|\d")
FORMS = ("{:.2f}", "{:.1%}", "{:,.0f}", "{:.3f}")


@pytest.fixture(scope="module")
def versions(new_store, split, tmp_path_factory):
    """Two registered models of different runs; the second was promoted over the first."""
    with new_store(tmp_path_factory.mktemp("cards")):
        ridge = record("ridge", split)
        trees = record("xgboost", split, n_estimators=40, max_depth=5, threads=1, refit=True)
        first, second = (register(run.run_id, name=NAME) for run in (ridge, trees))
        assert promote(first, split.test, why="the first", name=NAME).accepted
        assert promote(second, split.test, why=WHY, name=NAME).accepted
        yield [find_version(each.address) for each in (first, second)]


@pytest.fixture(scope="module")
def cards(versions):
    return [make_card(version) for version in versions]


def figures_of(version, folder):
    """All that the record says, numbers also as a card writes them."""
    run = read_record(version.run_id)
    tables = [
        pd.read_csv(download(run.run_id, name, folder)) for name in ("rows.csv", "slices.csv")
    ]
    values = [
        *run.metrics.values(),
        run.metrics["model_bytes"] / 1e6,
        *(value for table in tables for value in table.select_dtypes("number").to_numpy().ravel()),
        *(value for value in asdict(version.verdict).values() if isinstance(value, float | int)),
    ]
    said = [run, run.tags, run.parameters, run.environment, run.metrics, version, version.verdict]
    said += [entries(NAME), *(table.to_csv() for table in tables)]
    said += [form.format(value) for value in values for form in FORMS]
    return set(NUMBER.findall(" ".join(map(str, said)))) | set(
        f"{version.created:%Y %m %d %H %M}".split()
    )


@pytest.mark.parametrize("which", [0, 1], ids=["first", "second"])
def test_every_figure_of_a_card_is_in_the_record(cards, versions, which, tmp_path):
    written = set(NUMBER.findall(cards[which].markdown))
    assert written <= figures_of(versions[which], tmp_path)


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
     "naive, test", "over 25", "taxi-duration reproduce carded/2", "taxi-duration rollback"],
)  # fmt: skip
def test_a_card_tells_what_a_reader_has_to_know(cards, word):
    assert word in cards[1].markdown


def test_a_refit_is_told(cards):
    assert ["learned once more from both" in card.markdown for card in cards] == [False, True]


def test_the_former_champion_is_what_it_was_compared_with(cards):
    assert "Against version 1, on the gate's rides" in cards[1].markdown


def test_a_gate_that_used_the_test_month_is_declared(cards):
    assert "That is the test month" in cards[0].markdown


def test_a_promotion_is_told_with_its_reason(cards):
    assert r"better \| by \<b>far\</b>" in cards[1].markdown


def test_the_page_takes_what_was_written_as_text(cards):
    assert "better | by &lt;b&gt;far&lt;/b&gt;" in cards[1].html


def test_the_page_loads_nothing_from_anywhere(cards):
    assert not re.search(r"""(?:src|href)=|url\(|@import|<script""", cards[1].html)
    assert cards[1].html.count("<table>") > 5


def test_a_version_that_no_gate_has_seen_has_a_card(versions, split):
    unseen = record("ridge", split, alpha=2.0)
    card = make_card(register(unseen.run_id, name=versions[0].name))
    assert "The gate has not been asked" in card.markdown
    assert "It has never been champion" in card.markdown


def test_a_card_is_attached_to_run_and_version(cards):
    attach_card(cards[0])
    run_id = cards[0].version.run_id
    tags = MlflowClient().get_model_version(NAME, "1").tags
    assert files_of(run_id, "card") == ["card/carded-1.html", "card/carded-1.md"]
    assert tags["card"] == f"runs:/{run_id}/card/carded-1.html"


def test_a_card_is_saved_as_two_files(cards, tmp_path):
    paths = cards[0].save(tmp_path / "cards")
    assert [path.name for path in paths] == ["carded-1.md", "carded-1.html"]
    assert paths[0].read_text() == cards[0].markdown


def test_a_folder_that_cannot_be_written_is_said(cards, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TrackingError, match=r"Cannot write the card to .*Name another folder"):
        cards[0].save(tmp_path / "file")


def test_a_run_without_figures_by_slice_is_refused(versions):
    store = Path(store_uri().removeprefix("sqlite:///")).parent
    slices = store / "artifacts" / versions[0].run_id / "artifacts" / "slices.csv"
    content = slices.read_text()
    slices.unlink()
    try:
        with pytest.raises(TrackingError, match=r"keeps no slices\.csv: .*Train the model again"):
            make_card(versions[0])
    finally:
        slices.write_text(content)
