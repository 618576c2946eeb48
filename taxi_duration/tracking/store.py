"""The store of runs: created once, locked, and its failures reported in one line."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sqlite3
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from errno import ENOSPC
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from traceback import walk_tb
from typing import TYPE_CHECKING

from taxi_duration.data.files import staging_folder
from taxi_duration.data.s3 import ENDPOINTS, KEYS
from taxi_duration.errors import (
    ModelError,
    TaxiDurationError,
    TrackingError,
    innermost_cause,
    without_password,
)
from taxi_duration.tracking import store_address
from taxi_duration.tracking.mlflow_pages import experiment_tags, runs_page
from taxi_duration.tracking.run_owner import close_abandoned_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from sqlalchemy import Dialect

EXPERIMENT = "taxi-duration"
UNKNOWN = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}  # of what is not there
FULL = 2**20  # bytes left, below which a disk counts as full
BUSY_SECONDS = 20  # that another process may hold the database; MLflow's sessions wait as long
LOCK_SECONDS = 120  # a new database takes seconds, so a lock held longer is a dead one
S3_LIBRARIES = {"boto3", "botocore", "s3transfer"}
S3_ENDPOINTS = ("MLFLOW_S3_ENDPOINT_URL", *ENDPOINTS)


def open_store(experiment: str = EXPERIMENT) -> None:
    """Point MLflow at the store and the experiment; both are created if new."""
    uri = client().tracking_uri
    import mlflow

    with store_errors("The store cannot be opened"), _creation_lock(uri):
        if mlflow.get_experiment_by_name(experiment) is None:
            database = store_address.database_of(uri)
            artifacts = (database.parent / "artifacts").as_uri() if database else None
            with unless_existing():  # on a server others may be as quick
                mlflow.create_experiment(experiment, artifacts, tags=experiment_tags())
        mlflow.set_experiment(experiment)


@contextmanager
def unless_existing() -> Iterator[None]:
    """Go on if an experiment of that name exists."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as problem:
        if problem.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def find_runs(base: str) -> str:
    """Return the address at which the server at `base` shows the runs of this store."""
    open_store()
    with store_errors("The store cannot be opened"):
        experiment = client().get_experiment_by_name(EXPERIMENT)
    return runs_page(base, experiment.experiment_id, list(experiment.tags))


def client() -> MlflowClient:
    """Point MLflow at the store, created if new, and return a client of it."""
    _quieten()
    import mlflow

    uri = store_address.store_uri()
    with store_errors("The store cannot be opened"), store_address.address_errors(uri):
        _wait_for_databases()
        mlflow.set_tracking_uri(uri)
        _create(uri)
        _close_abandoned_runs(uri)
        return mlflow.MlflowClient(uri)


@cache  # since once is enough
def _wait_for_databases() -> None:
    """Wait for an SQLite database that is locked, also where MLflow opens it: 5 s otherwise."""
    from sqlalchemy import Engine, event

    @event.listens_for(Engine, "do_connect")
    def wait(dialect: Dialect, _record: object, _args: object, options: dict) -> None:
        if dialect.name == "sqlite":
            options.setdefault("timeout", BUSY_SECONDS)


@cache
def _create(uri: str) -> None:
    """Create the tables of a new database."""
    import mlflow

    database = store_address.database_of(uri)
    if database:
        _check_database(database)
        if not os.access(database.parent, os.W_OK):  # a read-only store has its tables
            return
    with _creation_lock(uri), uninterrupted():
        if database and database.is_file() and not database.stat().st_size:
            _create_database(database)
        mlflow.MlflowClient(uri).search_experiments(max_results=1)


def _create_database(database: Path) -> None:
    """Create a database elsewhere and move it in: MLflow cannot go on with half of its tables."""
    import mlflow

    with staging_folder(database.parent, prefix=f".{database.name}-") as folder:
        fresh = folder / database.name
        mlflow.MlflowClient(store_address.sqlite_uri(fresh)).search_experiments(max_results=1)
        fresh.replace(database.resolve())


@cache
def _close_abandoned_runs(uri: str) -> None:
    """Close, once, the runs whose process is gone; a store that is read-only keeps them."""
    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    with suppress(mlflow.MlflowException, SQLAlchemyError, KeyError, ValueError):
        close_abandoned_runs(mlflow.MlflowClient(uri))


def _check_database(database: Path) -> None:
    """Open a database once: where that is impossible, MLflow would try for two minutes."""
    database.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(database, timeout=0)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.OperationalError as problem:
        if problem.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise


def _quieten() -> None:
    """Silence what does not concern a notebook's reader; call it before MLflow is imported."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # the address may hold a password, and what is printed is kept in pages
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # seconds; 7 would be 4 minutes
    for chatty in ("alembic", "mlflow.store", "mlflow.tracking", "mlflow.pyfunc"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db").setLevel(logging.CRITICAL)  # `store_errors` reports them
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import tqdm.auto  # noqa: F401  MLflow imports it later, outside of this filter


@contextmanager
def store_errors(what: str, *, unknown: str | None = None) -> Iterator[None]:
    """Report a failure of MLflow, the database, S3 or the file system as a `TrackingError`.

    Its message begins with `what`, e.g. "The runs cannot be read"; `unknown` is that of a
    `ModelError` where MLflow says that there is no such run or model.
    """
    _quieten()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except TaxiDurationError:
        raise
    except ModuleNotFoundError as problem:
        if problem.name not in store_address.DRIVERS:
            raise
        needed = f"the store needs {problem.name!r}. Install it: pip install"
        raise TrackingError(f"{what}: {needed} {store_address.DRIVERS[problem.name]}.") from problem
    except Exception as problem:
        if unknown and getattr(problem, "error_code", None) in UNKNOWN:
            raise ModelError(unknown) from problem
        known = (MlflowException, SQLAlchemyError, sqlite3.Error, OSError)
        if not isinstance(problem, known) and not _is_of_s3(problem):
            raise
        raise TrackingError(f"{what}: {_reason_and_advice(problem)}") from problem


def _reason_and_advice(problem: BaseException) -> str:
    if isinstance(problem, OSError) and problem.errno == ENOSPC:
        folder, advice = gettempdir(), "Make room, or name another with TMPDIR."
        if shutil.disk_usage(folder).free < FULL:
            return f"the temporary folder {folder!r} is full. {advice}"
    # what the database said, else what MLflow made of it
    said = [getattr(link, "orig", None) for link in (problem, problem.__cause__)]
    reason = without_password(
        _first_sentence(innermost_cause(str(next(filter(None, said), problem))))
    )
    if _is_of_s3(problem) or "s3://" in reason:  # which MLflow has said of a bucket
        place = next((os.environ[name] for name in S3_ENDPOINTS if os.environ.get(name)), "AWS")
        return (
            f"S3 at {without_password(place)} says {reason!r}. Check the bucket, and "
            f"{', '.join(KEYS)} and {S3_ENDPOINTS[0]}."
        )
    if getattr(problem, "error_code", None) == "UNAUTHENTICATED":
        return (
            f"{store_address.shown_uri()} does not know this user or password. Set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )
    return (
        f"{store_address.shown_uri()} says {reason!r}. Check that it is there and can be written, "
        "or name another with MLFLOW_TRACKING_URI."
    )


def _first_sentence(text: str) -> str:
    """Return the first line; if it ends with a colon, also what failed first among downloads."""
    first, *others = text.strip().splitlines() or [""]
    reasons = [line for line in others if not line.startswith("##### File ")]
    return " ".join([first, *reasons[:1]]) if first.endswith(":") else first


def _is_of_s3(problem: BaseException) -> bool:
    """Return whether an error comes from a library of S3; none need be installed."""
    frames = (frame for frame, _ in walk_tb(problem.__traceback__))
    return any(frame.f_globals["__name__"].split(".")[0] in S3_LIBRARIES for frame in frames)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM until the block has ended: half a query would lock the database.

    Python delivers signals to its main thread only; in another one nothing is delayed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = []
    before = {
        each: signal.signal(each, lambda number, _frame: received.append(number))
        for each in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in received[:1]:
            signal.raise_signal(number)


@contextmanager
def lock(key: str = "", *, timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Let one process at a time work on what the key names, e.g. a registered model.

    The lock lies beside the database, or in the user's folder if the store is a server. It holds
    among the processes of one computer, of all its users, who wait so many seconds for it.
    """
    from filelock import FileLock, Timeout

    uri = store_address.store_uri()
    database = store_address.database_of(uri)
    digest = sha256(f"{database or uri} {key}".encode()).hexdigest()[:16]
    path = store_address.beside_store(f"{database.name if database else 'server'}.{digest}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(path, timeout, mode=0o666).acquire()
    except Timeout as problem:
        waited = f"Another process has held {str(path)!r} for {timeout:g} s. Wait for its end."
        raise TrackingError(waited) from problem
    with held:
        yield


def _creation_lock(uri: str) -> AbstractContextManager[None]:
    """Return a lock for creating a database: MLflow's migrations cannot run concurrently."""
    return lock() if store_address.database_of(uri) else nullcontext()
