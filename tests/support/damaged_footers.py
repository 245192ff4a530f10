"""Read a Parquet file with damaged footers. A program of its own, because a crash ends the process."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import Random

from sabotnb import connectors
from sabotnb.errors import SourceError
from sabotnb.expr import col
from sabotnb.graph.specs import EventTime, Source
from sabotnb.protocol.source import Finished


def damaged(data: bytes, random: Random) -> bytes:
    """Return ``data`` with some bits of its footer flipped."""
    length = int.from_bytes(data[-8:-4], "little")
    copy = bytearray(data)
    for _ in range(random.choice([1, 1, 1, 2, 4])):
        copy[random.randrange(len(data) - 8 - length, len(data) - 4)] ^= 1 << random.randrange(8)
    return bytes(copy)


def read(spec: Source) -> int:
    """Return the number of rows of a source."""
    source, rows = connectors.source(spec), 0
    for split in source.splits():
        reader = source.open(split)
        while not isinstance(polled := reader.poll(65_536), Finished):
            rows += 0 if polled is None else polled[0].num_rows
    return rows


def use(path: Path) -> None:
    """Read the file in every way that uses its footer."""
    spec = connectors.parquet(path)
    connectors.estimate(spec)
    read(spec)
    for field, limit in (("i", 3), ("s", "b"), ("t", datetime(1970, 1, 2))):
        if field in spec.schema.names and spec.schema.field(field).type == TYPES[field]:
            read(replace(spec, predicate=(col(field) >= limit) | col(field).is_null()))
    if "t" in spec.schema.names:
        read(replace(spec, event_time=EventTime("t")))


TYPES: dict[str, object] = {}


def main(path: Path, seeds: int) -> None:
    """Print every outcome of a damaged footer except rows and a SourceError that names the file."""
    whole, copy = path.read_bytes(), path.with_suffix(".damaged.parquet")
    schema = connectors.parquet(path).schema
    TYPES.update(zip(schema.names, schema.types, strict=True))
    for seed in range(seeds):
        copy.write_bytes(damaged(whole, Random(seed)))
        try:
            use(copy)
        except SourceError as error:
            if str(copy) not in str(error):
                sys.stdout.write(f"{seed} {error}\n")
        except Exception as error:  # noqa: BLE001  any other exception is a finding
            sys.stdout.write(f"{seed} {error!r}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
