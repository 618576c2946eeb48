"""A month from TLC: downloaded once, its digest recorded, and each way in which that fails."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor

import forks
import pytest
from tlc import Answer, Tlc

from taxi_duration.data.download import RepublishedWarning, fetch_month, is_loopback
from taxi_duration.data.files import sha256
from taxi_duration.errors import SourceError, UsageError
from taxi_duration.months import GREEN, YELLOW, Month

JANUARY = Month(2021, 1)
FILE = GREEN.file(JANUARY)


@pytest.fixture
def fetch(tlc, folder):
    """Fetch January into the folder."""
    return lambda **how: fetch_month(JANUARY, cache=folder, base_url=tlc.url, progress=False, **how)


@pytest.fixture
def published(tlc, month_bytes):
    """A server that has January."""
    tlc.gives(FILE, Answer(month_bytes))
    return tlc


@pytest.fixture(scope="module")
def unreachable(tmp_path_factory, month_bytes):
    """What three servers that never recover lead to: all tried at once, since each try waits."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        no_server = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with Tlc() as broken, Tlc() as cut, ThreadPoolExecutor() as pool:
        broken.gives(FILE, Answer(status=500))
        cut.gives(FILE, Answer(month_bytes[:1000], promised=len(month_bytes)))
        places = {"error": broken.url, "cut off": cut.url, "no server": no_server}
        tries = {
            name: (pool.submit(_failure, url, tmp_path_factory.mktemp("unreachable")))
            for name, url in places.items()
        }
        found = {name: answer.result() for name, answer in tries.items()}
        return {**found, "asked": broken.asked[FILE]}


def _failure(url, cache):
    with pytest.raises(SourceError) as error:
        fetch_month(JANUARY, cache=cache, base_url=url, progress=False)
    return str(error.value), list(cache.iterdir())


def test_a_month_is_downloaded_as_it_was_published(published, fetch, folder, month_bytes):
    assert fetch() == folder / FILE
    assert (folder / FILE).read_bytes() == month_bytes


def test_its_digest_is_recorded_so_that_sha256sum_can_check_it(published, fetch, folder):
    path = fetch()
    assert (folder / "SHA256SUMS").read_text() == f"{sha256(path)}  {FILE}\n"


def test_nothing_but_the_month_and_its_digest_is_left(published, fetch, folder):
    fetch()
    left = {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}
    assert left == {"SHA256SUMS", FILE}


def test_a_month_that_is_there_is_not_downloaded_again(published, fetch):
    assert fetch() == fetch()
    assert published.asked[FILE] == 1


def test_each_service_has_its_own_file(published, fetch, month_bytes):
    published.gives("yellow_tripdata_2021-01.parquet", Answer(month_bytes))
    assert fetch(service=YELLOW).name == "yellow_tripdata_2021-01.parquet"


def test_address_and_folder_may_come_from_the_environment(published, folder, monkeypatch):
    monkeypatch.setenv("TAXI_DURATION_TLC_URL", f"{published.url}/")
    monkeypatch.setenv("TAXI_DURATION_CACHE", str(folder / "new" / "cache"))
    assert fetch_month(JANUARY, progress=False) == folder / "new" / "cache" / FILE


def test_the_address_given_wins_over_the_environment(published, fetch, monkeypatch):
    monkeypatch.setenv("TAXI_DURATION_TLC_URL", "http://127.0.0.1:9")
    fetch()
    assert published.asked[FILE] == 1


def test_progress_is_shown_on_request(published, folder, capsys):
    fetch_month(JANUARY, cache=folder, base_url=published.url, progress=True)
    assert FILE in capsys.readouterr().err


def test_no_progress_is_shown_otherwise_but_on_a_terminal(published, folder, capsys):
    fetch_month(JANUARY, cache=folder, base_url=published.url)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("status", [403, 404])
def test_the_message_on_an_unpublished_month_says_that_it_is_late(tlc, fetch, folder, status):
    tlc.gives(FILE, Answer(status=status))
    with pytest.raises(SourceError) as error:
        fetch()
    assert str(error.value) == (
        f"TLC has not published {FILE}. It is about two months late: choose an earlier month, or "
        "try again later."
    )
    assert tlc.asked[FILE] == 1
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("trouble", ["error", "cut off"])
def test_a_download_that_fails_is_tried_again(tlc, fetch, month_bytes, trouble):
    bad = {"error": Answer(status=503), "cut off": Answer(month_bytes[:1000], promised=9999)}
    tlc.gives(FILE, bad[trouble], Answer(month_bytes))
    assert fetch().read_bytes() == month_bytes
    assert tlc.asked[FILE] == 2


@pytest.mark.parametrize("trouble", ["error", "cut off", "no server"])
def test_a_server_that_does_not_recover_is_an_error(unreachable, trouble):
    message, left = unreachable[trouble]
    assert f"/{FILE} could not be downloaded, tried 4 times: " in message
    assert message.endswith("Check the network, or name a mirror with TAXI_DURATION_TLC_URL.")
    assert left == []


def test_where_no_server_is_the_message_says_only_that(unreachable):
    message, _ = unreachable["no server"]
    reason = message.partition("4 times: ")[2].partition(". Check")[0]
    assert re.fullmatch(r"Failed to establish a new connection: \[Errno \d+\] .*refused", reason)


def test_a_download_is_tried_four_times(unreachable):
    assert unreachable["asked"] == 4


def test_a_page_in_place_of_the_month_is_rejected(tlc, fetch, folder):
    tlc.gives(FILE, Answer(b"<html>Log in to this network</html>"))
    with pytest.raises(SourceError, match="sent is not a month of trips"):
        fetch()
    assert list(folder.iterdir()) == []


def test_a_month_published_again_is_a_warning_and_the_old_copy_is_kept(
    published, fetch, raw, folder, month_bytes
):
    path = fetch()
    raw[:-1].to_parquet(folder / "fresh", engine="pyarrow")
    published.gives(FILE, Answer((folder / "fresh").read_bytes()))
    with pytest.warns(RepublishedWarning, match=rf"published {FILE} again.*The old copy is kept"):
        assert fetch(again=True) == path
    assert path.read_bytes() == month_bytes


def test_a_month_that_was_not_published_again_is_no_warning(published, fetch, recwarn):
    assert fetch() == fetch(again=True)
    assert published.asked[FILE] == 2
    assert len(recwarn) == 0


def test_a_lost_copy_is_not_replaced_by_another_publication(published, fetch, raw, folder):
    fetch().unlink()
    raw[:-1].to_parquet(folder / "fresh", engine="pyarrow")
    published.gives(FILE, Answer((folder / "fresh").read_bytes()))
    with pytest.raises(SourceError, match=r"To take it, delete its line in .*SHA256SUMS"):
        fetch()
    assert not (folder / FILE).exists()


def test_a_copy_that_was_changed_is_rejected(published, fetch):
    path = fetch()
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(SourceError, match=r"is not what was downloaded.*Delete it and fetch it"):
        fetch()


def test_a_file_put_there_by_hand_is_recorded_and_checked_from_then_on(fetch, january):
    assert fetch() == january
    january.write_bytes(january.read_bytes() + b"!")
    with pytest.raises(SourceError, match="is not what was downloaded"):
        fetch()


def test_digests_recorded_at_the_same_time_are_all_kept(tlc, folder, month_bytes):
    files = [GREEN.file(Month(2021, number)) for number in (1, 2, 3)]
    for file in files:
        tlc.gives(file, Answer(month_bytes))
    words = ["fetch", "--cache", folder, "--base-url", tlc.url]
    running = [forks.start(forks.COMMAND, *words, file[-15:-8]) for file in files]
    assert [forks.end(process) for process in running] == [0] * len(files)
    recorded = (folder / "SHA256SUMS").read_text().splitlines()
    assert [line.partition("  ")[2] for line in recorded] == files


@pytest.mark.parametrize("spelled", ["{digest}  {name}", "{digest} *{name}"])
def test_a_record_is_read_as_sha256sum_writes_it(fetch, january, spelled):
    line = spelled.format(digest="0" * 64, name=january.name)
    (january.parent / "SHA256SUMS").write_text(f"{line}\n")
    with pytest.raises(SourceError, match="is not what was downloaded: sha256 000000000000"):
        fetch()


def test_a_record_that_is_no_text_is_rejected_and_named(fetch, january):
    (january.parent / "SHA256SUMS").write_bytes(b"\xff\xfe")
    with pytest.raises(SourceError, match=r"SHA256SUMS cannot be read \(.*: restore it, or delete"):
        fetch()


def test_a_folder_that_cannot_be_written_is_an_error_before_any_download(tlc, read_only):
    with pytest.raises(SourceError) as error:
        fetch_month(JANUARY, cache=read_only, base_url=tlc.url, progress=False)
    assert str(error.value).startswith(f"Cannot write {str(read_only)!r}: ")
    assert tlc.asked == {}


def test_a_file_in_place_of_the_folder_is_rejected(tlc, january):
    with pytest.raises(SourceError, match=r"Cannot write .* choose another folder: --cache"):
        fetch_month(JANUARY, cache=january, base_url=tlc.url, progress=False)


FETCH_WITH_LITTLE_ROOM = """
import resource, sys
from taxi_duration.data.download import fetch_month
from taxi_duration.errors import SourceError, UsageError
from taxi_duration.months import Month
room, cache, url = int(sys.argv[1]), sys.argv[2], sys.argv[3]
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
try:
    fetch_month(Month(2021, 1), cache=cache, base_url=url, progress=False)
except SourceError as problem:
    print(problem)
"""


def fetch_with_room_for(room, *, cache, url):
    said = cache.with_name("said")
    assert forks.end(forks.start(FETCH_WITH_LITTLE_ROOM, room, cache, url, out=said)) == 0
    return said.read_text()


def test_a_folder_without_room_for_the_month_stays_empty(published, folder, month_bytes):
    message = fetch_with_room_for(len(month_bytes) // 2, cache=folder, url=published.url)
    assert message.startswith(f"Cannot write {str(folder)!r}: File too large. Make room")
    assert list(folder.iterdir()) == []


def test_a_folder_without_room_for_the_digest_stays_as_it_was(published, folder, month_bytes):
    others = "".join(f"{number:064d}  other-{number}.parquet\n" for number in range(1000))
    (folder / "SHA256SUMS").write_text(others)
    message = fetch_with_room_for(len(month_bytes) + 10, cache=folder, url=published.url)
    sums = folder / "SHA256SUMS"
    assert message.startswith(f"Cannot write {str(sums)!r}: File too large. Make room")
    assert [path for path in folder.iterdir() if path.suffix != ".lock"] == [sums]
    assert sums.read_text() == others


@pytest.fixture
def beyond(published):
    """The same server, by an address that is not one of loopback."""
    return published.url.replace("127.0.0.1", "0.0.0.0")


ADDRESSES = ["http://example.org/trips", "ftp://127.0.0.1/trips", "file:///etc", "trips", "//x"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("by", ["argument", "environment"])
def test_an_address_without_https_is_rejected_and_nothing_made(folder, monkeypatch, address, by):
    monkeypatch.setenv("TAXI_DURATION_TLC_URL", address)
    base_url = address if by == "argument" else None
    with pytest.raises(UsageError, match=f"'{address}' is not an address of https"):
        fetch_month(JANUARY, cache=folder / "new", base_url=base_url)
    assert list(folder.iterdir()) == []


def test_http_is_taken_if_one_says_so(folder, beyond, month_bytes):
    path = fetch_month(JANUARY, cache=folder, base_url=beyond, insecure=True)
    assert path.read_bytes() == month_bytes
    assert fetch_month(JANUARY, cache=folder, base_url=beyond) == path  # nothing to download


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_server_that_leads_to_http_is_not_followed(tlc, fetch, folder, status):
    tlc.gives(FILE, Answer(status=status, location=f"http://0.0.0.0:{tlc.server_port}/{JANUARY}"))
    with pytest.raises(SourceError, match=r"'http://0.0.0.0:.* is not an address of https"):
        fetch()
    assert dict(tlc.asked) == {FILE: 1}


def test_a_server_that_leads_to_this_computer_is_followed(published, fetch, month_bytes):
    published.gives("moved", Answer(month_bytes))
    published.gives(FILE, Answer(status=302, location="moved"))
    assert fetch().read_bytes() == month_bytes


def test_a_message_masks_the_password_of_a_mirror(folder):
    with pytest.raises(UsageError) as error:
        fetch_month(JANUARY, cache=folder, base_url="http://ann:letmein@example.org")
    assert "'http://ann:***@example.org'" in str(error.value)


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [("127.8.8.8", True), ("[::1]", False), ("localhost.example.org", False), ("10.0.0.1", False)],
)
def test_only_addresses_of_this_computer_are_loopback(host, is_ours):
    assert is_loopback(host) == is_ours
