"""Two whole roads at once, Ann's and Ben's, each on a computer, against PostgreSQL and S3."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from taxi_duration.cli.main import main
from taxi_duration.registry.journal import read_journal
from taxi_duration.registry.loading import NAME, find_model
from taxi_duration.registry.promotion import history
from taxi_duration.tracking.store import client

pytestmark = pytest.mark.filterwarnings("default")
TESTS = Path(__file__).parents[1]
APART = """
import os
from pathlib import Path
from taxi_duration.tracking import store_address
store_address._home = lambda: Path(os.environ["COMPUTER"])
"""
ROAD = f"""{APART}
import forks, sys
from taxi_duration.cli.main import main
forks.KERNEL = {APART!r} + forks.KERNEL
with forks.kernels():
    sys.exit(main())
"""
STAGES = ["02_train", "03_tune", "04_select", "05_score", "06_monitor"]
VALUES = ("models=linear", "trials=1", "threads=1", "into=PLACE", "predictions=PLACE")


def start_road(computer, team):
    """Start the whole road in a folder, as on the computer of whom it is named after."""
    computer.mkdir(exist_ok=True)
    pairs = [f"-p{each.replace('PLACE', str(computer / 'predictions'))}" for each in VALUES]
    with team(computer.name):
        environment = os.environ | {"COMPUTER": str(computer), "PYTHONPATH": str(TESTS)}
    words = [sys.executable, "-c", ROAD, "run", *STAGES, *pairs, "--name", computer.name]
    how = {"cwd": computer, "env": environment, "stdout": subprocess.DEVNULL}
    return subprocess.Popen(words, **how, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def roads(folder, team):
    """The folders of two whole roads that were taken at once, to their end."""
    computers = [folder / "ann", folder / "ben"]
    processes = [start_road(each, team) for each in computers]
    for computer, process in zip(computers, processes, strict=True):
        said = process.communicate(timeout=1200)[1]
        if process.returncode and "changed meanwhile" in said:  # it asks to be run again
            process = start_road(computer, team)
            said = process.communicate(timeout=1200)[1]
        assert process.returncode == 0, said
    return computers


def test_two_roads_at_once_record_the_same_figures(roads):
    one, other = (
        {stage: figures(road / "runs" / road.name / f"{stage}.stage.json") for stage in STAGES}
        for road in roads
    )
    assert one == other


def figures(record):
    """The figures of a notebook's result, without the ids of its runs and versions."""
    result = json.loads(record.read_text())["result"]
    return {key: value for key, value in result.items() if isinstance(value, float)}


def test_two_roads_at_once_leave_one_champion_whose_journal_and_history_are_whole(roads, capsys):
    champion = find_model("champion")
    champion.check_files()
    entries = read_journal(NAME)
    assert [each.number for each in entries] == list(range(1, len(entries) + 1))
    assert [each.before for each in entries] == [None, *(each.version for each in entries[:-1])]
    assert entries[-1].version == champion.version
    assert main(["history"]) == 0
    table = history()
    assert sorted(table["version"]) == ["1", "2"]
    assert f"{table['test_rmse'].iloc[0]:.2f}" in capsys.readouterr().out


def test_two_roads_at_once_leave_no_run_open(roads):
    experiments = [each.experiment_id for each in client().search_experiments()]
    assert not client().search_runs(experiments, "attributes.status = 'RUNNING'")
    pipelines = client().search_runs(experiments, "tags.pipeline LIKE '%'")
    assert [run.info.status for run in pipelines] == ["FINISHED"] * 2


def test_the_champion_of_two_roads_is_reproduced(roads, capsys):
    assert main(["reproduce", "champion"]) == 0
    assert "reproduced" in capsys.readouterr().out
