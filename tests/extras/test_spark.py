"""Scoring on Spark: the same files as on one machine, whatever happens on the way."""

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pandas as pd
import psutil
import pytest

from taxi_duration.cli.main import main
from taxi_duration.data.parquet import write_parquet
from taxi_duration.data.sample import make_month
from taxi_duration.data.source import open_month
from taxi_duration.errors import EngineError
from taxi_duration.months import GREEN, Months
from taxi_duration.registry.loading import load
from taxi_duration.serving import spark
from taxi_duration.serving.batch import read_rows, score_months
from taxi_duration.serving.month_results import PREDICTIONS, REJECTED

pytestmark = [
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif(
        not shutil.which("java"), reason="needs Java (Debian: openjdk-17-jre-headless)"
    ),
]
YEAR = "2020-01..2020-12"


@pytest.fixture(scope="module", autouse=True)
def champion(employed, folder):
    """The champion of the store that is in use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", employed[0])
        yield load("champion")


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    """A folder of twelve months, some of whose rows are no valid rides."""
    folder = tmp_path_factory.mktemp("year")
    for month in Months.parse(YEAR):
        rows = make_month(month, rows=20_000).astype({"PULocationID": float})
        rows.loc[[403, 404], "PULocationID"] = [np.nan, 9999]
        rows.loc[405, "trip_distance"] = -1.0
        rows.loc[406, "lpep_pickup_datetime"] = pd.NaT
        rows.loc[7, "trip_distance"] = 0.0
        rows.loc[8, "lpep_dropoff_datetime"] = pd.NaT
        write_parquet(rows, folder / GREEN.file(month))
    return folder


@pytest.fixture(scope="module")
def undisturbed(champion, year, tmp_path_factory):
    """The predictions of the year, made without Spark."""
    folder = tmp_path_factory.mktemp("undisturbed")
    score_months(champion, YEAR, source=year, into=folder)
    return folder


@pytest.fixture(scope="module")
def session(champion):
    """A Spark that is there before it is needed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAXI_DURATION_SPARK_MASTER", "local[1]")
        with spark._session() as session:
            yield session


@pytest.fixture
def predict(session, champion):
    """Predict a sample month by a function that runs in the workers."""

    def predict(function):
        return pd.concat(spark._map_blocks(read_rows(open_month("2021-04")), session, function))

    return predict


def files_of(folder):
    names = (PREDICTIONS, REJECTED)
    return {
        path.relative_to(folder): path.read_bytes() for each in names for path in folder.rglob(each)
    }


def test_without_java_one_line_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert main(["score", "2021-04", "--engine", "spark", "--into", str(tmp_path)]) == 8
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert f"needs Java, and {tmp_path}/bin has none. Install it" in line


def test_a_master_that_is_not_there_is_named_in_one_line(monkeypatch, champion, tmp_path):
    monkeypatch.setenv("TAXI_DURATION_SPARK_MASTER", "moon")
    with pytest.raises(EngineError, match=r"^Spark with master 'moon' .*: .*Master must"):
        score_months(champion, "2021-04", into=tmp_path, engine="spark")


@pytest.fixture
def temporary(tmp_path_factory, monkeypatch):
    """Where this process, and those that it starts, keep temporary files."""
    folder = tmp_path_factory.mktemp("temporary files")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def test_a_year_killed_half_way_and_scored_again_is_as_undisturbed(
    year, undisturbed, tmp_path, temporary, capsys
):
    words = ["score", YEAR, "--source", str(year), "--into", str(tmp_path), "--engine", "spark"]
    process = subprocess.Popen(
        [sys.executable, "-m", "taxi_duration.cli.main", *words], stderr=subprocess.PIPE, text=True
    )
    while len(list(tmp_path.glob("service=green/month=*"))) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for each in family:
        each.kill()
    assert process.communicate()[1] == ""
    assert psutil.wait_procs(family, timeout=60)[1] == []
    (of_java,) = temporary.glob("taxi-java-*")
    assert list(of_java.glob("blockmgr-*"))
    assert list(of_java.glob("artifacts-*"))
    for left in temporary.iterdir():
        os.utime(left, (0, 0))  # what is fresh is not swept
    assert main(words) == 0
    assert list(temporary.iterdir()) == []
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith("(as before)") for line in lines][:3] == [True] * 3
    assert files_of(tmp_path) == files_of(undisturbed)


def test_the_session_that_is_there_is_used_and_stays(session, champion, tmp_path):
    score_months(champion, "2021-04", into=tmp_path, engine="spark")
    assert session.sparkContext.master == "local[1]"
    assert session.range(3).count() == 3


def test_the_digest_of_the_model_is_checked_once_a_worker(session, champion, predict):
    def count(folder, batches):
        for rows in batches:
            for part in (rows[::2], rows[1::2]):
                (found,) = spark._predict(folder, champion.sha256, "cpu", [part])
                checks = spark._estimator.cache_info().misses
                yield found.assign(low=float(os.getpid()), high=float(checks))

    with spark._shipped(champion, session) as folder:
        found = predict(partial(count, folder))
    workers = found.groupby("low")["high"]
    assert (workers.size() > 1).all()
    assert (workers.nunique() == 1).all()


def test_a_model_that_was_changed_on_its_way_predicts_nothing(session, champion, predict):
    reason = r"a month: .*ModelError: The model that reached"
    with spark._shipped(champion, session) as folder, pytest.raises(EngineError, match=reason):
        predict(partial(spark._predict, folder, "0" * 64, "cpu"))


def test_a_worker_that_dies_is_an_error_of_one_line(predict):
    def die(batches):
        os.kill(os.getpid(), signal.SIGKILL)
        return batches

    with pytest.raises(EngineError, match=r"Job aborted .*worker exited") as error:
        predict(die)
    assert "\n" not in str(error.value)


def test_a_udf_of_the_registered_model_gives_the_same_minutes(session, champion, undisturbed):
    import mlflow

    minutes = mlflow.pyfunc.spark_udf(
        session, champion.address, env_manager="local",
        result_type="duration double, low double, high double",
    )  # fmt: skip
    rows = session.read.parquet(str(undisturbed / "service=green" / "month=2020-01" / PREDICTIONS))
    inputs = [rows[name] for name in champion.estimator.inputs]
    found = (
        rows.select("predicted", minutes(*inputs).alias("udf"))
        .select("predicted", "udf.*")
        .toPandas()
    )
    assert len(found) > 19_000
    np.testing.assert_allclose(found["duration"], found["predicted"], atol=1e-4)
