"""Notebooks run to their end and are kept whole, or fail with one line and a copy."""

import json
import logging
from contextlib import suppress
from pathlib import Path

import pytest

from taxi_duration.errors import NotebookError, SourceError, UsageError
from taxi_duration.notebooks.runner import run

HERE = Path(__file__).parents[1] / "broken_notebooks"
STORY = HERE / "story.ipynb"
FAILS = HERE / "fails_in_cell_3.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    into = tmp_path_factory.mktemp("runs") / "five"
    return run(STORY, parameters={"rows": "5", "models": "a,b"}, into=into)


@pytest.fixture(scope="module")
def failure(tmp_path_factory):
    """What a failing notebook leaves where its former results lie, and what it says."""
    into = tmp_path_factory.mktemp("runs") / "latest"
    into.mkdir()
    for end in (".ipynb", ".html"):
        (into / f"{FAILS.stem}{end}").write_text("former result")
    with pytest.raises(NotebookError) as caught:
        run(FAILS, parameters={"service": "yellow"}, into=into)
    return into, str(caught.value)


def outputs(path):
    return [cell.get("outputs") for cell in json.loads(path.read_text())["cells"]]


def test_the_executed_notebook_has_the_given_parameters(executed):
    assert "rows = 5" in executed.path.read_text()


def test_the_result_is_what_the_notebook_displayed_as_json(executed):
    assert executed.result == {"rows": 5, "models": ["a", "b"], "limit": None}


def test_notebook_and_page_lie_together_and_nothing_else(executed):
    names = sorted(path.name for path in executed.path.parent.iterdir())
    assert names == ["story.html", "story.ipynb"]
    assert executed.page.parent == executed.path.parent


def test_the_source_notebook_is_not_touched(executed):
    assert not any(outputs(STORY))


def test_a_failure_says_notebook_cell_error_and_where_to_look(failure):
    into, message = failure
    assert "\n" not in message
    assert message.startswith("fails_in_cell_3, cell [4]: KeyError: 'white'. ")
    assert str(into / "fails_in_cell_3.failed.ipynb") in message


def test_a_failure_keeps_the_failed_copy_and_the_former_results(failure):
    into, _ = failure
    failed = into / "fails_in_cell_3.failed.ipynb"
    assert "KeyError" in failed.read_text()
    assert (into / "fails_in_cell_3.ipynb").read_text() == "former result"
    assert (into / "fails_in_cell_3.html").read_text() == "former result"
    assert len(list(into.iterdir())) == 3


def test_a_later_success_removes_the_failed_copy(tmp_path):
    (tmp_path / "quick.failed.ipynb").write_text("failed")
    quick = tmp_path / "source" / "quick.ipynb"
    quick.parent.mkdir()
    quick.write_text(HERE.joinpath("leaves_a_parameter_unread.ipynb").read_text())
    run(quick, into=tmp_path)
    assert not (tmp_path / "quick.failed.ipynb").exists()


def test_a_notebook_runs_however_long_the_path_of_the_temporary_folder(tmp_path, monkeypatch):
    (tmp_path / ("long" * 30)).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("long" * 30)))
    assert run(STORY, parameters={"rows": "5", "models": "a,b"}, into=tmp_path).result


def test_a_dead_kernel_is_a_failure_with_a_copy(tmp_path):
    with pytest.raises(NotebookError, match=r"kills_its_kernel, cell \[2\]: DeadKernelError"):
        run(HERE / "kills_its_kernel.ipynb", into=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kills_its_kernel.failed.ipynb"]


def test_a_cell_that_takes_too_long_is_stopped_and_may_clean_up(tmp_path):
    mark, into = tmp_path / "mark", tmp_path / "runs"
    with pytest.raises(NotebookError, match="CellTimeoutError: not done after 1 seconds"):
        run(HERE / "never_ends.ipynb", parameters={"mark": str(mark)}, into=into, timeout=1)
    assert mark.read_text() == "cleaned up"
    assert [path.name for path in into.iterdir()] == ["never_ends.failed.ipynb"]


@pytest.mark.parametrize("notebook", ["leaves_a_parameter_unread", "fails_in_cell_3"])
def test_the_log_levels_are_afterwards_what_they_were(tmp_path, caplog, notebook):
    before = {"papermill": logging.INFO, "traitlets": logging.WARNING}
    for name, level in before.items():
        caplog.set_level(level, name)
    with suppress(NotebookError):
        run(HERE / f"{notebook}.ipynb", into=tmp_path)
    assert {name: logging.getLogger(name).level for name in before} == before


def test_a_rejected_parameter_touches_nothing(tmp_path):
    with pytest.raises(UsageError, match="no parameter"):
        run(STORY, parameters={"rowz": 1}, into=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_written_is_rejected(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(SourceError, match=r"Cannot write .*Not a directory.*another folder"):
        run(STORY, into=tmp_path / "runs" / "latest")


def test_progress_counts_the_cells(tmp_path):
    seen = []
    quick = HERE / "leaves_a_parameter_unread.ipynb"
    run(quick, into=tmp_path, progress=lambda *where: seen.append(where))
    assert seen == [(quick.stem, 0, 2), (quick.stem, 1, 2)]
