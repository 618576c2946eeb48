"""A bar is seen by a person, and by nobody else."""

import os
import pty
import subprocess
import sys
import termios

import nbformat
import pytest
from nbclient import NotebookClient

CODE = """
from taxi_duration.data.display import progress_bar
with progress_bar("trials", total=2) as bar:
    bar.update()
    bar.update()
"""


def read_all(terminal):
    """Return what a terminal was sent, to the end."""
    said = b""
    try:
        while piece := os.read(terminal, 4096):
            said += piece
    except OSError:  # so Linux says that nobody writes any more
        pass
    return said.decode()


def test_on_a_terminal_there_is_a_bar():
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = subprocess.Popen([sys.executable, "-c", CODE], stderr=theirs, stdout=theirs)
    os.close(theirs)
    said = read_all(ours)
    os.close(ours)
    assert process.wait() == 0
    assert "trials:" in said
    assert "0/2" in said


def test_in_a_file_there_is_nothing():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True)
    assert done.stdout + done.stderr == b""


class Watching(NotebookClient):
    """A client that keeps the types of the kernel's messages."""

    def process_message(self, message, *where):
        self.types = [*getattr(self, "types", []), message["msg_type"]]
        return super().process_message(message, *where)


@pytest.mark.parametrize("live", [True, False])
def test_in_a_notebook_a_bar_is_seen_in_jupyterlab_only_and_never_kept(monkeypatch, live):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    if live:
        monkeypatch.setenv("JPY_SESSION_NAME", "03_tune.ipynb")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE)])
    client = Watching(notebook, kernel_name="python3")
    client.execute()
    assert ("stream" in client.types) is live
    assert notebook.cells[0].outputs == []
