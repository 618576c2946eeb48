"""A lock in the store has one owner; what a process that is gone has left is taken over."""

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from unittest.mock import Mock

import psutil
import pytest
from mlflow import MlflowClient, MlflowException

from taxi_duration.errors import TrackingError
from taxi_duration.tracking import store_lock as module
from taxi_duration.tracking.run_owner import Owner
from taxi_duration.tracking.store_lock import REQUEST, store_lock

NAME = "lock of a model"
INSERT = "CREATE TRIGGER failing BEFORE INSERT ON experiments BEGIN SELECT {}; END"


@pytest.fixture
def client(store):
    """A client of the test's store."""
    return MlflowClient(store)


@pytest.fixture(scope="module")
def ended():
    """The tags of a lock of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = psutil.Process(process.pid).create_time() - psutil.boot_time()
        owner = replace(Owner.this(), pid=process.pid, started=started)
    return {**owner.tags, REQUEST: "a request"}


def is_held():
    try:
        with store_lock("a model", timeout=0):
            return False
    except TrackingError:
        return True


def test_a_lock_is_held_until_the_end_of_its_block(client):
    with store_lock("a model"):
        assert is_held()
    assert not is_held()


def test_a_lock_is_given_back_after_an_error(client):
    with suppress(ZeroDivisionError), store_lock("a model"):
        _ = 1 / 0
    assert not is_held()


def test_what_is_locked_is_told_apart(client):
    with store_lock("another model"):
        assert not is_held()


def test_nothing_is_left_of_a_lock_among_the_experiments(client):
    with store_lock("a model"):
        assert client.get_experiment_by_name(NAME)
    assert [each.name for each in client.search_experiments()] == ["Default"]


def test_a_lock_that_is_held_too_long_is_reported_with_its_owner_and_how_to_rename_it(client):
    with (
        store_lock("a model"),
        pytest.raises(TrackingError) as error,
        store_lock("a model", timeout=0),
    ):
        pass
    owner = Owner.this()
    assert str(error.value).startswith(f"Process {owner.pid} of {owner.host!r} has held the {NAME}")
    assert str(error.value).endswith("rename --experiment-id 1 --new-name 'left 1'.")


def test_the_lock_of_a_process_that_is_gone_is_taken_over(client, ended):
    client.create_experiment(NAME, tags=ended)
    assert not is_held()


def test_the_lock_of_another_computer_is_never_taken_over(client, ended):
    client.create_experiment(NAME, tags=ended | {"owner_host": "another"})
    assert is_held()


def test_a_lock_whose_owner_cannot_be_read_is_not_taken_over(client):
    client.create_experiment(NAME)
    assert is_held()


def test_a_lock_that_was_deleted_by_hand_is_free(client, ended):
    left = client.create_experiment(NAME, tags=ended | {"owner_host": "another"})
    client.delete_experiment(left)
    assert not is_held()


def test_a_lock_that_others_may_not_remove_is_waited_for_no_longer(client, ended, monkeypatch):
    client.delete_experiment(client.create_experiment(NAME, tags=ended))
    refused = Mock(side_effect=MlflowException("Permission denied"))
    monkeypatch.setattr(MlflowClient, "restore_experiment", refused)
    with pytest.raises(TrackingError), store_lock("a model", timeout=0.3):
        pass


def test_who_comes_late_to_remove_a_lock_that_was_left_removes_no_other(client, ended):
    left = client.get_experiment(client.create_experiment(NAME, tags=ended))
    with store_lock("a model"):
        module._remove_left(client, left)
        assert is_held()


def test_a_request_that_is_sent_twice_takes_the_lock(client, monkeypatch):
    create = MlflowClient.create_experiment

    def twice(*words, **how):
        create(*words, **how)
        return create(*words, **how)

    monkeypatch.setattr(MlflowClient, "create_experiment", twice)
    with store_lock("a model", timeout=0):
        assert client.get_experiment_by_name(NAME)


def test_a_store_that_cannot_be_written_is_an_error(client, store):
    with sqlite3.connect(store.removeprefix("sqlite:///")) as database:
        database.execute(INSERT.format("* FROM missing"))
    with (
        pytest.raises(TrackingError, match=f"^The {NAME} cannot be taken: "),
        store_lock("a model"),
    ):
        pass


def test_a_lock_that_others_give_back_and_take_is_waited_for_no_longer(client, store):
    with sqlite3.connect(store.removeprefix("sqlite:///")) as database:
        database.execute(INSERT.format("RAISE(ABORT, 'exists')"))
    with (
        pytest.raises(TrackingError, match=f"Other processes have held the {NAME} for 0.3 s"),
        store_lock("a model", timeout=0.3),
    ):
        pass


def test_of_several_at_once_one_is_at_work(client):
    at_work, most = [], []

    def work(_number):
        with store_lock("a model"):
            at_work.append(1)
            most.append(len(at_work))
            at_work.pop()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    assert most == [1] * 8
