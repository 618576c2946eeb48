"""A registered model behind MLflow's own server, its files checked before anything is loaded."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from taxi_duration.errors import ModelError
from taxi_duration.registry.loading import NAME, RegisteredModel, find_model

__all__ = ["PORT", "Server", "serve", "serve_files"]

PORT = 8000
START_SECONDS = 120  # the server imports MLflow before it answers
STOP_SECONDS = 10
VARIABLES = {  # of the server's environment
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "UVICORN_ACCESS_LOG": "false",  # a line a request
    "OMP_THREAD_LIMIT": "1",  # threads that share one ride take 40 ms longer on a busy machine
}


@dataclass(frozen=True)
class Server:
    """A model that answers over HTTP.

    Attributes
    ----------
    address
        To which rides are sent.
    """

    address: str
    model: RegisteredModel
    process: subprocess.Popen = field(repr=False)

    def wait(self) -> int:
        """Stay until the server ends, and return its exit code."""
        return self.process.wait()


@contextmanager
def serve(
    model: str = f"models:/{NAME}@champion", *, host: str = "127.0.0.1", port: int = PORT
) -> Iterator[Server]:
    """Serve a model until the end of the block, by `mlflow models serve`.

    Parameters
    ----------
    model
        As `taxi_duration.registry.loading.find_model` takes it; an alias is resolved once.
    host
        Loopback unless told otherwise: the server asks nobody who they are.

    Raises
    ------
    ModelError
        If there is no such model, its files are not those that were recorded, the port is taken,
        or the server does not come up.
    TrackingError
        If the store does not answer.
    """
    found = find_model(model)
    with (
        found.files() as folder,
        serve_files(folder, host=host, port=port) as process,
    ):
        yield Server(f"http://{host}:{port}/invocations", found, process)


@contextmanager
def serve_files(folder: Path, *, host: str, port: int) -> Iterator[subprocess.Popen]:
    """Serve the model in a folder, whatever it is, until the end of the block.

    Raises
    ------
    ModelError
        If the port is taken, or the server does not start.
    """
    from mlflow.pyfunc import scoring_server

    _check_port(host, port)
    command, variables = scoring_server.get_cmd(str(folder), port=port, host=host, nworkers=1)
    words = [sys.executable, "-m", *shlex.split(command)]
    # a group of its own, since Ctrl-C would reach it before we stop it
    process = subprocess.Popen(words, env=variables | VARIABLES, process_group=0)  # noqa: S603
    try:
        _wait_until_ready(process, f"http://{host}:{port}/ping")
        yield process
    finally:
        _stop(process)


def _check_port(host: str, port: int) -> None:
    import socket

    try:
        socket.create_server((host, port)).close()
    except OSError as problem:
        raise ModelError(
            f"Port {port} of {host!r} is unavailable ({problem.strerror}). Choose another: --port."
        ) from problem


def _wait_until_ready(process: subprocess.Popen, address: str) -> None:
    import requests

    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if requests.get(address, timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise ModelError(f"No server started at {address}. Read its messages above.")


def _stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
