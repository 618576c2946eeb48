"""A champion changes for a better one only, in one step, and the journal says so."""

import re
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import forks
import pytest
import yaml
from mlflow import MlflowClient
from shelf import changed_file, serving

from taxi_duration.data.files import tree_digest
from taxi_duration.data.trips import load_trips
from taxi_duration.errors import ModelError, TrackingError
from taxi_duration.registry import journal as journal_module
from taxi_duration.registry import promotion
from taxi_duration.registry.journal import read_journal
from taxi_duration.registry.loading import NAME, find_model, load
from taxi_duration.registry.promotion import check_run, history, promote, register, rollback
from taxi_duration.tracking.runs import read_record
from taxi_duration.tracking.store_lock import store_lock
from taxi_duration.tracking.training import record

WHY = "because"


@pytest.fixture
def runs(shelf, registry):
    """The run ids of trainings in a store that is the test's own; none is registered."""
    registry()
    return shelf[1]


@pytest.fixture(scope="module")
def gate(months):
    return months.test


def champion():
    return find_model("champion").version


def journal():
    return [entry.version for entry in read_journal(NAME)]


def test_a_run_becomes_a_version_that_is_challenger(runs):
    found = register(runs["good"])
    assert (found.name, found.version, found.aliases) == (NAME, "1", ("challenger",))
    assert found.run_id == runs["good"]


def test_a_run_that_is_registered_twice_has_one_version(runs):
    assert register(runs["good"]) == register(runs["good"])


def test_the_first_champion_has_only_median_to_beat(runs, gate):
    verdict = promote(register(runs["poor"]), gate, why=WHY)
    assert (verdict.accepted, verdict.champion) == (True, "median")
    assert champion() == "1"


def test_a_better_challenger_is_promoted(registry):
    assert registry("poor", "weak", "good").version == champion() == "3"


@pytest.mark.parametrize(
    ("before", "challenger", "reason"),
    [
        ("good", "weak", "is not lower than"),
        ("good", "another seed", "is not lower than"),
        ("poor", "bad slice", "distance 0-1 is worse by"),
    ],
)
def test_a_challenger_that_is_not_better_everywhere_is_rejected(
    registry, runs, gate, before, challenger, reason
):
    registry(before)
    verdict = promote(register(runs[challenger]), gate, why=WHY)
    assert not verdict.accepted
    assert reason in str(verdict)
    assert champion() == "1"


@pytest.mark.parametrize("which", ["weak", "good"])
def test_the_verdict_is_written_on_the_version_whether_promoted_or_not(registry, runs, gate, which):
    registry("good")
    challenger = register(runs[which])
    verdict = promote(challenger, gate, why=WHY)
    assert find_model(challenger.address).verdict == verdict
    assert (verdict.sha256, verdict.inputs) == (challenger.sha256, gate.sha256)


def test_a_verdict_on_other_files_is_no_verdict(registry):
    registry("good")
    MlflowClient().set_model_version_tag(NAME, "1", "sha256", "0" * 64)
    assert find_model("1").verdict is None


def test_a_promotion_looks_each_model_up_once_to_judge_and_once_to_describe_it(
    registry, runs, gate, lookups
):
    registry("poor")
    challenger = register(runs["good"])
    lookups.clear()
    promote(challenger, gate, why=WHY)
    records, files_of_two_cards = 4, 6
    assert lookups["get_model_version"] == 4
    assert lookups["get_run"] == records + files_of_two_cards


def description(version):
    return MlflowClient().get_model_version(NAME, version).description


def state(version):
    return re.search(r"On [\d-]+, this version is (.+?)\.", description(version))[1]


def test_a_version_is_described_by_its_errors_and_a_champion_by_its_card(runs, gate):
    champion = register(runs["good"])
    errors = champion.record.metrics
    assert f"rmse {errors['valid_rmse']:.2f} minutes" in description("1")
    assert "Trained on 2021-01, chosen by 2021-02, judged on 2021-03" in description("1")
    promote(champion, gate, why=WHY)
    card = description("1")
    assert card.startswith("# taxi-duration, version 1\n")
    assert f"On {datetime.now(UTC):%Y-%m-%d}, this version is challenger and champion." in card
    assert f"| test | {errors['test_rmse']:.2f} |" in card


def test_a_champion_without_what_a_card_needs_is_promoted_without_one(runs, gate, caplog):
    found = register(runs["good"])
    place = MlflowClient().get_run(found.run_id).info.artifact_uri.removeprefix("file://")
    slices = Path(place, "slices.csv")
    kept = slices.read_bytes()
    slices.unlink()
    assert promote(found, gate, why=WHY).accepted
    slices.write_bytes(kept)
    assert champion() == "1"
    assert "version 1 has an old description: " in caplog.text


def test_a_version_that_is_champion_no_more_is_not_described_as_one(registry):
    registry("poor", "good")
    assert state("2") == "challenger and champion"
    assert state("1") == "neither champion nor challenger"
    rollback(why=WHY)
    assert state("1") == "champion"
    assert state("2") == "challenger"


def test_a_dry_run_says_what_would_happen_and_changes_nothing(runs, gate):
    challenger = register(runs["good"])
    assert promote(challenger, gate, why=WHY, dry_run=True).accepted
    assert find_model(challenger.address) == challenger
    assert journal() == []


def test_a_champion_that_is_promoted_again_keeps_its_verdict(registry, gate):
    found = registry("poor", "good")
    assert promote(found, gate, why=WHY).champion == "version 1"
    assert journal() == ["1", "2"]


def test_a_rollback_restores_the_champion_before(registry):
    registry("poor", "weak", "good")
    assert [rollback(why=WHY).version for _ in range(2)] == ["2", "1"]
    assert champion() == "1"


def test_a_champion_that_changes_while_another_is_judged_refuses_the_promotion(
    registry, runs, gate, monkeypatch
):
    registry("poor", "weak")
    challenger = register(runs["good"])
    judged = promotion.judge

    def judge(*words, **how):
        MlflowClient().set_registered_model_alias(NAME, "champion", "1")
        return judged(*words, **how)

    monkeypatch.setattr(promotion, "judge", judge)
    changed = "^The champion of 'taxi-duration' changed meanwhile: version 1 instead of version 2"
    with pytest.raises(ModelError, match=changed):
        promote(challenger, gate, why=WHY)
    assert (champion(), find_model("3").verdict) == ("1", None)


def files_of_model(run_id):
    """The folder of a run's model."""
    model = MlflowClient().get_logged_model(read_record(run_id).model_id)
    return Path(model.artifact_location.removeprefix("file://"))


@contextmanager
def changed_model(run_id):
    """A while in which a file of the run's model has one byte more."""
    about = files_of_model(run_id) / "artifacts" / "about.json"
    with changed_file(about, about.read_bytes() + b" "):
        yield


def test_a_rollback_to_a_version_whose_files_have_changed_is_rejected(registry, runs):
    registry("weak", "good")
    with changed_model(runs["weak"]), pytest.raises(ModelError, match="not those that were"):
        rollback(why=WHY)
    assert champion() == "2"


def test_a_rollback_leaves_out_what_was_rolled_back_before(registry, runs, gate):
    registry("poor", "weak")
    rollback(why=WHY)
    promote(register(runs["good"]), gate, why=WHY)
    assert rollback(why=WHY).version == "1"


def test_the_first_champion_cannot_be_rolled_back(registry):
    registry("poor")
    with pytest.raises(ModelError, match="has no former champion"):
        rollback(why=WHY)


def test_the_history_tells_who_promoted_what_when_and_why(registry):
    registry("poor", "good")
    rollback(why="too slow")
    table = history().set_index("version")
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


def test_the_history_tells_what_each_version_was_trained_on(registry, months):
    registry("poor", "good")
    table = history().set_index("version")
    assert table.loc["2", ["model", "train", "valid", "refit"]].tolist() == [
        "xgboost", "2021-01", "2021-02", "False"
    ]  # fmt: skip
    assert months.train.sha256.items() <= table.loc["2", "inputs"].items()
    assert table.loc["2", "valid_rmse"] < table.loc["1", "valid_rmse"]
    assert table.loc["2", "coverage"] > 0.5


PROMOTE = """
import os, signal, sys
from mlflow import MlflowClient
from taxi_duration.data.trips import load_trips
from taxi_duration.registry.promotion import promote

version, at = sys.argv[1], int(sys.argv[2])
writes, LAST = 0, 3

def deadly(write):
    def call(*words, **how):
        global writes
        if writes == at:
            os.kill(os.getpid(), signal.SIGKILL)
        done, writes = write(*words, **how), writes + 1
        if writes == at == LAST:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return call

for what in ("model_version_tag", "registered_model_tag", "registered_model_alias"):
    setattr(MlflowClient, f"set_{what}", deadly(getattr(MlflowClient, f"set_{what}")))
promote(version, load_trips("2021-03"), why="at once")
"""
NEVER = -1


def promote_apart(*versions, killed_at=NEVER):
    """Promote each version in a process of its own, killed at a write; return how they end."""
    processes = [forks.start(PROMOTE, version, killed_at) for version in versions]
    return [forks.end(process) for process in processes]


def test_a_kill_at_each_write_leaves_the_old_champion_or_the_new_one(registry, runs):
    registry("poor")
    register(runs["good"])
    found = []
    for write in range(4):
        assert promote_apart("challenger", killed_at=write) == [-9]
        found.append((champion(), journal()))
    assert found == [("1", ["1"])] * 3 + [("2", ["1", "2"])]
    assert rollback(why=WHY).version == "1"


@pytest.fixture(scope="module")
def server(registry_database, tmp_path_factory):
    """A server of MLflow, whose first champion is "poor"."""
    with serving(registry_database("poor"), tmp_path_factory.mktemp("served")) as address:
        yield address


@pytest.fixture(params=["database", "server"])
def poor_champion(request, monkeypatch):
    """A store whose first champion is "poor": a database, or a server."""
    if request.param == "database":
        request.getfixturevalue("registry")("poor")
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", request.getfixturevalue("server"))


def test_two_promotions_at_once_leave_one_champion_and_a_journal_that_agrees(poor_champion, shelf):
    rivals = [register(shelf[1][each]).version for each in ("good", "another seed")]
    assert promote_apart(*rivals) == [0, 0]
    verdicts = [find_model(version).verdict.accepted for version in rivals]
    (winner,) = (version for version, won in zip(rivals, verdicts, strict=True) if won)
    assert champion() == winner
    assert journal() == ["1", winner]


@pytest.mark.parametrize("change", ["register", "promote", "rollback"])
def test_behind_a_server_whoever_has_the_lock_in_its_store_decides(
    server, shelf, gate, monkeypatch, change
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setattr(journal_module, "store_lock", partial(store_lock, timeout=0))
    challenger = register(shelf[1]["weak"])
    changes = {
        "register": lambda: register(shelf[1]["good"]),
        "promote": lambda: promote(challenger, gate, why=WHY),
        "rollback": lambda: rollback(why=WHY),
    }
    with store_lock(f"model {NAME}"), pytest.raises(TrackingError, match=f"of model {NAME}"):
        changes[change]()


def test_behind_a_server_a_model_is_registered_promoted_loaded_and_rolled_back(
    server, shelf, gate, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    for which in ("poor", "weak"):
        found = register(shelf[1][which], name="served")
        assert register(shelf[1][which], name="served") == found
        assert promote(found, gate, why=WHY).accepted
    assert load("served@champion").run_id == shelf[1]["weak"]
    assert rollback(why=WHY, name="served").run_id == shelf[1]["poor"]


def test_a_model_whose_files_the_server_keeps_is_loaded_and_checked(server, months, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    run_id = record("ridge", months, experiment="kept by the server").run_id
    assert load(register(run_id, name="kept").address).run_id == run_id


@pytest.mark.parametrize("month", ["2021-02", "2021-01"])
def test_a_gate_that_a_model_has_seen_is_rejected(runs, month):
    challenger = register(runs["good"])
    with pytest.raises(ModelError, match="does not come after 2021-02, which version 1 has seen"):
        promote(challenger, load_trips(month), why=WHY)


def test_a_gate_of_other_taxis_is_rejected(runs):
    challenger = register(runs["good"])
    with pytest.raises(ModelError, match="rides of yellow taxis, version 1 has learned from green"):
        promote(challenger, load_trips("2021-03", service="yellow"), why=WHY)


def test_a_history_of_a_name_without_versions_is_an_error(runs):
    with pytest.raises(ModelError, match="There is no registered model 'none'"):
        history(name="none")


@pytest.fixture
def good(runs):
    """What the good run recorded, as if from committed code."""
    found = read_record(runs["good"])
    return replace(found, tags=found.tags | {"tree": "clean"})


def test_a_good_run_passes(good):
    check_run(good)


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_run_from_changed_code_passes_with_its_patch_only(good, is_kept):
    place = MlflowClient().get_run(good.run_id).info.artifact_uri.removeprefix("file://")
    changed = replace(good, tags=good.tags | {"tree": "changed"})
    with changed_file(Path(place, "code.patch"), b"+# an idea" if is_kept else None):
        if is_kept:
            check_run(changed)
        else:
            with pytest.raises(ModelError, match="changed code, and its patch was not kept"):
                check_run(changed)


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "KILLED"])
def test_a_run_that_has_not_finished_is_rejected(good, status):
    with pytest.raises(ModelError, match=f"is {status}. Register a finished run"):
        check_run(replace(good, status=status))


@pytest.mark.parametrize("naive", [5.0, 4.0, None])
def test_a_run_that_is_no_better_than_median_is_rejected(good, naive):
    metrics = good.metrics | {"valid_rmse": 5.0, "naive_valid_rmse": naive}
    with pytest.raises(ModelError, match=rf"of 5.0 on .* no better than the {naive} of 'median'"):
        check_run(replace(good, metrics=metrics))


def test_a_run_without_a_model_is_rejected(good):
    with pytest.raises(ModelError, match=r"has no model\. Register a finished run of a model"):
        check_run(replace(good, model_id=None))


def test_a_model_without_signature_is_rejected(good):
    files = files_of_model(good.run_id)
    read = yaml.safe_load((files / "MLmodel").read_text())
    del read["signature"]
    with changed_file(files / "MLmodel", yaml.safe_dump(read).encode()):
        parameters = good.parameters | {"model_sha256": tree_digest(files)}
        with pytest.raises(ModelError, match="does not say what it takes and gives"):
            check_run(replace(good, parameters=parameters))


def test_a_model_that_changed_since_its_run_is_rejected(runs):
    with changed_model(runs["good"]), pytest.raises(ModelError, match="not those that were"):
        register(runs["good"])
