"""MLflow's pages say something of our runs: over its REST, as a browser asks for it."""

import json
import socket
import webbrowser

import pytest
import requests

from taxi_duration.cli.main import main
from taxi_duration.serving.server_process import show_runs
from taxi_duration.tracking.mlflow_pages import COLUMNS, NOTE, VIEW_TAG
from taxi_duration.tracking.store import EXPERIMENT, find_runs

API = "api/2.0/mlflow"


@pytest.fixture(scope="module")
def shown(recorded):
    """The address of the runs, and how to ask MLflow's server as its pages do."""
    with socket.socket() as free, pytest.MonkeyPatch.context() as patch:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        patch.setenv("MLFLOW_TRACKING_URI", recorded.uri)
        with show_runs(port=port) as server:
            base = server.address.partition("#")[0]
            yield (
                server.address,
                lambda path, **how: requests.get(
                    f"{base}{API}/{path}", params=how, timeout=30
                ).json(),
            )


@pytest.fixture(scope="module")
def experiment(shown):
    return shown[1]("experiments/get-by-name", experiment_name=EXPERIMENT)["experiment"]


@pytest.fixture(scope="module")
def tags(experiment):
    return {each["key"]: each["value"] for each in experiment["tags"]}


@pytest.fixture(scope="module")
def run_of(shown):
    """A run, as the server knows it: tags and metrics as dicts."""

    def run_of(run_id):
        data = shown[1]("runs/get", run_id=run_id)["run"]["data"]
        return tuple(
            {each["key"]: each["value"] for each in data[kind]} for kind in ("tags", "metrics")
        )

    return run_of


def test_the_address_is_that_of_the_experiments_runs_with_its_table(shown, experiment):
    number = experiment["experiment_id"]
    page = f"/#/experiments/{number}/runs?workflowType=machine_learning&viewStateShareKey=figures"
    assert shown[0].endswith(page)


def test_the_experiment_says_what_it_is_and_which_columns_its_table_has(tags):
    assert "How many minutes a New York taxi ride takes." in tags[NOTE]
    assert json.loads(tags[VIEW_TAG])["selectedColumns"] == list(COLUMNS)


def test_the_columns_of_figures_are_metrics_of_the_parent_run(run_of, recorded):
    _, metrics = run_of(recorded.training.run_id)
    named = [each.split("`")[1] for each in COLUMNS if each.startswith("metrics.")]
    assert len(named) == 3
    assert set(named) <= set(metrics)


def test_the_parent_run_has_the_figures_of_the_best_model(run_of, recorded):
    _, metrics = run_of(recorded.training.run_id)
    assert metrics == pytest.approx(recorded.training.best.metrics)


@pytest.mark.parametrize("which", ["parent", "child"])
def test_a_run_says_which_months_it_is_about(run_of, recorded, which):
    training = recorded.training
    tags, _ = run_of(training.run_id if which == "parent" else training.runs[0].run_id)
    assert tags[NOTE] == (
        "Trained on 2021-01, chosen by 2021-02, judged on 2021-03: green taxis, source `sample`."
    )


def test_an_experiment_of_old_without_columns_has_an_address_without_them(store):
    from mlflow import MlflowClient

    MlflowClient(store).create_experiment(EXPERIMENT)
    assert find_runs("http://127.0.0.1:5000").endswith("/runs?workflowType=machine_learning")


@pytest.mark.parametrize("screen", ["", "DISPLAY", "WAYLAND_DISPLAY"])
def test_the_page_of_a_server_is_printed_and_opened_where_there_is_a_screen(
    shown, screen, tmp_path, monkeypatch, capsys
):
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(screen or "NO_SCREEN", ":0")
    monkeypatch.setenv("BROWSER", str(browser))
    monkeypatch.setattr(webbrowser, "_tryorder", None)  # so that it looks for browsers anew
    monkeypatch.setenv("MLFLOW_TRACKING_URI", shown[0].partition("/#")[0])
    assert main(["ui"]) == 0
    assert capsys.readouterr().out == f"{shown[0]}\n"
    assert opened.exists() == bool(screen)
    assert not screen or opened.read_text() == f"{shown[0]}\n"
