"""One month of trips, written in about a hundred ways by pyarrow, DuckDB and polars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

PICKUP, DROPOFF, PU, DO, MILES = (
    "lpep_pickup_datetime",
    "lpep_dropoff_datetime",
    "PULocationID",
    "DOLocationID",
    "trip_distance",
)
TIMES, ZONES = (PICKUP, DROPOFF), (PU, DO)
COLUMNS = (*TIMES, *ZONES, MILES)

Writer = Callable[[pa.Table, Path], None]


def cast(types: dict[str, pa.DataType]) -> Callable[[pa.Table], pa.Table]:
    """A table with other types of the same values."""

    def change(table: pa.Table) -> pa.Table:
        for name, kind in types.items():
            column = table[name]
            if pa.types.is_timestamp(kind) and kind.tz:
                column = pc.assume_timezone(column, "America/New_York")
            spot = table.column_names.index(name)
            table = table.set_column(spot, name, encoded(column, kind))
        return table

    return change


def encoded(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_dictionary(kind):
        return column.dictionary_encode()
    return column.cast(kind, safe=False)


def thinned(every: int) -> Callable[[pa.Table], pa.Table]:
    """A table in which values are missing: each so-many-th, in turn by column."""

    def change(table: pa.Table) -> pa.Table:
        rows = pa.array(range(len(table)))
        for spot, name in enumerate(table.column_names):
            gone = pc.equal(pc.bit_wise_and(rows, every - 1), spot % every)
            table = table.set_column(spot, name, pc.if_else(gone, None, table[name]))
        return table

    return change


def arrow(**how: object) -> Writer:
    return lambda table, path: pq.write_table(table, path, **how)


def duckdb(options: str, columns: str = "*") -> Writer:
    def write(table: pa.Table, path: Path) -> None:
        import duckdb

        with duckdb.connect() as database:
            database.execute("set TimeZone = 'America/New_York'")
            database.register("trips", table)
            database.sql(
                f"copy (select {columns} from trips) to '{path}' (format parquet, {options})"
            )

    return write


def polars(**how: object) -> Writer:
    def write(table: pa.Table, path: Path) -> None:
        import polars

        polars.from_arrow(table).write_parquet(path, **how)

    return write


def same(table: pa.Table) -> pa.Table:
    return table


ENCODINGS = {
    "plain": {"use_dictionary": False},
    "dictionary": {},
    "delta": {
        "use_dictionary": False,
        "column_encoding": dict.fromkeys([*TIMES, *ZONES], "DELTA_BINARY_PACKED"),
    },
    "split": {
        "use_dictionary": False,
        "column_encoding": dict.fromkeys([*TIMES, *ZONES, MILES], "BYTE_STREAM_SPLIT"),
    },
}
MISSING = {"whole": same, "gaps": thinned(8), "half": thinned(2)}
NUMBERS = {
    "int16": pa.int16(), "uint16": pa.uint16(), "int32": pa.int32(), "uint32": pa.uint32(),
    "uint64": pa.uint64(), "float": pa.float32(), "double": pa.float64(),
    "decimal": pa.decimal128(21, 2), "category": pa.dictionary(pa.int16(), pa.int64()),
}  # fmt: skip
UNITS = ("s", "ms", "us", "ns")
CODECS = ("none", "snappy", "gzip", "zstd", "brotli", "lz4")


def ways() -> Iterator[tuple[str, Callable[[pa.Table], pa.Table], Writer]]:
    """Give each way: its name, what becomes of the table, and who writes it."""
    for encoding, version, missing in product(ENCODINGS, ("1.0", "2.0"), MISSING):
        how = ENCODINGS[encoding] | {
            "data_page_version": version,
            "data_page_size": 512,
            "write_batch_size": 64,
        }
        yield f"arrow {encoding} v{version} {missing}", MISSING[missing], arrow(**how)
    for codec, version in product(CODECS, ("1.0", "2.0")):
        yield (
            f"arrow {codec} v{version}",
            MISSING["gaps"],
            arrow(compression=codec, data_page_version=version),
        )
    for unit, zone in product(UNITS, (None, "UTC", "America/New_York", "+01:00")):
        kinds = dict.fromkeys(TIMES, pa.timestamp(unit, zone))
        yield f"arrow {unit} {zone}", cast(kinds), arrow()
        if zone in (None, "America/New_York"):
            yield f"polars {unit} {zone}", cast(kinds), polars()
    yield "arrow int96", same, arrow(use_deprecated_int96_timestamps=True)
    for name, kind in NUMBERS.items():
        yield f"arrow zones {name}", cast(dict.fromkeys(ZONES, kind)), arrow()
    yield "arrow miles float", cast({MILES: pa.float32()}), arrow()
    yield "arrow miles decimal", cast({MILES: pa.decimal128(21, 2)}), arrow()
    yield "arrow no schema of its own", same, arrow(store_schema=False)
    yield "arrow groups of 7", MISSING["gaps"], arrow(row_group_size=7)
    yield "arrow checksums", MISSING["gaps"], arrow(write_page_checksum=True)
    for version, missing in product(("v1", "v2"), MISSING):
        yield f"duckdb {version} {missing}", MISSING[missing], duckdb(f"parquet_version {version}")
    for codec in ("uncompressed", "gzip", "zstd", "brotli", "lz4", "lz4_raw"):
        yield f"duckdb {codec}", MISSING["gaps"], duckdb(f"compression {codec}")
    zoned = ", ".join(f"{name}::timestamptz as {name}" for name in TIMES)
    yield "duckdb zoned", same, duckdb("compression snappy", f"* replace ({zoned})")
    yield (
        "duckdb decimal",
        same,
        duckdb("compression snappy", f"* replace ({MILES}::decimal(12, 2) as {MILES})"),
    )
    for codec, missing in product(
        ("uncompressed", "snappy", "gzip", "zstd", "lz4", "brotli"), ("whole", "gaps")
    ):
        yield (
            f"polars {codec} {missing}",
            MISSING[missing],
            polars(compression=codec, row_group_size=150),
        )
