"""A road that is killed, or whose disk fails, is taken again and ends as if nothing had been."""

import json

import pytest

from taxi_duration.errors import NotebookError, SourceError, TrackingError

KILLED = -9
FAILED = {each.exit_code for each in (SourceError, TrackingError, NotebookError)}
EVERY = {  # each call meets a kill and, in turn, a failing write or a disk that stays full
    "model": ["kill:1..1", "failing write:1..2", "full disk:2..2"],
    "stage": ["kill:1..1", "failing write:1..2", "full disk:2..2"],
    # to make a new store takes a thousand calls, so some of them do
    "store": ["kill:1..90", "failing write:46..180", "full disk:136..180"],
}


def check(first, *others):
    """Check that each road was disturbed, with an error of one line, and ended as the first did."""
    assert set(first["codes"]) == {0}, first
    expected = found(first)
    assert (expected["running"], expected["leftovers"]) == ([], [])
    for each in others:
        assert each["again"] == 0, each
        assert found(each) == expected, each
        ends_well = each["code"] in ({KILLED} if each["fault"] == "kill" else {0, *FAILED})
        assert ends_well, each
        errors = [line.startswith("taxi-duration: ") for line in each["said"].splitlines()]
        assert sum(errors) == (each["code"] in FAILED), each
        warnings = len(errors) - sum(errors)
        assert warnings <= 1, each
    return len(others)


def found(each):
    return {name: it for name, it in json.loads(each["found"]).items() if name != "calls"}


def test_a_killed_road_ends_as_an_undisturbed_one(take):
    assert check(*take("model", "kill:90")) == 1


@pytest.mark.soak
@pytest.mark.parametrize("road", EVERY)
def test_a_road_that_is_disturbed_at_any_call_ends_as_an_undisturbed_one(road, take):
    assert check(*take(road, *EVERY[road])) > 20


@pytest.mark.soak
def test_two_roads_at_once_end_as_one_each_time(take):
    single, pairs = take("model")[0], [take("two roads", "kill:90") for _ in range(5)]
    for pair in pairs:
        check(*pair)
        assert found(pair[0]) == found(single)
