"""What a cell shows: its texts line by line and its pictures, and how two showings differ."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import takewhile, zip_longest

from taxi_duration.notebooks.pictures import difference, read_pictures

IGNORED = "nbval-ignore-output"  # the tag of a cell whose output may differ
PICTURES = "image/"
RANDOM = "application/vnd.jupyter.widget"  # the names of widgets
MARKUP = re.compile(r"<(style|script)\b.*?</\1>|<[^>]*>", re.DOTALL)
CELL = re.compile(r"\S*ipykernel_\d+(?=[/\\])")  # of a kernel: where a warning says that it arose
MOST = 2000  # lines that are aligned, which takes the square of their number
LONGEST = 60  # characters of a line that a message quotes

Outputs = Sequence[Mapping]
Pair = tuple[str, str]


def read_texts(outputs: Outputs) -> list[tuple[str, str]]:
    """Return the kind and the text of everything in a cell's outputs that is no picture.

    Examples
    --------
    >>> read_texts([{"output_type": "stream", "name": "stdout", "text": "3 rides"}])
    [('stdout', '3 rides')]
    """
    streams: dict[str, str] = {}
    for output in outputs:
        if output["output_type"] == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + output["text"]
    return [*streams.items(), *_data(outputs)]


def changed_lines(stored: Outputs, fresh: Outputs) -> list[Pair]:
    """Return the lines that differ, side by side; an empty one beside a line that is new or gone.

    Examples
    --------
    >>> shown = [{"output_type": "stream", "name": "stdout", "text": f"{n} rides"} for n in (3, 4)]
    >>> changed_lines(shown[:1], shown[1:])
    [('3 rides', '4 rides')]
    """
    texts = [read_texts(outputs) for outputs in (stored, fresh)]
    for pages in (False, True):  # a page of HTML mostly says the same again
        pairs = pair_lines(*(_lines(each, pages=pages) for each in texts))
        if pairs:
            return pairs
    return []


def pair_lines(before: Sequence[str], after: Sequence[str]) -> list[Pair]:
    """Return the lines of two texts that differ, side by side; of long ones, place by place."""
    if max(len(before), len(after)) > MOST:
        places = zip_longest(before, after, fillvalue="")
        return [(old, new) for old, new in places if old != new]
    pairs: list[Pair] = []
    for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            pairs += zip_longest(before[a:b], after[c:d], fillvalue="")
    return pairs


def differ(stored: Outputs, fresh: Outputs) -> str | None:
    """Return how what a cell shows differs, in a few words; None if it does not."""
    if pairs := changed_lines(stored, fresh):
        old, new = _short(*pairs[0])
        return f"{new or 'nothing'} instead of {old or 'nothing'}"
    return difference(read_pictures(stored), read_pictures(fresh))


def _data(outputs: Outputs) -> Iterator[tuple[str, str]]:
    for output in outputs:
        if output["output_type"] == "error":
            yield "error", f"{output['ename']}: {output['evalue']}"
        for kind, value in output.get("data", {}).items():
            if not kind.startswith((PICTURES, RANDOM)) or kind == "image/svg+xml":
                yield kind, value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _lines(texts: Iterable[tuple[str, str]], *, pages: bool) -> list[str]:
    """Return the lines that a reader sees, of pages or of the rest; a progress bar as it ends."""
    lines = []
    for kind, text in texts:
        if (kind == "text/html") == pages:
            shown = html.unescape(MARKUP.sub("\n", text)) if pages else text
            ended = re.sub(r"[^\n]*\r(?!\n)", "", CELL.sub("ipykernel", shown))
            lines += [line.rstrip() for line in ended.splitlines() if line.strip()]
    return lines


def _short(*lines: str) -> list[str]:
    """Return lines to be quoted; long ones around the place where they differ."""
    texts = [" ".join(line.split()) for line in lines]
    same = takewhile(lambda pair: pair[0] == pair[1], zip(*texts, strict=False))
    start = max(0, len(list(same)) - LONGEST // 2)
    return [repr(_cut(text, start)) if text else "" for text in texts]


def _cut(text: str, start: int) -> str:
    rest = f"...{text[start:]}" if start and len(text) > LONGEST else text
    return rest if len(rest) <= LONGEST else f"{rest[: LONGEST - 3]}..."
