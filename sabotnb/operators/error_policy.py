"""Handle rows whose user function raises or returns values that do not match its declaration."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sabotnb.blobs import Function
from sabotnb.errors import UserFunctionError
from sabotnb.graph import ERRORS, MapAsync, MapBatches, MapRows, side_schema
from sabotnb.protocol import Out


def returned_wrong(function: Function, problem: str, sample: str = "", operator: str = "") -> UserFunctionError:
    """The error for a function that returned values that do not match its declaration."""
    return UserFunctionError(
        f"{function.name} ({function.origin}) {problem}",
        function=function.name,
        origin=str(function.origin),
        operator=operator,
        sample=sample,
    )


def expected(spec: MapBatches | MapRows | MapAsync, data_type: pa.DataType) -> str:
    """Describe the expected type of a column, and whether it was declared or inferred."""
    if not spec.inferred:
        return f"declared is {data_type}"
    return f"for {'the first rows' if isinstance(spec, MapRows | MapAsync) else 'an empty batch'} it gave {data_type}"


class ErrorRows:
    """Makes the batches of side output ``errors``: the input's columns, and ``error`` with the exception as text."""

    def __init__(self, spec: MapBatches | MapRows | MapAsync, inputs: Sequence[pa.Schema]) -> None:
        self._schema = side_schema(spec, ERRORS, inputs)

    def of(self, rows: pa.RecordBatch, errors: Sequence[BaseException]) -> Out:
        """The side output for ``rows`` with the error of each; a single error applies to all rows."""
        texts = [_text(error) for error in errors]
        column = pa.array(texts * rows.num_rows if len(texts) == 1 else texts, pa.string())
        fields = [*rows.schema, self._schema.field(len(self._schema) - 1)]
        return ERRORS, pa.RecordBatch.from_arrays([*rows.columns, column], schema=pa.schema(fields))


def _text(error: BaseException) -> str:
    """The user's own exception if the function raised, else the problem with the returned value."""
    raised = error.__cause__ if isinstance(error, UserFunctionError) and error.user_traceback else None
    shown = error if raised is None else raised
    return f"{type(shown).__name__}: {shown}".removesuffix(": ")
