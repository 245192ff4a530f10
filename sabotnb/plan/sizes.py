"""Estimate upper bounds of the rows and bytes that leave each operator, from the sizes of sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from sabotnb.graph import (
    Aggregate,
    IntervalJoin,
    JobGraph,
    Join,
    LookupJoin,
    MapAsync,
    MapBatches,
    MapRows,
    Source,
    Spec,
    Top,
    Union,
    WindowJoin,
)

TEXT_BYTES = 20
"""Assumed size of a string: 16 bytes and its offset."""

NESTED_BYTES = 64
"""Assumed size of a list, struct or map."""


class Estimate(Protocol):
    """The size of a source as far as the caller knows it; None where it does not."""

    @property
    def rows(self) -> int | None: ...
    @property
    def nbytes(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Size:
    """Upper bounds; None where there is none."""

    rows: int | None = None
    nbytes: int | None = None


def sizes(
    graph: JobGraph, estimates: Mapping[str, Estimate], schemas: Mapping[str, pa.Schema] | None = None
) -> dict[str, Size]:
    """Return bounds for the output of each operator; ``estimates`` are of sources, by operator id."""
    known = graph.schemas() if schemas is None else schemas
    bounds: dict[str, Size] = {}
    for name in graph.topological_sort():
        spec = graph.operators[name].spec
        if isinstance(spec, Source):
            estimate = estimates.get(name)
            size = Size(estimate.rows, estimate.nbytes) if estimate else Size()
        else:
            size = _behind(spec, [bounds[edge.up] for edge in graph.inputs(name)])
        bounds[name] = _narrowed(size, known[name])
    return bounds


def _behind(spec: Spec, inputs: Sequence[Size]) -> Size:
    match spec:
        case MapBatches() | MapRows() | MapAsync() | WindowJoin() | LookupJoin():  # these may multiply rows
            return Size()
        case Join(how=how) | IntervalJoin(how=how):
            return inputs[0] if how in ("semi", "anti") else Size()
        case Union():
            return Size(_sum([size.rows for size in inputs]), _sum([size.nbytes for size in inputs]))
        case Aggregate(keys=()):
            return Size(1)
        case Top(keys=(), n=n, ties=False):
            return Size(n)
        case _:
            return inputs[0]


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _narrowed(size: Size, schema: pa.Schema) -> Size:
    """Compute bytes from rows where these are known: columns may have been dropped since the bytes were counted."""
    return size if size.rows is None else Size(size.rows, size.rows * row_width(schema))


def row_width(schema: pa.Schema) -> int:
    """Return about how many bytes a row of ``schema`` needs in memory."""
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
