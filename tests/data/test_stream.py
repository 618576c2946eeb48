"""Months that are read again whenever their rides are needed."""

import numpy as np
import pandas as pd
import pytest

from taxi_duration.data.parquet import write_parquet
from taxi_duration.data.sample import make_month
from taxi_duration.data.stream import stream_trips
from taxi_duration.data.trips import load_trips
from taxi_duration.errors import MonthError, SourceError
from taxi_duration.models.training import fit
from taxi_duration.months import GREEN, Month


@pytest.fixture
def folder(tmp_path):
    """Two small months."""
    for number, rows in ((1, 700), (2, 500)):
        month = Month(2021, number)
        write_parquet(make_month(month, rows=rows), tmp_path / GREEN.file(month))
    return tmp_path


@pytest.fixture
def stream(folder):
    return stream_trips("2021-01..2021-02", source=folder)


def test_a_stream_holds_the_rides_counts_and_digests_of_the_loaded_months(stream, folder):
    loaded, held = load_trips("2021-01..2021-02", source=folder), stream.hold()
    pd.testing.assert_frame_equal(stream.frame, loaded.frame)
    pd.testing.assert_frame_equal(stream.counts, loaded.counts)
    assert (held.months, held.sha256, held.source) == (loaded.months, loaded.sha256, loaded.source)
    assert len(stream) == len(loaded)


@pytest.mark.parametrize("name", ["xgboost", "ridge"])
def test_a_model_trained_on_a_stream_is_that_of_the_loaded_months(stream, folder, name):
    how = {"n_estimators": 5, "threads": 1} if name == "xgboost" else {}
    loaded, valid = load_trips("2021-01..2021-02", source=folder), load_trips("2021-03")
    one, other = (fit(name, train, valid, refit=True, **how) for train in (loaded, stream))
    for which in ("first", "pipeline"):
        predicted = [getattr(each, which).predict(valid.frame) for each in (one, other)]
        np.testing.assert_array_equal(*predicted)
    assert one.months == other.months


def test_a_boosted_model_never_asks_for_all_rides_of_a_stream(stream, monkeypatch):
    monkeypatch.setattr(type(stream), "hold", None)
    assert fit("xgboost", stream, load_trips("2021-03"), n_estimators=2).rounds


def test_a_file_that_changes_while_it_is_in_use_is_named(stream, folder):
    changed = make_month(Month(2021, 2), rows=400)
    write_parquet(changed, folder / GREEN.file(Month(2021, 2)))
    with pytest.raises(SourceError, match=r"green_tripdata_2021-02\.parquet was changed while"):
        list(stream.blocks())


def test_a_month_that_is_none_is_rejected():
    with pytest.raises(MonthError, match="2021-13"):
        stream_trips("2021-13")
