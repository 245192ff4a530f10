"""Build Arrow scalars of plain values from bytes.

``pa.scalar`` imports pandas when it is first called with a Python value, which takes longer than most previews.
"""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa
from pyarrow import types as t

_FORMATS = {
    pa.int8(): "b",
    pa.int16(): "h",
    pa.int32(): "i",
    pa.int64(): "q",
    pa.uint8(): "B",
    pa.uint16(): "H",
    pa.uint32(): "I",
    pa.uint64(): "Q",
    pa.float32(): "f",
    pa.float64(): "d",
    pa.bool_(): "?",
    pa.date32(): "i",
}


def scalar(value: Any, data_type: pa.DataType) -> pa.Scalar:
    """Return ``value`` as a scalar of ``data_type``; dates, times and durations are passed as the stored integer."""
    if value is None:
        return pa.nulls(1, data_type)[0]
    if t.is_string(data_type):
        text = value.encode()
        return _from_buffers(data_type, struct.pack("ii", 0, len(text)), text)
    code = _FORMATS.get(data_type) or ("q" if t.is_timestamp(data_type) or t.is_duration(data_type) else None)
    if code is not None:
        return _from_buffers(data_type, struct.pack(code, value))
    return pa.scalar(value, data_type)


def _from_buffers(data_type: pa.DataType, *data: bytes) -> pa.Scalar:
    return pa.Array.from_buffers(data_type, 1, [None, *(pa.py_buffer(part) for part in data)])[0]


TRUE, FALSE = scalar(value=True, data_type=pa.bool_()), scalar(value=False, data_type=pa.bool_())
