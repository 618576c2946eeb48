"""The address of the store: MLFLOW_TRACKING_URI, else a database in the checkout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from taxi_duration.errors import TrackingError, without_password
from taxi_duration.tracking.provenance import CHECKOUT

SQLITE = re.compile(
    r"sqlite:///(?P<path>(?!:memory:|file:).+?)(?P<options>\?[^/?]*=[^/?]*)?", re.DOTALL
)
ENCODED = "sqlite+pysqlite:///"  # with it MLflow creates no folder of the encoded name
NO_FILE = re.compile(r"sqlite:(//)?/?(:memory:)?")
DRIVERS = {
    "MySQLdb": "mysqlclient",
    "boto3": "boto3",  # for models in S3 without a server between
    "psycopg": "'psycopg[binary]'",
    "psycopg2": "psycopg2-binary",
}


def store_uri() -> str:
    """Return the address of the store, the same wherever Python was started.

    A database lies in the folder as it is named: SQLAlchemy would decode a `%20` in it.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{_home() / 'mlflow.db'}"
    found = SQLITE.fullmatch(uri)
    if not found or not set(found["path"]) & set("%?"):
        return uri
    return sqlite_uri(Path(found["path"])) + (found["options"] or "")


def sqlite_uri(database: Path) -> str:
    """Return the address of an SQLite database, whatever the names of its folders.

    Examples
    --------
    >>> sqlite_uri(Path("/jobs/50%/mlflow.db"))
    'sqlite+pysqlite:////jobs/50%25/mlflow.db'
    """
    path = str(database).replace("%", "%25").replace("?", "%3F")
    return f"{ENCODED}{path}"


def shown_uri() -> str:
    """Return the address of the store without its password, for messages."""
    return without_password(store_uri())


def database_of(uri: str) -> Path | None:
    """Return the file of an SQLite database; None for a server or another database."""
    if uri.startswith(ENCODED):
        return Path(unquote(uri.removeprefix(ENCODED).partition("?")[0])).absolute()
    found = SQLITE.fullmatch(uri)
    return Path(found["path"]).absolute() if found else None


def beside_store(name: str) -> Path:
    """Return a path next to the database, or in the user's folder if the store is a server."""
    database = database_of(store_uri())
    return (database.parent if database else _home()) / name


def local_folder(uri: str) -> Path | None:
    """Return the folder at an address of files; None if it is not on this computer.

    Examples
    --------
    >>> local_folder("file:///jobs/50%25/artifacts"), local_folder("s3://bucket/artifacts")
    (PosixPath('/jobs/50%/artifacts'), None)
    """
    place = urlsplit(uri)
    return Path(url2pathname(place.path)) if place.scheme == "file" else None


def _home() -> Path:
    is_checkout = (CHECKOUT / "setup.cfg").exists()
    return CHECKOUT / "store" if is_checkout else Path.home() / ".taxi_duration"


@contextmanager
def address_errors(uri: str) -> Iterator[None]:
    """Report an address that MLflow cannot use here, and what is missing."""
    if NO_FILE.fullmatch(uri):
        raise TrackingError(_no_address(uri, "it names no file"))
    database = database_of(uri)
    if database and database.exists() and not database.is_file():
        raise TrackingError(_no_address(uri, "it names a folder or a device"))
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
        f"{without_password(uri)!r} is not the address of a store: {why}. Name another with "
        "MLFLOW_TRACKING_URI, e.g. sqlite:////home/me/mlflow.db or http://127.0.0.1:5000."
    )
