"""What tests of deployments need: the command on the path, a store, and the servers of a team."""

import importlib.util
import logging
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from shelf import free_port, mlflow_server

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def deployed():
    """Import a file of `deploy/`."""

    def deployed(name):
        spec = importlib.util.spec_from_file_location(name, ROOT / "deploy" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return deployed


@pytest.fixture(scope="module", autouse=True)
def folder(new_store, tmp_path_factory):
    """An empty folder with a store, in which the command runs as one types it."""
    folder = tmp_path_factory.mktemp("deployed")
    with pytest.MonkeyPatch.context() as patch, new_store(folder):
        patch.chdir(folder)
        patch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        yield folder


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
    """A client of an S3 server with an empty bucket, "models"; whose address it has."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel("ERROR")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    secrets = {key.lower(): value for key, value in KEYS.items()}
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **secrets)
    client.create_bucket(Bucket="models")
    yield client
    server.stop()


@pytest.fixture(scope="module")
def team(folder, postgres, s3, tmp_path_factory):
    """MLFLOW_TRACKING_URI names a server; who uses it has no credentials of S3, and needs none."""
    environment = {**os.environ, **KEYS, "MLFLOW_S3_ENDPOINT_URL": s3.meta.endpoint_url}
    place = tmp_path_factory.mktemp("server")
    with (
        mlflow_server(postgres, "s3://models/team", place, environment) as address,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("MLFLOW_TRACKING_URI", address)
        yield
