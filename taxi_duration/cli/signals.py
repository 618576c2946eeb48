"""Ctrl-C and SIGTERM: they end the command within seconds, whatever code they fall into.

The signal raises an exception, so that kernels and temporary files are removed. Python drops an
exception that falls into a callback or `__del__`: then it is raised again. Code that goes on
nevertheless, or does not return to Python, is ended by a thread.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import click
import psutil

ORDERLY, FORCED = 3.8, 1.0  # seconds; together less than 5
NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """What has been received: false until there is a signal."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.reported = False
        self.dropped, self.over = threading.Event(), threading.Event()
        # written to as soon as a signal comes, even if C code delays Python's own handler
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.writer, False)
        threading.Thread(target=self._watch, daemon=True).start()

    def __bool__(self) -> bool:
        return self.number is not None

    @property
    def code(self) -> int:
        """The exit code of the command."""
        return 128 + self.number

    def receive(self, number: int, _frame: object) -> None:
        """Raise an exception in the main thread."""
        self.number = self.number or number
        raise KeyboardInterrupt if self.number == signal.SIGINT else SystemExit(self.code)

    def note_dropped(self, dropped: sys.UnraisableHookArgs) -> None:
        """Note that Python has dropped an exception; only others are reported."""
        if self and isinstance(dropped.exc_value, KeyboardInterrupt | SystemExit):
            self.dropped.set()
        else:
            sys.__unraisablehook__(dropped)

    def report(self) -> None:
        """Say once what has ended the command."""
        if not self.reported:
            self.reported = True
            click.echo(f"taxi-duration: Stopped by {signal.Signals(self.number).name}.", err=True)

    def exit(self) -> NoReturn:
        """End the process and its children at once; Python's own end may take seconds more."""
        threading.Timer(FORCED, os._exit, [self.code]).start()
        with suppress(Exception):
            _end_children()
            sys.stdout.flush()
        os._exit(self.code)

    def _watch(self) -> None:
        """Wait for a signal, or for the end of the block."""
        while (received := os.read(self.reader, 1)) and received[0] not in NUMBERS:
            pass
        if received:
            self.number = self.number or received[0]
            self._insist()
        os.close(self.reader)

    def _insist(self) -> None:
        """Wait for the end of the block, and bring it about if need be."""
        end = time.monotonic() + ORDERLY
        while not self.over.wait(0.05):
            if signal.getsignal(self.number) != self.receive:  # see `tracking.store.uninterrupted`
                end = time.monotonic() + ORDERLY
            elif self.dropped.is_set():
                self.dropped.clear()
                signal.pthread_kill(threading.main_thread().ident, self.number)
            elif time.monotonic() > end:
                self._force()

    def _force(self) -> None:
        """End all that is left: child processes, runs, temporary folders, this process."""
        threading.Timer(FORCED, os._exit, [self.code]).start()
        for end in (_end_children, _remove_folders, _close_runs, self.report, self.exit):
            with suppress(Exception):
                end()


@contextmanager
def interruptible(*, exits: bool = False) -> Iterator[Interruption]:
    """Have Ctrl-C and SIGTERM end the block; then the interruption that is yielded is true.

    Parameters
    ----------
    exits : bool
        Whether an interruption ends the process as well, so that it is watched until then.
    """
    interruption = Interruption()
    heard = [each for each in NUMBERS if signal.getsignal(each) != signal.SIG_IGN]  # as with nohup
    before = {number: signal.signal(number, interruption.receive) for number in heard}
    wakeup = signal.set_wakeup_fd(interruption.writer, warn_on_full_buffer=False)
    hook, sys.unraisablehook = sys.unraisablehook, interruption.note_dropped
    try:
        yield interruption
    except (KeyboardInterrupt, SystemExit):
        if not interruption:
            raise
    finally:
        if not (interruption and exits):
            sys.unraisablehook = hook
            signal.set_wakeup_fd(wakeup)
            interruption.over.set()
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(interruption.writer)
    if interruption:
        interruption.report()


def _end_children() -> None:
    children = psutil.Process().children(recursive=True)
    for child in children:
        child.kill()
    psutil.wait_procs(children, timeout=0.2)


def _close_runs() -> None:
    if "taxi_duration.tracking.store" in sys.modules:  # else it has opened none
        from taxi_duration.tracking.run_owner import close_abandoned_runs
        from taxi_duration.tracking.store import client

        close_abandoned_runs(client(), ours=True)


def _remove_folders() -> None:
    if "taxi_duration.data.files" in sys.modules:
        from taxi_duration.data.files import remove_staged

        remove_staged()
