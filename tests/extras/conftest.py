"""What tests of deployments need: the command on the path, a store, and the servers of a team."""

import importlib.util
import logging
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml
from shelf import free_port, mlflow_server

PASSWORDS = {"admin": "of the administrator", "ann": "of Ann, a secret", "ben": "of Ben, a secret"}
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
        pytest.skip("needs PostgreSQL (Debian: postgresql)")
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


@pytest.fixture(scope="session")
def accounts():
    """Have a server of MLflow keep accounts as deploy/compose.yaml does; return its variables."""
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    written = compose["configs"]["accounts"]["content"]

    def accounts(database, folder):
        settings = folder / "accounts.ini"
        settings.write_text(re.sub("(?<=database_uri = ).*", database, written))
        return {
            "MLFLOW_AUTH_CONFIG_PATH": str(settings),
            "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORDS["admin"],
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "of a test",
        }

    return accounts


def add_user(address, name):
    """What the administrator does for a new colleague."""
    account = {"username": name, "password": PASSWORDS[name]}
    admin = ("admin", PASSWORDS["admin"])
    users = f"{address}/api/2.0/mlflow/users/create"
    requests.post(users, json=account, auth=admin, timeout=60).raise_for_status()


@pytest.fixture(scope="module")
def variables(postgres, s3, accounts, tmp_path_factory):
    """The environment of a server with models in S3 and accounts."""
    endpoint = {"MLFLOW_S3_ENDPOINT_URL": s3.meta.endpoint_url}
    return os.environ | KEYS | endpoint | accounts(postgres, tmp_path_factory.mktemp("accounts"))


@pytest.fixture(scope="module")
def team(folder, postgres, variables, tmp_path_factory):
    """Ann works with a server that asks who one is; she has no credentials of S3, and needs none.

    It gives a context in which another user does.
    """
    how = ["s3://models/team", tmp_path_factory.mktemp("server"), "--app-name=basic-auth"]
    with (
        mlflow_server(postgres, *how, environment=variables) as address,
        pytest.MonkeyPatch.context() as patch,
        working_as("ann"),
    ):
        patch.setenv("MLFLOW_TRACKING_URI", address)
        for name in ("ann", "ben"):
            add_user(address, name)
        yield working_as


@contextmanager
def working_as(name, password=None):
    """A while in which the environment says who one is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", name)
        patch.setenv("MLFLOW_TRACKING_PASSWORD", password or PASSWORDS[name])
        yield
