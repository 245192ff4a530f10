"""The JSONL source (one object for each line): infers types from the first block, and reads sections of whole lines.

Types are inferred once, when the source is described, and every section is parsed with them. As in ``csv_files``,
columns that Arrow infers as doubles are checked for integers that a double would round.
"""

from __future__ import annotations

import json as text_json
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import dropwhile
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from sabotnb.connectors.file_options import section_splits, size_of
from sabotnb.connectors.file_schemas import from_text, is_text, known_from, types_of
from sabotnb.connectors.folders.hive import Values, disagrees, names_of, values_of
from sabotnb.connectors.folders.paths import is_empty, reading
from sabotnb.connectors.formats.byte_ranges import cut_lines
from sabotnb.connectors.formats.file_format import FileColumns, FileListing
from sabotnb.connectors.formats.json_faults import fault, not_json, rounded, without_times
from sabotnb.connectors.formats.json_parsing import Types, check_lines, parse, refuse_unreadable
from sabotnb.connectors.formats.json_values import Unholdable, first_rounded, may_round, objects, type_of_values
from sabotnb.connectors.sources.raw_batches import RawBatches, SourceEstimate
from sabotnb.errors import SourceError
from sabotnb.graph import Source as Spec
from sabotnb.native import plain_type
from sabotnb.protocol import Split

FIRST_BLOCK = 1 << 20
SECTION_BYTES = 8 << 20
"""A section is parsed as one block, so that no object is split between two blocks."""


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """JSONL files.

    Types are inferred from the first ``first_block`` bytes of the first file, or of a later file for a column without
    a value there. Text that looks like a date is text unless ``schema`` declares a date. Integers beyond int64 become
    uint64 or decimal128; so do columns of fractions and of integers that a double would round. A field that an object
    lacks is null; a field that the first block does not have is an error.

    Files of 0 bytes have no rows; a job without output rows writes such files. If all are empty, ``schema`` is needed.
    """

    first_block: int = FIRST_BLOCK

    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson", ".json")
    has_types: ClassVar[bool] = False
    may_be_empty: ClassVar[bool] = True
    may_grow: ClassVar[bool] = True
    knows_times: ClassVar[bool] = False

    @property
    def options(self) -> Mapping[str, Any]:
        return {}

    def columns(self, listing: FileListing) -> FileColumns:
        full = [file for file in listing.files if not is_empty(file)]
        full = [*dropwhile(_is_blank, full)] or full
        wanted, in_folders, example = (
            types_of(listing.wanted),
            names_of(listing.files, listing.base),
            _first_object(full),
        )
        only_in_folders = in_folders - example.keys()
        for name in in_folders & example.keys() & wanted.keys():
            _check_text_agrees(full[0], values_of(full[0], listing.base), name, example[name], wanted[name])
        declared = pa.schema([item for item in wanted.items() if item[0] not in only_in_folders])
        refuse_unreadable(declared)
        if not full and not declared.names:
            raise SourceError(
                f"'{listing.files[0]}' is empty (0 bytes): remove it, or say which columns it would have, "
                "schema=pa.schema({'column': pa.int64(), ...})"
            )
        types = Types(declared, frozenset(declared.names), inferred=True, is_all=listing.is_all)
        schema = known_from(full, lambda file: _infer(file, types, self.first_block)) if full else declared
        own = pa.schema([field for field in schema if field.name not in only_in_folders])
        return FileColumns(own, {"declared": declared.names})

    @staticmethod
    def connector(spec: Spec) -> JsonFiles:
        return JsonFiles(spec)


def _check_text_agrees(file: str, folders: Values, name: str, value: Any, wanted: pa.DataType) -> None:
    """Compare a number that is declared as text with its folder; Arrow's JSON parser cannot read it as text."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and is_text(plain_type(wanted)) and str(value) != folders.get(name, str(value)):
        raise disagrees(file, name, folders[name])


def _first_object(files: Sequence[str]) -> dict[str, Any]:
    """The first object; empty if the first line is not an object, which is refused later."""
    for file in files[:1]:
        with reading(file), Path(file).open("rb") as opened:
            line = next((line for line in opened if line.strip()), b"")
        with suppress(ValueError, RecursionError):
            row = text_json.loads(line.removeprefix(BOM_UTF8))
            return row if isinstance(row, dict) else {}
    return {}


def _is_blank(file: str) -> bool:
    """True if a file has nothing but blank lines; reads up to the first other line."""
    with reading(file), Path(file).open("rb") as opened:
        return not any(line.strip() for line in opened)


def _infer(file: str, types: Types, first_block: int) -> pa.Schema:
    with reading(file), Path(file).open("rb") as opened:
        block = opened.read(first_block)
        if len(block) == first_block:
            block += opened.readline()
    if block.lstrip()[:1] == b"[":
        raise SourceError(
            f"'{file}' is one JSON array: write an object a line (JSONL), or use Stream.from_rows(json.load(file))"
        )
    if not block.strip():
        raise SourceError(f"'{file}' has nothing but blank lines: leave it out, or give one with rows, too")
    check_lines(file, 0, block)
    try:
        table = parse(block, types.schema, "infer")
    except pa.ArrowInvalid as error:
        raise fault(error, file, 0, block, types) from error
    inferred = _exact(file, block, replace(types, schema=without_times(table.schema, types.declared)), table)
    order = inferred.names if not types.declared else _in_order(file, block, inferred.names)
    return pa.schema([inferred.field(name) for name in order])


def _exact(file: str, block: bytes, types: Types, table: pa.Table) -> pa.Schema:
    """The types of the rows of ``block``, corrected so that no integer is rounded."""
    schema = types.schema
    for at, field in enumerate(schema):
        if field.name not in types.declared and may_round(table.column(at)):
            try:
                exact = type_of_values([row.get(field.name) for _, row in objects(block)])
            except ValueError as error:
                raise not_json(file, error) from error
            except Unholdable:
                rounded_number = first_rounded(block, {field.name: field.type})
                if rounded_number is None:
                    continue
                raise rounded(file, 0, block, types, rounded_number) from None
            schema = schema.set(at, field.with_type(exact))
    return schema


def _in_order(file: str, block: bytes, names: Sequence[str]) -> list[str]:
    """``names`` in the order of the fields in the lines; the parser puts fields with a declared type first."""
    met: dict[str, None] = {}
    try:
        for _, row in objects(block):
            met |= dict.fromkeys(row)
            if len(met) >= len(names):
                break
    except ValueError as error:
        raise not_json(file, error) from error
    return [name for name in met if name in names] + [name for name in names if name not in met]


class JsonFiles:
    """Connector of JSONL files."""

    def __init__(self, spec: Spec, section_bytes: int = SECTION_BYTES) -> None:
        self._section_bytes = section_bytes
        self._files: Sequence[str] = spec.options["files"]
        schema = pa.schema([f.with_type(plain_type(f.type)) for f in from_text(spec.options["schema"])])
        is_all = len(self._files) == 1 and "follow" not in spec.options
        self._types = Types(schema, frozenset(spec.options.get("declared", ())), is_all=is_all)

    def estimate(self) -> SourceEstimate:
        return size_of(self._files)

    def splits(self) -> list[Split]:
        return [split for file in self._files for split in self.splits_of(file)]

    def splits_of(self, file: str) -> list[Split]:
        """The sections of one file."""
        with reading(file):
            return section_splits(file, cut_lines(file, section_bytes=self._section_bytes))

    def batches(self, split: Split, batch_rows: int, done: int = 0) -> RawBatches:
        file, start = split.position["file"], split.position["start"]
        with reading(file):
            with Path(file).open("rb") as opened:
                opened.seek(start)
                block = opened.read(split.position["stop"] - start)
            if not block.strip():
                return
            check_lines(file, start, block)
            try:
                table = parse(block, self._types.schema)
            except pa.ArrowInvalid as error:
                raise fault(error, file, start, block, self._types) from error
            self._refuse_rounded(file, start, block, table)
            yield from table.to_batches(max_chunksize=batch_rows)

    def _refuse_rounded(self, file: str, start: int, block: bytes, table: pa.Table) -> None:
        schema, declared = self._types.schema, self._types.declared
        suspects = {f.name: f.type for f in schema if f.name not in declared and may_round(table.column(f.name))}
        if not suspects:
            return
        try:
            rounded_number = first_rounded(block, suspects)
        except ValueError as error:
            raise not_json(file, error) from error
        if rounded_number is not None:
            raise rounded(file, start, block, self._types, rounded_number)
