"""Write Nexmark events as Parquet files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from sabotnb.cache import cache_root, write_once
from sabotnb.errors import SinkError
from sabotnb.nexmark.generator import AUCTIONS, BIDS, PERSONS, generate

ROW_GROUP_ROWS = 524_288
FORMAT = 1
_MARKER = "nexmark.json"


class Files(NamedTuple):
    """Paths of the three Parquet files."""

    bids: str
    auctions: str
    persons: str


def cached_parquet(events: int, seed: int = 0) -> Files:
    """Return the files of the first ``events`` events in the user's cache; the first call writes them."""
    return write_parquet(cache_root() / "nexmark" / f"v{FORMAT}-{events}-{seed}", events, seed)


def write_parquet(folder: str | Path, events: int, seed: int = 0, compression: str = "none") -> Files:
    """Write the first ``events`` events into ``folder``, unless it already holds exactly these.

    Text columns are dictionary-encoded, row groups have 524,288 rows, and one row group is in memory at a time. Files
    are not compressed by default: random integers do not shrink, so a codec would only cost time. 46 million bids take
    about ten seconds and 1.7 GB. The folder appears complete or not at all; SinkError if it has other content.
    """
    folder = Path(folder)
    wanted: dict[str, Any] = {"format": FORMAT, "events": events, "seed": seed, "compression": compression}
    write_once(folder, lambda temporary: _write(temporary, wanted))
    try:
        written = json.loads((folder / _MARKER).read_bytes())
    except (OSError, ValueError):
        written = None
    if written != wanted:
        raise SinkError(
            f"'{folder}' has other content ({written}) than these events; pass a folder that does not exist"
        )
    return Files(*(str(folder / f"{name}.parquet") for name in Files._fields))


def _write(folder: Path, wanted: dict[str, Any]) -> None:
    events = generate(wanted["events"], wanted["seed"])
    for name, schema, batches in zip(Files._fields, (BIDS, AUCTIONS, PERSONS), events, strict=True):
        with _writer(folder / f"{name}.parquet", schema, wanted["compression"]) as writer:
            for table in _row_groups(batches):
                writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
    (folder / _MARKER).write_text(json.dumps(wanted))


def _writer(path: Path, schema: pa.Schema, compression: str) -> pq.ParquetWriter:
    texts = [field.name for field in schema if not pa.types.is_primitive(field.type)]
    # Without the Arrow schema in its footer a file has plain strings, and readers choose whether to read dictionaries.
    return pq.ParquetWriter(
        path, schema, compression=compression, use_dictionary=texts, store_schema=False, write_page_checksum=True
    )


def _row_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    while batch_list := list(islice(batches, ROW_GROUP_ROWS // 65_536)):
        yield pa.Table.from_batches(batch_list)
