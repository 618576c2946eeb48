"""The server of deploy/compose.yaml here, by its words and variables; SQLite plays PostgreSQL."""

import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
import requests
import yaml

pytestmark = pytest.mark.filterwarnings("default")
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SERVICES = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
S3, MLFLOW = 21333, 21500
EXPERIMENT = "/api/2.0/mlflow/experiments/get?experiment_id=0"
PORTS = {"s3.port": S3, "master.port": 21334, "volume.port": 21335, "filer.port": 21336}


@contextmanager
def running(words, address, folder, **variables):
    """Run a server until the end of the block, once it answers."""
    with (folder / f"{words[0]}.log").open("w") as log:
        how = {"cwd": folder, "stdout": log, "stderr": log, "env": os.environ | KEYS | variables}
        process = subprocess.Popen([BIN / words[0], *words[1:]], **how)
    try:
        while not answers(address):
            assert process.poll() is None, (folder / f"{words[0]}.log").read_text()
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait()


def answers(address):
    """Whether there is a server, whatever it says."""
    try:
        return requests.get(address, timeout=5).status_code > 0
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="module")
def bucket(folder):
    """A client of SeaweedFS, started as in the file."""
    words = ["weed", *shlex.split(SERVICES["s3"]["command"]), "-ip=127.0.0.1"]
    words += [f"-{name}={port}" for name, port in PORTS.items()]
    data = [word.replace("/data", str(folder)) for word in words]
    with running(data, f"http://127.0.0.1:{S3}", folder):
        yield boto3.client("s3", endpoint_url=f"http://127.0.0.1:{S3}", region_name="us-east-1",
                           aws_access_key_id="key", aws_secret_access_key="secret")  # fmt: skip


@pytest.fixture(scope="module")
def server(bucket, accounts, folder):
    """The address of MLflow's server, started as in the file."""
    found = SERVICES["mlflow"]
    given = {name: str(value) for name, value in found["environment"].items()} | KEYS
    given |= accounts(f"sqlite:///{folder}/accounts.db", folder)
    given["MLFLOW_BACKEND_STORE_URI"] = f"sqlite:///{folder}/mlflow.db"
    given["MLFLOW_S3_ENDPOINT_URL"] = f"http://127.0.0.1:{S3}"
    words = [*found["entrypoint"], *found["command"], f"--port={MLFLOW}", "--host=127.0.0.1"]
    address = f"http://127.0.0.1:{MLFLOW}"
    with (
        running(words, f"{address}/health", folder, **given),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        patch.setenv("MLFLOW_TRACKING_PASSWORD", given["MLFLOW_AUTH_ADMIN_PASSWORD"])
        yield address


def test_the_file_names_the_settings_of_the_accounts():
    (given,) = SERVICES["mlflow"]["configs"]
    assert given["target"] == SERVICES["mlflow"]["environment"]["MLFLOW_AUTH_CONFIG_PATH"]


def test_what_a_client_logs_lies_in_the_bucket(server, bucket, tmp_path):
    import mlflow

    client = mlflow.MlflowClient(server)
    run = client.create_run(client.create_experiment("taxi-duration")).info
    client.log_text(run.run_id, "minutes", "note.txt")
    keys = [each["Key"] for each in bucket.list_objects_v2(Bucket="mlflow")["Contents"]]
    assert [key for key in keys if key.endswith(f"{run.run_id}/artifacts/note.txt")]
    assert (
        Path(client.download_artifacts(run.run_id, "note.txt", tmp_path)).read_text() == "minutes"
    )


@pytest.mark.parametrize(("host", "status"), [("mlflow:5000", 200), ("example.org:5000", 403)])
def test_the_server_answers_to_the_name_that_the_service_uses(server, host, status):
    user = (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"])
    how = {"headers": {"Host": host}, "auth": user, "timeout": 60}
    assert requests.get(f"{server}{EXPERIMENT}", **how).status_code == status


def test_the_server_asks_who_one_is(server):
    assert requests.get(f"{server}{EXPERIMENT}", timeout=60).status_code == 401


def test_the_service_asks_the_server_by_that_name_with_an_account():
    for name in ("service", "batch"):
        given = SERVICES[name]["environment"]
        assert given["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
        assert given.keys() > {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}


def test_the_health_check_of_the_image_asks_the_server_where_it_listens(server):
    assert requests.get(f"{server}/health", timeout=60).text == "OK"
    assert SERVICES["mlflow"]["environment"]["TAXI_DURATION_PORT"] == 5000


def test_the_health_check_of_s3_asks_what_answers(bucket):
    (address,) = re.findall(r"http://s3:8333\S+", SERVICES["s3"]["healthcheck"]["test"])
    answer = requests.get(address.replace("s3:8333", f"127.0.0.1:{S3}"), timeout=60)
    assert answer.status_code == 200


def test_a_second_bucket_finds_room(bucket):
    for name in ("models", "months"):
        bucket.put_object(Bucket=name, Key="file", Body=b"bytes")
        assert bucket.get_object(Bucket=name, Key="file")["Body"].read() == b"bytes"
