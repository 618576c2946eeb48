"""A server of MLflow with PostgreSQL, S3 and accounts; Ann and Ben on computers in front of it."""

import os
import shlex
import subprocess
from urllib.parse import quote

import forks
import pytest
import requests
from mlflow import MlflowClient
from shelf import GOOD, free_port

from taxi_duration.cli.main import main
from taxi_duration.errors import ExitCode, TrackingError
from taxi_duration.registry.journal import read_journal
from taxi_duration.registry.loading import NAME, find_model
from taxi_duration.registry.promotion import register
from taxi_duration.serving.server_process import serve
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
    """Ann has run two notebooks on the sample months: one trained, the other searched."""
    address = os.environ["MLFLOW_TRACKING_URI"]
    assert main(["run", "02_train", "-p", "models=ridge", "--name", "team"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", address.replace("//", f"//ann:{quoted_password()}@"))
        assert main(["run", "03_tune", "-p", "trials=2", "--name", "team"]) == 0


def quoted_password():
    return quote(os.environ["MLFLOW_TRACKING_PASSWORD"])


@pytest.fixture(scope="module")
def champion(notebooks, team):
    """The version that is champion first: Ann's ridge of 02_train, which Ben has promoted."""
    (run,) = (run for run in all_runs() if run.data.tags.get("model") == "ridge")
    assert main(["register", run.info.run_id]) == 0
    with team("ben"):
        assert main(["promote", "challenger", "--gate", "2021-03", "--why", "the first"]) == 0
    return find_model("champion")


def all_runs():
    experiments = [each.experiment_id for each in MlflowClient().search_experiments()]
    return MlflowClient().search_runs(experiments)


@pytest.mark.parametrize(
    "words",
    [["run", "02_train"], ["history"], ["score", "2021-03"], ["serve"], ["ui"]],
    ids=" ".join,
)
def test_a_wrong_password_ends_in_one_line_without_it(team, words, capsys):
    with team("ann", "something wrong"):
        assert main(words) == 6
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        "does not know this user or password. Set MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD."
    )
    assert "something wrong" not in line


def test_a_model_of_a_notebook_lies_in_the_bucket(champion, s3):
    names = [each["Key"] for each in s3.list_objects_v2(Bucket="models")["Contents"]]
    assert any(name.endswith("artifacts/pipeline.skops") for name in names)


def test_a_password_in_the_address_is_kept_nowhere(notebooks, folder, s3):
    kept = [path.read_text() for path in folder.glob("runs/team/*")]
    objects = s3.list_objects_v2(Bucket="models")["Contents"]
    files = [s3.get_object(Bucket="models", Key=each["Key"])["Body"] for each in objects]
    kept += [each.read().decode(errors="replace") for each in files]
    kept += [str(run.to_dictionary()) for run in all_runs()]
    assert [each for each in kept if "trials" in each]
    assert [each for each in kept if quoted_password() in each] == []


def test_a_colleague_reproduces_the_champion(champion, team, capsys):
    with team("ben"):
        assert main(["reproduce", "champion"]) == 0
    assert "reproduced" in capsys.readouterr().out


def test_a_colleague_scores_a_month_and_judges_it(champion, team, folder, capsys):
    place = str(folder / "scored")
    with team("ben"):
        assert main(["score", "2021-03", "--into", place]) == 0
        assert main(["monitor", "2021-03", "--predictions", place]) in {0, ExitCode.ALARM}
    assert "monitor/06_monitor.html" in capsys.readouterr().out


def test_the_champion_answers_as_a_service(champion, team):
    with team("ben"), serve("champion", port=free_port()) as service:
        body = {"dataframe_records": [RIDE]}
        reply = requests.post(f"{service.address}/invocations", json=body, timeout=30)
    assert 1 < reply.json()["predictions"][0]["duration"] < 60


PROMOTE = """
import sys, time
from pathlib import Path
from taxi_duration.cli.main import main
from taxi_duration.registry import promotion
from taxi_duration.tracking import store_address

version, computer = sys.argv[1], Path(sys.argv[2])
store_address._home = lambda: computer
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


def test_of_two_promotions_on_two_computers_one_is_refused(champion, team, months, tmp_path):
    rivals = [
        register(record("xgboost", months, **GOOD, random_state=seed).run_id).version
        for seed in (0, 1)
    ]
    processes = []
    for who, version in zip(("ann", "ben"), rivals, strict=True):
        with team(who):
            processes.append(start_apart(PROMOTE, tmp_path / version, version))
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


BURNT = "a computer that burnt"
KILLED = """
import os, signal
from taxi_duration.tracking.store_lock import store_lock

with store_lock("model of a killed process"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_lock_of_a_colleagues_process_that_was_killed_is_taken_over(team):
    assert forks.end(forks.start(KILLED)) == -9
    with team("ben"), store_lock("model of a killed process", timeout=10):
        pass


def test_the_lock_that_another_computer_has_left_is_renamed_as_the_error_says(team):
    MlflowClient().create_experiment(f"lock of {BURNT}")
    with team("ben"):
        with pytest.raises(TrackingError) as held, store_lock(BURNT, timeout=0):
            pass
        advice = str(held.value).rpartition(": ")[2].removesuffix(".")
        subprocess.run(shlex.split(advice), check=True, capture_output=True)
        with store_lock(BURNT, timeout=0):
            pass
