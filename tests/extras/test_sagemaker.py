"""The endpoint of deploy/sagemaker_endpoint.py, in a SageMaker that plays on this machine."""

import json
import os
import re
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
import requests
from botocore.stub import Stubber
from moto import mock_aws
from thousand import ask_for_a_thousand, expected_of, thousand_rides

from taxi_duration.registry.loading import load
from taxi_duration.registry.promotion import promote, register
from taxi_duration.tracking.training import record

pytestmark = pytest.mark.filterwarnings("default")
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/taxi-duration"
ROLE = "arn:aws:iam::123456789012:role/service"
DOCKERFILE = Path(__file__).parents[2] / "deploy" / "Dockerfile"
HOST = "127.0.8.80"  # of this test alone: on the other loopback addresses port 8080 may be taken
STORE = "http://mlflow.example.org:5000"


@pytest.fixture
def sagemaker(monkeypatch):
    """A client of an empty SageMaker."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "of-a-test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield boto3.client("sagemaker")


@pytest.fixture
def deploy(deployed, sagemaker):
    """The function of the script."""
    return deployed("sagemaker_endpoint").deploy


def image_of(sagemaker):
    """What the endpoint runs."""
    endpoint = sagemaker.describe_endpoint(EndpointName="taxi-duration")
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    model = config["ProductionVariants"][0]["ModelName"]
    return sagemaker.describe_model(ModelName=model)["PrimaryContainer"]


def test_an_endpoint_runs_the_image_with_its_store_on_the_port_of_sagemaker(deploy, sagemaker):
    deploy(f"{IMAGE}:1", ROLE, STORE)
    found = image_of(sagemaker)
    assert found["Image"] == f"{IMAGE}:1"
    assert found["Environment"] == {"TAXI_DURATION_PORT": "8080", "MLFLOW_TRACKING_URI": STORE}


def test_an_endpoint_knows_the_user_of_the_store(deploy, sagemaker, monkeypatch):
    user = {"MLFLOW_TRACKING_USERNAME": "service", "MLFLOW_TRACKING_PASSWORD": "of a test"}
    for name, value in user.items():
        monkeypatch.setenv(name, value)
    deploy(f"{IMAGE}:1", ROLE, STORE)
    assert user.items() <= image_of(sagemaker)["Environment"].items()


@pytest.mark.parametrize("tag", [":1.0", ":2021_04-", f"@sha256:{'a' * 64}", ""])
def test_any_tag_makes_a_name_that_sagemaker_takes(deploy, sagemaker, tag):
    name = deploy(IMAGE + tag, ROLE, STORE)
    limits = sagemaker.meta.service_model.shape_for("EndpointConfigName").metadata
    assert len(name) <= limits["max"]
    assert re.fullmatch(limits["pattern"], name)


def test_another_image_moves_the_endpoint_that_there_is(deploy, sagemaker, monkeypatch):
    """By canned answers, since moto has no update_endpoint; ours is on the second page."""
    names = {"taxi-duration-quote": {"NextToken": "more"}, "taxi-duration": {}}
    pages = [{"Endpoints": [about(name)], **more} for name, more in names.items()]
    move = {"EndpointName": "taxi-duration", "EndpointConfigName": "taxi-duration-2"}
    with Stubber(sagemaker) as answers:
        answers.add_response("create_model", {"ModelArn": ROLE})
        answers.add_response("create_endpoint_config", {"EndpointConfigArn": ROLE})
        answers.add_response("list_endpoints", pages[0])
        answers.add_response("list_endpoints", pages[1])
        answers.add_response("update_endpoint", {"EndpointArn": ROLE}, move)
        monkeypatch.setattr(boto3, "client", lambda _name: sagemaker)
        deploy(f"{IMAGE}:2", ROLE, STORE)
        answers.assert_no_pending_responses()


def about(name):
    """What a list says of an endpoint."""
    times = dict.fromkeys(["CreationTime", "LastModifiedTime"], datetime.now(UTC))
    return {"EndpointName": name, "EndpointArn": ROLE, "EndpointStatus": "InService", **times}


@pytest.fixture
def model(split):
    """The champion."""
    run = record("xgboost", split, n_estimators=8, max_depth=4, threads=1)
    promote(register(run.run_id), split.test, why="a test")
    return load("champion")


@pytest.fixture
def container(deploy, sagemaker, model, folder):
    """What SageMaker starts: the image's command with `serve`, in the endpoint's environment."""
    deploy(f"{IMAGE}:1", ROLE, os.environ["MLFLOW_TRACKING_URI"])
    variables = image_of(sagemaker)["Environment"] | {"TAXI_DURATION_HOST": HOST}
    (command,) = re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE.read_text(), re.MULTILINE)
    with (folder / "log").open("w") as log:
        how = {"cwd": folder, "env": os.environ | variables, "stdout": log, "stderr": log}
        process = subprocess.Popen([*json.loads(command), "serve"], **how)
    while not answers(f"http://{HOST}:8080/ping"):
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.2)
    yield f"http://{HOST}:8080"
    process.terminate()
    assert process.wait(60) == 143


def answers(address):
    try:
        return requests.get(address, timeout=30).ok
    except requests.ConnectionError:
        return False


def test_a_thousand_rides_get_the_minutes_and_the_reasons_of_the_library(container, model, split):
    rides = thousand_rides(split.test.frame)
    expected = minutes, reasons = expected_of(model.estimator, rides)
    assert (len(minutes), len(reasons)) == (928, 72)
    with requests.Session() as client:
        ask_for_a_thousand(client, container, rides, expected)
