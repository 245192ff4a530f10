"""How many rows and bytes leave each operator at most, as far as sources know their size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from sabotnb.graph import Aggregate, JobGraph, Join, MapBatches, MapRows, Source, Spec, Top, Union

TEXT_BYTES = 20
"""What a string is taken to need: 16 bytes and its offset."""

NESTED_BYTES = 64


class Estimate(Protocol):
    """What the caller knows of a source; None where it does not."""

    @property
    def rows(self) -> int | None: ...
    @property
    def nbytes(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Size:
    """Upper bounds; None: anything."""

    rows: int | None = None
    nbytes: int | None = None


def sizes(
    graph: JobGraph, estimates: Mapping[str, Estimate], schemas: Mapping[str, pa.Schema] | None = None
) -> dict[str, Size]:
    """A bound for the output of each operator; ``estimates`` are of sources, by operator id."""
    known = graph.schemas() if schemas is None else schemas
    found: dict[str, Size] = {}
    for name in graph.topological_sort():
        spec = graph.operators[name].spec
        if isinstance(spec, Source):
            estimate = estimates.get(name)
            size = Size(estimate.rows, estimate.nbytes) if estimate else Size()
        else:
            size = _behind(spec, [found[edge.up] for edge in graph.inputs(name)])
        found[name] = _narrowed(size, known[name])
    return found


def _behind(spec: Spec, inputs: Sequence[Size]) -> Size:
    match spec:
        case MapBatches() | MapRows():
            return Size()
        case Join(how=how):
            return inputs[0] if how in ("semi", "anti") else Size()
        case Union():
            return Size(_sum([size.rows for size in inputs]), _sum([size.nbytes for size in inputs]))
        case Aggregate(keys=()):
            return Size(1)
        case Top(keys=(), n=n, ties=False):
            return Size(n)
        case _:
            return inputs[0]


def _sum(parts: Sequence[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _narrowed(size: Size, schema: pa.Schema) -> Size:
    """Rows times width where rows are known: columns may have been dropped since the bytes were counted."""
    return size if size.rows is None else Size(size.rows, size.rows * row_width(schema))


def row_width(schema: pa.Schema) -> int:
    """About how many bytes a row of ``schema`` needs in memory."""
    return sum(_value_width(field.type) for field in schema)


def _value_width(data_type: pa.DataType) -> int:
    if pa.types.is_nested(data_type):
        return NESTED_BYTES
    if pa.types.is_dictionary(data_type):
        data_type = data_type.index_type
    try:
        return max(1, int(data_type.bit_width) // 8)
    except ValueError:
        return TEXT_BYTES
