"""The endpoint of deploy/sagemaker_endpoint.py, in a SageMaker that plays on this machine."""

import boto3
import pytest
from moto import mock_aws

pytestmark = pytest.mark.filterwarnings("default")
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/taxi-duration"
ROLE = "arn:aws:iam::123456789012:role/service"
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


def test_another_image_moves_the_endpoint_that_there_is(deploy, sagemaker):
    deploy(f"{IMAGE}:1", ROLE, STORE)
    with pytest.raises(NotImplementedError, match="update_endpoint"):  # which moto does not play
        deploy(f"{IMAGE}:2", ROLE, STORE)
    assert len(sagemaker.list_endpoints()["Endpoints"]) == 1
    assert len(sagemaker.list_endpoint_configs()["EndpointConfigs"]) == 2
