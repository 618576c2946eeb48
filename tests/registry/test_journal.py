"""Which entries of the journal count, and what they say of a day and of the way back."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taxi_duration.errors import ModelError
from taxi_duration.registry.journal import CHAMPION, champion_of, entries, on_day, previous, write
from taxi_duration.tracking.runs import read_record

NAME = "journal"


@pytest.fixture(scope="module")
def versions(shelf, tmp_path_factory):
    """A registered model with three versions, and what moves its alias."""
    from mlflow import MlflowClient

    uri, runs = shelf
    copy = shutil.copy(uri.removeprefix("sqlite:///"), tmp_path_factory.mktemp("journal"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy}")
        sources = [(run, f"models:/{read_record(run).model_id}") for run in runs.values()]
        client = MlflowClient()

        def begin():
            if client.search_registered_models(f"name = '{NAME}'"):
                client.delete_registered_model(NAME)
            client.create_registered_model(NAME)
            for run, source in sources[:3]:
                client.create_model_version(NAME, source, run)
            return lambda version: client.set_registered_model_alias(NAME, CHAMPION, version)

        yield begin


@pytest.fixture
def move(versions):
    """Write down a change of champion and make it, or stop in between."""
    set_alias = versions()

    def move(version, kind="promote", *, done=True):
        write(NAME, kind, version, why="because")
        if done:
            set_alias(version)

    return move


def counted():
    return [(entry.before, entry.version) for entry in entries(NAME)]


def test_a_model_without_champion_has_an_empty_journal(versions):
    versions()
    assert (champion_of(NAME), entries(NAME)) == (None, [])


def test_what_took_effect_counts(move):
    move("1")
    move("2")
    assert counted() == [(None, "1"), ("1", "2")]


def test_the_last_entry_does_not_count_if_the_champion_is_another(move):
    move("1")
    move("2", done=False)
    assert counted() == [(None, "1")]


def test_an_entry_in_the_middle_does_not_count_if_the_next_found_another_champion(move):
    move("1")
    move("2", done=False)
    move("2", done=False)
    move("3")
    assert counted() == [(None, "1"), ("1", "3")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8)
@given(st.lists(st.tuples(st.sampled_from("123"), st.booleans()), max_size=6))
def test_the_journal_tells_every_change_and_no_other(versions, wanted):
    set_alias, made = versions(), []
    for version, done in wanted:
        if version == champion_of(NAME):
            continue
        write(NAME, "promote", version, why="because")
        if done:
            set_alias(version)
            made.append(version)
    assert [entry.version for entry in entries(NAME)] == made


def test_promotions_pile_up_and_a_rollback_takes_one_away(move):
    for version in ("1", "2", "3"):
        move(version)
    assert previous(NAME) == "2"
    move("2", "rollback")
    assert previous(NAME) == "1"
    move("3")
    assert previous(NAME) == "2"


def test_there_is_no_way_back_from_the_first_champion(move):
    move("1")
    with pytest.raises(ModelError, match="has no former champion"):
        previous(NAME)


def test_a_day_is_answered_with_the_champion_at_its_end(move):
    move("1")
    move("2")
    today = datetime.now(UTC).date()
    assert [on_day(NAME, today + timedelta(days=days)) for days in (-1, 0, 1)] == [None, "2", "2"]


@pytest.mark.parametrize("day", ["2021-02-30", "yesterday", ""])
def test_a_day_that_does_not_exist_is_refused(move, day):
    with pytest.raises(ModelError, match=f"Day '{day}' does not exist"):
        on_day(NAME, day)


def test_a_model_that_is_not_registered_is_said(versions):
    with pytest.raises(ModelError, match="no registered model 'none'"):
        entries("none")
