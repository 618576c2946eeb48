"""A month's file, damaged or changed in many ways, and what comes of each: a process that may die.

    python damage.py FOLDER FILE ENGINE LAST

For each number below LAST it prints the kind of damage and what came of it: the error's line, or
the digest of the rides that were read.
"""

from __future__ import annotations

import hashlib
import io
import random
import resource
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fastparquet import ParquetFile

from taxi_duration.data.parquet import Engine
from taxi_duration.data.trips import load_trips
from taxi_duration.errors import TaxiDurationError
from taxi_duration.months import GREEN, Month

JANUARY = Month(2021, 1)
CHANGED = b"changed"  # in a file's metadata: the name of its changed column
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


def other_type(whole: bytes, draw: random.Random) -> bytes:
    """Give a column another type, one that may hold no times or numbers."""
    return change_column(whole, draw, draw.choice(sorted(OTHER_TYPES)))


def huge(whole: bytes, draw: random.Random) -> bytes:
    """Put times and numbers at the ends of what their type can hold into a column."""
    return change_column(whole, draw, draw.choice(sorted(HUGE)))


def doubled(whole: bytes, draw: random.Random) -> bytes:
    """Name two columns alike, or write one twice."""
    table = read(whole)
    one, other = draw.sample(range(table.num_columns), 2)
    if draw.random() < 0.5:
        return written(table.append_column(table.schema.names[one], table.column(one)))
    names = [*table.schema.names]
    names[one] = names[other]
    return written(table.rename_columns(names))


def change_column(whole: bytes, draw: random.Random, change: str) -> bytes:
    table = read(whole)
    name = draw.choice([*GREEN.columns])
    changed = (OTHER_TYPES | HUGE)[change](table.column(name).combine_chunks())
    table = table.set_column(table.schema.get_field_index(name), name, changed)
    return written(table.replace_schema_metadata({CHANGED: name}))


def read(whole: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(whole))


def written(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def nested(column: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(range(len(column) + 1), pa.int32()), column)


def repeated(value: object, kind: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    return lambda column: pa.array([value] * len(column), kind)


OTHER_TYPES: dict[str, Callable[[pa.Array], pa.Array]] = {
    "text": lambda column: column.cast(pa.string()),
    "bytes": lambda column: column.cast(pa.string()).cast(pa.binary()),
    "list": nested,
    "list of lists": lambda column: nested(nested(column)),
    "struct": lambda column: pa.StructArray.from_arrays([column], ["x"]),
    "map": lambda column: pa.MapArray.from_arrays(
        pa.array(range(len(column) + 1), pa.int32()), pa.array(["x"] * len(column)), column
    ),
    "true": repeated(True, pa.bool_()),
    "date": repeated(18_650, pa.date32()),
    "time of day": repeated(0, pa.time64("us")),
    "period": repeated(0, pa.duration("us")),
    "nothing": repeated(None, pa.null()),
    "half": lambda column: pa.array(np.full(len(column), 74, "float16")),
    "wide decimal": repeated(74, pa.decimal256(60, 30)),
}
HUGE: dict[str, Callable[[pa.Array], pa.Array]] = {
    f"{name} {kind}": repeated(value, kind)
    for kind, values in {
        pa.timestamp("ms"): {"first": -(2**63) + 1, "last": 2**63 - 1},
        pa.timestamp("us"): {"first": -(2**63) + 1, "last": 2**63 - 1},
        pa.timestamp("ns", "UTC"): {"first": -(2**63) + 1, "last": 2**63 - 1},
        pa.int64(): {"first": -(2**63), "last": 2**63 - 1, "wrapped": 2**32 + 74},
        pa.uint64(): {"last": 2**64 - 1},
        pa.float64(): {"endless": float("inf"), "unknown": float("nan"), "last": 1.7e308},
    }.items()
    for name, value in values.items()
}
DAMAGES = (flip_in_body, flip_in_footer, zeros, cut, insert, swap, lie)
CHANGES = (other_type, huge, doubled)
KINDS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    function.__name__: function for function in DAMAGES + CHANGES
}


def outcome(folder: Path, engine: Engine) -> str:
    try:
        rides = load_trips(JANUARY, source=folder, engine=engine).frame
    except TaxiDurationError as refusal:
        return f"rejected {refusal}"
    return f"read {len(rides)} {hashlib.sha256(rides.to_csv().encode()).hexdigest()}"


def stands(folder: Path, engine: Engine, sound: pd.DataFrame) -> str:
    """Say whether each ride that was read is one of the sound file, the changed column apart."""
    path = folder / GREEN.file(JANUARY)
    try:
        rides = load_trips(JANUARY, source=folder, engine=engine).frame
    except TaxiDurationError as refusal:
        return f"rejected {refusal}"
    changed = GREEN.columns.get((pq.read_schema(path).metadata or {}).get(CHANGED, b"").decode())
    touched = {"dropoff_datetime": ["duration"], "pickup_datetime": ["pickup_datetime", "duration"]}
    same = sound.columns.difference(touched.get(changed, [changed]))
    there, before = (Counter(map(tuple, each[same].to_numpy())) for each in (rides, sound))
    return "invented rides" if there - before else f"kept {len(rides)}"


def main(folder: str, file: str, engine: Engine, last: str) -> None:
    limit = GIGABYTES * 10**9
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    place, whole = Path(folder), Path(file).read_bytes()
    month = place / GREEN.file(JANUARY)
    month.write_bytes(whole)
    sound = load_trips(JANUARY, source=place).frame
    for number in range(int(last)):
        kind = list(KINDS.values())[number % len(KINDS)]
        month.write_bytes(kind(whole, random.Random(number)))
        came = stands(place, engine, sound) if kind in CHANGES else outcome(place, engine)
        sys.stdout.write(f"{number}\t{kind.__name__}\t{came}\n")
        sys.stdout.flush()  # what comes next may end this process


if __name__ == "__main__":
    main(*sys.argv[1:])
