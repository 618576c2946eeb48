"""Names of zones: TLC's table is fetched like a month, and read only where it is."""

import pytest
from tlc import ZONES, Answer

from taxi_duration.data.zone_names import FILE, fetch_zones, read_names, zone_names
from taxi_duration.errors import SourceError

NAMES = {74: "Old Mill", 75: "Mill <b>&</b> Pond", 138: "Harbour"}


@pytest.fixture
def cache(tlc, tmp_path, monkeypatch):
    """An empty cache, and a TLC that has published the table."""
    tlc.gives(FILE, Answer(ZONES))
    monkeypatch.setenv("TAXI_DURATION_TLC_URL", tlc.url)
    monkeypatch.setenv("TAXI_DURATION_CACHE", str(tmp_path))
    return tmp_path


def test_the_table_is_fetched_once_from_beside_the_months(cache, tlc):
    assert fetch_zones(progress=False) == fetch_zones(progress=False) == cache / FILE
    assert tlc.paths == [f"/misc/{FILE}"]


def test_its_digest_is_on_record_and_a_changed_table_is_not_read(cache):
    path = fetch_zones(progress=False)
    path.write_bytes(ZONES.replace(b"Harbour", b"Airport"))
    with pytest.raises(SourceError, match="is not what was downloaded"):
        zone_names()


def test_fetched_names_are_known_by_number_and_zones_that_are_no_place_have_none(cache):
    fetch_zones(progress=False)
    assert zone_names() == zone_names(cache) == NAMES


@pytest.mark.parametrize("source", ["tlc", "sample", "s3://bucket/months", "nowhere"])
def test_without_a_table_there_are_no_names_and_nothing_is_downloaded(cache, tlc, source):
    assert zone_names(source) == {}
    assert tlc.paths == []


def test_the_made_up_zones_of_the_sample_have_no_names(cache):
    fetch_zones(progress=False)
    assert zone_names("sample") == {}


@pytest.mark.parametrize(
    "table",
    [
        b"PAR1",
        b"\xff\xfe",
        b"",
        b"LocationID,Zone\n",
        b"LocationID,Zone\n1,Old Mill\n1,Harbour\n",
        b"LocationID,Zone\n0,Old Mill\n",
        b"LocationID,Zone\n266,Old Mill\n",
        b"LocationID,Zone\nmany,Old Mill\n",
        b"LocationID,Zone\n1\n",
    ],
)
def test_what_is_no_table_of_zones_is_rejected_and_not_kept(cache, tlc, table):
    tlc.gives(FILE, Answer(table))
    with pytest.raises(SourceError, match=r"sent is not a table of zones. Try again later"):
        fetch_zones(progress=False)
    assert not (cache / FILE).exists()


def test_a_name_stays_on_its_line(tmp_path):
    path = tmp_path / FILE
    path.write_text('LocationID,Zone\n1,"Old\nMill"\n', encoding="utf-8")
    assert read_names(path) == {1: "Old\\nMill"}


def test_the_message_on_a_missing_table_names_the_mirror(cache, tlc):
    tlc.gives(FILE, Answer(status=404))
    with pytest.raises(SourceError, match=r"has not published .*name a mirror with TAXI_DURATION"):
        fetch_zones(progress=False)
