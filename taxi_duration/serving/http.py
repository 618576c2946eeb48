"""A registered model over HTTP: its verified files, served by MLflow's own server."""

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
from taxi_duration.registry.loading import RegisteredModel, find_model

PORT = 8000
START_SECONDS = 120  # it imports MLflow and the model
STOP_SECONDS = 3
SERVER = """
import os, runpy, signal, sys, threading

def end_with_parent():
    sys.stdin.buffer.read()  # until the command that started us is gone, even by kill -9
    os.killpg(0, signal.SIGKILL)

threading.Thread(target=end_with_parent, daemon=True).start()
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
VARIABLES = {  # environment of the server
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "UVICORN_ACCESS_LOG": "false",  # a line a request
    "OMP_THREAD_LIMIT": "1",  # threads that share one ride take 40 ms longer on a busy machine
}


@dataclass(frozen=True)
class Server:
    """A running server, and the model that it serves.

    Attributes
    ----------
    address
        For requests.
    """

    address: str
    model: RegisteredModel
    process: subprocess.Popen = field(repr=False)


@contextmanager
def serve(model: str, *, host: str = "127.0.0.1", port: int = PORT) -> Iterator[Server]:
    """Serve a registered model by MLflow's own server until the end of the block.

    Parameters
    ----------
    model : str
        As `taxi_duration.registry.load` takes it, e.g. "champion".
    host : str
        Address to listen on. Others than loopback are open to anyone: there is no access control.
    port : int
        Port to listen on.

    Raises
    ------
    ModelError
        If there is no such model, its files have changed, the port is unavailable, or the server
        does not start.
    """
    found = find_model(model)
    with found.files() as folder, serve_files(folder, host=host, port=port) as process:
        yield Server(f"http://{host}:{port}/invocations", found, process)


@contextmanager
def serve_files(folder: Path, *, host: str, port: int) -> Iterator[subprocess.Popen]:
    """Serve any model that MLflow has saved in a folder until the end of the block."""
    from mlflow.pyfunc import scoring_server

    _check_port(host, port)
    command, variables = scoring_server.get_cmd(str(folder), port=port, host=host, nworkers=1)
    words = [sys.executable, "-c", SERVER, *shlex.split(command)]
    # a group of its own, since Ctrl-C would reach it before we stop it
    how = {"stdin": subprocess.PIPE, "env": variables | VARIABLES, "process_group": 0}
    with subprocess.Popen(words, **how) as process:  # noqa: S603
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
