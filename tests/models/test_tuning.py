"""A search gives the same trials in one go or several, each with the error of its parameters."""

import re
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_duration.errors import ModelError
from taxi_duration.models.spaces import SPACES, Range, Space, describe_space, find_space
from taxi_duration.models.training import fit
from taxi_duration.models.tuning import (
    Trial,
    best_trial,
    final_parameters,
    parameter_effects,
    search,
    suggest,
    trials_table,
)

QUICK = Space(
    "quick",
    {"max_depth": Range(2, 5, "whole"), "reg_alpha": Range(0.1, 10, "log")},
    fixed={"learning_rate": 0.5, "n_estimators": 5},
    finish={"learning_rate": 0.1},
)
TRIALS = 14  # more than the random start-up trials


def same(trials):
    """What two searches have to agree in: all but the seconds."""
    return [replace(trial, seconds=0) for trial in trials]


@pytest.fixture(scope="module")
def months(split):
    return split.train, split.valid


@pytest.fixture(scope="module")
def trials(months):
    """An undisturbed search."""
    return list(search("xgboost", *months, trials=TRIALS, space=QUICK, seed=1))


def test_trials_are_numbered_in_their_order(trials):
    assert [trial.number for trial in trials] == list(range(TRIALS))


def test_the_same_seed_gives_the_same_trials_in_one_thread_or_two(months, trials):
    again = search("xgboost", *months, trials=TRIALS, space=QUICK, seed=1, threads=1)
    assert same(again) == same(trials)


def test_another_seed_gives_others(months, trials):
    other = search("xgboost", *months, trials=1, space=QUICK, seed=2)
    assert next(other).parameters != trials[0].parameters


@settings(max_examples=4)
@given(kept=st.sets(st.integers(0, TRIALS - 1)))
def test_a_search_that_knows_some_of_its_trials_comes_to_the_same(months, trials, kept):
    known = [trial for trial in trials if trial.number in kept]
    resumed = list(search("xgboost", *months, trials=TRIALS, space=QUICK, seed=1, known=known))
    assert same(resumed) == same(trials)


def test_what_is_known_is_not_fitted_again(months, trials):
    resumed = search("xgboost", *months, trials=TRIALS, space=QUICK, seed=1, known=trials)
    assert [trial.seconds for trial in resumed] == [trial.seconds for trial in trials]


def test_a_trial_is_what_a_training_with_its_parameters_gives(months, trials):
    trial = trials[-1]
    alone = fit("xgboost", *months, threads=1, **QUICK.fixed, **trial.parameters)
    assert (trial.rounds, trial.valid_rmse) == (alone.rounds, alone.curve["valid"].min())


def test_suggestions_come_closer_to_the_best_than_random_start_up_trials():
    space = Space("one", {"max_depth": Range(1, 100, "whole")})
    past = []
    for number in range(40):
        suggested = suggest(space, past, number=number, seed=0)
        past.append(Trial(number, suggested, abs(suggested["max_depth"] - 80), 1, 1.0))
    random, learned = past[:10], past[10:]
    assert median(each.valid_rmse for each in learned) < median(each.valid_rmse for each in random)


def test_trials_that_are_suggested_together_do_not_know_of_each_other(months, trials):
    second = suggest(QUICK, trials[:12], number=13, seed=1)
    assert second == trials[13].parameters


@given(name=st.sampled_from(list(SPACES)), number=st.integers(0, 99), seed=st.integers(0, 2**31))
def test_a_suggestion_lies_in_its_space(name, number, seed):
    space = find_space(name)
    suggested = suggest(space, [], number=number, seed=seed)
    assert list(suggested) == list(space.ranges)
    assert all(low <= suggested[each] <= high for each, (low, high, _) in space.ranges.items())


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_a_suggestion_is_whole_where_it_has_to_be(space):
    kinds = {name: type(value) for name, value in suggest(space, [], number=3, seed=0).items()}
    whole = {name for name, each in space.ranges.items() if each.drawn == "whole"}
    assert {name for name, kind in kinds.items() if kind is int} == whole
    assert set(kinds.values()) == {int, float}


def test_a_search_ends_when_nothing_gets_better(months):
    idle = Space("idle", {"verbosity": Range(0, 1, "whole")}, fixed=QUICK.fixed)
    found = list(search("xgboost", *months, trials=20, space=idle, patience=2, at_once=3))
    assert len(found) == 3


@pytest.mark.parametrize("patience", [1, 2])
def test_patience_counts_the_trials_after_the_best(months, patience):
    idle = Space("idle", {"verbosity": Range(0, 1, "whole")}, fixed=QUICK.fixed)
    found = list(search("xgboost", *months, trials=20, space=idle, patience=patience, at_once=1))
    assert len(found) == 1 + patience


def test_trials_come_before_the_search_has_ended(months):
    found = search("xgboost", *months, trials=10**6, space=QUICK, patience=10**6)
    assert [trial.number for trial in islice(found, 3)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "xgbost"}, "Model 'xgbost' is unknown. Did you mean 'xgboost'?"),
        ({"space": "our"}, "Space 'our' is unknown. Did you mean 'ours'?"),
        ({"model": "ridge"},
         "Model 'ridge' has no rounds to search with. Choose from: 'reference', 'xgboost',"),
        ({"space": Space("typo", {"depth": Range(3, 5, "whole")})},
         "Model 'xgboost' has no parameter 'depth'."),
        ({"trials": 0}, "A search with trials 0 tries nothing. Take 1 or more."),
        ({"patience": 0}, "A search with patience 0 tries nothing."),
        ({"at_once": -1}, "A search with at_once -1 tries nothing."),
    ],
)  # fmt: skip
def test_a_search_that_cannot_be_made_is_rejected_before_it_starts(months, arguments, message):
    with pytest.raises(ModelError) as error:
        search(**{"model": "xgboost"} | arguments, train=months[0], valid=months[1])
    assert message in str(error.value)


def test_a_trial_that_cannot_be_fitted_is_named(months):
    wrong = Space("wrong", {"subsample": Range(7, 8, "even")}, fixed={"n_estimators": 2})
    with pytest.raises(ModelError, match=r"Trial 0 with \{'subsample': 7.*\} cannot be fitted: "):
        next(search("xgboost", *months, space=wrong))


def test_the_last_training_takes_the_best_trials_the_fixed_and_the_finishing_parameters(trials):
    best = best_trial(trials)
    assert final_parameters(trials, QUICK) == {
        "n_estimators": 5,
        **best.parameters,
        "learning_rate": 0.1,
    }


def test_the_first_of_equal_trials_is_the_best():
    trials = [Trial(number, {}, error, 1, 1.0) for number, error in enumerate([6.0, 5.0, 5.0])]
    assert best_trial(trials).number == 1


def test_a_table_has_a_row_a_trial(trials):
    frame = trials_table(trials)
    assert frame.columns.tolist() == [
        "number", "valid_rmse", "rounds", "seconds", "max_depth", "reg_alpha",
    ]  # fmt: skip
    assert frame["valid_rmse"].tolist() == [trial.valid_rmse for trial in trials]


def test_what_mattered_most_comes_first():
    trials = [Trial(n, {"max_depth": n, "reg_alpha": n % 2}, 9.0 - n, 1, 1.0) for n in range(10)]
    learned = parameter_effects(trials, QUICK)
    assert learned["parameter"].tolist() == ["max_depth", "reg_alpha"]
    assert learned.loc[0, ["best", "from", "to", "correlation"]].tolist() == [9, 8, 9, -1]


def test_one_trial_teaches_nothing(trials):
    assert parameter_effects(trials[:1], QUICK)["correlation"].tolist() == [0, 0]


def test_a_space_is_described_a_row_a_parameter():
    described = describe_space(QUICK)
    assert described["parameter"].tolist() == ["max_depth", "reg_alpha"]
    assert described["drawn"].tolist() == ["whole numbers", "evenly by the logarithm"]


@pytest.mark.parametrize("name", SPACES)
def test_the_documented_space_is_the_one_in_the_code(name):
    document = Path(__file__).parents[2].joinpath("docs", "tuning.md").read_text(encoding="utf-8")
    section = document.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| ([\d.]+) \| ([\w ]+) \|", section, re.MULTILINE)
    described = describe_space(name).itertuples(index=False)
    assert rows == [
        (each, *(f"{float(f'{end:.3g}'):g}" for end in (low, high)), drawn)
        for each, low, high, drawn in described
    ]
