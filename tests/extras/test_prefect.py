"""The flows of deploy/prefect_flow.py, on a Prefect server of their own."""

import os
import shutil
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.filterwarnings("default")
FAILS_ONCE = """from pathlib import Path

if not Path("mark").exists():
    Path("mark").touch()
    raise ConnectionError("The network is down.")
"""


@pytest.fixture(scope="module")
def flows(folder, deployed):
    """The flows; Prefect starts a server in the test's folder when they are run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(folder / "prefect"))
        patch.setenv("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "300")
        patch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        patch.setenv("DO_NOT_TRACK", "1")
        patch.setenv("PREFECT_LOGGING_LEVEL", "WARNING")  # its last word comes after pytest's
        flows = deployed("prefect_flow")
        flows.stage = flows.stage.with_options(retry_delay_seconds=0)
        yield flows


def run(flow, *words):
    """Run a flow; return the states of its tasks, from the first to the last, and its last one."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter

    end = flow(*words, return_state=True)
    with get_client(sync_client=True) as client:
        of_flow = FlowRunFilter(id={"any_": [end.state_details.flow_run_id]})
        states = {
            task.name.rpartition("-")[0]: client.read_task_run_states(task.id)
            for task in client.read_task_runs(flow_run_filter=of_flow)
        }
    names = {name: [state.name for state in found] for name, found in states.items()}
    return names, end


@pytest.fixture(scope="module")
def notebooks(folder):
    """Two stages: one that fails at the first time, and a story."""
    made = folder / "made"
    made.mkdir()
    shutil.copy(Path(__file__).parents[1] / "broken_notebooks" / "story.ipynb", made)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(FAILS_ONCE)])
    nbformat.write(notebook, made / "fails_once.ipynb")
    return made


@pytest.fixture(scope="module")
def options(notebooks):
    """Of each stage."""
    return {name: ["--notebooks", str(notebooks)] for name in ("fails_once", "story")}


@pytest.fixture(scope="module")
def runs(flows, options):
    """What the tasks of a flow that was run twice were, one after the other."""
    return [run(flows.stages, options)[0] for _ in range(2)]


def test_a_stage_that_fails_once_is_retried_and_it_shows(runs):
    assert runs[0]["fails_once"] == ["Pending", "Running", "Retrying", "Completed"]


def test_the_second_flow_takes_all_from_the_cache(runs):
    ends = [{name: states[-1] for name, states in each.items()} for each in runs]
    assert ends[0] == {"fails_once": "Completed", "story": "Completed"}
    assert ends[1] == {"fails_once": "Cached", "story": "Cached"}


def test_a_stage_whose_results_are_gone_runs_again(runs, flows, options, folder):
    page = folder / "runs" / "latest" / "story.html"
    page.unlink()
    states, _ = run(flows.stages, {"story": options["story"]})
    assert states["story"][-1] == "Completed"
    assert page.exists()


def test_the_alarm_of_a_month_fails_its_flow_and_is_not_retried(flows, folder, monkeypatch):
    command = folder / "bin" / "taxi-duration"
    command.parent.mkdir()
    command.write_text('#!/bin/sh\necho "$1 $2: Retrain."; exit 3\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    states, end = run(flows.month, ["2021-04"])
    assert states["month"] == ["Pending", "Running", "Completed"]
    assert end.is_failed()
    assert "A person has to act.\nmonth 2021-04: Retrain." in end.message
