"""Servers in a process of their own, which ends with ours: a registered model, MLflow's pages."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from taxi_duration.errors import ServerError
from taxi_duration.registry.loading import RegisteredModel, find_model
from taxi_duration.serving.request_log import log_folder
from taxi_duration.tracking.store import find_runs
from taxi_duration.tracking.store_address import store_uri

PORT, PAGES_PORT = 8000, 5000
START_SECONDS = 120  # it imports MLflow and the model
STOP_SECONDS = 3
STEADY_SECONDS = 5  # a server that is killed sooner would be killed again and again
SERVER = """
import os, runpy, select, signal, sys, threading

def end_with_parent():
    # until the command that started us is gone, even by kill -9; others may make a read not wait
    select.select([0], [], [])
    os.killpg(0, signal.SIGKILL)

threading.Thread(target=end_with_parent, daemon=True).start()
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
VARIABLES = {  # environment of the server
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "OMP_THREAD_LIMIT": "1",  # threads that share one ride take 40 ms longer on a busy machine
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Server:
    """A running server, and the model that it serves at first."""

    address: str  # e.g. http://127.0.0.1:8000
    model: RegisteredModel | None
    process: subprocess.Popen = field(repr=False)


@contextmanager
def serve(
    model: str,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    requests: str | Path | None = None,
) -> Iterator[Server]:
    """Serve a registered model until the end of the block; an alias is followed.

    Parameters
    ----------
    model : str
        As `taxi_duration.registry.load` takes it, e.g. "champion".
    host : str
        Address to listen on. Others than loopback are open to anyone: there is no access control.
    port : int
        Port to listen on.
    requests : str or Path, optional
        Folder for the log of requests; by default one beside the recorded runs.

    Raises
    ------
    ModelError
        If there is no such model, or its files have changed.
    ServerError
        If the port is unavailable, or the server does not start.
    """
    found = find_model(model)
    found.check_files()
    words = ["taxi_duration.serving.app", model, host, str(port), str(log_folder(requests))]
    with run_server(words, host=host, port=port, ready="/ready") as process:
        yield Server(f"http://{host}:{port}", found, process)


def keep_serving(model: str, announce: Callable[[Server], None], **how: object) -> NoReturn:
    """Serve a registered model for good: a process that a signal has killed is started again.

    `announce` is called with each server once it is ready. It is an error if the process ends by
    itself, or is killed within five seconds.
    """
    while True:
        with serve(model, **how) as server:
            announce(server)
            ready = time.monotonic()
            ended = _wait(server)
        if server.process.returncode >= 0 or time.monotonic() < ready + STEADY_SECONDS:
            raise ServerError(f"{ended}. Start it again.")
        logger.warning("%s, and is started again.", ended)


@contextmanager
def show_runs(*, host: str = "127.0.0.1", port: int = PAGES_PORT) -> Iterator[Server]:
    """Show the recorded runs in MLflow's pages until the end of the block."""
    words = ["mlflow", "server", "-w", "1", "--host", host, "--port", str(port),
             "--uvicorn-opts", "--log-level warning"]  # fmt: skip
    variables = {
        "MLFLOW_BACKEND_STORE_URI": store_uri(),  # no argument, since it may hold a password
        "MLFLOW_REGISTRY_STORE_URI": store_uri(),  # else it says that none is given
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",
    }
    with run_server(words, host=host, port=port, ready="/health", **variables) as process:
        yield Server(find_runs(f"http://{host}:{port}"), None, process)


@contextmanager
def run_server(
    words: Sequence[str], *, host: str, port: int, ready: str, **variables: str
) -> Iterator[subprocess.Popen]:
    """Run a module of Python as a server until the end of the block, or of this process.

    `words` are the module and its arguments, `variables` further ones of its environment; the path
    `ready` answers once the server does.
    """
    _check_port(host, port)
    # a group of its own, since Ctrl-C would reach it before we stop it
    how = {"stdin": subprocess.PIPE, "env": os.environ | VARIABLES | variables, "process_group": 0}
    with subprocess.Popen([sys.executable, "-c", SERVER, *words], **how) as process:  # noqa: S603
        try:
            _wait_until_ready(process, f"http://{host}:{port}{ready}")
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _check_port(host: str, port: int) -> None:
    try:
        socket.create_server((host, port)).close()
    except OSError as problem:
        raise ServerError(
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
    raise ServerError(f"No server started at {address}. Read its messages above.")


def wait(server: Server) -> NoReturn:
    """Wait until something ends the server, and raise a `ServerError` that says what."""
    raise ServerError(f"{_wait(server)}. Start it again.")


def _wait(server: Server) -> str:
    code = server.process.wait()
    by = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return f"The server at {server.address} has ended {by}"
