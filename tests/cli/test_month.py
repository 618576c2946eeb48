"""A month's work by command: its stages, their order and verdicts; called again, too."""

import json
import re
import shutil
from contextlib import chdir, redirect_stderr, redirect_stdout
from datetime import datetime
from io import StringIO
from typing import NamedTuple

import nbformat
import pytest

from taxi_duration.cli.main import main
from taxi_duration.data.parquet import write_parquet
from taxi_duration.data.sample import make_month
from taxi_duration.data.trips import load_split
from taxi_duration.months import GREEN, Months
from taxi_duration.registry.loading import find_model
from taxi_duration.registry.promotion import promote, register
from taxi_duration.tracking.training import record


class Ended(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def stages(self):
        """The names of the stages, by their lines."""
        return re.findall(r"^(\d\d_\w+)", self.out, re.MULTILINE)

    @property
    def verdicts(self):
        """What is said after the stages."""
        return self.out.partition("\n\n")[2]


def run(*words):
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = main(["month", *words])
    return Ended(code, out.getvalue(), err.getvalue())


def parameters(folder, stage):
    """What a stage was run with."""
    return json.loads((folder / f"{stage}.stage.json").read_text())["fingerprint"]["parameters"]


@pytest.fixture(scope="module")
def source(slow_months, tmp_path_factory):
    """A folder of five months, of which the last two are slow."""
    folder = tmp_path_factory.mktemp("source")
    for month in Months.parse("2021-01..2021-03"):
        write_parquet(make_month(month, rows=6000), folder / GREEN.file(month))
    for path in slow_months.iterdir():
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def slow(new_store, source, tmp_path_factory):
    """The folder of a month's work, after slow months; how two calls ended; then the status."""
    folder = tmp_path_factory.mktemp("slow")
    words = ("2021-05", "--source", str(source), "-p", "models=xgboost", "-p", "refit=true")
    with new_store(folder), chdir(folder):
        split = load_split("2021-01", "2021-02", "2021-03", source=source)
        trained = record("ridge", split)
        promote(register(trained.run_id), split.test, why="a test")
        first = run(*words)
        record("ridge", load_split("2021-03", "2021-04", "2021-05", source=source))  # of no road
        second = run(*words)
        assert find_model("champion").version == "2", first
        with redirect_stdout(StringIO()) as status:
            main(["status", "month-2021-05"])
    return folder / "runs" / "month-2021-05", first, second, status.getvalue()


def test_the_champion_works_before_another_is_trained(slow):
    _, first, *_ = slow
    assert first.stages == ["05_score", "06_monitor", "02_train", "04_select"]


def test_an_alarm_ends_with_3_after_all_stages(slow):
    _, first, *_ = slow
    assert first.code == 3
    assert re.search(r"^Monitor: 2021-05: .* Retrain\.$", first.verdicts, re.MULTILINE)


def test_the_gate_accepts_what_learned_from_slow_months(slow):
    _, first, *_ = slow
    assert re.search(r"^Gate: version 2 is champion: its rmse ", first.verdicts, re.MULTILINE)


def test_called_again_it_skips_all_and_ends_the_same_though_the_champion_has_changed(slow):
    _, first, second, _ = slow
    assert second.out.count("  skipped ") == 4
    assert (second.code, second.stages, second.verdicts) == (
        first.code, first.stages, first.verdicts
    )  # fmt: skip


def test_the_status_of_the_month_is_up_to_date(slow):
    *_, status = slow
    assert status.count("up to date") == 4


def test_the_month_is_the_gate_and_the_two_before_it_train_and_choose(slow):
    train, select = (parameters(slow[0], stage) for stage in ("02_train", "04_select"))
    months = [train[part] for part in ("train", "valid", "test")]
    assert months == ["2021-03", "2021-04", "2021-05"]
    assert (select["valid"], select["gate"]) == ("2021-04", "2021-05")


def test_monitored_are_three_months_that_the_champion_has_not_seen(slow):
    score, monitor = (parameters(slow[0], stage) for stage in ("05_score", "06_monitor"))
    assert score["months"] == monitor["months"] == "2021-03..2021-05"
    assert score["model"] == monitor["model"] == "models:/taxi-duration/1"


def test_its_predictions_are_kept_beside_the_pages(slow):
    found = slow[0].glob("predictions/service=green/*/predictions.parquet")
    assert sorted(path.parent.name for path in found) == [f"month=2021-0{n}" for n in (3, 4, 5)]


SELECT = """
from taxi_duration.data import load_trips
from taxi_duration.registry import promote, register

verdict = promote(register("{run_id}"), load_trips(gate), why="a test")
result = {{"version": "1", "challenger": verdict.challenger, "accepted": True, "reasons": [name]}}
"""
QUICK = {  # of each stage: its parameters, and what makes its result
    "02_train": ("train valid test", "result = {{}}"),
    "04_select": ("valid gate name service source", SELECT),
    "05_score": ("months model into service", "result = {{}}"),
    "06_monitor": ("months model predictions", 'result = {{"verdict": months, "alarm": False}}'),
}
DEFAULTS = {"service": "green", "source": "sample"}


@pytest.fixture
def quick_notebooks(shelf, tmp_path):
    """Notebooks of which only the selection works: it promotes a model that was trained before."""
    new = nbformat.v4
    (tmp_path / "quick").mkdir()
    for stage, (names, work) in QUICK.items():
        lines = (f'{name}: str = "{DEFAULTS.get(name, "")}"  # {name}' for name in names.split())
        read = f"{work.format(run_id=shelf[1]['good'])}\n[{', '.join(names.split())}]"
        cells = [
            new.new_code_cell("\n".join(lines), metadata={"tags": ["parameters"]}),
            new.new_code_cell(read),
            new.new_code_cell('display({"application/vnd.taxi+json": result}, raw=True)'),
        ]
        nbformat.write(new.new_notebook(cells=cells), tmp_path / "quick" / f"{stage}.ipynb")
    return tmp_path / "quick"


def test_without_a_champion_training_comes_first_and_what_it_made_works(
    registry, quick_notebooks, tmp_path
):
    registry()
    ended = run("2021-03", "--notebooks", str(quick_notebooks), "--into", str(tmp_path))
    assert ended.code == 0
    assert ended.stages == ["02_train", "04_select", "05_score", "06_monitor"]
    score = parameters(tmp_path / "month-2021-03", "05_score")
    assert (score["model"], score["months"]) == ("models:/taxi-duration/1", "2021-03")


def test_after_a_failure_it_names_the_command_that_goes_on(registry, quick_notebooks, tmp_path):
    registry()
    train = quick_notebooks / "02_train.ipynb"
    train.write_text(train.read_text().replace("result = ", "result = 1 / 0, "))
    where = ["--window", "2", "--into", str(tmp_path), "--notebooks", str(quick_notebooks)]
    ended = run("2021-03", *where)
    assert (ended.code, ended.stages) == (5, [])
    said = ended.err
    assert "Not run, since they need it: 04_select." in said
    assert said.endswith(f"go on with: taxi-duration month 2021-03 {' '.join(where)}\n")


def test_a_month_that_the_champion_has_seen_is_rejected_before_anything(registry, tmp_path, capsys):
    registry("good")
    assert main(["month", "2021-02", "--into", str(tmp_path / "runs")]) == 7
    said = "models:/taxi-duration/1 was trained and chosen on months until 2021-02. Name a month"
    assert said in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_month_of_its_own_is_not_a_parameter(capsys):
    assert main(["month", "2021-02", "-p", "gate=2021-01"]) == 2
    assert "'gate=2021-01' is given twice" in capsys.readouterr().err


def test_without_a_month_it_takes_the_one_three_months_ago(monkeypatch):
    from taxi_duration.cli import serving

    class January(datetime):
        @classmethod
        def now(cls):
            return cls(2021, 1, 31)

    monkeypatch.setattr(serving, "datetime", January)
    assert str(serving._published()) == "2020-10"
