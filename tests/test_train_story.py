"""What a run of 02_train ends with, on other months than its own: table, record and page."""

import json
import re
from pathlib import Path

import pytest
from mlflow import MlflowClient
from pages import Elements

MONTHS = {"train": "2021-02", "valid": "2021-03", "test": "2021-04"}
MODELS = ["quote", "xgboost"]


@pytest.fixture(scope="module")
def ended(reader):
    """The folder, the store and the lines of README's command that has run all notebooks."""
    (done,) = [done for command, done in reader.ended.items() if "-p models=" in command]
    assert done.code == 0, done.err
    return reader.folder / "runs" / "latest", MlflowClient(reader.store), done.out.splitlines()


@pytest.fixture(scope="module")
def result(ended):
    """The result of the notebook as JSON."""
    cells = json.loads((ended[0] / "02_train.ipynb").read_text())["cells"]
    *_, last = [output for cell in cells for output in cell.get("outputs", ())]
    return last["data"]["application/vnd.taxi+json"]


@pytest.fixture(scope="module")
def runs(ended, result):
    """The parent run, and the run of each model."""
    _, store, _ = ended
    parent = store.get_run(result["run_id"])
    children = store.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{result['run_id']}'"
    )
    return parent, {child.data.tags["model"]: child for child in children}


@pytest.fixture(scope="module")
def html(ended):
    return (ended[0] / "02_train.html").read_text(encoding="utf-8")


def test_the_command_ends_with_the_models_of_all_trainings(ended):
    _, _, lines = ended
    head = next(at for at, line in enumerate(lines) if line.startswith("Model "))
    found = [line.split("  ")[0] for line in lines[head + 1 : head + 4]]
    assert sorted(found) == [*MODELS, "xgboost, by 03_tune"]


def test_the_table_says_what_was_recorded(ended, runs):
    _, _, lines = ended
    for name, run in runs[1].items():
        (line,) = [line for line in lines if line.startswith(f"{name} ")]
        minutes = [f"{run.data.metrics[f'{part}_rmse']:.2f} min" for part in ("valid", "test")]
        assert re.findall(r"[\d.]+ min", line) == minutes


def test_the_parent_run_has_the_notebook_and_its_page(ended, runs):
    folder, store, _ = ended
    attached = [file.path for file in store.list_artifacts(runs[0].info.run_id, "notebook")]
    assert attached == ["notebook/02_train.html", "notebook/02_train.ipynb"]
    for path in attached:
        copy = store.download_artifacts(runs[0].info.run_id, path, folder.parent)
        assert Path(copy).read_bytes() == (folder / Path(path).name).read_bytes()


def test_each_run_has_the_months_and_was_refitted(runs):
    for run in runs[1].values():
        assert {part: run.data.params[part] for part in MONTHS} == MONTHS
        assert run.data.params["refit"] == "True"
        assert run.data.metrics["refit_seconds"] > 0


def test_all_models_that_were_asked_for_are_recorded_and_no_other(runs):
    assert sorted(runs[1]) == sorted(MODELS)


def test_a_result_for_programs_has_the_figures_of_the_best(runs, result):
    metrics = runs[1][result["model"]].data.metrics
    for name in ("valid_rmse", "test_rmse"):
        assert result[name] == round(metrics[name], 2)


def test_the_page_loads_nothing_from_elsewhere(html):
    elements = Elements(html)
    assert elements.named("script", "link", "iframe", "object") == []
    assert re.findall(r"url\(|@import", html) == []


def test_each_figure_of_the_page_is_in_it_and_has_its_alternative_text(html):
    images = Elements(html).named("img")
    assert images
    for image in images:
        assert image["src"].startswith("data:image/png;base64,")
        assert len(image["alt"].split()) > 5


def test_the_page_opens_with_what_was_given_and_what_was_changed(html):
    rows = re.findall(r'<th scope="row">(\w+)</th>((?:\s*<td>.*?</td>)+)', html)
    cells = {name: re.findall(r"<td>(.*?)</td>", row)[:3] for name, row in rows}
    assert cells["train"] == ["2021-02", "2021-01", "yes"]
    assert cells["models"][::2] == ["xgboost, quote", "yes"]
    assert cells["refit"] == ["True", "False", "yes"]
    assert cells["service"] == ["green", "green", "no"]
