"""Models in S3 without a server of MLflow between: what fails there is an error of one line."""

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
import pytest
import requests
from mlflow.store.artifact import s3_artifact_repo
from shelf import free_port

from taxi_duration.cli.main import main
from taxi_duration.errors import TrackingError
from taxi_duration.registry.loading import verified_files
from taxi_duration.tracking.runs import read_record
from taxi_duration.tracking.store import EXPERIMENT, client
from taxi_duration.tracking.training import record

pytestmark = pytest.mark.filterwarnings("default")
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
ENDPOINT = "MLFLOW_S3_ENDPOINT_URL"


@pytest.fixture(scope="module")
def environment(s3):
    """Set what names the server, and have MLflow forget what was set before."""

    @contextmanager
    def environment(**others):
        variables = KEYS | {ENDPOINT: s3.meta.endpoint_url, "AWS_MAX_ATTEMPTS": "1"} | others
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
            for name, value in variables.items():
                patch.setenv(name, value) if value else patch.delenv(name, raising=False)
            patch.setattr(boto3, "DEFAULT_SESSION", None)
            s3_artifact_repo._cached_get_s3_client.cache_clear()
            yield

    return environment


@pytest.fixture(scope="module")
def run_id(s3, folder, environment, months):
    """The id of a run whose model was put straight into the bucket."""
    for experiment, place in ((EXPERIMENT, "models/team"), ("elsewhere", "nobody/team")):
        client().create_experiment(experiment, artifact_location=f"s3://{place}")
    with environment():
        return record("ridge", months).run_id


class OutOfOrder(BaseHTTPRequestHandler):
    """Each request gets status 500."""

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_error(500)

    do_PUT = do_GET  # noqa: N815

    def log_message(self, *_words):
        pass


@pytest.fixture
def out_of_order():
    """The address of a server that answers each request with status 500."""
    with HTTPServer(("127.0.0.1", 0), OutOfOrder) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def strict(s3):
    """The server knows none of the keys that it is shown."""
    requests.post(f"{s3.meta.endpoint_url}/moto-api/reset-auth", data=b"0", timeout=30)
    yield
    requests.post(f"{s3.meta.endpoint_url}/moto-api/reset-auth", data=b"inf", timeout=30)


def is_gone(_request):
    return {ENDPOINT: f"http://127.0.0.1:{free_port()}"}, "Could not connect"


def answers_500(request):
    return {ENDPOINT: request.getfixturevalue("out_of_order")}, "Internal Server Error"


def has_no_address(_request):
    return {ENDPOINT: "127.0.0.1"}, "Invalid endpoint"


def rejects_the_key(request):
    request.getfixturevalue("strict")
    return {}, "Key Id you provided does not exist"


def is_shown_no_key(_request):
    return dict.fromkeys(KEYS), "Unable to locate credentials"


@pytest.fixture(params=[is_gone, answers_500, has_no_address, rejects_the_key, is_shown_no_key])
def reason(request, environment, run_id):
    """What S3 says, or boto3 about it, while it fails."""
    variables, reason = request.param(request)
    with environment(**variables):
        yield reason


def statuses():
    experiments = [each.experiment_id for each in client().search_experiments()]
    return [run.info.status for run in client().search_runs(experiments)]


def test_a_training_fails_with_one_line_and_its_run_is_closed(reason, months):
    what = "The run of model 'ridge' cannot be recorded: S3 at"
    with pytest.raises(TrackingError, match=f"{what} .*{reason}.* Check the bucket") as error:
        record("ridge", months)
    assert "\n" not in str(error.value)
    assert statuses()[0] == "FAILED"
    assert "RUNNING" not in statuses()


def test_nothing_is_registered_and_the_code_is_that_of_the_store(reason, run_id, capsys):
    assert main(["register", run_id]) == 6
    said = capsys.readouterr().err
    assert re.fullmatch(f"taxi-duration: .* S3 at .*{reason}.* Check the bucket, .*\n", said)
    assert not client().search_registered_models()


def test_a_bucket_that_is_not_there_is_named(environment, run_id, months):
    said = "nobody/team/.*The specified bucket does not exist.* Check the bucket"
    with environment(), pytest.raises(TrackingError, match=said):
        record("ridge", months, experiment="elsewhere")
    assert statuses()[0] == "FAILED"


@pytest.fixture
def list_only(s3):
    """The key of a user who may list files and read none."""
    secrets = {key.lower(): value for key, value in KEYS.items()}
    users = boto3.client(
        "iam", endpoint_url=s3.meta.endpoint_url, region_name="us-east-1", **secrets
    )
    allowed = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    users.create_user(UserName="guest")
    users.put_user_policy(UserName="guest", PolicyName="list", PolicyDocument=policy)
    key = users.create_access_key(UserName="guest")["AccessKey"]
    return dict(zip(KEYS, (key["AccessKeyId"], key["SecretAccessKey"]), strict=True))


def test_files_that_may_be_listed_and_not_read_are_an_error_with_its_reason(
    environment, run_id, list_only, request
):
    with environment():
        run = read_record(run_id)
    request.getfixturevalue("strict")
    said = "S3 at .* downloading .* s3://models/team/.*: An error .*403.*Forbidden'.* Check"
    with environment(**list_only), pytest.raises(TrackingError, match=said), verified_files(run):
        pass
