"""CSV: splits are sections of whole records; types come from the first block and hold for every row behind it."""

from __future__ import annotations

import csv as text_csv
import io
from collections.abc import Callable, Container, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from sabotnb.connectors.csv_faults import fault, lines_before, not_utf8
from sabotnb.connectors.hive import folders_of
from sabotnb.connectors.options import section_splits, size_of, source_options
from sabotnb.connectors.pacing import pace_options
from sabotnb.connectors.paths import Paths, base_of, find, reading, refuse_compressed
from sabotnb.connectors.reading import Estimate, RawBatches, Shape
from sabotnb.connectors.schemas import Wanted, check_columns, from_text, is_text, known_from, settle, types_of
from sabotnb.connectors.sections import Bounds, Section, cut_records, line_breaks, record_end
from sabotnb.errors import SourceError
from sabotnb.graph.specs import Source as Spec
from sabotnb.protocol.source import Split

SUFFIXES = (".csv",)
FIRST_BLOCK = 1 << 20
FIRST_RECORDS = 100
READ_BLOCK = 4 << 20
_BOM = b"\xef\xbb\xbf"


def describe(
    paths: Paths,
    *,
    schema: Wanted = None,
    rate: float | None = None,
    speed: str | None = None,
    follow: bool = False,
    null_values: Sequence[str] = ("",),
    first_block: int = FIRST_BLOCK,
) -> Spec:
    """The source of the CSV files at ``paths`` (UTF-8, commas, a header line).

    Types are those of the first ``first_block`` bytes of the first file, or of the next where it has no value;
    timestamps are read in microseconds, a column without any value is text. A column that is text only because of
    values behind its first rows is refused, as are values behind the first block that do not fit. ``schema`` as a
    mapping replaces types of single columns, as a schema says all columns. An unquoted field of ``null_values`` is
    null; quoted ones never are.

    Raises:
        SourceError: no files, an empty one, headers that differ, text that is not UTF-8, or a column of two types.
    """
    files = find(paths, SUFFIXES)
    for file in files:
        refuse_compressed(file)
    first, _ = header(files[0])
    for file in files[1:]:
        names, _ = header(file)
        if set(names) != set(first):
            lacks, has = sorted(set(first) - set(names)), sorted(set(names) - set(first))
            raise SourceError(
                f"'{file}' has another header than '{files[0]}' (lacks {lacks}, has {has} instead): "
                "read them as several streams and make them alike (select, rename) before sb.union"
            )
    types = () if schema is None else types_of(schema)
    found = known_from(files, lambda file: _infer(file, null_values, types, first_block))
    folders = folders_of(files, base_of(paths), found.names, types_of(schema))
    found = pa.schema([*found, *folders.added])
    given = settle(found, schema, files[0])
    if any(pa.types.is_binary(field.type) and field.name not in types_of(schema) for field in given):
        raise not_utf8(files[0])  # that parser gives bytes where text is not UTF-8
    types = pa.schema((dict(zip(found.names, found.types, strict=True)) | types_of(given)).items())
    options = source_options(files, types, pace_options(rate, speed), paths if follow else None)
    options |= {"null_values": list(null_values), "declared": list(types_of(schema))} | folders.options
    return Spec("csv", given, options, bounded=not follow, replayable=not follow)


def header(file: str) -> tuple[list[str], int]:
    """The column names of ``file`` and the offset of its first record."""
    with reading(file), Path(file).open("rb") as opened:
        head = opened.read(FIRST_BLOCK)
    start = len(_BOM) if head.startswith(_BOM) else 0
    while head[start : start + 1] in (b"\r", b"\n"):
        start += 1
    end = record_end(head, start) or len(head)
    try:
        names = next(text_csv.reader(io.StringIO(head[start:end].decode(), newline="")), [])
    except UnicodeDecodeError as error:
        raise SourceError(f"the header of '{file}' is not UTF-8 text: save the file as UTF-8") from error
    if not names:
        raise SourceError(f"'{file}' has no header line: write the column names into its first line")
    return names, end


def _infer(file: str, null_values: Sequence[str], decided: Container[str], first_block: int) -> pa.Schema:
    """The types of the first block, except for columns whose type is ``decided``."""
    names, start = header(file)
    with reading(file), Path(file).open("rb") as opened:
        opened.seek(start)
        block = opened.read(first_block)
        while (more := opened.read(first_block)) and record_end(block) is None:
            block += more
    whole = block if not more else block[: _records_end(block)]
    if not whole.strip():
        return pa.schema([(name, pa.null()) for name in names])
    try:
        found = _block_schema(whole, names, null_values)
        few = _block_schema(whole[: _records_end(whole, FIRST_RECORDS) or len(whole)], names, null_values)
        spoilt = {
            name: began
            for name, began, became in zip(names, few.types, found.types, strict=True)
            if is_text(became) and not is_text(began) and not pa.types.is_null(began) and name not in decided
        }
        if spoilt:  # raises at the first value that does not fit
            _block_schema(whole, names, null_values, pa.schema(spoilt.items()))
    except pa.ArrowInvalid as error:
        raise fault(error, file, (start, start + len(whole)), names) from error
    if not more:
        _refuse_open_quote(file, start, whole, names)
    return found


def _refuse_open_quote(file: str, start: int, rest: bytes, names: Sequence[str]) -> None:
    """Refuse a file whose last record, because of a quote, is all that comes behind it."""
    last = rest[_records_end(rest) :]
    spread = line_breaks(last.rstrip()) and not last.rstrip().endswith(b'"')
    if spread and line_breaks(_last_field(rest, names)):
        line = lines_before(file, start + len(rest) - len(last)) + 1
        raise SourceError(f"'{file}', line {line}: a quote that begins here is never closed: correct the file")


def _last_field(block: bytes, names: Sequence[str]) -> bytes:
    texts = pa.schema([(name, pa.binary()) for name in names])
    table = _parse(pa.BufferReader(block), names, (), block_size=len(block) + 1, types=texts).read_all()
    value: bytes = table.column(len(names) - 1)[-1].as_py()
    return value


def _block_schema(
    block: bytes, names: Sequence[str], null_values: Sequence[str], types: pa.Schema | None = None
) -> pa.Schema:
    """The schema of whole records, read at once."""
    return _parse(pa.BufferReader(block), names, null_values, block_size=len(block) + 1, types=types).schema


def _parse(
    source: object,
    names: Sequence[str],
    null_values: Sequence[str],
    *,
    block_size: int = READ_BLOCK,
    types: pa.Schema | None = None,
    columns: Sequence[str] = (),
) -> csv.CSVStreamingReader:
    return csv.open_csv(
        source,
        csv.ReadOptions(column_names=list(names), use_threads=False, block_size=block_size),
        # An empty line is a null where there is but one column.
        csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=len(names) > 1),
        csv.ConvertOptions(
            column_types=types,
            include_columns=list(columns),
            null_values=list(null_values),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _records_end(block: bytes, most: int | None = None) -> int:
    """Where the last whole record of ``block`` ends, or the ``most``-th."""
    at = count = 0
    while count != most and (end := record_end(block, at)) is not None:
        at, count = end, count + 1
    return at


class CsvFiles:
    """Connector of CSV files."""

    def __init__(self, spec: Spec, cut: Callable[[str, int], Bounds] = cut_records) -> None:
        self._cut = cut
        self._files: Sequence[str] = spec.options["files"]
        self._types = from_text(spec.options["schema"])
        self._null_values: Sequence[str] = spec.options.get("null_values", ("",))
        self._declared: Sequence[str] = spec.options.get("declared", ())
        self._columns = Shape.of(spec).columns

    def estimate(self) -> Estimate:
        return size_of(self._files)

    def splits(self) -> list[Split]:
        return [split for file in self._files for split in self.splits_of(file)]

    def splits_of(self, file: str) -> list[Split]:
        """The sections of one file."""
        _, start = header(file)
        with reading(file):
            return section_splits(file, self._cut(file, start))

    def batches(self, split: Split, batch_rows: int) -> RawBatches:
        file, bounds = split.position["file"], (split.position["start"], split.position["stop"])
        names, _ = header(file)
        check_columns(file, self._columns, names)
        with reading(file), Section(file, *bounds) as section:
            try:
                yield from _parse(section, names, self._null_values, types=self._types, columns=self._columns)
            except pa.ArrowInvalid as error:
                raise fault(error, file, bounds, names, self._declared) from error
