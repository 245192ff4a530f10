"""Write times as text, as clocks of their zone show them."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.native import clock_names, is_far, is_zoned, local_times, text_of_far

_OF_ZONE = re.compile(r"%[zZ%]")


def clock_text(data: Any, pattern: str) -> Any:
    """``data``, an array or scalar of timestamps or dates, as text by ``pattern``."""
    if isinstance(data, pa.Scalar):
        return clock_text(pa.repeat(data, 1), pattern)[0]
    if not is_zoned(data.type):
        return pc.strftime(data, format=pattern)
    local = local_times(data).view(pa.timestamp(data.type.unit, "UTC"))  # Arrow takes '%%Z' for a zone
    if not {"%z", "%Z"} & set(_OF_ZONE.findall(pattern)):
        return pc.strftime(local, format=pattern)
    numbers, known = clock_names(data)
    texts = pa.nulls(len(data), pa.string())
    for number in pc.unique(numbers).to_pylist():
        here = pc.equal(numbers, number)
        texts = pc.if_else(here, pc.strftime(local, format=_with_zone(pattern, *known[number])), texts)
    return texts


def zoned_text(data: pa.Array, data_type: pa.DataType) -> pa.Array:
    """Timestamps with a zone as text of ``data_type``: date, time and offset, which is ``Z`` in UTC."""
    local = local_times(data)
    texts = text_of_far(local, data_type) if is_far(local) else local.cast(data_type)
    numbers, known = clock_names(data)
    is_utc = data.type.tz == "UTC"
    ends = pa.array(["Z" if is_utc else _offset_text(seconds) for seconds, _ in known], data_type).take(numbers)
    return pc.binary_join_element_wise(texts, ends, pa.scalar("", data_type))


def _offset_text(seconds: int) -> str:
    """An offset from UTC as ``%z`` writes it: ``+0100``; seconds, which old offsets have, come last."""
    minutes, rest = divmod(abs(seconds), 60)
    sign = "-" if seconds < 0 else "+"
    return f"{sign}{minutes // 60:02}{minutes % 60:02}" + (f"{rest:02}" if rest else "")


def _with_zone(pattern: str, seconds: int, name: str) -> str:
    texts = {"%z": _offset_text(seconds), "%Z": name.replace("%", "%%"), "%%": "%%"}
    return _OF_ZONE.sub(lambda found: texts[found.group()], pattern)
