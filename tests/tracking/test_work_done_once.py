"""What several models have in common is computed once: git, digests, the naive model, predictions.

The real functions at the library's edge are counted: processes, hashed files, fits and predictions.
"""

import hashlib
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from sklearn.pipeline import Pipeline

from taxi_duration.data.trips import Split
from taxi_duration.models.baseline import MedianDuration
from taxi_duration.models.catalog import MODELS
from taxi_duration.models.spaces import Range, Space
from taxi_duration.tracking.provenance import PACKAGE
from taxi_duration.tracking.search import record_search
from taxi_duration.tracking.training import record, record_all


class Calls:
    """How often git ran, files were hashed, the naive model was fitted, months were predicted."""

    def __init__(self, patch, split):
        self.git, self.hashed, self.fits, self.predictions = (Counter() for _ in range(4))
        self.months = {name_of(trips.frame): part for part, trips in split._asdict().items()}
        self.pipelines = []  # kept, so that no two have the same id
        for owner, name, note in (
            (subprocess, "run", self._note_git),
            (hashlib, "file_digest", self._note_hash),
            (MedianDuration, "fit", self._note_fit),
            (Pipeline, "predict", self._note_prediction),
        ):
            patch.setattr(owner, name, noting(note, getattr(owner, name)))

    def _note_git(self, words, **_):
        if words[0] == "git":
            self.git[tuple(words[3:])] += 1

    def _note_hash(self, file, _):
        self.hashed[Path(file.name)] += 1

    def _note_fit(self, _, rides, minutes):
        self.fits[name_of(rides)] += 1

    def _note_prediction(self, pipeline, rides):
        self.pipelines.append(pipeline)
        if part := self.months.get(name_of(rides)):
            self.predictions[id(pipeline), part] += 1


def name_of(rides):
    return len(rides), rides["pickup_datetime"].iloc[0]


def noting(note, function):
    def noted(*args, **how):
        note(*args, **how)
        return function(*args, **how)

    return noted


SPACE = Space(
    "quick", {"max_depth": Range(2, 5, "whole")}, fixed={"n_estimators": 5, "learning_rate": 0.5}
)
TRAININGS = {
    "all models": lambda split: record_all(MODELS, split, threads=1),
    "two models": lambda split: record_all(["ridge", "median"], split),
    "one model": lambda split: record("ridge", split),
    "the naive model": lambda split: record("median", split),
}


@pytest.fixture(scope="module")
def calls_of(split, new_store, tmp_path_factory):
    """Count the calls of a function of a split."""
    few = Split(*(replace(trips, frame=trips.frame[::5].reset_index(drop=True)) for trips in split))

    def calls_of(train):
        folder = tmp_path_factory.mktemp("counted")
        with new_store(folder), pytest.MonkeyPatch.context() as patch:
            calls = Calls(patch, few)
            train(few)
        return calls

    return calls_of


@pytest.fixture(scope="module", params=TRAININGS)
def calls(request, calls_of):
    """The calls of a training."""
    return calls_of(TRAININGS[request.param])


def test_a_training_does_not_ask_git_the_same_twice(calls):
    assert set(calls.git.values()) == {1}


def test_a_training_hashes_each_file_once(calls):
    assert set(calls.hashed) >= set(PACKAGE.rglob("*.py"))
    assert set(calls.hashed.values()) == {1}


def test_a_training_fits_the_naive_model_once(calls):
    assert set(calls.fits.values()) == {1}


def test_no_model_of_a_training_predicts_a_month_twice(calls):
    assert {month for _, month in calls.predictions} == {"train", "valid", "test"}
    assert set(calls.predictions.values()) == {1}


def test_a_search_asks_git_and_hashes_the_library_once(calls_of):
    calls = calls_of(lambda split: record_search("xgboost", split, trials=3, space=SPACE))
    assert set(calls.git.values()) == set(calls.hashed.values()) == {1}
