"""Spark as an engine of batch scoring: rows and minutes go through `mapInPandas`.

The driver reads each month with this library's own reader and writes its files, so both are as
without Spark. The workers, which need this library, check the rides and predict them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from signal import SIGINT, getsignal, signal
from typing import TYPE_CHECKING, BinaryIO

import pandas as pd

from taxi_duration.data.files import staging_folder, tree_digest
from taxi_duration.errors import EngineError, ModelError
from taxi_duration.models.estimator import Estimator
from taxi_duration.registry.loading import RegisteredModel
from taxi_duration.serving.batch import BLOCK, predict_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

MASTER = "local[2]"
BLOCKS = 10  # of `read_rows` in a job: the driver holds so many
ROWS = "ride bigint, pickup_datetime timestamp_ntz, dropoff_datetime timestamp_ntz, " + ", ".join(
    f"{name} double" for name in ("PULocationID", "DOLocationID", "trip_distance", "duration")
)
PREDICTED_ROWS = f"{ROWS}, predicted double, low double, high double, reason string"
SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BLOCK // 4),  # for several tasks a month
    # a task has one processor, whatever number of threads the model was trained with
    "spark.executorEnv.OMP_THREAD_LIMIT": "1",
}
JOBS = "taxi-duration"  # a group of Spark's jobs
LONGEST_REASON = 300  # characters
STOP_SECONDS = 20
INSTALL = "Install it: pip install 'taxi-duration[spark]', and Java 17 (openjdk-17-jre-headless)."


@contextmanager
def on_spark(model: RegisteredModel, *, device: str = "cpu") -> Iterator[Callable]:
    """Yield what predicts the blocks of a month on Spark, in their order.

    Spark starts at the first month, and is stopped at the end of the block; a session that is
    there is used, and stays.
    """
    with ExitStack() as stack:

        @cache
        def start() -> tuple[SparkSession, Callable]:
            spark = stack.enter_context(_session())
            folder = stack.enter_context(_shipped(model, spark))
            return spark, partial(_predict, folder, model.sha256, device)

        yield lambda blocks: _map_blocks(blocks, *start())


@contextmanager
def _session() -> Iterator[SparkSession]:
    """Yield the session that there is; without one, start and stop one, without its logs."""
    _check_installed()
    from pyspark.sql import SparkSession

    if active := SparkSession.getActiveSession():
        yield active
        return
    with (
        staging_folder(prefix="taxi-java-") as folder,
        tempfile.TemporaryFile() as log,
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
        try:
            yield _start(log, folder)
        finally:
            with suppress(Exception):  # Java may have died
                _stop()


def _check_installed() -> None:
    java = Path(os.environ["JAVA_HOME"], "bin") if os.environ.get("JAVA_HOME") else None
    if not find_spec("pyspark"):
        raise EngineError(f"Engine 'spark' needs pyspark. {INSTALL}")
    if not shutil.which("java", path=java):
        raise EngineError(f"Engine 'spark' needs Java, and {java or 'PATH'} has none. {INSTALL}")


def _start(log: BinaryIO, folder: Path) -> SparkSession:
    """Start Spark, whose processes write what they have to say to a file.

    Its temporary files lie in the folder: in /tmp, a Java that is killed would leave them for ever.
    """
    from pyspark.sql import SparkSession

    master = os.environ.get("TAXI_DURATION_SPARK_MASTER") or MASTER
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    places = {
        "spark.local.dir": str(folder),
        "spark.driver.defaultJavaOptions": f'-Djava.io.tmpdir="{folder}"',
    }
    builder = SparkSession.builder.master(master).appName("taxi-duration")
    builder = builder.config(map=SETTINGS | places)
    interrupt = getsignal(SIGINT)  # Spark sets its own
    try:
        with _stderr_into(log):
            return builder.getOrCreate()
    except Exception as problem:  # Java and Spark fail in many ways
        log.seek(0)
        reason = _reason(f"{problem}\n{log.read().decode(errors='replace')}")
        raise EngineError(
            f"Spark with master {master!r} does not start: {reason} Look at "
            "TAXI_DURATION_SPARK_MASTER and at java -version: it needs Java 17 or later."
        ) from problem
    finally:
        with suppress(ValueError):  # another than the main thread, where Spark sets none
            signal(SIGINT, interrupt)


def _stop() -> None:
    """Stop Spark, and its Java, which Spark would keep until the end of this process."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    if session := SparkSession.getActiveSession():
        session.stop()
    gateway, SparkContext._gateway, SparkContext._jvm = SparkContext._gateway, None, None
    gateway.shutdown()
    gateway.proc.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        gateway.proc.wait(STOP_SECONDS)
    gateway.proc.kill()


@contextmanager
def _stderr_into(file: BinaryIO) -> Iterator[None]:
    """Have the processes that are started write their errors to a file."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def _shipped(model: RegisteredModel, spark: SparkSession) -> Iterator[str]:
    """Send the model's verified files to the workers; yield the name of their folder there."""
    with model.files() as folder, staging_folder(prefix="taxi-spark-") as staging:
        archive = shutil.make_archive(str(staging / staging.name), "zip", folder)
        spark.sparkContext.addArchive(archive)
        yield Path(archive).name


def _map_blocks(
    blocks: Iterable[pd.DataFrame], spark: SparkSession, predict: Callable
) -> Iterator[pd.DataFrame]:
    """Predict several blocks in a job, and yield them again in their order."""
    import pyarrow as pa
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    blocks = iter(blocks)
    while several := list(islice(blocks, BLOCKS)):
        rows = pa.Table.from_pandas(pd.concat(several), preserve_index=False)
        try:
            predicted = _run_job(rows, spark, predict)
        except (PySparkException, Py4JError, OSError) as problem:
            raise EngineError(
                f"Spark could not predict a month: {_reason(str(problem))} "
                "What was predicted before is kept: score again."
            ) from problem
        yield from (
            predicted.slice(start, BLOCK).to_pandas() for start in range(0, len(rows), BLOCK)
        )


def _run_job(rows: pa.Table, spark: SparkSession, predict: Callable) -> pa.Table:
    """Predict rows in a thread, so that Ctrl-C and SIGTERM can cancel the job."""

    def run() -> pa.Table:
        spark.sparkContext.setJobGroup(JOBS, "taxi-duration score", interruptOnCancel=True)
        given = spark.createDataFrame(rows, schema=ROWS)
        return given.mapInPandas(predict, schema=PREDICTED_ROWS).toArrow()

    with ThreadPoolExecutor(1) as thread:
        predicted = thread.submit(run)
        try:
            return predicted.result()
        except (KeyboardInterrupt, SystemExit):
            spark.sparkContext.cancelJobGroup(JOBS)
            raise


def _predict(
    folder: str, sha256: str, device: str, batches: Iterable[pd.DataFrame]
) -> Iterator[pd.DataFrame]:
    """Predict batches of rows; this runs in a worker."""
    estimator = _estimator(folder, sha256, device)
    return (predict_rows(estimator, rows) for rows in batches)


@cache
def _estimator(folder: str, sha256: str, device: str) -> Estimator:
    """Return the model that was sent to a worker, whose digest is checked once."""
    from pyspark import SparkFiles

    files = Path(SparkFiles.get(folder))
    if (found := tree_digest(files)) != sha256:
        raise ModelError(
            f"The model that reached a worker is not the one that was sent: digest {found[:12]}, "
            f"not {sha256[:12]}. Score again."
        )
    return Estimator.load(files / "artifacts").on(device)


def _reason(text: str) -> str:
    """Return what a worker raised as the last line of its traceback, or why Spark gave up."""
    lines = [line for line in text.splitlines() if line and not line[0].isspace()]
    aborted = [line for line in lines if "Job aborted" in line]
    return [*lines, *aborted][-1][:LONGEST_REASON].rstrip(". ") + "."
