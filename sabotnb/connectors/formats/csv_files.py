"""The CSV source: infers types from the first block of a file, and reads sections of whole records in parallel.

Theory of operation
-------------------
*Describing* (client). ``CsvFormat.columns`` reads every header and infers types once. All tasks get these types in the
spec, so a value never has a type that depends on the section that it is in.

*Inference.* Arrow infers types for a block of whole records at the beginning of the first file. A column without a
value there gets its type from the next file that has one, and is text if none of the first files has. Three of Arrow's
answers are corrected:

- Integers beyond int64, or in a column with fractions, come as doubles, which round from 2**53 on. Such columns are
  parsed again as text, and the exact type is computed from the decimals (``number_types``).
- A column whose first records are, say, numbers becomes text if one later value is not a number. That is nearly always
  a fault in the file, so the value is refused, with its line.
- Hexadecimal text is read as integers, which wrap to negative ones. Such columns are text.

*Splits.* A section ends behind a line break that is not in quotes. Whether it is in quotes depends on everything before
it, so a file longer than a section is scanned once when splits are made (``byte_ranges.cut_records``). A file whose
quotes are not in order is one section.

*Reading* (tasks). A section is parsed with the types of the spec. A value that does not fit raises ArrowInvalid, which
does not name the line; ``csv_faults`` then reads the section again to find it. Doubles that were inferred are checked
too: when a batch has a value from 2**53 on, the section's text is searched for an integer that its double does not
equal. That happens at most once for each column of a section, and never for columns that ``schema`` declares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from sabotnb.connectors.file_options import section_splits, size_of
from sabotnb.connectors.file_schemas import check_columns, from_text, known_from, types_of
from sabotnb.connectors.folders.paths import reading
from sabotnb.connectors.formats.byte_ranges import Bounds, cut_records
from sabotnb.connectors.formats.csv_dialect import dialect_of, options_of
from sabotnb.connectors.formats.csv_faults import fault, not_text, rounded
from sabotnb.connectors.formats.csv_fitting import first_rounded
from sabotnb.connectors.formats.csv_header import check_separator, header
from sabotnb.connectors.formats.csv_parsing import Dialect, Records, refuse_unreadable, section_batches
from sabotnb.connectors.formats.csv_types import infer
from sabotnb.connectors.formats.file_format import FileColumns, FileListing
from sabotnb.connectors.formats.number_types import may_be_rounded
from sabotnb.connectors.sources.raw_batches import RawBatches, SourceEstimate
from sabotnb.connectors.sources.row_shape import Shape
from sabotnb.errors import SourceError
from sabotnb.graph import Source as Spec
from sabotnb.protocol import Split

FIRST_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """CSV files; without a header their columns are ``column_1``, ``column_2`` ...

    Types are inferred from the first ``first_block`` bytes of the first file, or of a later file for a column without
    a value there. Timestamps are read in microseconds, and a column without any value is text. Integers beyond int64
    become uint64 or decimal128; so do columns of fractions and of integers that a double would round. A column that
    would be text only because of later values is refused, as are values behind the first block that do not fit. An
    unquoted field that is in ``null_values`` is null; a quoted one never is. ``separator`` is a comma by default; a
    file that seems to use another is refused.
    """

    separator: str | None = None
    null_values: Sequence[str] = ("",)
    has_header: bool = True
    encoding: str = "utf-8"
    first_block: int = FIRST_BLOCK

    suffixes: ClassVar[tuple[str, ...]] = (".csv",)
    has_types: ClassVar[bool] = False
    may_be_empty: ClassVar[bool] = False
    may_grow: ClassVar[bool] = True
    knows_times: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.dialect()  # refuses arguments that are not valid

    def dialect(self) -> Dialect:
        """How records are written; SourceError for an argument that is not valid."""
        return dialect_of(self.separator, self.null_values, has_header=self.has_header, encoding=self.encoding)

    @property
    def options(self) -> Mapping[str, Any]:
        return options_of(self.dialect())

    def columns(self, listing: FileListing) -> FileColumns:
        dialect, types = self.dialect(), types_of(listing.wanted)
        if self.separator is None:
            check_separator(listing.files[0], dialect)
        names = _common_header(listing.files, dialect)
        refuse_unreadable({name: data_type for name, data_type in types.items() if name in names})
        schema = known_from(
            listing.files, lambda file: infer(file, dialect, types, self.first_block, is_all=listing.is_all)
        )
        selects = isinstance(listing.wanted, pa.Schema)  # columns that it leaves out may be binary
        if not selects and any(pa.types.is_binary(field.type) and field.name not in types for field in schema):
            raise not_text(listing.files[0], dialect)  # Arrow infers binary for text that is not UTF-8
        return FileColumns(schema, {"declared": list(types)})

    @staticmethod
    def connector(spec: Spec) -> CsvFiles:
        return CsvFiles(spec)


def _common_header(files: Sequence[str], dialect: Dialect) -> list[str]:
    """The columns of the first file; SourceError if another file has different ones."""
    first, _ = header(files[0], dialect)
    for file in files[1:]:
        names, _ = header(file, dialect)
        if len(names) != len(first) and not dialect.has_header:
            raise SourceError(
                f"'{file}' has {len(names)} columns, and '{files[0]}' has {len(first)}: "
                "read them as several streams and make them alike (select, rename) before sb.union"
            )
        if set(names) != set(first):
            lacks, has = sorted(set(first) - set(names)), sorted(set(names) - set(first))
            raise SourceError(
                f"'{file}' has a different header from '{files[0]}' (lacks {lacks}, has {has} instead): "
                "read them as several streams and make them alike (select, rename) before sb.union"
            )
    return first


class CsvFiles:
    """Connector of CSV files."""

    def __init__(self, spec: Spec, cut: Callable[..., Bounds] = cut_records) -> None:
        self._cut = cut
        self._files: Sequence[str] = spec.options["files"]
        self._types = from_text(spec.options["schema"])
        self._dialect = Dialect(**{name: spec.options[name] for name in options_of(Dialect()) if name in spec.options})
        self._declared: Sequence[str] = spec.options.get("declared", ())
        self._is_all = len(self._files) == 1 and "follow" not in spec.options
        self._columns = Shape.of(spec).columns

    def estimate(self) -> SourceEstimate:
        return size_of(self._files)

    def splits(self) -> list[Split]:
        return [split for file in self._files for split in self.splits_of(file)]

    def splits_of(self, file: str) -> list[Split]:
        """The sections of one file."""
        _, start = header(file, self._dialect)
        with reading(file):
            return section_splits(file, self._cut(file, start, separator=self._dialect.separator))

    def batches(self, split: Split, batch_rows: int, done: int = 0) -> RawBatches:
        file, bounds = split.position["file"], (split.position["start"], split.position["stop"])
        names, _ = header(file, self._dialect)
        check_columns(file, self._columns, names)
        types = types_of(self._types)
        records = Records(file, bounds, names, self._dialect, types, self._declared, self._is_all)
        doubles = self._inferred_doubles()
        with reading(file):
            try:
                for batch in section_batches(records, self._columns):
                    for name in [name for name in doubles if may_be_rounded(batch.column(name))]:
                        _refuse_rounded(records, name)  # searches the whole section, so once for each column
                        doubles.remove(name)
                    yield batch
            except pa.ArrowInvalid as error:
                raise fault(error, records) from error

    def _inferred_doubles(self) -> set[str]:
        """Columns that are doubles by inference, not because ``schema`` declares them."""
        wanted = [self._types.field(name) for name in self._columns if name not in self._declared]
        return {field.name for field in wanted if pa.types.is_floating(field.type)}


def _refuse_rounded(records: Records, name: str) -> None:
    value = first_rounded(records, name)
    if value is not None:
        raise rounded(records, name, value)
