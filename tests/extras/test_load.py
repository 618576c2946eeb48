"""Champions change while requests come all the time; the server is killed under them."""

import itertools
import json
import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import pandas as pd
import psutil
import pytest
import requests
from shelf import free_port

from taxi_duration.errors import ExitCode
from taxi_duration.registry.loading import load
from taxi_duration.registry.promotion import promote, register, rollback
from taxi_duration.serving.request import EXAMPLE
from taxi_duration.serving.server_process import STEADY_SECONDS, serve
from taxi_duration.tracking.training import record

CHANGES = 20
CLIENTS = 4
PAUSE = 0.01  # seconds, so that promotions, in the same process, have their turn
SOON = 120  # seconds, in which a busy machine has surely followed an alias or started a server
HOURS = [EXAMPLE | {"pickup_datetime": f"2021-03-01T{hour:02}:00:00"} for hour in range(24)]


class Answer(NamedTuple):
    """What a client got for the ride of an hour, and when it had asked."""

    at: float
    hour: int
    status: int | None  # none: the connection failed
    content: dict


@pytest.fixture(scope="module", autouse=True)
def expected(folder, months):
    """Minutes of each hour by version; of two champions, one after the other."""
    for trees in (5, 30):
        run = record("xgboost", months, n_estimators=trees, learning_rate=0.3, threads=1)
        assert promote(register(run.run_id), months.test, why="a test").accepted
    rides = pd.DataFrame(HOURS)
    return {int(each): load(each).predict(rides)["duration"].tolist() for each in ("1", "2")}


@contextmanager
def clients(address):
    """Have clients send rides of all hours all the time; give what has come back so far."""
    found, stop = [], threading.Event()

    def send():
        with requests.Session() as session:
            for hour in itertools.cycle(range(24)):
                if stop.wait(PAUSE):
                    return
                found.append(ask(session, address, hour))

    with ThreadPoolExecutor(CLIENTS) as threads:
        sent = [threads.submit(send) for _ in range(CLIENTS)]
        try:
            yield found
        finally:
            stop.set()
    assert [each.result() for each in sent] == [None] * CLIENTS


def ask(session, address, hour):
    begun = time.monotonic()
    try:
        reply = session.post(f"{address}/predict", json=HOURS[hour], timeout=SOON)
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        time.sleep(0.05)
        return Answer(begun, hour, None, {})
    return Answer(begun, hour, reply.status_code, reply.json())


def wrong(answers, expected):
    """Answers that are not the minutes of the version that they name."""
    return [
        each for each in answers
        if each.status != 200
        or each.content["duration"] != expected[each.content["version"]][each.hour]
    ]  # fmt: skip


def wait_for(condition):
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def newest_is_by(version, answers):
    return any(each.content.get("version") == version for each in answers[-1:])


def test_no_request_fails_while_champions_change_and_each_is_by_the_version_it_names(
    folder, months, expected
):
    with (
        serve("champion", port=free_port(), requests=folder / "requests") as server,
        clients(server.address) as answers,
    ):
        for _ in range(CHANGES // 2):
            rollback(why="back")
            wait_for(lambda: newest_is_by(1, answers))
            assert promote("2", months.test, why="again").accepted
            wait_for(lambda: newest_is_by(2, answers))
    assert wrong(answers, expected) == []
    assert {each.content["version"] for each in answers} == {1, 2}


class Command:
    """`taxi-duration serve`, and its lines, those in JSON excepted."""

    def __init__(self, folder):
        port = free_port()
        self.address, self.log = f"http://127.0.0.1:{port}", folder / "serve.log"
        self.served = f"taxi-duration/2 is served at {self.address}; stop with Ctrl-C"
        words = ["taxi-duration", "serve", "--port", str(port), "--requests", str(folder / "log")]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(words, stderr=log)

    def lines(self):
        return [each for each in self.log.read_text().splitlines() if not each.startswith("{")]

    def stop(self):
        self.process.terminate()
        self.process.wait(SOON)

    def wait_until_served(self, times):
        wait_for(lambda: sum("is served at" in each for each in self.lines()) == times)

    def kill_server(self):
        (server,) = psutil.Process(self.process.pid).children()
        os.kill(server.pid, signal.SIGKILL)


@pytest.fixture
def command(tmp_path):
    """The command with its server ready; afterwards it is gone."""
    command = Command(tmp_path)
    command.wait_until_served(1)
    yield command
    command.stop()


def test_a_server_that_is_killed_is_back_soon_and_no_answer_is_wrong(command, expected):
    with clients(command.address) as answers:
        time.sleep(STEADY_SECONDS + 1)
        killed = time.monotonic()
        command.kill_server()
        command.wait_until_served(2)
        back = time.monotonic()
        wait_for(lambda: answers[-1].at > back)
    failed = [each for each in answers if each.status is None]
    assert failed
    assert all(killed - 1 < each.at < back for each in failed)
    answered = [each for each in answers if each.status]
    assert wrong(answered, expected) == []
    assert {each.content["version"] for each in answered} == {2}
    ended = f"The server at {command.address} has ended by SIGKILL, and is started again."
    assert command.lines() == [command.served, ended, command.served]


def test_a_server_that_is_killed_as_soon_as_it_is_ready_ends_the_command(command):
    command.kill_server()
    assert command.process.wait(SOON) == ExitCode.STORE
    said = f"taxi-duration: The server at {command.address} has ended by SIGKILL. Start it again."
    assert command.lines()[1:] == [said]


def test_what_a_server_writes_is_lines_of_json_each_request_with_its_id(command):
    headers = {"X-Request-ID": "ours-1"}
    assert requests.post(f"{command.address}/predict", json=EXAMPLE, headers=headers).ok
    command.stop()
    written = command.log.read_text().splitlines()
    lines = [json.loads(each) for each in written if not each.startswith("taxi-duration")]
    (line,) = [each for each in lines if each["message"] == "request"]
    assert (line["request_id"], line["status"], line["rides"]) == ("ours-1", 200, 1)
