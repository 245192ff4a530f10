"""Parquet files as other tools write them: DuckDB with Snappy or polars with zstd, many files, 131,072-row groups.

Encodings, dictionaries, statistics and page sizes are the writer's own defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sabotnb.cache import cache_root, write_once
from sabotnb.cli.bench.compare.suite import FileKind, Suite

ROW_GROUP_ROWS = 131_072
LEAST_FILE_ROWS = 5_000
"""At tiny sizes there are fewer files, not files of a few rows."""


@dataclass(frozen=True)
class TableFacts:
    """What the footers of a table's files say."""

    writer: str
    codec: str
    files: int
    row_groups: int
    rows: int
    bytes: int


def dataset(suite: Suite, size: float, kind: FileKind) -> Path:
    """The folder that holds the suite's tables, one folder of files each; written once, into the user's cache."""
    folder = cache_root() / "bench" / f"{suite.name}-v{suite.version}-{size:g}-{kind.name}"
    write_once(folder, lambda made: suite.write(made, size, kind))
    return folder


def rows_per_file(rows: int, files: int) -> int:
    """How many rows each file holds if ``rows`` are spread over ``files``."""
    return max(-(-rows // files), LEAST_FILE_ROWS)


def write_table(folder: Path, tables: Iterable[pa.Table], kind: FileKind) -> None:
    """Write each of ``tables`` as one file of ``folder``. Dictionaries become text: the writer decides on them."""
    folder.mkdir()
    write = WRITERS[kind.writer]
    for number, table in enumerate(tables):
        write(_plain(table), folder / f"part-{number:03}.parquet", kind.codec)


def facts(pattern: str) -> TableFacts:
    """Read the footers of a table's files, which a glob in the last part names."""
    paths = sorted(Path(pattern).parent.glob(Path(pattern).name))
    footers = [pq.read_metadata(path) for path in paths]
    return TableFacts(
        writer=footers[0].created_by,
        codec=footers[0].row_group(0).column(0).compression.lower(),
        files=len(paths),
        row_groups=sum(footer.num_row_groups for footer in footers),
        rows=sum(footer.num_rows for footer in footers),
        bytes=sum(path.stat().st_size for path in paths),
    )


def sliced(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """The same rows as tables of ``rows`` rows."""
    held: list[pa.RecordBatch] = []
    count = 0
    for given in batches:
        batch = given
        while count + batch.num_rows >= rows:
            missing = rows - count
            yield pa.Table.from_batches([*held, batch.slice(0, missing)])
            held, count, batch = [], 0, batch.slice(missing)
        if batch.num_rows:
            held.append(batch)
            count += batch.num_rows
    if held:
        yield pa.Table.from_batches(held)


def _plain(table: pa.Table) -> pa.Table:
    types = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in table.schema]
    return table.cast(pa.schema(list(zip(table.column_names, types, strict=True))))


def _with_duckdb(table: pa.Table, path: Path, codec: str) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.register("rows_to_write", table)
        connection.execute(
            f"COPY rows_to_write TO '{path}' (FORMAT parquet, COMPRESSION {codec}, ROW_GROUP_SIZE {ROW_GROUP_ROWS})"
        )


def _with_polars(table: pa.Table, path: Path, codec: str) -> None:
    import polars as pl

    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    frame.write_parquet(path, compression=codec, row_group_size=ROW_GROUP_ROWS)  # type: ignore[arg-type]


WRITERS: dict[str, Callable[[pa.Table, Path, str], None]] = {"duckdb": _with_duckdb, "polars": _with_polars}
