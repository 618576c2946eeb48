"""The command: what it prints, what it leaves, and how it ends."""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import forks
import pandas as pd
import pytest
from tlc import ZONES, Answer

from taxi_duration import __version__
from taxi_duration.cli.main import cli, main
from taxi_duration.data.zone_names import FILE
from taxi_duration.notebooks.discovery import find_notebooks

HERE = Path(__file__).parents[1] / "broken_notebooks"
STORY = str(HERE / "story.ipynb")
STORIES = Path(__file__).parents[2] / "notebooks"
COMMANDS = ["run", "fetch", "sample", "inspect"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def call(capsys):
    """Run a command here; give its exit code, and the lines of stdout and stderr."""

    def call(*words):
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return call


class Files(SimpleHTTPRequestHandler):
    """Files over HTTP, without a word."""

    def log_message(self, *_message):
        pass


@pytest.fixture
def mirror(tmp_path, call):
    """A server on this machine that has TLC's files of 2021-01 and 2021-02."""
    folder = tmp_path / "mirror"
    call("sample", "2021-01..2021-02", "--rows", "50", "--into", folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_command_is_installed():
    program = Path(sys.executable).with_name("taxi-duration")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"taxi-duration {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_examples(call, command):
    code, out, _ = call(command, "--help")
    assert code == 0
    assert any(line.strip().startswith(f"taxi-duration {command}") for line in out)


def test_help_names_each_command(call):
    _, out, _ = call("--help")
    assert set(COMMANDS) <= {line.split()[0] for line in out if line.strip()}


def test_help_says_of_each_command_what_it_does_in_a_line_of_a_terminal(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = call("--help")
    listed = out[out.index("Commands:") + 1 :]
    assert [line for line in listed if line.endswith("...")] == []
    assert len(listed) >= len(COMMANDS)


def test_help_loads_nothing_heavy():
    heavy = {"pandas", "numpy", "papermill", "mlflow", "nbformat", "sklearn", "tqdm"}
    code = f"""if 1:
        import sys
        from taxi_duration.cli.main import main
        assert main(["run", "--help"]) == 0
        sys.exit(str(sys.modules.keys() & {heavy}))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "set()"


def test_version(call):
    code, (line,), _ = call("--version")
    assert code == 0
    assert re.fullmatch(r"taxi-duration \d+\.\d+\.\d+", line)


def test_a_run_prints_a_line_for_each_notebook_and_how_to_go_on(call):
    code, out, _ = call("run", STORY, "-p", "rows=4", "--name", "four")
    assert code == 0
    assert re.fullmatch(r"story +\d+\.\d s  runs/four/story\.html", out[0])
    assert out[-4] == "Go on with"
    assert Path("runs/four/story.html").exists()


def test_a_failing_notebook_ends_in_one_line_and_exit_code_5(call):
    code, out, (line,) = call("run", HERE / "fails_in_cell_3.ipynb")
    assert (code, out) == (5, [])
    assert line.startswith("taxi-duration: fails_in_cell_3, cell [3]: KeyError: 'white'. ")


def test_the_command_that_a_failure_offers_goes_on_from_there(call):
    last = HERE / "wants_a_file.ipynb"
    words = ["-p", "rows=4", "-p", "file=here.txt", "--timeout", 60, "--code", "--name", "both"]
    code, (done,), (line,) = call("run", "--force", STORY, last, *words)
    assert (code, "story" in done) == (5, True)
    offered = shlex.split(line.partition("go on with: ")[2])
    assert offered == ["taxi-duration", "run", *map(str, (STORY, last, *words))]
    Path("here.txt").write_text("found")
    code, (skipped, done, *_), err = call(*offered[1:])
    assert (code, err) == (0, [])
    assert "nothing has changed" in skipped
    assert "nothing has changed" not in done
    assert "read_text" in Path("runs/both/wants_a_file.html").read_text()


def test_a_message_that_ends_in_a_full_stop_gets_no_second_one(call):
    _, _, (line,) = call("run", HERE / "wants_a_file.ipynb")
    assert "There is nothing. See runs/latest/wants_a_file.failed.ipynb" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-p", "rowz=3"], "no parameter 'rowz'"),
        (["-p", "rows=many"], "takes int, not 'many'"),
        (["-p", "mark=1", "-p", "rows=3", "-p", "rouws=1"], "Did you mean 'rows'"),
        (["gone"], "There is no notebook 'gone'"),
    ],
)
def test_a_wrong_parameter_or_notebook_is_rejected_and_touches_nothing(call, words, message):
    code, out, (line,) = call("run", STORY, "--notebooks", HERE, *words)
    assert (code, out) == (2, [])
    assert message in line
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--train", "2021-13"], "Month '2021-13' does not exist"),
        (["-p", "valid=21-01"], "Month '21-01' does not exist"),
        (["--valid", "2021-01"], "01_explore: The valid month 2021-01 does not come after the tr"),
        (["--train", "2020-12..2021-02"], "month 2021-02 does not come after the train months"),
        (["-p", "gate=2021-4"], "04_select: Month '2021-4' does not exist"),
        (["--train", "2021-02"], "01_explore: The valid month 2021-02 does not come after the tr"),
        (["--test", "2021-02"], "02_train: The test month 2021-02 does not come after the valid"),
        (["--valid", "2021-04"], "02_train: The test month 2021-03 does not come after the valid"),
    ],
)
def test_months_in_a_wrong_order_are_rejected_whether_given_or_the_notebooks_own(
    call, words, message
):
    code, out, (line,) = call("run", "--notebooks", STORIES, *words)
    assert (code, out) == (4, [])
    assert message in line
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["-p", "service=1"],
            "01_explore: Parameter 'service' takes Literal['green', 'yellow'], n",
        ),
        (["02_train", "-p", "models=median,xgbost"], "Did you mean 'xgboost'? Known: 'median', '"),
    ],
)
def test_an_unknown_option_of_a_parameter_is_rejected_and_touches_nothing(call, words, message):
    code, out, (line,) = call("run", "--notebooks", STORIES, *words)
    assert (code, out) == (2, [])
    assert message in line
    assert not Path("runs").exists()


def test_an_unknown_service_is_wrong_use(call):
    code, _, err = call("run", "--notebooks", STORIES, "--service", "purple")
    assert code == 2
    assert err[-1].endswith("'purple' is not one of 'green', 'yellow'.")


def test_a_parameter_that_no_cell_reads_is_rejected_and_touches_nothing(call):
    words = ["leaves_a_parameter_unread", "-p", "colour=blue"]
    code, out, (line,) = call("run", "--notebooks", HERE, *words)
    assert (code, out) == (5, [])
    assert "no cell reads the parameter 'colour', so it would change nothing" in line
    assert not Path("runs").exists()


@pytest.fixture
def tlc_months(tlc, tmp_path, call, monkeypatch):
    """A server that plays TLC, with 2021-01 and 2021-02; downloads go to a folder here."""
    call("sample", "2021-01..2021-02", "--rows", "4000", "--into", tmp_path / "published")
    for path in (tmp_path / "published").iterdir():
        tlc.gives(path.name, Answer(path.read_bytes()))
    monkeypatch.setenv("TAXI_DURATION_TLC_URL", tlc.url)
    monkeypatch.setenv("TAXI_DURATION_CACHE", str(tmp_path / "cache"))
    return tlc


def test_a_notebook_on_months_from_tlc_shows_nothing_of_the_download(call, tlc_months):
    code, _, err = call("run", HERE / "reads_a_month.ipynb", "--source", "tlc")
    assert (code, err) == (0, [])
    assert '"name": "stderr"' not in Path("runs/latest/reads_a_month.ipynb").read_text()


def test_an_unpublished_month_is_rejected_before_a_notebook_starts(call, tlc_months):
    code, out, (line,) = call("run", "--notebooks", STORIES, "--source", "tlc")
    assert (code, out) == (4, [])
    assert "TLC has not published green_tripdata_2021-03.parquet" in line
    assert not Path("runs").exists()


@pytest.mark.parametrize("words", [["-p", "rows"], ["-p", "a=1", "-p", "a=2"], ["--no-such"]])
def test_wrong_use_ends_in_exit_code_2(call, words):
    code, _, err = call("run", STORY, *words)
    assert code == 2
    assert err[-1].startswith("Error: ")


def test_inspect_without_a_name_prints_those_of_all_notebooks(call):
    _, out, _ = call("inspect")
    assert [line for line in out if re.fullmatch(r"0\d_\w+", line)] == [
        path.stem for path in find_notebooks()
    ]
    assert "trials: int = 12" in out


def test_inspect_prints_each_parameter_with_type_default_and_help(call):
    _, out, _ = call("inspect", STORY)
    assert out[2:4] == ["rows: int = 3", "    rides to make up"]


def test_sample_writes_months_that_read_like_tlcs(call):
    code, out, _ = call("sample", "2021-01..2021-02", "--rows", 200, "--service", "yellow")
    assert code == 0
    assert out == ["yellow_tripdata_2021-01.parquet", "yellow_tripdata_2021-02.parquet"]
    rides = pd.read_parquet(out[0], engine="pyarrow")
    assert len(rides) == 200
    assert rides["tpep_pickup_datetime"].median().strftime("%Y-%m") == "2021-01"


def test_the_same_seed_samples_the_same_rides(call):
    for folder in ("a", "b"):
        call("sample", "2021-01", "--rows", 100, "--seed", 7, "--into", folder)
    one, other = (Path(folder, "green_tripdata_2021-01.parquet").read_bytes() for folder in "ab")
    assert one == other


def test_a_sample_that_cannot_be_written_is_rejected(call):
    Path("file").touch()
    code, _, (line,) = call("sample", "2021-01", "--rows", 100, "--into", "file/folder")
    assert code == 4
    assert "Cannot write 'file/folder/green_tripdata_2021-01.parquet': Not a directory" in line


def test_a_sample_that_finds_no_room_is_rejected_and_leaves_nothing(call, full_disk):
    with full_disk(2000):
        code, _, (line,) = call("sample", "2021-01", "--rows", 5000, "--into", "months")
    assert (code, "File too large. Make room or choose another folder." in line) == (4, True)
    assert list(Path("months").iterdir()) == []


def test_a_sample_in_a_folder_that_cannot_be_written_is_rejected(call, read_only):
    code, out, (line,) = call("sample", "2021-01", "--rows", 100, "--into", read_only)
    assert (code, out) == (4, [])
    assert f"Cannot write '{read_only}/green_tripdata_2021-01.parquet': " in line


def test_a_run_into_a_folder_that_cannot_be_written_is_rejected(call, read_only):
    code, out, (line,) = call("run", STORY, "--into", read_only)
    assert (code, out) == (4, [])
    assert line.startswith(f"taxi-duration: Cannot write '{read_only}/latest': ")
    assert line.endswith("Make room or choose another folder.")


def test_fetch_downloads_a_range_of_months_and_prints_their_paths(call, mirror):
    code, out, _ = call("fetch", "2021-01..2021-02", "--base-url", mirror, "--cache", "kept")
    assert code == 0
    assert out == [f"kept/green_tripdata_2021-0{number}.parquet" for number in (1, 2)]
    assert all(Path(line).exists() for line in out)


def test_fetch_downloads_the_names_of_zones_too(call, tlc, month_bytes):
    month = "green_tripdata_2021-01.parquet"
    tlc.gives(FILE, Answer(ZONES))
    tlc.gives(month, Answer(month_bytes))
    code, out, _ = call("fetch", "zones", "2021-01", "--base-url", tlc.url, "--cache", "kept")
    assert (code, out) == (0, [f"kept/{month}", f"kept/{FILE}"])


def test_fetching_an_unpublished_month_ends_in_one_line(call, mirror):
    code, _, err = call("fetch", "2021-03", "--base-url", mirror, "--cache", "kept")
    assert code == 4
    assert "about two months late" in err[-1]


def test_a_range_that_ends_before_it_begins_is_rejected(call):
    code, _, (line,) = call("fetch", "2021-03..2021-01")
    assert (code, "Write them as 2021-01..2021-03" in line) == (4, True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_writes_nothing_and_leaves_no_kernel_and_no_file(tmp_path, number, code):
    mark = tmp_path / "mark"
    words = ["run", str(HERE / "never_ends.ipynb"), "-p", f"mark={mark}"]
    running = forks.start(forks.COMMAND, *words, err="said")
    while not (mark.exists() and (kernel := mark.read_text())):
        assert running.exitcode is None
        time.sleep(0.05)
    os.kill(running.pid, number)
    assert forks.end(running) == code
    said = f"taxi-duration: Stopped by {signal.Signals(number).name}."
    assert Path("said").read_text().strip() == said
    assert mark.read_text() == "cleaned up"
    assert [path.name for path in Path("runs/latest").iterdir()] == ["pipeline.json"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(kernel), 0)


def test_a_full_disk_ends_in_one_line_and_leaves_nothing(call, full_disk):
    with full_disk(2000):
        code, _, (line,) = call("run", HERE / "leaves_a_parameter_unread.ipynb")
    assert code == 6
    assert re.search(r"The run of the pipeline cannot be recorded: .* says 'disk I/O error'", line)
    assert list(Path("runs/latest").iterdir()) == []


@pytest.fixture
def broken(monkeypatch):
    """A command with an error that is unexpected."""
    command = click.Command("broken", callback=lambda: {}["two\nlines"])
    monkeypatch.setitem(cli.commands, "broken", command)


def test_an_unexpected_error_is_one_line_that_names_a_file_with_its_traceback(call, broken):
    code, out, (line,) = call("broken")
    assert (code, out) == (70, [])
    pattern = (
        r"taxi-duration: Unexpected error: KeyError: 'two\\nlines'; the traceback is in (.*)\. "
    )
    traceback = Path(re.match(pattern, line)[1])
    assert traceback.read_text().endswith("KeyError: 'two\\nlines'\n")
    traceback.unlink()


def test_an_unexpected_error_is_one_line_even_if_no_traceback_can_be_kept(
    call, broken, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    code, _, (line,) = call("broken")
    assert (code, "its traceback cannot be kept (No such file or directory)" in line) == (70, True)


def test_a_closed_pipe_ends_without_a_message():
    ours, theirs = os.pipe()
    os.close(ours)
    words = [sys.executable, "-m", "taxi_duration.cli.main", "--help"]
    done = subprocess.run(words, stdout=theirs, stderr=subprocess.PIPE, text=True)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_finds_no_room_ends_in_one_line(unbuffered):
    words = [sys.executable, "-m", "taxi_duration.cli.main", "--help"]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            words, stdout=full, stderr=subprocess.PIPE, text=True, env=environment
        )
    assert done.returncode == 1
    assert done.stderr == "taxi-duration: Cannot write to stdout: No space left on device.\n"


def test_what_cannot_be_printed_in_a_message_is_escaped(call):
    _, _, (line,) = call("run", "no\nsuch\u202enotebook", "--notebooks", STORIES)
    assert r"no\nsuch\u202enotebook" in line
    _, _, err = call("no\nsuch\u202ecommand")
    assert err[-1].startswith(r"Error: No such command 'no\nsuch\u202ecommand'")
