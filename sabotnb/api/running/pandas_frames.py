"""Tables as pandas frames in which no integer becomes another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:  # describing and previewing a stream loads no pandas
    import pandas as pd

LEAST_ROUNDED = 2**53


def pandas_frame(table: pa.Table) -> pd.DataFrame:
    """The frame that Arrow makes; columns of integers with nulls, which are floats in it, are nullable if that rounds.

    Memory is not shared: the frame is the caller's.
    """
    frame: pd.DataFrame = table.to_pandas()
    for at, column in enumerate(table.columns):
        if column.null_count and _would_round(column):
            frame.isetitem(at, column.to_pandas(types_mapper=_nullable))
    return frame


def _would_round(column: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc

    if column.type not in (pa.int64(), pa.uint64()):
        return False
    bounds = pc.min_max(column)
    return any(bounds[end].is_valid and abs(bounds[end].as_py()) > LEAST_ROUNDED for end in ("min", "max"))


def _nullable(data_type: pa.DataType) -> pd.api.extensions.ExtensionDtype:
    import pandas as pd

    return pd.UInt64Dtype() if pa.types.is_uint64(data_type) else pd.Int64Dtype()
