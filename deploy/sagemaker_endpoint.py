"""The service at SageMaker: `python deploy/sagemaker_endpoint.py IMAGE ROLE MLFLOW_URI`.

SageMaker starts the image with the word `serve` and asks /ping and /invocations on port 8080. The
champion comes from the registry: a promotion needs no new endpoint, and an image replaces another.
The user of the store, MLFLOW_TRACKING_USERNAME and _PASSWORD, is that of this environment, if set.
"""

import os
import re
import sys

import boto3

NAME = "taxi-duration"
USER = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


def deploy(
    image: str, role: str, store: str, *, instances: int = 1, vpc: dict | None = None
) -> str:
    """Create the endpoint, or move it to another image; return the name of its configuration.

    `vpc` has the subnets and security groups from which the store can be reached."""
    sagemaker = boto3.client("sagemaker")
    tag = re.sub("[^a-zA-Z0-9-]+", "-", image.rpartition(":")[2])[:40].strip("-")
    name = f"{NAME}-{tag}"
    user = {each: os.environ[each] for each in USER if each in os.environ}
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=role,
        PrimaryContainer={
            "Image": image,
            "Environment": {"TAXI_DURATION_PORT": "8080", "MLFLOW_TRACKING_URI": store, **user},
        },
        **({"VpcConfig": vpc} if vpc else {}),
    )
    variant = {"VariantName": "all", "ModelName": name, "InstanceType": "ml.m5.large"}
    variants = [variant | {"InitialInstanceCount": instances}]
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
    pages = sagemaker.get_paginator("list_endpoints").paginate(NameContains=NAME)
    exists = NAME in [each["EndpointName"] for page in pages for each in page["Endpoints"]]
    change = sagemaker.update_endpoint if exists else sagemaker.create_endpoint
    change(EndpointName=NAME, EndpointConfigName=name)
    return name


if __name__ == "__main__":
    print(deploy(*sys.argv[1:]))
