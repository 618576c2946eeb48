"""Things made one ahead of their use, in a thread beside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ahead"]

Item = TypeVar("Item")


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Give the items in order, while the next one is being made in another thread.

    Worth it where making and using leave Python's lock alone: reading, predicting, writing.

    Raises
    ------
    Exception
        What making an item raises, in its turn.

    Examples
    --------
    >>> list(ahead(number**2 for number in range(3)))
    [0, 1, 4]
    """
    source, end = iter(items), object()
    with ThreadPoolExecutor(1) as aside:
        coming = aside.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = aside.submit(next, source, end)
            yield item
