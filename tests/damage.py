"""A month's file, damaged in many ways, and what becomes of each: run as a process that may die.

    python damage.py FOLDER FILE ENGINE LAST

For each number below LAST it prints the kind of damage and what came of it: the error's line, or
the digest of the rides that were read.
"""

from __future__ import annotations

import hashlib
import random
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from fastparquet import ParquetFile

from taxi_duration.data.files import Engine
from taxi_duration.data.trips import load_trips
from taxi_duration.errors import TaxiDurationError
from taxi_duration.months import GREEN, Month

JANUARY = Month(2021, 1)
GIGABYTES = 3  # address space that reading may take
ABSURD = (-1, 0, 1, 599, 601, 10**6, 2**31 - 1, 2**40, 2**62)
FOOTER_FIELDS = {
    "rows": lambda footer: (footer, "num_rows"),
    "rows of the group": lambda footer: (footer.row_groups[0], "num_rows"),
    "values": lambda footer: (footer.row_groups[0].columns[1].meta_data, "num_values"),
    "size": lambda footer: (footer.row_groups[0].columns[8].meta_data, "total_compressed_size"),
    "unpacked": lambda footer: (
        footer.row_groups[0].columns[8].meta_data,
        "total_uncompressed_size",
    ),
    "offset": lambda footer: (footer.row_groups[0].columns[5].meta_data, "data_page_offset"),
    "dictionary": lambda footer: (
        footer.row_groups[0].columns[5].meta_data,
        "dictionary_page_offset",
    ),
    "codec": lambda footer: (footer.row_groups[0].columns[2].meta_data, "codec"),
    "type": lambda footer: (footer.row_groups[0].columns[6].meta_data, "type"),
}


def start_of_footer(whole: bytes) -> int:
    return len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")


def flip_in_body(whole: bytes, draw: random.Random) -> bytes:
    return flip(whole, draw.randrange(4, start_of_footer(whole)), draw)


def flip_in_footer(whole: bytes, draw: random.Random) -> bytes:
    return flip(whole, draw.randrange(start_of_footer(whole), len(whole)), draw)


def flip(whole: bytes, spot: int, draw: random.Random) -> bytes:
    return whole[:spot] + bytes([whole[spot] ^ 1 << draw.randrange(8)]) + whole[spot + 1 :]


def zeros(whole: bytes, draw: random.Random) -> bytes:
    spot = draw.randrange(len(whole) - 256)
    return whole[:spot] + bytes(256) + whole[spot + 256 :]


def cut(whole: bytes, draw: random.Random) -> bytes:
    return whole[: draw.randrange(len(whole))]


def insert(whole: bytes, draw: random.Random) -> bytes:
    spot = draw.randrange(len(whole))
    return whole[:spot] + draw.randbytes(draw.randrange(1, 9)) + whole[spot:]


def swap(whole: bytes, draw: random.Random) -> bytes:
    """Exchange two pieces, as a disk or a resumed download does."""
    one, other = sorted(draw.sample(range(4, len(whole) - 600), 2))
    size = min(512, other - one)
    first, second = whole[one : one + size], whole[other : other + size]
    return whole[:one] + second + whole[one + size : other] + first + whole[other + size :]


def lie(whole: bytes, draw: random.Random) -> bytes:
    """Write another number into a field of the footer: rows that are not there, absurd sizes."""
    Path("lie.parquet").write_bytes(whole)
    footer = ParquetFile("lie.parquet").fmd
    place, name = FOOTER_FIELDS[draw.choice(sorted(FOOTER_FIELDS))](footer)
    setattr(place, name, draw.choice(ABSURD))
    told = footer.to_bytes()
    return whole[: start_of_footer(whole)] + told + len(told).to_bytes(4, "little") + b"PAR1"


KINDS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    function.__name__: function
    for function in (flip_in_body, flip_in_footer, zeros, cut, insert, swap, lie)
}


def outcome(folder: Path, engine: Engine) -> str:
    try:
        rides = load_trips(JANUARY, source=folder, engine=engine).frame
    except TaxiDurationError as refusal:
        return f"rejected {refusal}"
    return f"read {len(rides)} {hashlib.sha256(rides.to_csv().encode()).hexdigest()}"


def main(folder: str, file: str, engine: Engine, last: str) -> None:
    limit = GIGABYTES * 10**9
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    whole = Path(file).read_bytes()
    for number in range(int(last)):
        draw = random.Random(number)
        kind = list(KINDS)[number % len(KINDS)]
        Path(folder, GREEN.file(JANUARY)).write_bytes(KINDS[kind](whole, draw))
        sys.stdout.write(f"{number}\t{kind}\t{outcome(Path(folder), engine)}\n")
        sys.stdout.flush()  # what comes next may end this process


if __name__ == "__main__":
    main(*sys.argv[1:])
