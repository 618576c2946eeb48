"""A model of several months each: its record, card and history, the gate, its reproduction."""

import pytest

from taxi_duration.cli.display import format_history
from taxi_duration.data.trips import load_split, load_trips
from taxi_duration.errors import ModelError
from taxi_duration.notebooks.reproduction import reproduce
from taxi_duration.registry.card import make_card
from taxi_duration.registry.promotion import history, promote, register
from taxi_duration.registry.selection import candidates
from taxi_duration.serving.monitoring import reference_of
from taxi_duration.tracking.runs import read_record
from taxi_duration.tracking.training import record

TRAIN, VALID, TEST = "2020-10,2020-12..2021-01", "2021-02..2021-03", "2021-04..2021-05"
QUICK = {"learning_rate": 0.3, "n_estimators": 5, "max_depth": 4, "threads": 1}


@pytest.fixture(scope="module")
def split():
    return load_split(TRAIN, VALID, TEST)


@pytest.fixture(scope="module")
def challenger(new_store, split, tmp_path_factory):
    """A registered model of these months, in a store of its own."""
    with new_store(tmp_path_factory.mktemp("several")):
        yield register(record("xgboost", split, **QUICK).run_id)


def test_the_record_names_the_months_and_every_file(challenger, split):
    parameters = challenger.record.parameters
    assert [parameters[part] for part in split._fields] == [TRAIN, VALID, TEST]
    digests = {file: digest for trips in split for file, digest in trips.sha256.items()}
    assert len(digests) == 7
    assert challenger.record.inputs == digests


def test_every_file_is_a_dataset_of_the_run_with_its_source(challenger, split):
    import mlflow

    inputs = mlflow.get_run(challenger.run_id).inputs.dataset_inputs
    assert all('"source": "sample"' in each.dataset.source for each in inputs)
    found = {(each.dataset.name, each.tags[0].value) for each in inputs}
    assert found == {(file, part) for part in split._fields for file in getattr(split, part).sha256}


def test_the_card_names_the_months_and_counts_the_rows_of_each(challenger):
    text = make_card(challenger).markdown
    assert f"trained on {TRAIN}, and stopped and chosen on {VALID}; {TEST} are its test" in text
    for row in ("train 2020-10", "train 2020-12", "valid 2021-03", "test 2021-05"):
        assert f"| {row} |" in text


def test_the_history_names_the_months(challenger):
    assert f"train {TRAIN}, valid {VALID}, test {TEST}, refit False" in format_history(history())


def test_a_model_of_several_months_is_reproduced(challenger):
    assert str(reproduce(challenger.run_id)).startswith(
        f"Model 'xgboost' of run {challenger.run_id}: reproduced."
    )


def test_a_model_is_found_by_the_months_that_it_was_chosen_by(challenger, split):
    assert candidates(split.valid)["run_id"].tolist() == [challenger.run_id]
    with pytest.raises(ModelError, match=r"chosen by the rides of 2021-02\."):
        candidates(load_trips("2021-02"))


def test_the_gate_takes_no_month_up_to_the_newest_valid_one(challenger):
    assert str(read_record(challenger.run_id).last_seen) == "2021-03"
    with pytest.raises(ModelError, match="gate's month 2021-03 does not come after 2021-03"):
        promote(challenger, load_trips("2021-03..2021-04"), why="a test")


def test_the_gate_may_have_several_months(challenger, split):
    verdict = promote(challenger, split.test, why="a test", dry_run=True)
    assert (verdict.months, verdict.rows) == (("2021-04", "2021-05"), len(split.test))


def test_a_month_is_monitored_against_all_months_of_the_training(challenger, split):
    reference = reference_of(challenger, "sample")
    assert (len(reference.rides), reference.last) == (len(split.train), "2021-01")
