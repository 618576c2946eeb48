"""A server with PostgreSQL, S3 and accounts that is killed while one trains, and comes back."""

import pytest
from lost_server import Server, train_while_it_goes

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def server(folder, postgres, variables, tmp_path, monkeypatch):
    options = ["s3://models/lost", tmp_path, "--app-name=basic-auth"]
    server = Server(postgres, *options, environment=variables)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", variables["MLFLOW_AUTH_ADMIN_PASSWORD"])
    server.start()
    yield server
    server.kill()


def test_a_training_fails_in_one_line_when_its_server_goes_and_works_when_it_is_back(server):
    train_while_it_goes(server, (0.25,))
