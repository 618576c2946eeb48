"""Champions change while requests come without a pause; the server is killed."""

import itertools
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import psutil
import pytest
import requests

from taxi_duration.errors import ServerError
from taxi_duration.registry.loading import load
from taxi_duration.registry.promotion import promote, rollback
from taxi_duration.serving.http import serve
from taxi_duration.serving.request import EXAMPLE

pytestmark = pytest.mark.soak
CHANGES = 20
CLIENTS = 8
FOLLOWED = 30  # seconds, in which a busy machine has surely followed the alias


@pytest.fixture
def store(registry_database, tmp_path, monkeypatch):
    """A store of two champions, one after the other."""
    copy = shutil.copy(registry_database("weak", "good"), tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy}")
    return tmp_path


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def send_rides(address, stop):
    """Send rides of all hours until told to stop; return what came back for which hour."""
    found, hours = [], itertools.cycle(range(24))
    with requests.Session() as session:
        while not stop.is_set():
            hour = next(hours)
            ride = EXAMPLE | {"pickup_datetime": f"2021-03-01T{hour:02}:00:00"}
            reply = session.post(f"{address}/predict", json=ride, timeout=30)
            found.append((hour, reply.status_code, reply.json()))
    return found


def wait_for_version(address, version):
    deadline = time.monotonic() + FOLLOWED
    while time.monotonic() < deadline:
        if (
            requests.post(f"{address}/predict", json=EXAMPLE, timeout=30).json()["version"]
            == version
        ):
            return
        time.sleep(0.2)
    raise TimeoutError(version)


def test_no_request_fails_while_champions_change_and_each_is_by_the_version_it_names(
    store, port, months
):
    rides = [EXAMPLE | {"pickup_datetime": f"2021-03-01T{hour:02}:00:00"} for hour in range(24)]
    expected = {int(version): load(version).predict(pd.DataFrame(rides))["duration"].tolist()
                for version in ("1", "2")}  # fmt: skip
    stop = threading.Event()
    with (
        serve("champion", port=port, requests=store / "requests") as server,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        sent = [clients.submit(send_rides, server.address, stop) for _ in range(CLIENTS)]
        try:
            for _ in range(CHANGES // 2):
                rollback(why="back")
                wait_for_version(server.address, 1)
                assert promote("2", months.test, why="again").accepted
                wait_for_version(server.address, 2)
        finally:
            stop.set()
        answers = [each for part in sent for each in part.result()]
    assert {status for _, status, _ in answers} == {200}
    assert {found["version"] for _, _, found in answers} == {1, 2}
    wrong = [
        each for each in answers if each[2]["duration"] != expected[each[2]["version"]][each[0]]
    ]
    assert wrong == []


def test_the_command_ends_when_its_server_is_killed(store, port):
    words = ["serve", "--port", str(port), "--requests", str(store / "requests")]
    command = subprocess.Popen(
        [sys.executable, "-m", "taxi_duration.cli.main", *words], stderr=subprocess.PIPE, text=True
    )
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    time.sleep(2)  # until the command has seen that it is ready
    (child,) = psutil.Process(command.pid).children()
    child.kill()
    said = command.communicate(timeout=10)[1].splitlines()
    assert command.returncode == ServerError.exit_code
    address = f"http://127.0.0.1:{port}"
    assert (
        said[-1] == f"taxi-duration: The server at {address} has ended by SIGKILL. Start it again."
    )
