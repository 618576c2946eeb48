"""The pipelines of deploy/kubeflow_pipeline.py: compiled, and run here by Kubeflow's own runner."""

import json
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.filterwarnings("default")
ROOT = Path(__file__).parents[2]
IMAGE = "example.org/python-taxi-duration:1"
STORY = ["--notebooks", str(ROOT / "tests" / "broken_notebooks")]
OPTIONS = {"story": STORY, "leaves_a_parameter_unread": STORY}


@pytest.fixture(scope="module")
def pipelines(deployed):
    """Both pipelines, the one of stages with two quick ones."""
    return deployed("kubeflow_pipeline").pipelines(IMAGE, OPTIONS)


@pytest.fixture(params=["stages", "month"])
def compiled(request, pipelines, tmp_path):
    """A pipeline as it is handed to Kubeflow."""
    from kfp import compiler

    compiler.Compiler().compile(pipelines[request.param], str(tmp_path / "pipeline.yaml"))
    return yaml.safe_load((tmp_path / "pipeline.yaml").read_text())


def test_a_pipeline_runs_in_the_image_and_installs_nothing(compiled):
    executors = compiled["deploymentSpec"]["executors"].values()
    assert {executor["container"]["image"] for executor in executors} == {IMAGE}
    assert "pip" not in json.dumps([executor["container"]["command"] for executor in executors])


def test_the_stages_wait_for_each_other_and_are_retried(pipelines):
    tasks = pipelines["stages"].pipeline_spec.root.dag.tasks
    by_label = {task.task_info.name: task for task in tasks.values()}
    first, second = (by_label[name] for name in OPTIONS)
    assert list(second.dependent_tasks) == ["taxi-duration"]
    assert first.retry_policy.max_retry_count == 2


def test_a_pipeline_runs_here_from_end_to_end(pipelines, folder):
    from kfp import local

    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "outputs"))
    pipelines["stages"]()
    for name in OPTIONS:
        assert (folder / "runs" / "latest" / f"{name}.html").exists()


def test_what_the_command_prints_is_the_output(pipelines, folder):
    from kfp import local

    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "outputs"))
    done = pipelines["month"](words=["--version"])
    assert done.output.startswith("taxi-duration ")
