"""The service answers as the library does, says which version, and refuses in words."""

import itertools
import json
import logging
import re
import shutil
import socket
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests
from shelf import changed_file, serving_app
from tlc import ZONES

from taxi_duration.cli.main import main
from taxi_duration.data.parquet import read_parquet
from taxi_duration.data.zone_names import FILE
from taxi_duration.errors import SchemaError
from taxi_duration.evaluation.explanation import explain
from taxi_duration.models.estimator import Estimator
from taxi_duration.registry.loading import load
from taxi_duration.registry.promotion import register
from taxi_duration.serving import current_models, request_log
from taxi_duration.serving.app import make_app
from taxi_duration.serving.batch import score_months
from taxi_duration.serving.middleware import Limits
from taxi_duration.serving.monitoring import monitor
from taxi_duration.serving.request import EXAMPLE
from taxi_duration.serving.request_log import collect
from taxi_duration.serving.telemetry import JsonLines
from taxi_duration.tracking.store import client
from taxi_duration.tracking.training import record

JSON = {"Content-Type": "application/json"}
WITHOUT = {name: value for name, value in EXAMPLE.items() if name != "trip_distance"}
SMALL = Limits(body=400, rides=2, seconds=2, at_once=1)


class Service:
    """A running application, and how to ask it."""

    def __init__(self, app, address, folder):
        self.app, self.address, self.folder = app, address, folder
        self.session = requests.Session()

    def ask(self, path, content, **headers):
        """Send JSON, or bytes as they are."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.session.post(f"{self.address}{path}", data=body, headers=JSON | headers)

    def get(self, path):
        return self.session.get(f"{self.address}{path}")

    def logged(self):
        """What is in the log of requests now."""
        self.app.state.log.write()
        return pd.concat(map(read_parquet, self.folder.rglob("day=*/*.parquet")))


@pytest.fixture(scope="module")
def store(registry_database, split, tmp_path_factory):
    """A store in which "good" became champion after "weak", and `quote` is registered."""
    folder = tmp_path_factory.mktemp("served")
    copy = shutil.copy(registry_database("weak", "good"), folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy}")
        patch.setenv("TAXI_DURATION_CACHE", str(folder))
        patch.setattr(current_models, "EVERY", 3600)
        patch.setattr(request_log, "EVERY", 3600)
        quote = record("quote", split, n_estimators=8, max_depth=4, threads=1)
        register(quote.run_id, name=current_models.QUOTE)
        yield folder


@pytest.fixture(scope="module")
def service(store):
    app = make_app("champion", requests=store / "requests")
    with serving_app(app) as address:
        yield Service(app, address, store / "requests")


@pytest.fixture(scope="module")
def small(store):
    """The same with tight limits."""
    app = make_app("champion", requests=store / "small", limits=SMALL)
    with serving_app(app) as address:
        yield Service(app, address, store / "small")


def minutes_of(model, *rides):
    return load(model).predict(pd.DataFrame(rides)).to_dict("records")


def test_a_ride_gets_the_minutes_of_the_library_with_model_version_and_request_id(service):
    reply = service.ask("/predict", EXAMPLE, **{"X-Request-ID": "ours-1"})
    (expected,) = minutes_of("champion", EXAMPLE)
    found = reply.json()
    assert {name: found.pop(name) for name in expected} == pytest.approx(expected, abs=1e-6)
    assert found == {"model": "taxi-duration", "version": 2, "request_id": "ours-1"}
    assert reply.headers["X-Request-ID"] == "ours-1"
    assert reply.headers["X-Model"] == "taxi-duration/2"


def test_a_request_id_that_could_break_a_log_is_replaced(service):
    given = "a" * 65
    assert service.ask("/predict", EXAMPLE, **{"X-Request-ID": given}).json()["request_id"] != given


def test_rides_without_distance_are_predicted_by_quote_and_it_is_said(service):
    reply = service.ask("/predict", [WITHOUT, EXAMPLE, WITHOUT | {"trip_distance": None}])
    rides = reply.json()["predictions"]
    quote, main = "taxi-duration-quote", "taxi-duration"
    assert [each["model"] for each in rides] == [quote, main, quote]
    (expected,) = minutes_of(f"{quote}@challenger", WITHOUT)
    assert rides[0]["duration"] == rides[2]["duration"] == pytest.approx(expected["duration"])
    assert reply.headers["X-Model"] == "taxi-duration-quote/1, taxi-duration/2"


def test_without_quote_a_ride_without_distance_is_rejected(service, monkeypatch):
    main = service.app.state.current.models.main
    monkeypatch.setattr(service.app.state.current, "models", current_models.Models(main, None))
    reply = service.ask("/predict", WITHOUT)
    assert reply.status_code == 400
    assert "row 0: trip_distance is missing or no number" in reply.json()["error"]


@pytest.mark.parametrize(
    ("field", "value", "limit"),
    [
        ("PULocationID", True, "is missing or no number"),
        ("PULocationID", 9999, "is not one of TLC's zones 1 to 265"),
        ("DOLocationID", 74.5, "is not one of TLC's zones 1 to 265"),
        ("DOLocationID", [74], "is missing or no number"),
        ("trip_distance", -1, "is not 0 or more miles"),
        ("trip_distance", "far", "is missing or no number (the model 'quote' needs none)"),
        ("trip_distance", 10**400, "is missing or no number (the model 'quote' needs none)"),
        ("pickup_datetime", "now", "is missing or no time"),
        ("pickup_datetime", "08:00", "is missing or no time"),
        ("pickup_datetime", "0001-01-01", "is missing or no time"),
        ("pickup_datetime", "9999-01-01", "is missing or no time"),
        ("pickup_datetime", 1614585600, "is missing or no time"),
    ],
)
def test_a_ride_that_is_not_valid_gets_row_field_and_limit(service, field, value, limit):
    reply = service.ask("/predict", [EXAMPLE, EXAMPLE | {field: value}])
    assert reply.status_code == 400
    (rejected,) = reply.json()["rejected"]
    assert (rejected["row"], rejected["field"], rejected["limit"]) == (1, field, limit)
    assert f"row 1: {field} {limit}" in reply.json()["error"]
    reply = service.ask("/invocations", {"dataframe_records": [EXAMPLE, EXAMPLE | {field: value}]})
    assert (reply.status_code, f"row 1: {field} {limit}" in reply.json()["message"]) == (400, True)


@pytest.mark.parametrize(
    ("path", "form"), [("/predict", "{}"), ("/invocations", '{{"dataframe_records": {}}}')]
)
def test_one_bad_ride_among_ten_thousand_is_named_by_its_row_and_one_more_is_too_many(
    service, path, form
):
    rides = [EXAMPLE] * 10_000
    rides[7654] = EXAMPLE | {"PULocationID": "x"}
    reply = service.ask(path, form.format(json.dumps(rides)).encode())
    assert (reply.status_code, "row 7654: PULocationID is missing" in reply.text) == (400, True)
    reply = service.ask(path, form.format(json.dumps([*rides, EXAMPLE])).encode())
    said = "The request has 10,001 rides, the limit is 10,000."
    assert (reply.status_code, said in reply.text) == (413, True)


def test_a_body_of_100_mb_gets_413_and_is_not_kept(service):
    parts = itertools.repeat(b"[" * 1_000_000, 100)
    tracemalloc.start()
    try:
        reply = service.session.post(f"{service.address}/predict", data=parts, headers=JSON)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reply.status_code == 413
    assert reply.json()["error"] == "The body has 100,000,000 bytes, the limit is 10,000,000."
    assert most < 30_000_000


BODIES = {
    b'{"PULocationID": 74, "PULocationID": 75}': "Key 'PULocationID' is there twice",
    b"[" * 100_000: "nested too deeply",
    b'{"dataframe_records": [{"PULocationID": ' + b"9" * 5000 + b"}]}": "over 4,300 digits",
    b"\xff": "not UTF-8",
    b"{rides": "cannot be read as JSON: Expecting property name",
}


@pytest.mark.parametrize("path", ["/predict", "/explain", "/invocations"])
@pytest.mark.parametrize(("body", "said"), BODIES.items(), ids=BODIES.values())
def test_a_body_that_is_not_quite_json_gets_400(service, path, body, said):
    reply = service.ask(path, body)
    assert (reply.status_code, said in reply.json()["error"]) == (400, True), reply.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "The list has no ride"),
        (74, "Row 0 is '74', no ride"),
        ([EXAMPLE, None], "Row 1 is 'None', no ride"),
        ([[[[]]]], "Row 0 is '[[[]]]', no ride"),
        (EXAMPLE | {"trip_distnace": 2}, "Did you mean 'trip_distance'?"),
    ],
)
def test_what_is_no_ride_gets_400_and_an_example_or_advice(service, content, said):
    reply = service.ask("/predict", content)
    assert (reply.status_code, said in reply.json()["error"]) == (400, True), reply.text


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("/predict", None, "Content-Type is 'missing'. Send 'application/json'."),
        ("/predict", "text/csv", "Content-Type is 'text/csv'. Send 'application/json'."),
        ("/invocations", None, "is 'missing'. Send 'application/json' or 'text/csv'."),
        (
            "/invocations",
            "application/vnd.apache.parquet",
            "arquet'. Send 'application/json' or",
        ),
    ],
)
def test_a_body_of_a_type_that_is_not_taken_gets_415(service, path, kind, said):
    headers = {"Content-Type": kind} if kind else {}
    reply = service.session.post(f"{service.address}{path}", data=iter([b"{}"]), headers=headers)
    assert (reply.status_code, said in reply.json()["error"]) == (415, True), reply.text


def test_csv_is_predicted_by_mlflows_route(service):
    lines = [",".join(EXAMPLE), ",".join(map(str, EXAMPLE.values()))]
    reply = service.ask("/invocations", "\n".join(lines).encode(), **{"Content-Type": "text/csv"})
    assert reply.json()["predictions"] == [pytest.approx(minutes_of("champion", EXAMPLE)[0])]
    assert reply.headers["X-Model"] == "taxi-duration/2"


def test_an_answer_of_mlflows_route_has_request_id_and_model_in_its_headers(service):
    for zone, status in ((74, 200), (0, 400)):
        content = {"dataframe_records": [EXAMPLE | {"PULocationID": zone}]}
        reply = service.ask("/invocations", content, **{"X-Request-ID": "ours-2"})
        assert reply.status_code == status
        assert reply.headers["X-Request-ID"] == "ours-2"
        assert reply.headers["X-Model"] == "taxi-duration/2"


def test_a_ride_is_explained_as_in_the_library(service):
    found = service.ask("/explain", EXAMPLE).json()
    expected = explain(load("champion").estimator, pd.DataFrame([EXAMPLE]))
    assert [each["because"] for each in found["reasons"]] == expected["because"].tolist()
    assert sum(each["minutes"] for each in found["reasons"]) == pytest.approx(found["duration"])
    assert found["level"] == 0.8


def test_the_map_is_the_models_own(service):
    features = load("champion").estimator.pipeline[0]
    zones = service.get("/map").json()["zones"]
    np.testing.assert_allclose(pd.DataFrame(zones), features.map_.places(), atol=1e-3)
    usual = service.get("/map/74/75").json()["trip_distance"]
    assert usual == pytest.approx(features.repair_.medians_[74, 75], abs=0.01)


def test_zones_have_names_once_their_table_is_in_the_cache(store, service):
    assert service.get("/map").json()["names"] == {}
    (store / FILE).write_bytes(ZONES)
    with serving_app(make_app("champion", requests=store / "named")) as address:
        assert requests.get(f"{address}/map").json()["names"]["138"] == "Harbour"
        reasons = requests.post(f"{address}/explain", json=EXAMPLE).json()["reasons"]
    value = {each["because"]: each["value"] for each in reasons}
    assert value["way between them"] == "Old Mill to Mill <b>&</b> Pond"
    assert value["pick-up zone"] == "Old Mill"


def test_a_damaged_table_of_names_stops_no_service(store, caplog):
    (store / FILE).write_bytes(b"PAR1")
    assert make_app("champion", requests=store / "damaged").state.names == {}
    assert "Zones have no names: " in caplog.text


def test_the_page_loads_nothing_from_elsewhere(service):
    reply = service.get("/")
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    assert reply.text.replace("http://www.w3.org/2000/svg", "").count("//www") == 0
    assert "https://" not in reply.text


def test_the_page_of_the_docs_loads_nothing_from_elsewhere(service):
    addresses = re.findall(r"""(?:href|src)=["'](.*?)["']""", service.get("/docs").text)
    assert len(addresses) == 3
    for each in addresses:
        assert service.get(each).status_code == 200  # of the service itself


def test_the_openapi_page_has_a_ride_as_example(service):
    how = service.get("/openapi.json").json()["paths"]["/predict"]["post"]
    examples = how["requestBody"]["content"]["application/json"]["examples"]
    for each in examples.values():
        assert service.ask("/predict", each["value"]).status_code == 200
    assert set(how["responses"]) == {"200", "400", "408", "413", "415", "503"}


@pytest.mark.parametrize("path", ["/ping", "/health", "/ready", "/version", "/docs"])
def test_what_mlflow_serves_is_still_there_beside_ready(service, path):
    assert service.get(path).status_code == 200


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([EXAMPLE] * 3, "The request has 3 rides, the limit is 2."),
        (b"0" * 401, "The body has 401 bytes, the limit is 400."),
    ],
)
def test_more_than_the_service_takes_gets_413_and_the_limit(small, content, said):
    reply = small.ask("/predict", json.dumps(content, separators=(",", ":")).encode()
                      if isinstance(content, list) else content)  # fmt: skip
    assert (reply.status_code, reply.json()["error"]) == (413, said)


def test_a_slow_body_gets_408_and_meanwhile_others_get_503(small):
    host, _, port = small.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
                     b"Content-Type: application/json\r\n\r\n")  # fmt: skip
        while small.get("/ready").status_code == 200:
            time.sleep(0.01)
        busy, alive = small.ask("/predict", EXAMPLE), small.get("/ping")
        answer = b""
        while not answer.endswith(b"}"):
            answer += slow.recv(9999)
    while small.get("/ready").status_code == 503:  # until the slow one no longer counts
        time.sleep(0.01)
    assert (busy.status_code, alive.status_code) == (503, 200)
    assert busy.json()["error"] == "1 requests are at work, the most at once."
    assert busy.headers["Retry-After"] == "1"
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"The body was not there within 2 s." in answer
    assert small.ask("/predict", EXAMPLE).status_code == 200


def test_an_answer_that_takes_too_long_gets_503(small, monkeypatch):
    monkeypatch.setattr("taxi_duration.serving.app._explain", lambda *_: time.sleep(3))
    reply = small.ask("/explain", EXAMPLE)
    assert (reply.status_code, reply.json()["error"]) == (503, "The answer takes over 2 s.")


def test_an_unexpected_error_gets_500_and_is_in_the_log(small, monkeypatch, caplog):
    monkeypatch.setattr("taxi_duration.serving.app._predict", lambda *_: 1 / 0)
    reply = small.ask("/predict", EXAMPLE)
    assert (reply.status_code, "it is in the log" in reply.json()["error"]) == (500, True)
    (line,) = [json.loads(JsonLines().format(each)) for each in caplog.records if each.exc_info]
    assert "ZeroDivisionError" in line["traceback"]
    assert line["request_id"] == reply.json()["request_id"]


def test_each_request_is_a_line_of_json_except_probes(service, caplog):
    with caplog.at_level(logging.INFO, "taxi_duration"):
        service.get("/ready")
        request_id = service.ask("/predict", [EXAMPLE, EXAMPLE]).json()["request_id"]
    (line,) = [json.loads(JsonLines().format(each)) for each in caplog.records]
    assert line.pop("ms") > 0
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "info", "message": "request", "request_id": request_id, "rides": 2,
                    "method": "POST", "path": "/predict", "status": 200,
                    "model": "taxi-duration/2"}  # fmt: skip


def test_the_metrics_count_requests_rides_rejections_and_time(store):
    app = make_app("champion", requests=store / "metrics")
    with serving_app(app) as address:
        service = Service(app, address, store / "metrics")
        service.ask("/predict", [EXAMPLE, WITHOUT])
        service.ask("/predict", [EXAMPLE | {"PULocationID": 0}] * 3)
        lines = service.get("/metrics").text.splitlines()
    wanted = {
        'requests_total{route="/predict",status="200"} 1.0',
        'requests_total{route="/predict",status="400"} 1.0',
        'rides_total{model="taxi-duration",version="2"} 1.0',
        'rides_total{model="taxi-duration-quote",version="1"} 1.0',
        'rejections_total{reason="PULocationID is not one of TLC\'s zones 1 to 265"} 3.0',
        'request_seconds_count{route="/predict"} 2.0',
        'model{model="taxi-duration",version="2"} 1.0',
    }
    assert {f"taxi_duration_{each}" for each in wanted} - set(lines) == set()


def test_the_log_has_predicted_and_rejected_rides_with_the_version(service):
    good = service.ask("/predict", [EXAMPLE, WITHOUT]).json()["request_id"]
    bad = service.ask("/predict", [EXAMPLE, EXAMPLE | {"DOLocationID": 0}]).json()["request_id"]
    rows = service.logged().set_index(["request_id", "row"])
    assert rows.loc[good, "model"].tolist() == ["taxi-duration", "taxi-duration-quote"]
    assert rows.loc[(good, 0), "predicted"] == minutes_of("champion", EXAMPLE)[0]["duration"]
    assert rows.loc[bad].index.tolist() == [1]
    assert rows.loc[(bad, 1), "reason"] == "DOLocationID is not one of TLC's zones 1 to 265"


def test_a_log_that_cannot_be_written_stops_no_request(service, full_disk, caplog):
    assert service.ask("/predict", EXAMPLE).status_code == 200
    with full_disk():
        service.app.state.log.write()
    assert "1 requests are missing in the log: Cannot write" in caplog.text
    assert service.ask("/predict", EXAMPLE).status_code == 200


@pytest.fixture
def champion(service):
    """Move the alias, and have the service look; afterwards all is as it was."""

    def champion(version):
        client().set_registered_model_alias("taxi-duration", "champion", version)
        service.app.state.current.refresh()

    yield champion
    champion("2")


def test_a_rollback_is_followed_and_each_answer_is_by_the_version_it_names(service, champion):
    for version in ("1", "2", "1"):
        champion(version)
        found = service.ask("/predict", EXAMPLE).json()
        (expected,) = minutes_of(version, EXAMPLE)
        assert (found["version"], found["duration"]) == (int(version), expected["duration"])
        assert (
            service.ask("/invocations", {"dataframe_records": [EXAMPLE]}).headers["X-Model"]
            == f"taxi-duration/{version}"
        )


def test_a_version_whose_files_have_changed_never_answers_and_is_logged_once(
    service, champion, caplog
):
    record_of = load("1").record
    location = client().get_logged_model(record_of.model_id).artifact_location
    about = Path(location.removeprefix("file://"), "artifacts", "about.json")
    with changed_file(about, about.read_bytes().replace(b"0.8", b"0.9")):
        champion("1")
        service.app.state.current.refresh()
    (line,) = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert "The model stays models:/taxi-duration/2" in line
    assert "are not those that were recorded" in line
    assert service.ask("/predict", EXAMPLE).json()["version"] == 2


def test_a_version_that_predicts_no_minutes_never_answers(service, champion, monkeypatch, caplog):
    none = dict.fromkeys(("duration", "low", "high"), np.array([np.nan]))
    monkeypatch.setattr(Estimator, "predict_columns", lambda *_: none)
    champion("1")
    assert "predicts nan minutes" in caplog.text
    assert service.app.state.current.models.main.version == "2"


def test_a_registry_that_does_not_respond_changes_nothing(service, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////sys/kernel/mlflow.db")
    service.app.state.current.refresh()
    assert "The model stays models:/taxi-duration/2: " in caplog.text
    assert service.ask("/predict", EXAMPLE).json()["version"] == 2


def test_a_quote_that_is_not_there_is_no_news(service, monkeypatch, caplog):
    monkeypatch.setattr(current_models, "QUOTE", "nobody")
    with caplog.at_level(logging.INFO):
        quote = service.app.state.current._newest("quote", current_models.find_quote, None)
    assert quote is None
    assert "The quote" not in caplog.text


@pytest.fixture
def dropoffs(service, tmp_path):
    """Rides of March predicted by the service, and a file that says when most of them ended."""
    rides = [EXAMPLE | {"pickup_datetime": f"2021-03-{day:02}T08:00:00"} for day in range(1, 29)]
    request_id = service.ask("/predict", rides).json()["request_id"]
    service.ask("/predict", EXAMPLE | {"PULocationID": 0})
    service.app.state.log.write()
    ended = pd.DataFrame({"request_id": request_id, "row": range(25)})
    ended["dropoff_datetime"] = [f"2021-03-{day:02}T08:12:00" for day in range(1, 26)]
    ended.to_csv(tmp_path / "dropoffs.csv", index=False)
    return tmp_path / "dropoffs.csv"


@pytest.fixture
def folder(service):
    """An empty log."""
    service.app.state.log.write()
    shutil.rmtree(service.folder, ignore_errors=True)
    return service.folder


def test_a_log_becomes_a_scored_month_once_dropoffs_are_known(folder, dropoffs):
    made = collect("champion", "2021-03", dropoffs=dropoffs, requests=folder)
    assert (made.manifest.rows, made.manifest.predicted) == (29, 28)
    assert made.manifest.rejected == {"PULocationID is not one of TLC's zones 1 to 265": 1}
    durations = made.predictions()["duration"]
    assert (durations == 12).sum() == 25
    assert durations.isna().sum() == 3
    report = monitor("champion", "2021-03", predictions=folder)
    (row,) = report.table.to_dict("records")
    assert (row["rows"], row["rejected"]) == (29, 1 / 29)
    assert row["bias"] == pytest.approx((made.predictions()["predicted"] - 12).head(25).mean())


def test_served_rides_are_judged_next_to_a_scored_month(folder, dropoffs):
    (scored,) = score_months("champion", "2021-02", into=folder)
    served = collect("champion", "2021-03", dropoffs=dropoffs, requests=folder)
    report = monitor("champion", "2021-02..2021-03", predictions=folder)
    assert report.table["month"].astype(str).tolist() == ["2021-02", "2021-03"]
    assert report.table["rows"].tolist() == [scored.manifest.rows, served.manifest.rows]
    assert report.table["rmse"].notna().all()


def test_the_command_says_what_was_collected_and_how_to_judge_it(folder, dropoffs, capsys):
    assert main(["collect", "2021-03", str(dropoffs), "--requests", str(folder)]) == 0
    made, judge = capsys.readouterr().out.splitlines()
    assert made.endswith("month=2021-03  28 of 29 rides were predicted")
    assert judge == f"Judge it: taxi-duration monitor 2021-03 --predictions {folder}"


def test_a_month_or_model_that_the_log_does_not_have_is_an_error(folder, dropoffs):
    with pytest.raises(SchemaError, match="taxi-duration/2 has predicted no ride of 2021-04"):
        collect("champion", "2021-04", dropoffs=dropoffs, requests=folder)
    with pytest.raises(SchemaError, match="taxi-duration/1 has predicted no ride of 2021-03"):
        collect("1", "2021-03", dropoffs=dropoffs, requests=folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("request_id,row,dropoff_datetime\na,0,x\na,0,y\n", "has row 0 of request 'a' twice"),
        ("request_id,row\na,0\n", "has no drop-offs that can be read"),
        ("", "has no drop-offs that can be read"),
    ],
)
def test_dropoffs_that_cannot_be_read_are_an_error(folder, dropoffs, text, said):
    dropoffs.write_text(text)
    with pytest.raises(SchemaError, match=said):
        collect("champion", "2021-03", dropoffs=dropoffs, requests=folder)


def test_what_a_request_may_ask_for():
    assert Limits() == Limits(body=10_000_000, rides=10_000, seconds=30.0, at_once=64)
