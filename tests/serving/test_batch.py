"""Batch scoring: every row accounted for, predicted once, written whole or not at all."""

import json
import shutil
from types import SimpleNamespace

import forks
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parquet_ways import TIMES, cast

from taxi_duration.data.parquet import read_parquet, write_parquet
from taxi_duration.errors import EngineError, SchemaError, SourceError, UsageError
from taxi_duration.models.catalog import MODELS
from taxi_duration.models.estimator import Estimator
from taxi_duration.models.intervals import Intervals
from taxi_duration.months import GREEN, Month
from taxi_duration.serving import batch, spark
from taxi_duration.serving.batch import score_months
from taxi_duration.serving.month_results import MonthResult, tally

JANUARY = Month(2021, 1)
SURE = Intervals(0.8, low=(-0.3, -0.2, -0.2), high=(0.4, 0.3, 0.3))
COLUMNS = list(GREEN.columns)


@pytest.fixture(scope="module")
def model(fit_quickly):
    inputs = MODELS["xgboost"].inputs
    estimator = Estimator("xgboost", inputs, fit_quickly("xgboost").pipeline, SURE)
    return SimpleNamespace(name="taxi-duration", version="3", sha256="5eal", estimator=estimator)


@pytest.fixture(scope="module")
def dirty(raw, tmp_path_factory):
    """A folder with a month of rows, some of them no valid rides."""
    rows = raw.astype({"PULocationID": float})
    rows.loc[[403, 404], "PULocationID"] = [np.nan, 9999]
    rows.loc[405, "trip_distance"] = -1.0
    rows.loc[406, "lpep_pickup_datetime"] = pd.NaT
    rows.loc[7, "trip_distance"] = 0.0
    rows.loc[8, "lpep_dropoff_datetime"] = pd.NaT
    folder = tmp_path_factory.mktemp("dirty")
    write_parquet(rows, folder / GREEN.file(JANUARY))
    return folder


@pytest.fixture
def score(model, dirty, tmp_path):
    """Score January of the dirty folder, or of another source."""

    def score(model=model, source=dirty, **how):
        into = tmp_path / "predictions"
        (result,) = score_months(model, "2021-01", source=source, into=into, **how)
        return result

    return score


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_row_is_predicted_or_rejected_with_its_reason(score, raw):
    found = score()
    assert found.rejected()[["ride", "reason"]].to_numpy().tolist() == [
        [403, "PULocationID is missing or no number"],
        [404, "PULocationID is not one of TLC's zones 1 to 265"],
        [405, "trip_distance is not 0 or more miles"],
        [406, "pickup_datetime is missing or no time"],
    ]
    rides = [*found.predictions()["ride"], *found.rejected()["ride"]]
    assert sorted(rides) == list(range(len(raw)))


def test_a_prediction_is_that_of_the_model_for_the_ride(score, model):
    found = score().predictions()
    rides = found[["pickup_datetime", "PULocationID", "DOLocationID", "trip_distance"]]
    expected = model.estimator.predict(rides)
    assert found["predicted"].tolist() == expected["duration"].tolist()
    pd.testing.assert_frame_equal(found[["low", "high"]], expected[["low", "high"]])
    assert set(found["model_version"]) == {3}


def test_the_duration_is_beside_it_where_the_drop_off_is_known(score, raw):
    found = score().predictions().set_index("ride")["duration"]
    took = raw["lpep_dropoff_datetime"] - raw["lpep_pickup_datetime"]
    assert found[0] == took[0].total_seconds() / 60
    assert np.isnan(found[8])


def test_the_manifest_has_the_origin_and_the_counts(score, raw, dirty):
    made = score()
    manifest = MonthResult.find(made.folder).manifest
    assert manifest == made.manifest
    assert (manifest.rows, manifest.predicted) == (len(raw), len(raw) - 4)
    assert sum(manifest.rejected.values()) == 4
    assert manifest.repaired >= 1
    assert manifest.model == {"name": "taxi-duration", "version": 3, "sha256": "5eal"}
    assert list(manifest.input) == [GREEN.file(JANUARY)]


def test_the_same_month_is_not_predicted_twice_by_the_same_model(score):
    first, again = score(), score()
    assert (first.fresh, again.fresh) == (True, False)
    assert again.manifest == first.manifest


@pytest.mark.parametrize("change", ["force", "model", "input", "damage"])
def test_it_is_predicted_again_when_something_has_changed(score, model, dirty, tmp_path, change):
    first, how = score(), {}
    if change == "force":
        how = {"force": True}
    elif change == "model":
        how = {"model": SimpleNamespace(**vars(model) | {"version": "4"})}
    elif change == "input":
        how = {"source": "sample"}
    else:
        (first.folder / "predictions.parquet").write_bytes(b"PAR1")
    assert score(**how).fresh


def test_blocks_and_row_groups_change_nothing(score, monkeypatch):
    whole = score().predictions()
    monkeypatch.setattr(batch, "BLOCK", 37)
    pd.testing.assert_frame_equal(score(force=True).predictions(), whole)


def test_a_month_of_many_row_groups_is_written_in_one(score, raw, folder):
    raw.to_parquet(folder / GREEN.file(JANUARY), engine="pyarrow", row_group_size=2)
    found = score(source=folder)
    assert pq.ParquetFile(found.folder / "predictions.parquet").num_row_groups == 1


@pytest.mark.parametrize("zone", ["America/New_York", "UTC"])
def test_a_month_whose_times_have_a_zone_is_predicted_alike(score, raw, folder, zone):
    write_parquet(raw, folder / GREEN.file(JANUARY))
    expected = score(source=folder).predictions()
    zoned = cast(dict.fromkeys(TIMES, pa.timestamp("us", zone)))(pa.Table.from_pandas(raw))
    pq.write_table(zoned, folder / GREEN.file(JANUARY))
    pd.testing.assert_frame_equal(score(source=folder).predictions(), expected)


def test_a_bit_that_changes_in_what_is_written_is_noticed(score):
    path = score().folder / "predictions.parquet"
    first = pq.ParquetFile(path).metadata.row_group(0).column(0)
    content = bytearray(path.read_bytes())
    content[first.data_page_offset + first.total_compressed_size - 1] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"is damaged .*CRC"):
        read_parquet(path)


def test_progress_is_the_month_and_its_rows_done_so_far(score, monkeypatch):
    monkeypatch.setattr(batch, "BLOCK", 250)
    calls = []
    score(progress=lambda *call: calls.append(call))
    assert calls == [(JANUARY, 250), (JANUARY, 500), (JANUARY, 600)]


def test_a_model_without_distance_rejects_no_ride_for_it(score, model, fit_quickly):
    pipeline = fit_quickly("quote").pipeline
    quote = Estimator("quote", MODELS["quote"].inputs, pipeline, SURE)
    found = score(model=SimpleNamespace(**vars(model) | {"estimator": quote})).manifest
    assert not any(reason.startswith("trip_distance") for reason in found.rejected)
    assert found.repaired == 0


WHOLE = st.none() | st.sampled_from([0, 1, 74, 265, 266, -1, 9999])
ROWS = st.lists(
    st.tuples(
        st.none() | st.datetimes(pd.Timestamp(2021, 1, 1), pd.Timestamp(2021, 2, 1)),
        st.none() | st.datetimes(pd.Timestamp(2021, 1, 1), pd.Timestamp(2021, 2, 1)),
        WHOLE,
        WHOLE,
        st.none() | st.floats(),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=15)
@given(ROWS)
def test_predicted_and_rejected_rows_add_up_whatever_the_file_holds(model, tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("any")
    frame = pd.DataFrame(rows, columns=COLUMNS)
    times = dict.fromkeys(COLUMNS[:2], "datetime64[us]")
    write_parquet(
        frame.astype(times | dict.fromkeys(COLUMNS[2:], float)), folder / GREEN.file(JANUARY)
    )
    (made,) = score_months(model, "2021-01", source=folder, into=folder / "out")
    assert made.manifest.predicted + sum(made.manifest.rejected.values()) == len(rows)
    assert len(made.predictions()) + len(made.rejected()) == len(rows)
    assert made.predictions()["predicted"].notna().all()


SCORE = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from taxi_duration.models.estimator import Estimator
from taxi_duration.serving import batch

folder, model, into, last = map(Path, sys.argv[1:])
batch.BLOCK = 50
model = SimpleNamespace(
    name="taxi-duration", version="3", sha256="5eal", estimator=Estimator.load(model)
)

def stop(month, rows):
    if rows >= int(str(last)):
        os.kill(os.getpid(), signal.SIGKILL)

(made,) = batch.score_months(model, "2021-01", source=folder, into=into, progress=stop)
print(made.fresh)
"""


@pytest.fixture
def start(model, dirty, tmp_path):
    """Start a process that scores, and kills itself after so many rows."""
    model.estimator.save(tmp_path)

    def start(*, last=10**9, said="said"):
        words = dirty, tmp_path, tmp_path / "predictions", last
        return forks.start(SCORE, *words, out=tmp_path / said)

    return start


def test_killed_at_any_point_and_run_again_the_bytes_are_those_of_an_undisturbed_run(
    start, score, monkeypatch, tmp_path
):
    monkeypatch.setattr(batch, "BLOCK", 50)
    undisturbed = bytes_of(score().folder)
    place = tmp_path / "predictions" / "service=green"
    shutil.rmtree(place)
    for last in (50, 300, 600):
        assert forks.end(start(last=last)) == -9
        assert not list(place.glob("[!.]*"))
    assert bytes_of(score().folder) == undisturbed
    assert [path.name for path in place.iterdir() if path.is_dir()] == ["month=2021-01"]


def test_an_unknown_engine_is_rejected(score):
    with pytest.raises(UsageError, match=r"Engine 'sprak' is unknown\. Did you mean 'spark'"):
        score(engine="sprak")


def test_without_spark_one_line_says_what_to_install(score, monkeypatch):
    monkeypatch.setattr(spark, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"needs pyspark\. Install it: pip install .*\[spark\]"):
        score(engine="spark")


def test_what_is_predicted_already_starts_no_spark(score, monkeypatch):
    monkeypatch.setattr(spark, "find_spec", lambda name: None)
    score()
    assert not score(engine="spark").fresh


def test_a_gpu_that_is_not_there_is_rejected_before_anything_is_written(score, tmp_path):
    with pytest.raises(EngineError, match="Device 'cuda:99' is not available"):
        score(device="cuda:99")
    assert not (tmp_path / "predictions").exists()


def test_two_processes_at_once_make_one_result(start, tmp_path):
    both = [start(said=name) for name in ("one", "other")]
    assert [forks.end(process) for process in both] == [0, 0]
    assert sorted((tmp_path / name).read_text() for name in ("one", "other")) == [
        "False\n",
        "True\n",
    ]


def test_a_folder_that_cannot_be_written_is_an_error(score, tmp_path):
    (tmp_path / "predictions").write_text("a file")
    with pytest.raises(SourceError, match=r"Cannot write .*predictions"):
        score()


def test_a_file_of_something_else_is_an_error_and_leaves_nothing(score, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    write_parquet(pd.DataFrame({"lpep_pickup_datetime": ["now"]}), folder / GREEN.file(JANUARY))
    with pytest.raises(SchemaError, match="does not hold green taxi trips"):
        score(source=folder)
    assert not list((tmp_path / "predictions").rglob("*.parquet"))


def test_a_manifest_of_other_fields_counts_as_missing(score):
    folder = score().folder
    (folder / "manifest.json").write_text(json.dumps({"rows": 1}))
    assert MonthResult.find(folder) is None


def test_the_tally_accounts_for_every_row(score, raw):
    counts = tally([score()])["2021-01"]
    assert counts["rows", "read"] == len(raw)
    assert counts["rows", "predicted"] + counts["rejected"].sum() == len(raw)
