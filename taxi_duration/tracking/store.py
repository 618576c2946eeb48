"""Where runs are kept: MLFLOW_TRACKING_URI, else a database in the checkout."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import sqlite3
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from errno import ENOSPC
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING
from urllib.parse import unquote

from taxi_duration.errors import TaxiDurationError, TrackingError
from taxi_duration.tracking.provenance import CHECKOUT

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "EXPERIMENT",
    "beside_store",
    "client",
    "lock",
    "open_store",
    "shown_uri",
    "store_errors",
    "store_exists",
    "store_uri",
    "uninterrupted",
]

EXPERIMENT = "taxi-duration"
SQLITE = re.compile(
    r"sqlite:///(?P<path>(?!:memory:|file:).+?)(?P<options>\?[^/?]*=[^/?]*)?", re.DOTALL
)
ENCODED = "sqlite+pysqlite:///"  # of it MLflow does not make the folder before it is decoded
NO_FILE = re.compile(r"sqlite:(//)?/?(:memory:)?")
DRIVERS = {"MySQLdb": "mysqlclient", "psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary"}
ENOUGH = 2**20  # bytes
LOCK_SECONDS = 120  # a new database is made in seconds; whoever waits longer has met a dead lock


def store_uri() -> str:
    """Return the address of the store, the same wherever Python was started.

    A database lies in the folder as it is named: SQLAlchemy would decode a `%20` in it.

    Examples
    --------
    >>> store_uri().partition(":")[0] in {"sqlite", "http", "https"}
    True
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{_home() / 'mlflow.db'}"
    found = SQLITE.fullmatch(uri)
    if not found or not set(found["path"]) & set("%?"):
        return uri
    path = found["path"].replace("%", "%25").replace("?", "%3F")
    return f"{ENCODED}{path}{found['options'] or ''}"


def shown_uri() -> str:
    """Return the address of the store as a message shows it: without its password."""
    return _without_password(store_uri())


def _without_password(text: str) -> str:
    """Hide the password in each address of a text.

    Examples
    --------
    >>> _without_password("no answer from postgresql://ann:secret@db/mlflow")
    'no answer from postgresql://ann:***@db/mlflow'
    """
    return re.sub(r"(//[^/@:\s]*):[^/@\s]*@", r"\1:***@", text)


def store_exists() -> bool:
    """Say whether there may be runs in the store; a server is asked when it is opened."""
    database = _database(store_uri())
    return database is None or database.exists()


def beside_store(name: str) -> Path:
    """Return a place beside the runs: by the database, or at home where a server has them."""
    database = _database(store_uri())
    return (database.parent if database else _home()) / name


def open_store(experiment: str = EXPERIMENT) -> str:
    """Point MLflow at the store and the experiment, made if they are new; return its address.

    Raises
    ------
    TrackingError
        If the store does not answer, or cannot be made.
    """
    store = client()
    import mlflow

    uri = store.tracking_uri
    with store_errors("The store cannot be opened"), _alone(uri):
        if store.get_experiment_by_name(experiment) is None:
            store.create_experiment(experiment, artifact_location=_artifacts(uri))
        mlflow.set_experiment(experiment)
    return uri


def client() -> MlflowClient:
    """Point MLflow at the store, made if it is new; return a client of it.

    Raises
    ------
    TrackingError
        If the store does not answer, or cannot be made.
    """
    _quieten()
    import mlflow

    uri = store_uri()
    with store_errors("The store cannot be opened"), _supported(uri):
        mlflow.set_tracking_uri(uri)
        _make(uri)
        return mlflow.MlflowClient(uri)


@contextmanager
def _supported(uri: str) -> Iterator[None]:
    """Reject an address that nothing here can read, and say what is missing."""
    if NO_FILE.fullmatch(uri):
        raise TrackingError(_no_address(uri, "it names no file"))
    try:
        yield
    except ModuleNotFoundError as problem:
        driver = DRIVERS.get(problem.name, problem.name)
        raise TrackingError(
            f"The store cannot be opened: {uri.partition(':')[0]!r} needs {problem.name!r}. "
            f"Install it: pip install {driver}."
        ) from problem
    except ValueError as problem:
        raise TrackingError(_no_address(uri, problem)) from problem


def _no_address(uri: str, why: object) -> str:
    return (
        f"{_without_password(uri)!r} is no address of a store: {why}. Name another with "
        "MLFLOW_TRACKING_URI, e.g. sqlite:////home/me/mlflow.db or http://127.0.0.1:5000."
    )


@cache
def _make(uri: str) -> None:
    """Make the tables of a new database; once is enough."""
    import mlflow

    database = _database(uri)
    if database is not None:
        _check(database)
        if not os.access(database.parent, os.W_OK):  # a store that can only be read has its tables
            return
    with _alone(uri):
        mlflow.MlflowClient(uri).search_experiments(max_results=1)


def _check(database: Path) -> None:
    """See that a database can be opened: where it cannot, MLflow tries for two minutes."""
    database.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.OperationalError as problem:
        if problem.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise


def _quieten() -> None:
    """Keep libraries from telling a notebook's reader what is of no concern; before any import."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # seconds; 7 would be 4 minutes
    for chatty in ("alembic", "mlflow.store", "mlflow.tracking", "mlflow.pyfunc"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db").setLevel(
        logging.CRITICAL
    )  # `store_errors` says it in one line
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import tqdm.auto  # noqa: F401  MLflow imports it later, outside of this filter


@contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Turn MLflow's own failures into one that names the store.

    Raises
    ------
    TrackingError
        In place of MLflow's exception, or of one of the database or the file system.
    """
    _quieten()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except TaxiDurationError:
        raise
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as problem:
        if isinstance(problem, OSError) and problem.errno == ENOSPC and _is_full(gettempdir()):
            raise TrackingError(
                f"{what}: the temporary folder {gettempdir()!r} is full. Make room, or name "
                "another with TMPDIR."
            ) from problem
        raise TrackingError(
            f"{what}: {shown_uri()} says {_reason(problem)!r}. Check that it is there and can be "
            "written, or name another with MLFLOW_TRACKING_URI."
        ) from problem


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the block is done: half a query would keep the database locked.

    Python tells signals to its first thread only; in another one nothing is held back.

    Raises
    ------
    KeyboardInterrupt
        Afterwards, if Ctrl-C came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def _is_full(folder: str) -> bool:
    return shutil.disk_usage(folder).free < ENOUGH


def _reason(problem: BaseException) -> str:
    """Return the first line of what the database said, or else of what MLflow made of it."""
    said = [getattr(link, "orig", None) for link in (problem, problem.__cause__)]
    return _without_password(str(next(filter(None, said), problem)).strip().splitlines()[0])


def _home() -> Path:
    if (CHECKOUT / "setup.cfg").exists():
        return CHECKOUT / "store"
    return Path.home() / ".taxi_duration"


def _database(uri: str) -> Path | None:
    if uri.startswith(ENCODED):
        return Path(unquote(uri.removeprefix(ENCODED).partition("?")[0])).absolute()
    found = SQLITE.fullmatch(uri)
    return Path(found["path"]).absolute() if found else None


def _artifacts(uri: str) -> str | None:
    database = _database(uri)
    return (database.parent / "artifacts").as_uri() if database else None


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Let one process at a time make a database: MLflow's migrations do not stand company."""
    with lock() if _database(uri) else nullcontext():
        yield


@contextmanager
def lock(key: str = "", *, timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Let one process at a time do with the store what the key names.

    The lock lies beside the database, or in the user's own folder where a server has the runs. It
    holds among the processes of one computer, whoever runs them.

    Raises
    ------
    filelock.Timeout
        If another process holds it for so many seconds.
    """
    from filelock import FileLock

    uri = store_uri()
    database = _database(uri)
    digest = sha256(f"{database or uri} {key}".encode()).hexdigest()[:16]
    path = beside_store(f"{database.name if database else 'server'}.{digest}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path, timeout, mode=0o666):
        yield
