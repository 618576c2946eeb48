"""A registered model behind MLflow's own server, its files checked before anything is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from taxi_duration.errors import ModelError
from taxi_duration.registry.loading import NAME, verified_files
from taxi_duration.registry.versions import Version, find_version
from taxi_duration.tracking.runs import read_record

__all__ = ["PORT", "Server", "environment", "running", "serve"]

PORT = 8000
START_SECONDS = 120  # the server imports MLflow before it answers
STOP_SECONDS = 10


@dataclass(frozen=True)
class Server:
    """A model that answers over HTTP.

    Attributes
    ----------
    address
        To which rides are sent.
    """

    address: str
    version: Version
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
        As `taxi_duration.registry.versions.find_version` takes it; an alias is resolved once.
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
    version = find_version(model)
    with (
        verified_files(read_record(version.run_id), version.address) as folder,
        running(folder, host=host, port=port) as process,
    ):
        yield Server(f"http://{host}:{port}/invocations", version, process)


@contextmanager
def running(folder: Path, *, host: str, port: int) -> Iterator[subprocess.Popen]:
    """Have MLflow's server answer for the model in a folder, until the end of the block.

    Raises
    ------
    ModelError
        If the port is taken, or the server does not come up.
    """
    _check_port(host, port)
    words = ["models", "serve", "-m", str(folder), "--env-manager", "local", "-w", "1"]
    command = [sys.executable, "-m", "mlflow", *words, "-h", host, "-p", str(port)]
    # a group of its own, since the command starts the server as its child
    process = subprocess.Popen(command, env=environment(), process_group=0)  # noqa: S603
    try:
        _wait_for(process, f"http://{host}:{port}/ping")
        yield process
    finally:
        _stop(process)


def environment() -> dict[str, str]:
    """Return the variables that a server runs with."""
    beside = Path(sys.executable).parent  # where MLflow looks for its server
    return {
        **os.environ,
        "PATH": f"{beside}{os.pathsep}{os.environ.get('PATH', '')}",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "UVICORN_ACCESS_LOG": "false",  # a line a request
        # a ride is one row: threads that share it out cost 40 ms on a machine that is busy
        "OMP_THREAD_LIMIT": "1",
    }


def _check_port(host: str, port: int) -> None:
    import socket

    try:
        socket.create_server((host, port)).close()
    except OSError as problem:
        raise ModelError(
            f"Port {port} of {host!r} cannot be had ({problem.strerror}). Choose another: --port."
        ) from problem


def _wait_for(process: subprocess.Popen, address: str) -> None:
    import requests

    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if requests.get(address, timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise ModelError(f"No server came up at {address}. Read what it said above.")


def _stop(process: subprocess.Popen) -> None:
    import signal

    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOP_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
