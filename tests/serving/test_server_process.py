"""A ride sent over HTTP gets the minutes, or the reason, that it gets in any other way."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import forks
import pandas as pd
import psutil
import pytest
import requests
from shelf import free_port, serving_app
from thousand import MISTYPED_ROWS, ask_for_a_thousand, assert_same, expected_of, thousand_rides

from taxi_duration.data.parquet import write_parquet
from taxi_duration.data.rides import read_rides
from taxi_duration.errors import ModelError, SchemaError, ServerError
from taxi_duration.months import GREEN, Month
from taxi_duration.registry.loading import find_model, load
from taxi_duration.registry.promotion import register
from taxi_duration.serving import server_process
from taxi_duration.serving.batch import score_months
from taxi_duration.serving.server_process import SERVER, Server, keep_serving, serve
from taxi_duration.tracking.training import record

QUICK = {"n_estimators": 8, "max_depth": 4, "threads": 1}
MODELS = {"xgboost": "taxi-duration", "quote": "taxi-duration-quote"}
GOOD = {
    "pickup_datetime": "2021-03-01 08:00:00",
    "PULocationID": 74,
    "DOLocationID": 75,
    "trip_distance": 2.5,
}
FIELDS = list(GOOD)
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def registered(new_store, split, tmp_path_factory):
    """A store with a model of each kind under its own name; the store's address."""
    with new_store(tmp_path_factory.mktemp("registered")) as uri:
        for kind, name in MODELS.items():
            register(record(kind, split, **QUICK).run_id, name=name)
        yield uri


@pytest.fixture(scope="module")
def servers(registered):
    """Servers of both models, by kind, started side by side; after their blocks they are gone."""
    blocks = {kind: serve(f"models:/{name}/1", port=free_port()) for kind, name in MODELS.items()}
    with ExitStack() as ends, ThreadPoolExecutor() as aside:
        started = dict(zip(blocks, aside.map(ends.enter_context, blocks.values()), strict=True))
        yield started
    assert not any(psutil.pid_exists(server.process.pid) for server in started.values())


@pytest.fixture(scope="module")
def client():
    with requests.Session() as client:
        yield client


@pytest.fixture(scope="module", params=MODELS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def send(servers, client):
    """Send rides as they come; give the status, and the predictions or the message."""

    def send(rides, kind="xgboost"):
        text = json.dumps({"dataframe_records": rides})  # also writes NaN, which is no JSON
        reply = client.post(
            f"{servers[kind].address}/invocations", data=text, headers=JSON, timeout=30
        )
        content = reply.json()
        return reply.status_code, content.get("predictions", content.get("message"))

    return send


@pytest.fixture(scope="module")
def thousand(split):
    return thousand_rides(split.test.frame)


@pytest.fixture(scope="module")
def expected(registered, kind, thousand):
    """Minutes by row, and the reasons of rejected rows."""
    return expected_of(load(f"models:/{MODELS[kind]}/1").estimator, thousand)


@pytest.fixture(scope="module")
def pyfunc(registered, kind):
    """The model as MLflow itself loads it."""
    import mlflow

    return mlflow.pyfunc.load_model(f"models:/{MODELS[kind]}/1")


def test_the_library_predicts_a_thousand_rides_as_the_pipeline_does(
    registered, kind, thousand, expected
):
    minutes, reasons = expected
    model = load(f"models:/{MODELS[kind]}/1")
    assert_same(model.predict(thousand.loc[minutes.index]), minutes)
    for row, reason in reasons.items():
        with pytest.raises(SchemaError, match=f"row 0: {re.escape(reason)}"):
            model.predict(thousand.loc[[row]])


def test_mlflow_predicts_a_thousand_rides_as_the_pipeline_does(pyfunc, thousand, expected):
    minutes, reasons = expected
    given = typed(thousand.drop(index=MISTYPED_ROWS))
    minutes, reasons = (each[each.index.isin(given.index)] for each in (minutes, reasons))
    assert_same(pyfunc.predict(given.loc[minutes.index]), minutes)
    with pytest.raises(Exception, match=f"row {reasons.index[0]}: ") as problem:
        pyfunc.predict(given)
    assert f"and {len(reasons) - 5} more rows" in str(problem.value)


def test_mlflows_own_server_predicts_a_thousand_rides_as_the_pipeline_does(
    pyfunc, client, thousand, expected
):
    from mlflow.pyfunc import scoring_server

    with serving_app(scoring_server.init(pyfunc)) as address:
        ask_for_a_thousand(client, address, thousand, expected)


def test_the_server_predicts_a_thousand_rides_as_the_pipeline_does(
    servers, client, kind, thousand, expected
):
    ask_for_a_thousand(client, servers[kind].address, thousand, expected)


def test_a_batch_predicts_a_thousand_rides_as_the_pipeline_does(
    registered, kind, thousand, expected, tmp_path
):
    minutes, reasons = expected
    rides = read_rides(thousand)
    took = rides["pickup_datetime"] + pd.Timedelta(minutes=10)
    rows = rides.assign(dropoff_datetime=took)
    spelled = {ours: theirs for theirs, ours in GREEN.columns.items()}
    write_parquet(rows.rename(columns=spelled), tmp_path / GREEN.file(Month(2021, 3)))
    model = load(f"models:/{MODELS[kind]}/1")
    (made,) = score_months(model, "2021-03", source=tmp_path, into=tmp_path / "out")
    found = made.predictions().set_index("ride").drop(columns="duration")
    assert_same(found.rename(columns={"predicted": "duration"}), minutes)
    assert found.index.tolist() == minutes.index.tolist()
    assert made.rejected().set_index("ride")["reason"].to_dict() == reasons.to_dict()


def test_plain_json_gets_the_same_minutes_and_the_same_reasons(
    servers, client, kind, thousand, expected
):
    minutes, reasons = expected
    address = f"{servers[kind].address}/predict"
    found = client.post(address, json=thousand.loc[minutes.index].to_dict("records")).json()
    assert_same(found["predictions"], minutes)
    given = thousand[thousand["trip_distance"].notna()]  # `quote` predicts the others
    found = client.post(address, json=given.to_dict("records")).json()["rejected"]
    labels = [given.index[each["row"]] for each in found]
    said = [f"{each['field']} {each['limit']}" for each in found]
    assert (
        dict(zip(labels, said, strict=True)) == reasons[reasons.index.isin(given.index)].to_dict()
    )


def typed(rides):
    """Rides with numbers as numbers, which MLflow requires in Python."""
    return rides.astype(dict.fromkeys(FIELDS[1:], float))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"PULocationID": 9999},
            "row 0: PULocationID is not one of TLC's zones 1 to 265, got 9999",
        ),
        ({"DOLocationID": 0}, "row 0: DOLocationID is not one of TLC's zones 1 to 265, got 0"),
        ({"DOLocationID": None}, "row 0: DOLocationID is missing or no number"),
        ({"trip_distance": -1}, "row 0: trip_distance is not 0 or more miles, got -1"),
        ({"trip_distance": float("inf")}, "row 0: trip_distance is not 0 or more miles, got inf"),
        (
            {"trip_distance": float("nan")},
            "row 0: trip_distance is missing or no number (the model 'quote'",
        ),
        (
            {"trip_distance": None},
            "row 0: trip_distance is missing or no number (the model 'quote' needs none)",
        ),
        ({"pickup_datetime": None}, "row 0: pickup_datetime is missing or no time"),
        ({"pickup_datetime": ""}, "row 0: pickup_datetime is missing or no time"),
        ({"pickup_datetime": 1614585600}, "row 0: pickup_datetime is missing or no time, got 1614"),
    ],
)
def test_a_bad_ride_gets_400_and_the_row_field_and_limit(send, changed, said):
    status, message = send([GOOD | changed])
    assert (status, said in message) == (400, True), message


@pytest.mark.parametrize("name", FIELDS)
def test_a_ride_without_a_field_gets_400_and_the_name_of_the_field(send, name):
    status, message = send([{field: value for field, value in GOOD.items() if field != name}])
    assert (status, name in message) == (400, True), message


@pytest.mark.parametrize(
    "request_", [
        {"data": "{rides", "headers": JSON},
        {"data": "a,b", "headers": {"Content-Type": "text/html"}},
        {"json": [GOOD]},
        {"json": {"rides": [GOOD]}},
        {"json": {"dataframe_records": []}},
        {"json": {"dataframe_records": None}},
    ],
)  # fmt: skip
def test_a_request_that_holds_no_rides_is_rejected(servers, client, request_):
    reply = client.post(f"{servers['xgboost'].address}/invocations", timeout=30, **request_)
    assert 400 <= reply.status_code < 500
    assert reply.text
    assert "duration" not in reply.text


def test_one_bad_ride_has_the_whole_request_rejected(send):
    status, said = send([GOOD, GOOD, GOOD | {"PULocationID": 300}])
    assert (status, "row 2: PULocationID" in said) == (400, True)


def test_a_time_with_a_zone_is_the_same_moment_in_new_york(send):
    times = ["2021-03-01T13:00:00Z", "2021-03-01T14:00:00+01:00", "2021-03-01 08:00:00"]
    status, found = send([GOOD | {"pickup_datetime": time} for time in times])
    assert (status, len(found)) == (200, 3)
    assert found[0] == found[1] == found[2]


def test_the_minutes_come_with_their_interval(send):
    (found,) = send([GOOD])[1]
    assert list(found) == ["duration", "low", "high"]
    assert found["low"] < found["duration"] < found["high"]


def test_quote_predicts_a_ride_without_distance(send):
    without = {name: GOOD[name] for name in FIELDS[:3]}
    assert send([without], "quote") == send([GOOD | {"trip_distance": -1}], "quote")
    assert send([without], "quote")[0] == 200


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where this process, and those that it starts, keep temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def start_server(port):
    """Start the command that serves a model."""
    words = ["serve", "--model", "models:/taxi-duration/1", "--port", port]
    return forks.start(forks.COMMAND, *words)


def children_of(command, *, up, port):
    """Wait until the command has a server as its child, listening if it should be up."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and command.exitcode is None:
        found = psutil.Process(command.pid).children(recursive=True)
        with socket.socket() as probe:
            if found and (not up or probe.connect_ex(("127.0.0.1", port)) == 0):
                return found
        time.sleep(0.05)
    raise TimeoutError(command)


@pytest.mark.parametrize(
    ("number", "up", "code"), [(signal.SIGTERM, True, 143), (signal.SIGINT, False, 130)]
)
def test_the_command_stops_its_server_when_it_is_stopped(registered, temporary, number, up, code):
    port = free_port()
    command = start_server(port)
    started = children_of(command, up=up, port=port)
    os.kill(command.pid, number)
    assert forks.end(command) == code
    assert psutil.wait_procs(started, timeout=300)[1] == []
    assert list(temporary.iterdir()) == []


def test_a_server_ends_with_its_command_and_leaves_the_port_free(registered, temporary):
    port = free_port()
    command = start_server(port)
    started = children_of(command, up=True, port=port)
    command.kill()
    assert forks.end(command) == -signal.SIGKILL
    assert psutil.wait_procs(started, timeout=300)[1] == []
    socket.create_server(("127.0.0.1", port)).close()


def test_a_taken_port_is_an_error_before_anything_starts(registered):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=f"Port {port} .* is unavailable .*Choose another"):
            serve("1", port=port).__enter__()


@pytest.fixture
def ends(monkeypatch):
    """Have servers end in these ways, one after the other."""
    ways = []

    @contextmanager
    def serve(_model):
        with subprocess.Popen([sys.executable, "-c", f"import os; {ways.pop(0)}"]) as process:
            yield Server("ADDRESS", None, process)

    monkeypatch.setattr(server_process, "serve", serve)
    return ways.extend


KILLED, ENDED = "os.kill(os.getpid(), 9)", "os._exit(3)"


def test_a_server_that_a_signal_has_killed_is_started_again(ends, monkeypatch, caplog):
    monkeypatch.setattr(server_process, "STEADY_SECONDS", 0)
    ends([KILLED, KILLED, ENDED])
    announced = []
    with pytest.raises(ServerError, match="ended with exit code 3"):
        keep_serving("1", announced.append)
    assert len(announced) == 3
    again = "The server at ADDRESS has ended by SIGKILL, and is started again."
    assert [each.getMessage() for each in caplog.records] == [again] * 2


def test_a_server_that_is_killed_at_once_is_not_started_again(ends):
    ends([KILLED])
    with pytest.raises(ServerError, match="ended by SIGKILL"):
        keep_serving("1", lambda _: None)


@pytest.fixture
def about(registered):
    """The registered model's file of name, inputs and intervals; afterwards it is as it was."""
    from mlflow import MlflowClient

    model = MlflowClient(registered).get_logged_model(find_model("1").record.model_id)
    file = Path(model.artifact_location.removeprefix("file://")) / "artifacts" / "about.json"
    before = file.read_bytes()
    yield file
    file.write_bytes(before)


def test_a_model_with_a_changed_byte_is_not_served(about):
    about.write_bytes(about.read_bytes().replace(b"0.8", b"0.9"))
    with pytest.raises(ModelError, match="are not those that were recorded"):
        serve("1", port=free_port()).__enter__()


def test_a_server_that_ends_leaves_no_error_of_the_thread_that_watches_its_parent():
    words = [sys.executable, "-c", SERVER, "platform"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_a_server_ends_with_its_parent_though_someone_has_its_input_not_wait():
    inside, ours = os.pipe()
    os.set_blocking(inside, False)
    words = [sys.executable, "-uc", SERVER, "http.server", "0", "--bind", "127.0.0.1"]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "process_group": 0}
    with subprocess.Popen(words, stdin=inside, **how) as process:
        assert process.stdout.readline().startswith(b"Serving")
        os.close(inside)
        os.close(ours)
        try:
            assert process.wait(60) == -signal.SIGKILL
        finally:
            process.kill()
        assert process.stderr.read() == b""
