"""Stages that remember: what is done again after which change, and what stops what."""

import shutil

import nbformat
import pytest
from mlflow import MlflowClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from taxi_duration.data.files import sha256
from taxi_duration.data.parquet import write_parquet
from taxi_duration.data.sample import make_month
from taxi_duration.errors import NotebookError, SourceError, UsageError
from taxi_duration.months import GREEN, Month
from taxi_duration.notebooks import pipeline, stage
from taxi_duration.notebooks.pipeline import run_all, status
from taxi_duration.notebooks.stage import RECORD, read_json
from taxi_duration.tracking.mlflow_pages import NOTE

PARAMETERS = (
    'source: str = "sample"  # where\ntrain: str = "2021-01"  # which\nrows: int = 3  # few'
)
READ = """result = [source, train, rows]
display({'application/vnd.taxi+json': {'rows': rows}}, raw=True)"""
NAMES = ("a_first", "b_second", "c_third")


def write(path, *cells, prose="Why."):
    parameters = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    cells = [new_markdown_cell(prose), parameters, *map(new_code_cell, cells)]
    nbformat.write(new_notebook(cells=cells), path)


def write_road(folder):
    """Write three notebooks, and return their paths."""
    folder.mkdir()
    paths = [folder / f"{name}.ipynb" for name in NAMES]
    for path in paths:
        write(path, READ)
    return paths


@pytest.fixture(scope="module", autouse=True)
def _needs():
    """The second notebook needs the first, and the third none."""
    needs = {"a_first": (), "b_second": ("a_first",), "c_third": ()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "NEEDS", needs)
        yield


@pytest.fixture(scope="module")
def has_run(new_store, tmp_path_factory):
    """A folder with a store and three notebooks that have run: to copy it takes no kernel."""
    folder = tmp_path_factory.mktemp("first")
    with new_store(folder):
        into = folder / "runs" / "latest"
        done = list(run_all(write_road(folder / "notebooks"), into=into))
    assert [each.name for each in done if not each.skipped] == [*NAMES]
    return folder


@pytest.fixture
def road(tmp_path, store):
    """Three notebooks."""
    return write_road(tmp_path / "notebooks")


@pytest.fixture
def into(tmp_path):
    """Where the results are."""
    return tmp_path / "runs" / "latest"


@pytest.fixture
def go(road, into):
    """Run the three; return for each whether it ran, and why or why not."""

    def go(**how):
        done = run_all(road, into=into, **how)
        return {each.name: "" if each.skipped else each.reason for each in done}

    return go


@pytest.fixture
def go_on(go, has_run, into, store):
    """The same, when the three have run."""
    shutil.copytree(has_run / "runs" / "latest", into)
    shutil.copy(has_run / "mlflow.db", store.removeprefix("sqlite:///"))
    return go


def reasons(into):
    """Why each stage would run."""
    return status(into).set_index("stage")["reason"].to_dict()


def ran(done):
    return [name for name, reason in done.items() if reason]


def test_a_second_run_does_nothing_and_has_the_same_results(go_on, road, into):
    before = {path: path.read_bytes() for path in into.iterdir()}
    again = list(run_all(road, into=into))
    assert [each.skipped for each in again] == [True] * 3
    assert [each.result for each in again] == [{"rows": 3}] * 3
    assert {path: path.read_bytes() for path in into.iterdir()} == before


def change_code(road, _into):
    write(road[0], READ, "1 + 1")


def change_prose(road, _into):
    write(road[0], READ, prose="Why not?")


def lose_page(_road, into):
    (into / "a_first.html").unlink()


def change_page(_road, into):
    (into / "a_first.html").write_text("something else")


def lose_record(_road, into):
    (into / f"a_first{RECORD}").unlink()


def cut_record(_road, into):
    path = into / f"a_first{RECORD}"
    path.write_text(path.read_text()[:-20])


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (change_code, ["a_first", "b_second"]),
        (change_prose, []),
        (lose_page, ["a_first"]),
        (change_page, ["a_first"]),
        (lose_record, ["a_first"]),
        (cut_record, ["a_first"]),
    ],
)
def test_a_change_redoes_exactly_what_depends_on_it(go_on, road, into, change, again):
    change(road, into)
    assert ran(go_on()) == again
    assert ran(go_on()) == []


def test_a_parameter_redoes_all_that_declare_it(go_on):
    assert ran(go_on(parameters={"rows": 4})) == [*NAMES]
    assert ran(go_on(parameters={"rows": 4})) == []


def test_a_parameter_that_equals_the_default_changes_nothing(go_on):
    assert ran(go_on(parameters={"rows": "3"})) == []


def test_one_byte_of_a_month_redoes_what_reads_it(go, into, tmp_path):
    path = write_parquet(make_month(Month(2021, 1), rows=50), tmp_path / GREEN.file(Month(2021, 1)))
    how = {"parameters": {"source": str(tmp_path)}}
    go(**how)
    assert ran(go(**how)) == []
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert reasons(into) == dict.fromkeys(NAMES, "the files of its months have changed")


@pytest.mark.parametrize(
    ("name", "now", "reason"),
    [
        ("package_digest", "another line", "the library has changed"),
        ("environment", {"mlflow": "9"}, "the versions of the libraries have changed"),
    ],
)
def test_another_library_or_version_redoes_all(has_run, monkeypatch, name, now, reason):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{has_run}/mlflow.db")
    monkeypatch.setattr(stage, name, lambda: now)
    assert reasons(has_run / "runs" / "latest") == dict.fromkeys(NAMES, reason)


def test_a_run_that_is_gone_from_the_store_is_recorded_again(road, store, into):
    write(road[0], "import mlflow\nwith mlflow.start_run(run_name='model'):\n    pass", READ)
    list(run_all(road[:1], into=into))
    assert reasons(into) == {"a_first": ""}
    client = MlflowClient(store)
    experiments = [each.experiment_id for each in client.search_experiments()]
    (recorded,) = client.search_runs(experiments, "attributes.run_name = 'model'")
    client.delete_run(recorded.info.run_id)
    assert reasons(into) == {"a_first": "runs that it recorded are gone"}


TRAIN = """import mlflow
from taxi_duration.tracking.mlflow_pages import FIGURES, NOTE
with mlflow.start_run(tags={"model": "ridge", NOTE: train}):
    mlflow.log_metrics(dict.fromkeys(FIGURES, 6.0 - rows))"""


def row(store, into):
    """The description and the error of the pipeline's run."""
    data = MlflowClient(store).get_run(read_json(into / pipeline.PIPELINE)["run_id"]).data
    return data.tags[NOTE], data.metrics["valid_rmse"]


def test_the_row_of_a_pipeline_has_the_best_of_what_its_stages_trained_last(road, store, into):
    write(road[0], TRAIN, READ)
    for values in ({"rows": 4, "train": "2021-02"}, {}):
        list(run_all(road[:1], parameters=values, into=into))
    assert row(store, into) == ("2021-01", 3.0)


def test_a_skipped_stage_counts_for_the_row_of_its_pipeline(road, store, into):
    write(road[0], TRAIN, READ)
    list(run_all(road[:1], into=into))
    (into / pipeline.PIPELINE).unlink()
    assert [each.skipped for each in run_all([road[0], road[2]], into=into)] == [True, False]
    assert row(store, into) == ("2021-01", 3.0)


def test_what_a_stage_leaves_elsewhere_is_looked_up(go_on):
    found = go_on(is_there={"c_third": lambda values: values["rows"] != 3})
    assert ran(found) == ["c_third"]


def test_force_runs_all_and_from_runs_a_stage_and_those_after_it(go_on):
    assert ran(go_on(force=True)) == [*NAMES]
    assert go_on(first="b_second") == {"b_second": "forced", "c_third": "forced"}
    with pytest.raises(UsageError, match=r"no stage 'zero' here. Choose one of a_first, b_"):
        go_on(first="zero")


def test_a_failure_stops_only_what_needs_it_and_the_same_command_goes_on(go, road, into):
    write(road[0], READ, "1 / 0")
    with pytest.raises(NotebookError) as failure:
        go()
    assert [path.name for path in into.glob(f"*{RECORD}")] == [f"c_third{RECORD}"]
    message = str(failure.value)
    assert message.startswith("a_first, cell [3]: ZeroDivisionError: division by zero. See ")
    assert message.endswith(" Not run, since they need it: b_second.")
    write(road[0], READ)
    assert ran(go()) == ["a_first", "b_second"]


def test_each_failure_is_named_and_only_what_waits_for_one_is_said_not_to_have_run(go, road):
    write(road[0], READ, "1 / 0")
    write(road[2], READ, "[][0]")
    with pytest.raises(NotebookError) as failure:
        go()
    message = str(failure.value)
    assert "a_first, cell [3]: ZeroDivisionError" in message
    assert "c_third, cell [3]: IndexError" in message
    assert message.endswith(" Not run, since they need it: b_second.")


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("rowz + 1", r"c_third: cell \[3\]: name 'rowz' is not defined"),
        ("exit()", r"c_third: cell \[3\]: exit\(\) ends a notebook. Remove it"),
        ("if rows:\n    quit()", r"c_third: cell \[3\]: quit\(\) ends a notebook"),
        ("if rows", r"c_third: cell \[3\]: this is no Python"),
    ],
)
def test_a_slip_in_the_last_notebook_shows_before_the_first_starts(
    go, road, tmp_path, cell, problem
):
    write(road[2], READ, cell)
    with pytest.raises(NotebookError, match=problem):
        go()
    assert not (tmp_path / "runs").exists()


def test_each_file_of_a_range_is_an_input(road, tmp_path):
    for number in (1, 2):
        month = Month(2021, number)
        write_parquet(make_month(month, rows=10), tmp_path / GREEN.file(month))
    given = {"source": str(tmp_path), "train": "2021-01..2021-02"}
    (only,) = pipeline.make_stages(road[:1], given, into=tmp_path / "runs")
    assert only.inputs == {path.name: sha256(path) for path in sorted(tmp_path.glob("green*"))}


def test_a_notebook_to_be_read_is_no_stage(road, into):
    only_read = road[0].rename(road[0].with_name("00_before.ipynb"))
    with pytest.raises(UsageError, match="00_before is there to be read, no stage"):
        list(run_all([only_read, *road[1:]], into=into))


def test_a_month_that_is_missing_shows_before_the_first_notebook_starts(go, tmp_path):
    with pytest.raises(SourceError, match="green_tripdata_2021-01"):
        go(parameters={"source": str(tmp_path)})
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("end", ["import sys\nsys.exit(0)", "raise SystemExit"])
@pytest.mark.parametrize("after", [[], [READ]], ids=["last", "not last"])
def test_a_cell_that_ends_the_notebook_is_a_failure(road, into, end, after):
    write(road[0], READ, end, *after)
    with pytest.raises(NotebookError, match=r"a_first, cell \[3\]: it ended the notebook"):
        list(run_all(road[:1], into=into))
    assert not (into / "a_first.ipynb").exists()


def test_the_status_says_what_is_up_to_date_and_why_the_rest_is_not(go, road, into):
    with pytest.raises(NotebookError, match="Nothing has run in"):
        status(into)
    write(road[1], READ, "1 / 0")
    with pytest.raises(NotebookError, match="ZeroDivisionError"):
        go()
    write(road[2], READ, "2")
    table = status(into).set_index("stage")
    assert table["state"].to_dict() == {
        "a_first": "up to date", "b_second": "failed", "c_third": "to run",
    }  # fmt: skip
    assert table["reason"].tolist() == ["", "it has not run", "its code has changed"]
    assert table["page"]["b_second"].endswith("b_second.failed.ipynb")


def test_a_notebook_that_takes_too_long_in_all_is_stopped(road, into):
    write(road[0], READ, "import time\ntime.sleep(1)", "time.sleep(60)")
    with pytest.raises(NotebookError, match="the notebook is not done after 3 seconds"):
        list(run_all(road[:1], into=into, stage_timeout=3))
