"""A server of MLflow with PostgreSQL and S3, and people on several computers in front of it."""

import forks
import pytest
import requests
from mlflow import MlflowClient
from shelf import GOOD, free_port

from taxi_duration.cli.main import main
from taxi_duration.registry.journal import read_journal
from taxi_duration.registry.loading import NAME, find_model
from taxi_duration.registry.promotion import register
from taxi_duration.serving.http import serve
from taxi_duration.tracking.store_lock import store_lock
from taxi_duration.tracking.training import record

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("team")]
RIDE = {
    "pickup_datetime": "2021-03-01 08:00:00",
    "PULocationID": 74,
    "DOLocationID": 75,
    "trip_distance": 2.5,
}


@pytest.fixture(scope="module")
def notebooks(team):
    """Two notebooks have run on the sample months: one trained, the other searched."""
    for words in (
        ["run", "02_train", "-p", "models=ridge", "--name", "team"],
        ["run", "03_tune", "-p", "trials=2", "--name", "team"],
    ):
        assert main(words) == 0


@pytest.fixture(scope="module")
def champion(notebooks):
    """The version that is champion first: the ridge of 02_train."""
    experiments = [each.experiment_id for each in MlflowClient().search_experiments()]
    (run,) = MlflowClient().search_runs(experiments, "tags.model = 'ridge'")
    assert main(["register", run.info.run_id]) == 0
    assert main(["promote", "challenger", "--gate", "2021-03", "--why", "the first"]) == 0
    return find_model("champion")


def test_a_model_of_a_notebook_lies_in_the_bucket(champion, s3):
    names = [each["Key"] for each in s3.list_objects_v2(Bucket="models")["Contents"]]
    assert any(name.endswith("artifacts/pipeline.skops") for name in names)


def test_the_champion_is_reproduced(champion, capsys):
    assert main(["reproduce", "champion"]) == 0
    assert "reproduced" in capsys.readouterr().out


def test_the_champion_scores_a_month(champion, folder):
    assert main(["score", "2021-03", "--into", str(folder / "scored")]) == 0
    assert list(folder.glob("scored/**/*.parquet"))


def test_the_champion_answers_as_a_service(champion):
    with serve("champion", port=free_port()) as service:
        body = {"dataframe_records": [RIDE]}
        reply = requests.post(f"{service.address}/invocations", json=body, timeout=30)
    assert 1 < reply.json()["predictions"][0]["duration"] < 60


PROMOTE = """
import sys, time
from pathlib import Path
from taxi_duration.cli.main import main
from taxi_duration.registry import promotion
from taxi_duration.tracking import address

version, computer = sys.argv[1], Path(sys.argv[2])
address._home = lambda: computer
judge = promotion.judge

def judge_both(*words, **how):
    verdict = judge(*words, **how)
    (computer / "judged").touch()
    while len(list(computer.parent.glob("*/judged"))) < 2:
        time.sleep(0.01)
    return verdict

promotion.judge = judge_both
sys.exit(main(["promote", version, "--gate", "2021-03", "--why", "at once"]))
"""


def start_apart(code, folder, *words):
    """Start a program as if on a computer of its own: its locks lie in another folder."""
    folder.mkdir()
    return forks.start(code, *words, folder, out=folder / "out", err=folder / "err")


def test_of_two_promotions_on_two_computers_one_is_refused(champion, months, tmp_path):
    rivals = [
        register(record("xgboost", months, **GOOD, random_state=seed).run_id).version
        for seed in (0, 1)
    ]
    processes = [start_apart(PROMOTE, tmp_path / each, each) for each in rivals]
    codes = [forks.end(process) for process in processes]
    assert sorted(codes) == [0, 7]
    winner, loser = (rivals[codes.index(code)] for code in (0, 7))
    assert (
        (tmp_path / loser / "err")
        .read_text()
        .endswith(
            f"The champion of {NAME!r} changed meanwhile: version {winner} instead of version "
            f"{champion.version}. Run it again.\n"
        )
    )
    changes = [(each.number, each.before, each.version) for each in read_journal(NAME)]
    assert changes == [(1, None, champion.version), (2, champion.version, winner)]
    assert find_model("champion").version == winner
    assert find_model(loser).verdict is None


def test_the_history_is_whole(champion, capsys):
    assert main(["history"]) == 0
    assert "the first" in capsys.readouterr().out


COUNT = """
import sys
from pathlib import Path
from taxi_duration.tracking.store_lock import store_lock

count = Path(sys.argv[1])
for _ in range(5):
    with store_lock("count"):
        before = int(count.read_text())
        count.write_text("")
        count.write_text(str(before + 1))
"""


def test_a_lock_in_postgresql_lets_one_process_of_several_at_work(tmp_path):
    count = tmp_path / "count"
    count.write_text("0")
    processes = [forks.start(COUNT, count) for _ in range(4)]
    assert [forks.end(process) for process in processes] == [0] * 4
    assert count.read_text() == "20"


KILLED = """
import os, signal
from taxi_duration.tracking.store_lock import store_lock

with store_lock("model of a killed process"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_lock_of_a_process_that_was_killed_is_taken_over():
    assert forks.end(forks.start(KILLED)) == -9
    with store_lock("model of a killed process", timeout=0):
        pass
