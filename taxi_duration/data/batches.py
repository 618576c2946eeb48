"""Rides in batches of equal size, whatever blocks they come in, and work on them in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import joblib
import numpy as np

from taxi_duration.data.rides import Columns

Item, Result = TypeVar("Item"), TypeVar("Result")

AT_ONCE = 2**24  # rows; a file can announce any number
BATCH = 2**19  # rows; fewer would leave much of the work to what is done once a batch


def in_batches(blocks: Iterable[Columns], *, rows: int = BATCH) -> Iterator[Columns]:
    """Yield the same rides in batches of so many rows, the last one excepted.

    Examples
    --------
    >>> blocks = [{"trip_distance": np.array(miles)} for miles in ([1, 2], [3, 4, 5])]
    >>> [batch["trip_distance"].tolist() for batch in in_batches(blocks, rows=3)]
    [[1, 2, 3], [4, 5]]
    """
    held, room = [], rows
    for block in blocks:
        start, size = 0, n_rides(block)
        while start < size:
            held.append({name: each[start : start + room] for name, each in block.items()})
            start, room = start + n_rides(held[-1]), room - n_rides(held[-1])
            if not room:
                yield _joined(held)
                held, room = [], rows
    if held:
        yield _joined(held)


def n_rides(rides: Columns) -> int:
    """Return the number of rides."""
    return len(next(iter(rides.values())))


def _joined(blocks: list[Columns]) -> Columns:
    if len(blocks) == 1:
        return blocks[0]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


class ColumnBuffer:
    """Columns that the rides of blocks are added to, about so many, so that none is held twice.

    The system gives memory for them at once, in large pages, and only what is written to is used.
    """

    def __init__(self, rows: int, blocks: Iterable[Columns] = ()) -> None:
        self._rows = min(rows, AT_ONCE)
        self._columns: dict[str, np.ndarray] = {}
        self._used = 0
        for block in blocks:
            self.add(block)

    def add(self, block: Columns) -> None:
        """Add rides at the end."""
        start, self._used = self._used, self._used + n_rides(block)
        for name, values in block.items():
            if name not in self._columns:
                self._columns[name] = np.empty(max(self._rows, self._used), values.dtype)
            column = self._columns[name]
            if len(column) < self._used:
                column.resize(self._used, refcheck=False)
            column[start : self._used] = values

    def columns(self) -> Columns:
        """Return the rides that were added."""
        for column in self._columns.values():
            column.resize(self._used, refcheck=False)
        return self._columns


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items in order, while a thread makes the next one.

    Worth it where both sides release Python's lock: reading, predicting, writing.
    """
    source, end = iter(items), object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, source, end)
            yield item


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the function's results in order, while as many threads as processors make the next.

    Worth it where the function releases Python's lock, as numpy does. Items are taken as they are
    needed, so that memory does not grow with their number.

    Examples
    --------
    >>> list(in_threads(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    threads = joblib.cpu_count()
    with ThreadPoolExecutor(threads) as pool:
        coming: deque = deque()
        for item in items:
            coming.append(pool.submit(function, item))
            if len(coming) > threads:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
