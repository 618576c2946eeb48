"""Addresses and credentials of object storage, checked before anything is asked."""

import pytest

from taxi_duration.data.s3 import KEYS
from taxi_duration.data.source import open_month
from taxi_duration.errors import SourceError


@pytest.mark.parametrize(
    "source", ["s3://", "s3:///tlc", "s3://../x", "s3://bucket/../x", "s3://bucket//x", "s3://B/x",
               "s3://key:secret@bucket/x"],
)  # fmt: skip
def test_what_is_no_bucket_and_folder_is_rejected(source):
    with pytest.raises(SourceError, match=r" is no place\. Write s3://BUCKET/FOLDER\."):
        open_month("2021-01", source=source)


@pytest.mark.parametrize("missing", KEYS)
def test_without_credentials_a_line_names_what_to_set(missing, monkeypatch):
    for name in KEYS:
        monkeypatch.setenv(name, "set")
    monkeypatch.delenv(missing)
    with pytest.raises(SourceError, match=rf"^There are no credentials for S3\. Set {missing}\.$"):
        open_month("2021-01", source="s3://bucket/tlc")
