"""Which entries of the journal count, and what a rollback goes back to."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient

from taxi_duration.errors import ModelError
from taxi_duration.registry.journal import (
    CHAMPION,
    champion_of,
    former_champion,
    read_journal,
    write_entry,
)

NAME = "journal"


@pytest.fixture(scope="module")
def versions(new_store, tmp_path_factory):
    """Begin with a registered model of three versions; return what moves its alias."""
    with new_store(tmp_path_factory.mktemp("journal")) as uri:
        client = MlflowClient(uri)

        def begin():
            if client.search_registered_models(f"name = '{NAME}'"):
                client.delete_registered_model(NAME)
            client.create_registered_model(NAME)
            for number in "123":
                client.create_model_version(NAME, f"file:///{number}")
            return lambda version: client.set_registered_model_alias(NAME, CHAMPION, version)

        yield begin


@pytest.fixture
def move(versions):
    """Write down a change of champion and make it, or stop in between."""
    set_alias = versions()

    def move(version, kind="promote", *, done=True):
        write_entry(NAME, kind, version, why="because")
        if done:
            set_alias(version)

    return move


def counted():
    return [(entry.before, entry.version) for entry in read_journal(NAME)]


def test_a_model_without_champion_has_an_empty_journal(versions):
    versions()
    assert (champion_of(NAME), read_journal(NAME)) == (None, [])


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
        write_entry(NAME, "promote", version, why="because")
        if done:
            set_alias(version)
            made.append(version)
    assert [entry.version for entry in read_journal(NAME)] == made


def test_promotions_pile_up_and_a_rollback_takes_one_away(move):
    for version in ("1", "2", "3"):
        move(version)
    assert former_champion(NAME) == "2"
    move("2", "rollback")
    assert former_champion(NAME) == "1"
    move("3")
    assert former_champion(NAME) == "2"


def test_there_is_no_way_back_from_the_first_champion(move):
    move("1")
    with pytest.raises(ModelError, match="has no former champion"):
        former_champion(NAME)


def test_a_model_that_is_not_registered_is_said(versions):
    with pytest.raises(ModelError, match="no registered model 'none'"):
        read_journal("none")
