"""A server of MLflow with PostgreSQL and S3, and people on several computers in front of it."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import boto3
import forks
import pytest
import requests
from mlflow import MlflowClient
from moto.server import ThreadedMotoServer
from shelf import GOOD, free_port, mlflow_server

from taxi_duration.cli.main import main
from taxi_duration.registry.journal import read_journal
from taxi_duration.registry.loading import NAME, find_model
from taxi_duration.registry.promotion import register
from taxi_duration.serving.http import serve
from taxi_duration.tracking.store_lock import store_lock
from taxi_duration.tracking.training import record

pytestmark = pytest.mark.filterwarnings("default")
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
RIDE = {
    "pickup_datetime": "2021-03-01 08:00:00",
    "PULocationID": 74,
    "DOLocationID": 75,
    "trip_distance": 2.5,
}


def program_of_postgres(name):
    """Debian keeps them off the path, by version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (found and str(found[-1]))


@pytest.fixture(scope="module")
def postgres():
    """The address of a new database."""
    initdb, postgres = (program_of_postgres(name) for name in ("initdb", "postgres"))
    if not initdb:
        pytest.skip("PostgreSQL is not installed")
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        shutil.chown(folder, user)
        how = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL}
        words = ["--pgdata=data", "--auth=trust", "--username=team", "--no-sync"]
        subprocess.run([initdb, *words], check=True, **how)
        words = ["-D", "data", "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"]
        with subprocess.Popen([postgres, *words], stderr=subprocess.DEVNULL, **how) as database:
            yield f"postgresql+psycopg://team@127.0.0.1:{port}/postgres"
            database.send_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def s3():
    """The address of an S3 server with an empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    secrets = {key.lower(): value for key, value in KEYS.items()}
    boto3.client("s3", endpoint_url=address, region_name="us-east-1", **secrets).create_bucket(
        Bucket="models"
    )
    yield address
    server.stop()


@pytest.fixture(scope="module")
def server(postgres, s3, tmp_path_factory):
    """The address of the server; who uses it has no credentials of S3."""
    environment = {**os.environ, **KEYS, "MLFLOW_S3_ENDPOINT_URL": s3}
    folder = tmp_path_factory.mktemp("server")
    with mlflow_server(postgres, "s3://models/team", folder, environment) as address:
        yield address


@pytest.fixture(scope="module", autouse=True)
def team(folder, server):
    """MLFLOW_TRACKING_URI names the server, and nothing else is set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", server)
        yield


@pytest.fixture(scope="module")
def notebooks(folder):
    """Two notebooks have run on the sample months: one trained, the other searched."""
    for words in (
        ["run", "02_train", "-p", "models=ridge", "--name", "team"],
        ["run", "03_tune", "-p", "trials=2", "--name", "team"],
    ):
        assert main(words) == 0


@pytest.fixture(scope="module")
def champion(notebooks):
    """The version that is champion first: the ridge of 02_train."""
    experiments = [each.experiment_id for each in MlflowClient().search_experiments()]
    (run,) = MlflowClient().search_runs(experiments, "tags.model = 'ridge'")
    assert main(["register", run.info.run_id]) == 0
    assert main(["promote", "challenger", "--gate", "2021-03", "--why", "the first"]) == 0
    return find_model("champion")


def test_a_model_of_a_notebook_lies_in_the_bucket(champion, s3):
    secrets = {key.lower(): value for key, value in KEYS.items()}
    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1", **secrets)
    names = [each["Key"] for each in client.list_objects_v2(Bucket="models")["Contents"]]
    assert any(name.endswith("artifacts/pipeline.skops") for name in names)


def test_the_champion_is_reproduced(champion, capsys):
    assert main(["reproduce", "champion"]) == 0
    assert "reproduced" in capsys.readouterr().out


def test_the_champion_scores_a_month(champion, folder):
    assert main(["score", "2021-03", "--into", str(folder / "scored")]) == 0
    assert list(folder.glob("scored/**/*.parquet"))


def test_the_champion_answers_as_a_service(champion):
    with serve("champion", port=free_port()) as service:
        body = {"dataframe_records": [RIDE]}
        reply = requests.post(f"{service.address}/invocations", json=body, timeout=30)
    assert 1 < reply.json()["predictions"][0]["duration"] < 60


PROMOTE = """
import sys, time
from pathlib import Path
from taxi_duration.cli.main import main
from taxi_duration.registry import promotion
from taxi_duration.tracking import address

version, computer = sys.argv[1], Path(sys.argv[2])
address._home = lambda: computer
judge = promotion.judge

def judge_both(*words, **how):
    verdict = judge(*words, **how)
    (computer / "judged").touch()
    while len(list(computer.parent.glob("*/judged"))) < 2:
        time.sleep(0.01)
    return verdict

promotion.judge = judge_both
sys.exit(main(["promote", version, "--gate", "2021-03", "--why", "at once"]))
"""


def start_apart(code, folder, *words):
    """Start a program as if on a computer of its own: its locks lie in another folder."""
    folder.mkdir()
    return forks.start(code, *words, folder, out=folder / "out", err=folder / "err")


def test_of_two_promotions_on_two_computers_one_is_refused(champion, months, tmp_path):
    rivals = [
        register(record("xgboost", months, **GOOD, random_state=seed).run_id).version
        for seed in (0, 1)
    ]
    processes = [start_apart(PROMOTE, tmp_path / each, each) for each in rivals]
    codes = [forks.end(process) for process in processes]
    assert sorted(codes) == [0, 7]
    winner, loser = (rivals[codes.index(code)] for code in (0, 7))
    assert (
        (tmp_path / loser / "err")
        .read_text()
        .endswith(
            f"The champion of {NAME!r} changed meanwhile: version {winner} instead of version "
            f"{champion.version}. Run it again.\n"
        )
    )
    changes = [(each.number, each.before, each.version) for each in read_journal(NAME)]
    assert changes == [(1, None, champion.version), (2, champion.version, winner)]
    assert find_model("champion").version == winner
    assert find_model(loser).verdict is None


def test_the_history_is_whole(champion, capsys):
    assert main(["history"]) == 0
    assert "the first" in capsys.readouterr().out


COUNT = """
import sys
from pathlib import Path
from taxi_duration.tracking.store_lock import store_lock

count = Path(sys.argv[1])
for _ in range(5):
    with store_lock("count"):
        before = int(count.read_text())
        count.write_text("")
        count.write_text(str(before + 1))
"""


def test_a_lock_in_postgresql_lets_one_process_of_several_at_work(tmp_path):
    count = tmp_path / "count"
    count.write_text("0")
    processes = [forks.start(COUNT, count) for _ in range(4)]
    assert [forks.end(process) for process in processes] == [0] * 4
    assert count.read_text() == "20"


KILLED = """
import os, signal
from taxi_duration.tracking.store_lock import store_lock

with store_lock("model of a killed process"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_lock_of_a_process_that_was_killed_is_taken_over():
    assert forks.end(forks.start(KILLED)) == -9
    with store_lock("model of a killed process", timeout=0):
        pass
