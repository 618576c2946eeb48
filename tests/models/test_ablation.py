"""What each feature brings: the script measures each, and the page shows what it measured."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from taxi_duration.data.trips import load_trips

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def ablation():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        return importlib.import_module("ablation")


@pytest.fixture(scope="module")
def matrices(ablation):
    return ablation.make(load_trips("2021-01"), load_trips("2021-02"))


def test_each_feature_is_left_out_at_least_once(ablation, matrices):
    left_out = {name for group in ablation.GROUPS.values() for name in group} | {*ablation.ALONE}
    assert left_out == {*matrices.features.get_feature_names_out()}


def test_without_the_distance_the_error_is_larger(ablation, matrices):
    found = dict(ablation.errors(matrices, n_estimators=5, n_jobs=1))
    assert found["the distance"] > found[""] + 0.1
    assert found.keys() == {"", *ablation.GROUPS, *ablation.ALONE}


def test_a_group_has_its_time_and_the_size_of_what_it_learned(ablation, matrices):
    frame = load_trips("2021-02").frame
    rides = {name: frame[name].to_numpy() for name in frame}
    found = ablation.costs(matrices.features, rides)
    assert all(time > 0 for time, _ in found.values())
    sizes = {name: size for name, (_, size) in found.items()}
    held = {"the clock": 0, "the map": 3, "the distance": 283, "the target encoding": 570}
    assert sizes == {"": 856, **held}


def test_the_page_has_a_row_for_each_that_was_left_out(ablation):
    (text,) = ablation.MARKS.findall(ablation.PAGE.read_text())
    rows = re.findall(r"^\| `?([\w ]+)`? \| ([\d.]+) \| ([+-][\d.]+) \|", text, re.M)
    assert [name for name, *_ in rows] == [*ablation.GROUPS, *ablation.ALONE]
    (best,) = re.findall(r"^\| nothing \| ([\d.]+) \|  \|", text, re.M)
    brought = [float(rmse) - float(best) for _, rmse, _ in rows]
    np.testing.assert_allclose([float(each) for *_, each in rows], brought, atol=0.0011)
