"""A champion changes for a better one only, in one step, and the journal says so."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from mlflow import MlflowClient
from shelf import serving

from taxi_duration.data.trips import load_trips
from taxi_duration.errors import ModelError
from taxi_duration.registry.journal import entries
from taxi_duration.registry.loading import NAME, find_model, load
from taxi_duration.registry.promotion import (
    champion_on,
    history,
    promote,
    register,
    rollback,
)
from taxi_duration.tracking.runs import read_record
from taxi_duration.tracking.training import record

WHY = "because"
NAMES = (f"model-{number}" for number in count())


@pytest.fixture(scope="session")
def served_shelf(shelf, tmp_path_factory):
    """The same behind a server."""
    uri, runs = shelf
    database = uri.removeprefix("sqlite:///")
    with serving(database, tmp_path_factory.mktemp("served")) as address:
        yield address, runs


@pytest.fixture
def place(request):
    return getattr(request, "param", "shelf")


on_both = pytest.mark.parametrize("place", ["shelf", "served_shelf"], indirect=True)


@pytest.fixture
def runs(request, place, monkeypatch):
    """The run ids of trainings, in a database or behind a server."""
    address, runs = request.getfixturevalue(place)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    return runs


@pytest.fixture(scope="module")
def gate(months):
    return months.test


@pytest.fixture
def name():
    """The name of a registered model that is the test's own."""
    return next(NAMES)


@pytest.fixture
def promoted(runs, name, gate):
    """Make some of the trainings champion, one after the other."""

    def promoted(*which):
        for each in which:
            version = register(runs[each], name=name)
            assert promote(version, gate, why=WHY).accepted
        return version

    return promoted


def champion(name):
    return find_model("champion", name=name).version


def test_a_run_becomes_a_version_that_is_challenger(runs, name):
    version = register(runs["good"], name=name)
    assert (version.version, version.aliases, version.run_id) == (
        "1",
        ("challenger",),
        runs["good"],
    )


@on_both
def test_a_run_that_is_registered_twice_has_one_version(runs, name):
    assert register(runs["good"], name=name) == register(runs["good"], name=name)


def test_the_first_champion_has_only_median_to_beat(runs, name, gate):
    verdict = promote(register(runs["poor"], name=name), gate, why=WHY)
    assert (verdict.accepted, verdict.champion) == (True, "median")
    assert champion(name) == "1"


@on_both
def test_a_better_challenger_is_promoted(promoted, name):
    assert promoted("poor", "weak", "good").version == champion(name) == "3"


@on_both
@pytest.mark.parametrize(
    ("before", "challenger", "reason"),
    [
        ("good", "weak", "is not lower than"),
        ("good", "another seed", "is not lower than"),
        ("poor", "bad slice", "distance 0-1 is worse by"),
    ],
)
def test_what_is_not_better_everywhere_is_refused(
    promoted, runs, name, gate, before, challenger, reason
):
    promoted(before)
    verdict = promote(register(runs[challenger], name=name), gate, why=WHY)
    assert not verdict.accepted
    assert reason in str(verdict)
    assert champion(name) == "1"


def test_the_verdict_is_written_on_the_version_whether_promoted_or_not(promoted, runs, name, gate):
    promoted("good")
    for each in ("weak", "good"):
        version = register(runs[each], name=name)
        verdict = promote(version, gate, why=WHY)
        assert find_model(version.address).verdict == verdict
        assert (verdict.sha256, verdict.inputs) == (version.sha256, gate.sha256)


def test_a_verdict_on_other_files_is_no_verdict(promoted, name):
    from mlflow import MlflowClient

    promoted("good")
    MlflowClient().set_model_version_tag(name, "1", "sha256", "0" * 64)
    assert find_model("1", name=name).verdict is None


def test_a_promotion_looks_each_model_up_once_and_reads_its_run_once(
    promoted, runs, name, gate, lookups
):
    promoted("poor")
    challenger = register(runs["good"], name=name)
    lookups.clear()
    read_record(runs["good"])
    of_one_read = lookups["get_run"]
    lookups.clear()
    promote(challenger, gate, why=WHY)
    assert (lookups["get_model_version"], lookups["get_run"]) == (2, 2 * of_one_read)


def test_a_dry_run_says_what_would_happen_and_changes_nothing(runs, name, gate):
    version = register(runs["good"], name=name)
    assert promote(version, gate, why=WHY, dry_run=True).accepted
    assert find_model(version.address) == version
    assert entries(name) == []


def test_a_champion_that_is_promoted_again_keeps_its_verdict(promoted, name, gate):
    version = promoted("poor", "good")
    assert promote(version, gate, why=WHY).champion == "version 1"
    assert len(entries(name)) == 2


@on_both
def test_a_rollback_restores_the_champion_before(promoted, name):
    promoted("poor", "weak", "good")
    assert [rollback(why=WHY, name=name).version for _ in range(2)] == ["2", "1"]
    assert champion(name) == "1"


@contextmanager
def changed_files(run_id):
    """A while in which a file of the run's model has one byte more."""
    model = MlflowClient().get_run(run_id).outputs.model_outputs[0].model_id
    place = MlflowClient().get_logged_model(model).artifact_location.removeprefix("file://")
    about = Path(place, "artifacts", "about.json")
    before = about.read_bytes()
    about.write_bytes(before + b" ")
    yield
    about.write_bytes(before)


def test_a_rollback_to_a_version_whose_files_have_changed_is_refused(promoted, runs, name):
    promoted("weak", "good")
    with changed_files(runs["weak"]), pytest.raises(ModelError, match="not those that were"):
        rollback(why=WHY, name=name)
    assert champion(name) == "2"


def test_a_rollback_leaves_out_what_was_rolled_back_before(promoted, runs, name):
    promoted("poor", "weak")
    rollback(why=WHY, name=name)
    promoted("good")
    assert rollback(why=WHY, name=name).version == "1"


def test_the_first_champion_cannot_be_rolled_back(promoted, name):
    promoted("poor")
    with pytest.raises(ModelError, match="has no former champion"):
        rollback(why=WHY, name=name)


def test_the_history_tells_who_promoted_what_when_and_why(promoted, name):
    promoted("poor", "good")
    rollback(why="too slow", name=name)
    table = history(name=name).set_index("version")
    changes = sorted(
        (entry for each in table["promotions"] for entry in each), key=lambda entry: entry.number
    )
    assert [(entry.kind, entry.before, entry.version) for entry in changes] == [
        ("promote", None, "1"),
        ("promote", "1", "2"),
        ("rollback", "2", "1"),
    ]
    assert changes[-1].why == "too slow"
    assert all(entry.who for entry in changes)
    assert changes[1].verdict == table.loc["2", "verdict"]


def test_the_history_tells_what_each_version_rests_on(promoted, name, months):
    promoted("poor", "good")
    table = history(name=name).set_index("version")
    assert table.loc["2", ["model", "train", "valid", "refit"]].tolist() == [
        "xgboost", "2021-01", "2021-02", "False"
    ]  # fmt: skip
    assert months.train.sha256.items() <= table.loc["2", "inputs"].items()
    assert table.loc["2", "valid_rmse"] < table.loc["1", "valid_rmse"]
    assert table.loc["2", "coverage"] > 0.5


def test_the_journal_answers_who_was_champion_on_a_day(promoted, name):
    promoted("poor", "weak")
    assert champion_on(datetime.now(UTC).date(), name=name).version == "2"
    assert champion_on("2021-01-01", name=name) is None


PROMOTERS = """
import os, signal, sys
import skops.io, xgboost
import mlflow.store.model_registry.sqlalchemy_store, mlflow.store.tracking.sqlalchemy_store
from mlflow import MlflowClient
from taxi_duration.registry.promotion import promote
from taxi_duration.data.trips import load_trips

writes = 0

def die_at(at):
    for what in ("model_version_tag", "registered_model_tag", "registered_model_alias"):
        setattr(MlflowClient, f"set_{what}", deadly(getattr(MlflowClient, f"set_{what}"), at))

def deadly(write, at):
    def call(*words, **how):
        global writes
        if writes == at:
            os.kill(os.getpid(), signal.SIGKILL)
        done, writes = write(*words, **how), writes + 1
        if writes == at == LAST:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return call

LAST, gate = 3, load_trips("2021-03")
for line in sys.stdin:
    os.environ["MLFLOW_TRACKING_URI"], name, at, *versions = line.split()
    for version in versions:
        if os.fork() == 0:
            die_at(int(at))
            promote(version, gate, name=name, why="at once")
            os._exit(0)
    print(*(os.waitstatus_to_exitcode(os.wait()[1]) for _ in versions), flush=True)
"""
NEVER = -1


@pytest.fixture(scope="module")
def promote_apart():
    """Promote each version in a process of its own, killed at a write; return how they end."""
    pipe, words = subprocess.PIPE, [sys.executable, "-c", PROMOTERS]
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, bufsize=1) as script:

        def promote_apart(name, *versions, killed_at=NEVER):
            told = [os.environ["MLFLOW_TRACKING_URI"], name, killed_at, *versions]
            print(*told, file=script.stdin)
            return [int(code) for code in script.stdout.readline().split()]

        yield promote_apart


@on_both
def test_a_kill_at_each_write_leaves_the_old_champion_or_the_new_one(
    promoted, runs, name, promote_apart
):
    promoted("poor")
    register(runs["good"], name=name)
    found = []
    for write in range(4):
        assert promote_apart(name, "challenger", killed_at=write) == [-9]
        found.append((champion(name), [entry.version for entry in entries(name)]))
    assert found == [("1", ["1"])] * 3 + [("2", ["1", "2"])]
    assert rollback(why=WHY, name=name).version == "1"


@on_both
def test_two_promotions_at_once_leave_one_champion_and_a_journal_that_agrees(
    promoted, runs, name, promote_apart
):
    promoted("poor")
    rivals = [register(runs[each], name=name).version for each in ("good", "another seed")]
    assert promote_apart(name, *rivals) == [0, 0]
    verdicts = [find_model(version, name=name).verdict.accepted for version in rivals]
    (winner,) = (version for version, won in zip(rivals, verdicts, strict=True) if won)
    assert champion(name) == winner
    assert [entry.version for entry in entries(name)] == ["1", winner]


@pytest.mark.parametrize("month", ["2021-02", "2021-01"])
def test_a_gate_that_a_model_has_seen_is_refused(runs, name, month):
    version = register(runs["good"], name=name)
    with pytest.raises(ModelError, match="does not come after 2021-02, which version 1 has seen"):
        promote(version, load_trips(month), why=WHY)


def test_a_gate_of_other_taxis_is_refused(runs, name):
    version = register(runs["good"], name=name)
    with pytest.raises(ModelError, match="rides of yellow taxis, version 1 has learned from green"):
        promote(version, load_trips("2021-03", service="yellow"), why=WHY)


def test_a_version_is_found_by_all_its_names(promoted, runs, name):
    version = promoted("poor")
    names = ["1", "champion", f"{name}@champion", f"models:/{name}/1", runs["poor"]]
    assert [find_model(each, name=name) for each in names] == [find_model(version.address)] * 5


@pytest.mark.parametrize("which", ["7", "nobody", "models:/none/1", "none@champion", "0" * 32])
def test_a_version_that_is_not_there_is_said(runs, name, which):
    register(runs["poor"], name=name)
    with pytest.raises(ModelError, match="There is no model"):
        find_model(which, name=name)


def test_a_name_without_versions_is_said(runs):
    with pytest.raises(ModelError, match="There is no registered model 'none'"):
        history(name="none")


@on_both
def test_the_champion_is_loaded_by_its_alias(promoted, runs, name, gate):
    promoted("poor", "good")
    loaded = load(f"models:/{name}@champion")
    assert (loaded.version, loaded.run_id) == ("2", runs["good"])
    answer = loaded.predict(gate.frame.head())
    assert list(answer) == ["duration", "low", "high"]


def test_a_model_whose_files_the_server_keeps_is_loaded_and_checked(
    served_shelf, months, monkeypatch, name
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", served_shelf[0])
    run_id = record("ridge", months, experiment="kept by the server").run_id
    assert load(register(run_id, name=name).address).run_id == run_id


def test_the_usual_name_is_taken_if_none_is_given(shelf, tmp_path, monkeypatch):
    copy = shutil.copy(shelf[0].removeprefix("sqlite:///"), tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy}")
    assert register(shelf[1]["poor"]).name == NAME
