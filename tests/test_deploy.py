"""What lies in deploy/ is short and calls commands that exist, with the pins that we have."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from taxi_duration.cli.main import cli
from taxi_duration.serving.middleware import QUIET

ROOT = Path(__file__).parents[1]
FILES = sorted(path for path in (ROOT / "deploy").iterdir() if path.is_file())
TEXTS = ("crontab", "github-actions.yml")
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
KUBERNETES = list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text()))
OURS = {name: each for name, each in COMPOSE["services"].items()
        if each["image"] == "taxi-duration" and "entrypoint" not in each}  # fmt: skip
(DEPLOYMENT,) = (each for each in KUBERNETES if each["kind"] == "Deployment")
(CRON_JOB,) = (each for each in KUBERNETES if each["kind"] == "CronJob")
PODS = [DEPLOYMENT["spec"]["template"]["spec"],
        CRON_JOB["spec"]["jobTemplate"]["spec"]["template"]["spec"]]  # fmt: skip
CONTAINERS = [container for pod in PODS for container in pod["containers"]]


def instructions(name):
    """What follows a word of the Dockerfile."""
    return re.findall(rf"^ *{name} +(.*)", DOCKERFILE, re.MULTILINE)


def environment():
    """The variables that the image sets."""
    pairs = [pair for line in instructions("ENV") for pair in shlex.split(line)]
    return dict(pair.split("=", 1) for pair in pairs)


def pins(name):
    """The version of each library."""
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_fits_on_a_page(path):
    assert len(path.read_text().splitlines()) <= 80


@pytest.mark.parametrize("name", TEXTS)
def test_the_command_that_is_scheduled_exists_with_its_options(name):
    text = (ROOT / "deploy" / name).read_text()
    (line,) = re.findall(r"taxi-duration (month .*?)(?: \|\||$)", text, re.MULTILINE)
    command, *words = shlex.split(line.replace("$MONTH", "2021-04"))
    cli.commands[command].make_context(command, words)


def test_all_schedules_are_the_same():
    found = [re.findall(r"0 6 \d+ \* \*", path.read_text()) for path in FILES]
    assert sorted({when for each in found for when in each}) == ["0 6 20 * *"]


def test_the_workflow_sets_up_what_make_does():
    workflow = yaml.safe_load((ROOT / "deploy" / "github-actions.yml").read_text())
    steps = workflow["jobs"]["month"]["steps"]
    assert next(step["run"] for step in steps if "run" in step) == "make .venv/ready"


def test_the_requirements_of_the_extras_agree_with_those_of_all():
    all_of_us, extras = pins("requirements.txt"), pins("requirements-extras.txt")
    assert len(all_of_us) > 150
    assert {name: extras.get(name) for name in all_of_us} == all_of_us
    assert {"prefect", "kfp"} <= extras.keys() - all_of_us.keys()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-extras.txt"])
def test_requirements_name_no_place(name):
    assert not re.search(r"://|--(extra-)?index-url|--find-links", (ROOT / name).read_text())


@pytest.mark.parametrize(
    "words",
    [json.loads(instructions("CMD")[-1]), *(each["command"] for each in OURS.values()),
     *(each["args"] for each in CONTAINERS)],
    ids=str,
)  # fmt: skip
def test_a_container_runs_a_command_that_exists_with_its_options(words):
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["taxi-duration"]
    cli.commands[words[0]].make_context(words[0], list(words[1:]))


def test_what_the_image_copies_is_there_and_reaches_the_builder():
    sent = re.findall(r"^!(.*)", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    sources = [word for line in instructions("COPY") if "--from" not in line
               for word in shlex.split(line)[:-1]]  # fmt: skip
    assert {path.split("/")[0] for path in sources} == {path.split("/")[0] for path in sent}
    assert all((ROOT / path).exists() for path in sources)


def test_what_is_left_out_of_the_image_is_pinned():
    names = (ROOT / "deploy" / "left-out.txt").read_text().splitlines()[1:]
    assert len(names) == 2
    assert set(names) <= pins("requirements-extras.txt").keys()


def test_port_and_host_of_the_image_reach_the_service(monkeypatch):
    for name, value in environment().items():
        if name.startswith("TAXI_DURATION_"):
            monkeypatch.setenv(name, value)
    given = cli.commands["serve"].make_context("serve", []).params
    assert (given["host"], str(given["port"])) == ("0.0.0.0", *instructions("EXPOSE"))


def test_a_port_is_the_same_everywhere():
    port = int(*instructions("EXPOSE"))
    (service,) = (each for each in KUBERNETES if each["kind"] == "Service")
    (named,) = CONTAINERS[0]["ports"]
    assert named["containerPort"] == port
    assert service["spec"]["ports"][0]["targetPort"] == named["name"]
    assert OURS["service"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    scraped = yaml.safe_load(COMPOSE["configs"]["prometheus"]["content"])["scrape_configs"]
    assert [each["static_configs"] for each in scraped] == [[{"targets": [f"service:{port}"]}]]


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: pod["containers"][0]["name"])
def test_a_pod_gets_no_port_from_kubernetes(pod):
    assert pod["enableServiceLinks"] is False


def test_all_pods_run_the_image_that_is_pushed():
    text = (ROOT / "docs" / "deploy.md").read_text()
    (image,) = {each["image"] for each in CONTAINERS}
    assert f"docker push {image}\n" in text


def test_probes_ask_what_the_service_answers():
    probes = {name: each["httpGet"] for name, each in CONTAINERS[0].items() if "Probe" in name}
    paths = {name: each["path"] for name, each in probes.items()}
    assert paths == dict.fromkeys(["startupProbe", "livenessProbe"], "/health") | {
        "readinessProbe": "/ready"
    }
    annotations = DEPLOYMENT["spec"]["template"]["metadata"]["annotations"]
    assert {*paths.values(), annotations["prometheus.io/path"]} < QUIET
    assert re.findall(r"\}(/\w+)", *instructions("HEALTHCHECK")) == ["/health"]


def test_containers_know_only_variables_of_the_documents():
    names = {name for each in OURS.values() for name in each.get("environment", {})}
    names |= {name for name in environment() if name.startswith("TAXI")}
    places = (ROOT / "docs" / "command.md").read_text().partition("## Where things are")[2]
    assert names >= {"MLFLOW_TRACKING_URI", "TAXI_DURATION_PORT"}
    assert names <= set(re.findall(r"`(\w+)`", places))


def test_nothing_runs_as_root():
    (user,) = instructions("USER")
    assert f"useradd --uid {user} " in DOCKERFILE
    for pod in PODS:
        assert pod["securityContext"]["runAsUser"] == int(user) == pod["securityContext"]["fsGroup"]


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda each: each["name"])
def test_a_container_writes_only_to_volumes_and_has_limits(container):
    (home,) = instructions("WORKDIR")[1:]
    mounted = {each["mountPath"] for each in container["volumeMounts"]}
    assert mounted == {home, "/tmp"}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"].keys() == {"cpu", "memory"}


def test_conda_takes_the_same_python_and_the_same_pins():
    (image,) = re.findall(r"^ARG PYTHON=python:([\d.]+)-slim", DOCKERFILE, re.MULTILINE)
    found = yaml.safe_load((ROOT / "deploy" / "environment.yml").read_text())["dependencies"]
    assert found == [f"python={image}", "pip", {"pip": ["-r ../requirements.txt"]}]


def test_each_file_is_in_the_documents():
    text = "".join((ROOT / "docs" / name).read_text() for name in ("batch.md", "deploy.md"))
    assert [path.name for path in FILES if path.name not in text] == []
