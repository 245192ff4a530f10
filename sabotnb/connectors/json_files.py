"""JSONL, one object a line: splits are sections of whole lines; types come from the first block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from sabotnb.connectors.json_faults import check_utf8, fault, parse
from sabotnb.connectors.options import section_splits, size_of, source_options
from sabotnb.connectors.pacing import pace_options
from sabotnb.connectors.paths import Paths, find, reading, refuse_compressed
from sabotnb.connectors.reading import Estimate, RawBatches
from sabotnb.connectors.schemas import Wanted, from_text, plain, settle, settled, types_of
from sabotnb.connectors.sections import cut_lines
from sabotnb.errors import SourceError
from sabotnb.graph.specs import Source as Spec
from sabotnb.protocol.source import Split

SUFFIXES = (".jsonl", ".ndjson", ".json")
FIRST_BLOCK = 1 << 20
SECTION_BYTES = 8 << 20
"""A section is parsed in one piece, so that no object straddles two blocks."""


def describe(
    paths: Paths,
    *,
    schema: Wanted = None,
    rate: float | None = None,
    speed: str | None = None,
    follow: bool = False,
    first_block: int = FIRST_BLOCK,
) -> Spec:
    """The source of the JSONL files at ``paths``.

    Types are those of the first ``first_block`` bytes of the first file; text that looks like a time is a timestamp in
    microseconds. ``schema`` as a mapping replaces types of single columns, as a schema says all columns. A field that
    an object lacks is null; one that the first block did not have is an error.

    Raises:
        SourceError: no files, an empty one, or one that is not JSONL.
    """
    files = find(paths, SUFFIXES)
    for file in files:
        refuse_compressed(file)
    found = _infer(files[0], first_block)
    types = dict(zip(found.names, found.types, strict=True)) | types_of(schema)
    everything = pa.schema(types.items())
    options = source_options(files, everything, pace_options(rate, speed), paths if follow else None)
    return Spec("json", settle(everything, schema, files[0]), options, bounded=not follow, replayable=not follow)


def _infer(file: str, first_block: int) -> pa.Schema:
    with reading(file), Path(file).open("rb") as opened:
        block = opened.read(first_block)
        if len(block) == first_block:
            block += opened.readline()
    if block.lstrip()[:1] == b"[":
        raise SourceError(
            f"'{file}' is one JSON array: write an object a line (JSONL), or use Stream.from_rows(json.load(file))"
        )
    if not block.strip():
        raise SourceError(f"'{file}' has nothing but blank lines: leave it out, or give a file with rows first")
    check_utf8(file, 0, block)
    try:
        found = parse(block, None).schema
    except pa.ArrowInvalid as error:
        raise fault(error, file, 0, block, None) from error
    return pa.schema([field.with_type(settled(field.type)) for field in found])


class JsonFiles:
    """Connector of JSONL files."""

    def __init__(self, spec: Spec, section_bytes: int = SECTION_BYTES) -> None:
        self._section_bytes = section_bytes
        self._files: Sequence[str] = spec.options["files"]
        self._types = pa.schema([f.with_type(plain(f.type)) for f in from_text(spec.options["schema"])])

    def estimate(self) -> Estimate:
        return size_of(self._files)

    def splits(self) -> list[Split]:
        return [split for file in self._files for split in self.splits_of(file)]

    def splits_of(self, file: str) -> list[Split]:
        """The sections of one file."""
        with reading(file):
            return section_splits(file, cut_lines(file, section_bytes=self._section_bytes))

    def batches(self, split: Split, batch_rows: int) -> RawBatches:
        file, start = split.position["file"], split.position["start"]
        with reading(file):
            with Path(file).open("rb") as opened:
                opened.seek(start)
                block = opened.read(split.position["stop"] - start)
            if not block.strip():
                return
            check_utf8(file, start, block)
            try:
                table = parse(block, self._types)
            except pa.ArrowInvalid as error:
                raise fault(error, file, start, block, self._types) from error
            yield from table.to_batches(max_chunksize=batch_rows)
