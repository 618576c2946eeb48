"""Months in object storage, from a server on this machine that plays S3."""

import logging

import pandas as pd
import pytest
from moto.server import ThreadedMotoServer
from pyarrow.fs import S3FileSystem

from taxi_duration.cli.main import main
from taxi_duration.data import s3
from taxi_duration.data.files import sha256
from taxi_duration.data.source import open_month
from taxi_duration.data.trips import load_trips
from taxi_duration.errors import SourceError
from taxi_duration.months import GREEN, Month
from taxi_duration.serving.month_results import MonthResult

pytestmark = pytest.mark.filterwarnings("default")
JANUARY = GREEN.file(Month(2021, 1))
BUCKET = "s3://trips/tlc"


@pytest.fixture(scope="module")
def server():
    """The address of the server."""
    logging.getLogger("werkzeug").setLevel("ERROR")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def place(server, monkeypatch, tmp_path):
    """The environment that names the server, and an empty cache."""
    for name in (*s3.KEYS, *s3.ENDPOINTS, *s3.REGIONS, "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("TAXI_DURATION_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def upload(server):
    """Put bytes into the bucket, in place of what is there (None)."""
    store = S3FileSystem(
        access_key="key", secret_key="secret", endpoint_override=server, region="us-east-1",
        allow_bucket_creation=True,
    )  # fmt: skip
    store.create_dir("trips")

    def upload(content, name=JANUARY):
        with store.open_output_stream(f"trips/tlc/{name}") as file:
            file.write(content)

    yield upload
    store.delete_dir_contents("trips")


@pytest.fixture
def uploaded(upload, month_bytes):
    """January is in the bucket."""
    upload(month_bytes)


def test_a_month_is_read_as_from_a_folder(uploaded, january):
    found, expected = (
        load_trips("2021-01", source=BUCKET),
        load_trips("2021-01", source=january.parent),
    )
    pd.testing.assert_frame_equal(found.frame, expected.frame)
    assert (found.sha256, found.source) == (expected.sha256, BUCKET)


def test_a_month_is_copied_once(uploaded):
    first, second = (open_month("2021-01", source=BUCKET).path.stat() for _ in range(2))
    assert (first.st_ino, first.st_mtime_ns) == (second.st_ino, second.st_mtime_ns)


def test_a_month_that_was_replaced_is_copied_anew(uploaded, upload):
    open_month("2021-01", source=BUCKET)
    upload(b"PAR1 other")
    assert open_month("2021-01", source=BUCKET).path.read_bytes() == b"PAR1 other"


def test_a_month_that_is_replaced_while_it_is_copied_is_an_error(uploaded, upload, monkeypatch):
    copy = s3._copy
    monkeypatch.setattr(s3, "_copy", lambda *words: copy(*words) or upload(b"other"))
    with pytest.raises(SourceError, match=f"{BUCKET}/{JANUARY} was replaced meanwhile"):
        open_month("2021-01", source=BUCKET)


def test_a_month_with_another_digest_than_is_written_beside_it_is_an_error(
    uploaded, upload, tmp_path
):
    upload(f"{'0' * 64}  {JANUARY}\n".encode(), "SHA256SUMS")
    with pytest.raises(SourceError, match=r"and SHA256SUMS beside it says 000000000000\.\.\."):
        open_month("2021-01", source=BUCKET)
    assert not list(tmp_path.rglob(JANUARY))


def test_a_copy_that_was_changed_is_an_error(uploaded):
    raw = open_month("2021-01", source=BUCKET)
    raw.path.write_bytes(raw.path.read_bytes()[:-1] + b"2")
    with pytest.raises(SourceError, match="is not what was downloaded"):
        _ = raw.sha256


def test_the_command_scores_a_month_where_it_lies(
    uploaded, employed, month_bytes, monkeypatch, tmp_path
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", employed[0])
    assert main(["score", "2021-01", "--source", BUCKET, "--into", str(tmp_path / "out")]) == 0
    found = MonthResult.find(tmp_path / "out" / "service=green" / "month=2021-01")
    (tmp_path / JANUARY).write_bytes(month_bytes)
    assert found.manifest.input == {JANUARY: sha256(tmp_path / JANUARY)}


def test_a_disk_that_is_full_is_no_fault_of_the_bucket(uploaded, full_disk, tmp_path):
    with full_disk(), pytest.raises(SourceError, match=r"^Cannot write .*too large\. Make room"):
        open_month("2021-01", source=BUCKET)
    assert not list(tmp_path.rglob(JANUARY))


@pytest.mark.parametrize(
    ("month", "source", "endpoint", "text"),
    [
        ("2021-02", BUCKET, None, r"^There is no s3://trips/tlc/green_tripdata_2021-02\.p"),
        ("2021-01", "s3://nobody/tlc", None, "^There is no s3://nobody/tlc/green"),
        ("2021-01", BUCKET, "http://127.0.0.1:9", "cannot be read: .*Could not connect.* Look at"),
    ],
    ids=["object", "bucket", "endpoint"],
)  # fmt: skip
def test_what_is_not_there_is_an_error_of_one_line(
    uploaded, monkeypatch, tmp_path, month, source, endpoint, text
):
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    with pytest.raises(SourceError, match=text) as error:
        open_month(month, source=source)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("*.parquet"))
