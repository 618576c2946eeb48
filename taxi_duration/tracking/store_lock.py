"""A lock in the store itself, which holds among the computers that share a server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from taxi_duration.errors import TrackingError
from taxi_duration.tracking.run_owner import Owner
from taxi_duration.tracking.store import LOCK_SECONDS, client, store_errors, unless_existing

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

REQUEST = "lock_request"  # a tag: one process may ask several times
POLL_SECONDS = 0.2


@contextmanager
def store_lock(key: str, *, timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Let one process at a time, on whatever computer, change what the key names; others wait.

    The lock is an experiment "lock of KEY" whose tags describe its owner. Names of experiments are
    unique in a store, so of several processes that create it at once one succeeds. It is given back
    by renaming and deleting it, by its id: nobody removes a lock that another has taken meanwhile.

    A process that is killed leaves its lock. On the same computer it is found to be gone; whether
    one of another computer is cannot be known, so that nothing expires: the error says what to
    rename. What the lock cannot prevent is a change by someone who does not ask for it, e.g. in
    MLflow's pages, or one that the server carries out after its sender has given up.
    """
    name, store = f"lock of {key}", client()
    with store_errors(f"The {name} cannot be taken"):
        lock_id = _take(store, name, timeout)
    try:
        yield
    finally:
        with store_errors(f"The {name} cannot be given back"):
            _remove(store, store.get_experiment(lock_id))


def _take(store: MlflowClient, name: str, timeout: float) -> str:
    """Create the lock as soon as there is none, and return its id."""
    until, request = time.monotonic() + timeout, uuid4().hex
    while True:
        with unless_existing():
            return store.create_experiment(name, tags={**Owner.this().tags, REQUEST: request})
        found = store.get_experiment_by_name(name)
        if found and found.tags.get(REQUEST) == request:  # it was sent twice
            return found.experiment_id
        if found and _is_left(found) and _remove_left(store, found):
            continue
        if time.monotonic() >= until:
            raise TrackingError(_held(name, found, timeout))
        time.sleep(POLL_SECONDS)


def _is_left(lock: Experiment) -> bool:
    """Return whether a lock is nobody's: deleted by hand, or its process is gone.

    MLflow reads the tags after the rest, by the name: of a lock that is given back in between there
    are none.
    """
    is_owned = REQUEST in lock.tags
    return lock.lifecycle_stage == "deleted" or (is_owned and Owner.of(lock.tags).is_gone())


def _remove_left(store: MlflowClient, lock: Experiment) -> bool:
    """Remove a lock, unless another process does, or a server with accounts does not permit it."""
    from mlflow.exceptions import MlflowException

    with suppress(MlflowException):
        _remove(store, lock)
        return True
    return False


def _remove(store: MlflowClient, lock: Experiment) -> None:
    """Free the name of a lock, then delete it; a deleted experiment would keep its name."""
    if lock.lifecycle_stage == "deleted":
        store.restore_experiment(lock.experiment_id)
    store.rename_experiment(lock.experiment_id, f"{lock.name} {lock.experiment_id}")
    store.delete_experiment(lock.experiment_id)


def _held(name: str, lock: Experiment | None, seconds: float) -> str:
    if lock is None:
        return f"Other processes have held the {name} for {seconds:g} s. Run it again."
    pid, host = (lock.tags.get(f"owner_{each}") for each in ("pid", "host"))
    return (
        f"Process {pid} of {host!r} has held the {name} for {seconds:g} s. Wait for its end; if it "
        f"was killed, rename its lock: mlflow experiments rename --experiment-id "
        f"{lock.experiment_id} --new-name 'left {lock.experiment_id}'."
    )
