"""A recorded search: what MLflow holds of it, and that it is resumed wherever it was killed."""

import os
import random
import signal
import sqlite3
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from typing import NamedTuple

import forks
import psutil
import pytest

from taxi_duration.data.trips import load_split
from taxi_duration.errors import ModelError
from taxi_duration.models.spaces import Range, Space
from taxi_duration.models.tuning import search
from taxi_duration.tracking.run_owner import Owner
from taxi_duration.tracking.runs import list_runs
from taxi_duration.tracking.search import Search, record_search
from taxi_duration.tracking.store import EXPERIMENT, open_store

TRIALS = 12  # more than the random start-up trials
QUICK = Space(
    "quick",
    {"max_depth": Range(2, 5, "whole"), "reg_alpha": Range(0.1, 10, "log")},
    fixed={"learning_rate": 0.5, "n_estimators": 5},
    finish={"learning_rate": 0.1},
)
HOW = {"trials": TRIALS, "space": QUICK, "seed": 3}


def make_search():
    """Make the search of these tests, in this process."""
    split = load_split("2021-01", "2021-02", "2021-03")
    return record_search("xgboost", split, notebook="03_tune", **HOW)


def same(trials):
    """What two searches have to agree in: all but the seconds."""
    return [replace(trial, seconds=0) for trial in trials]


def runs_of(store):
    """Return the run of the one search in a store, and those of its trials in their order."""
    from mlflow import MlflowClient

    client = MlflowClient(store)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    trials = [run for run in runs if "trial" in run.data.tags]
    (parent,) = [run for run in runs if run not in trials] or [None]
    return parent, sorted(trials, key=lambda run: int(run.data.tags["trial"]))


def finished(trials):
    return [run for run in trials if run.info.status == "FINISHED"]


def stop_between_writes(process, store):
    """Stop a process while it holds no lock of the database, as one that fits a model."""
    while True:
        os.kill(process.pid, signal.SIGSTOP)
        while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            assert process.exitcode is None
            time.sleep(0.01)
        database = sqlite3.connect(store.removeprefix("sqlite:///"), timeout=0)
        with closing(database), suppress(sqlite3.OperationalError):
            database.execute("BEGIN IMMEDIATE")
            return
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(0.01)


class Interrupted(NamedTuple):
    """A search that was stopped after some of its trials, killed there, and resumed."""

    before: tuple
    after: tuple
    found: Search


@pytest.fixture(scope="module")
def interrupted(new_store, tmp_path_factory):
    """The search, killed in another process at a random trial, then made here."""
    code = "from tracking.test_search import make_search; make_search()"
    with new_store(tmp_path_factory.mktemp("interrupted")) as store:
        process = forks.start(code)
        try:
            trials = random.randint(1, TRIALS - 2)
            while process.exitcode is None and len(finished(runs_of(store)[1])) < trials:
                time.sleep(0.01)
            stop_between_writes(process, store)
            open_store()  # while it is alive, so that its run is not closed
        finally:
            process.kill()
            process.join()
        before = runs_of(store)
        found = make_search()
        yield Interrupted(before, runs_of(store), found)


@pytest.fixture(scope="module")
def undisturbed():
    """The trials of the search when nothing comes between."""
    train, valid, _ = load_split("2021-01", "2021-02", "2021-03")
    return list(search("xgboost", train, valid, **HOW))


@pytest.fixture(scope="module")
def recorded(new_store, split, tmp_path_factory):
    """A search, its run and the runs of its trials."""
    with new_store(tmp_path_factory.mktemp("recorded")) as store:
        found = record_search("xgboost", split, notebook="03_tune", **(HOW | {"trials": 3}))
        yield found, *runs_of(store)


def test_each_trial_is_a_finished_child_of_the_search(recorded):
    found, parent, trials = recorded
    assert [run.data.tags["trial"] for run in trials] == ["0", "1", "2"]
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {found.run_id}
    assert {run.info.status for run in [parent, *trials]} == {"FINISHED"}


def test_the_search_and_its_trials_name_the_process_that_records_them(recorded):
    _, parent, trials = recorded
    assert {Owner.of(run.data.tags) for run in [parent, *trials]} == {Owner.this()}


def test_a_trial_holds_parameters_error_rounds_and_seconds(recorded):
    found, _, trials = recorded
    for trial, run in zip(found.trials, trials, strict=True):
        params = {"number": trial.number, **trial.parameters}
        assert run.data.params == {name: repr(value) for name, value in params.items()}
        assert run.data.metrics == {
            "valid_rmse": trial.valid_rmse, "rounds": trial.rounds, "fit_seconds": trial.seconds,
        }  # fmt: skip


def test_the_search_holds_its_plan_its_inputs_and_the_best_error(recorded):
    found, parent, _ = recorded
    params = parent.data.params
    assert (params["model"], params["seed"], params["trials"]) == ("xgboost", "3", "3")
    assert params["space/reg_alpha"] == "0.1 to 10, log"
    assert any(name.startswith("sha256/") for name in params)
    assert parent.data.metrics["valid_rmse"] == found.best.valid_rmse
    assert parent.data.tags["best"] == f"trial {found.best.number}"


def test_the_search_and_its_trials_name_the_notebook(recorded):
    _, parent, trials = recorded
    assert parent.info.run_name == "03_tune"
    assert {run.data.tags["mlflow.source.name"] for run in [parent, *trials]} == {"03_tune"}


def test_neither_search_nor_trial_counts_as_a_model(recorded):
    assert list_runs().empty


def test_a_search_gives_table_influence_and_the_parameters_to_finish_with(recorded):
    found, _, _ = recorded
    assert found.table()["valid_rmse"].min() == found.best.valid_rmse
    assert set(found.parameter_effects()["parameter"]) == set(QUICK.ranges)
    assert found.parameters == {"n_estimators": 5, **found.best.parameters, "learning_rate": 0.1}


def test_a_notebook_shows_a_search_in_one_line_and_a_batch_job_reads_its_id(recorded):
    found, _, _ = recorded
    shown = found._repr_mimebundle_()
    assert shown["application/vnd.taxi+json"] == {"run_id": found.run_id}
    assert shown["text/plain"].startswith("3 trials recorded")


def test_a_finished_search_starts_anew_when_it_is_called_again(store, split):
    searches = [record_search("xgboost", split, **(HOW | {"trials": 2})) for _ in range(2)]
    first, second = searches
    assert first.run_id != second.run_id
    assert same(first.trials) == same(second.trials)


def test_killed_at_any_trial_a_search_becomes_what_it_would_have_been(interrupted, undisturbed):
    assert same(interrupted.found.trials) == same(undisturbed)


def test_a_killed_search_goes_on_in_its_own_run(interrupted):
    assert interrupted.before[0].info.status == "RUNNING"
    assert interrupted.found.run_id == interrupted.before[0].info.run_id


def test_no_trial_is_lost_or_doubled_when_a_search_goes_on(interrupted):
    _, trials = interrupted.after
    numbers = [int(run.data.tags["trial"]) for run in finished(trials)]
    assert numbers == list(range(TRIALS))


def test_trials_from_before_the_kill_stay_as_they_were(interrupted):
    ends = [
        {run.info.run_id: run.info.end_time for run in finished(trials)}
        for _, trials in (interrupted.before, interrupted.after)
    ]
    assert ends[0]
    assert ends[0].items() < ends[1].items()


def test_no_run_is_left_running_when_a_search_has_gone_on(interrupted):
    parent, trials = interrupted.after
    assert parent.info.status == "FINISHED"
    assert {run.info.status for run in trials} <= {"FINISHED", "KILLED"}


def test_interrupted_from_the_keyboard_it_is_marked_as_killed(store, split):

    def interrupt():
        while len(finished(runs_of(store)[1])) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        record_search("xgboost", split, **(HOW | {"trials": 10**6, "patience": 10**6}))
    assert runs_of(store)[0].info.status == "KILLED"


def test_a_trial_that_was_half_written_is_closed_and_made_again(store, split):
    from mlflow import MlflowClient

    client = MlflowClient(store)
    how = HOW | {"trials": 2}
    whole = record_search("xgboost", split, **how)
    for run, status in [(runs_of(store)[0], "KILLED"), (runs_of(store)[1][1], "RUNNING")]:
        client.update_run(run.info.run_id, status)
    again = record_search("xgboost", split, **how)
    assert again.run_id == whole.run_id
    assert same(again.trials) == same(whole.trials)
    assert sorted(run.info.status for run in runs_of(store)[1]) == ["FINISHED"] * 2 + ["KILLED"]


@pytest.fixture(scope="module")
def unfinished(new_store, split, tmp_path_factory):
    """A search of two trials that was killed."""
    from mlflow import MlflowClient

    with new_store(tmp_path_factory.mktemp("unfinished")) as store:
        one = record_search("xgboost", split, **(HOW | {"trials": 2}))
        MlflowClient(store).update_run(one.run_id, "KILLED")
        yield one


@pytest.mark.parametrize("change", [{"seed": 4}, {"trials": 3}, {"at_once": 1}])
def test_another_search_does_not_go_on_with_it(unfinished, split, change):
    other = record_search("xgboost", split, **(HOW | {"trials": 2} | change))
    assert other.run_id != unfinished.run_id


def test_a_search_that_is_running_is_not_taken_over(store, split):
    from mlflow import MlflowClient

    one = record_search("xgboost", split, **(HOW | {"trials": 2}))
    MlflowClient(store).update_run(one.run_id, "RUNNING")
    other = record_search("xgboost", split, **(HOW | {"trials": 2}))
    assert other.run_id != one.run_id
    assert same(other.trials) == same(one.trials)


def test_a_search_that_cannot_be_made_leaves_nothing(store, split):
    with pytest.raises(ModelError, match="Space 'our' is unknown"):
        record_search("xgboost", split, space="our")
    assert runs_of(store) == (None, [])


def test_a_search_that_fails_is_marked_as_failed(store, split):
    wrong = Space("wrong", {"subsample": Range(7, 8, "even")}, fixed={"n_estimators": 2})
    with pytest.raises(ModelError, match="cannot be fitted"):
        record_search("xgboost", split, space=wrong)
    assert runs_of(store)[0].info.status == "FAILED"
