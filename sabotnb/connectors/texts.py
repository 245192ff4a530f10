"""Numbers as text that is read as numbers of the same kind; columns of text joined to lines."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def float_texts(column: pa.Array) -> pa.LargeStringArray:
    """``1.0``, ``0.5``, ``1e+20``, ``nan``: Arrow writes whole floats as integers, which readers take for such."""
    texts = column.cast(pa.large_string())
    if pc.all(pc.match_substring(texts, ".")).as_py():
        return texts
    whole = pc.match_substring_regex(texts, r"^-?\d+$")
    return pc.if_else(whole, joined(texts, ".0"), texts)


def joined(*parts: pa.LargeStringArray | str) -> pa.LargeStringArray:
    """Texts one behind the other, row by row; null where one of them is. A ``str`` is the same in every row."""
    return pc.binary_join_element_wise(*map(_text, parts), _text(""))


def concatenated(lines: pa.LargeStringArray) -> bytes:
    """All texts of an array that was just made, one behind the other, as they lie in memory."""
    text: bytes = lines.buffers()[2].to_pybytes()
    return text


def _text(part: Any) -> Any:
    return pa.scalar(part, pa.large_string()) if isinstance(part, str) else part
