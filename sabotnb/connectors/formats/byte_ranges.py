"""Cuts text files into sections of whole records, so that tasks read one file in parallel.

A line break inside CSV quotes does not end a record. Whether a byte is inside quotes depends on the number of quotes
before it, so ``cut_records`` scans a long file from its beginning and counts them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

SECTION_BYTES = 16 << 20
SCAN_BYTES = 1 << 20
_QUOTE_OR_BREAK = re.compile(rb'["\r\n]')

Bounds: TypeAlias = list[tuple[int, int]]


class ByteRange(io.RawIOBase):
    """A file object of the bytes from ``start`` to ``stop`` of a file."""

    def __init__(self, file: str, start: int, stop: int) -> None:
        super().__init__()
        self._file = Path(file).open("rb")  # noqa: SIM115 - closed by close()
        self._file.seek(start)
        self._left = stop - start

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer``, or its beginning if fewer bytes are left."""
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def cut_lines(file: str, start: int = 0, section_bytes: int = SECTION_BYTES) -> Bounds:
    """Sections of whole lines; reads only one line for each section."""
    size = Path(file).stat().st_size
    bounds = [start]
    with Path(file).open("rb") as opened:
        while (target := bounds[-1] + section_bytes) < size:
            opened.seek(target - 1)  # one byte before: if it is a line break, the section ends exactly at the target
            opened.readline()
            bounds.append(opened.tell())
    return _pairs(bounds, size)


def cut_records(
    file: str, start: int, section_bytes: int = SECTION_BYTES, scan_bytes: int = SCAN_BYTES, separator: str = ","
) -> Bounds:
    """Sections of whole CSV records (RFC 4180), from ``start``, which must be between two records.

    A file longer than a section is scanned once (about 1 GB/s), ``scan_bytes`` at a time. A file with quotes in the
    middle of fields (``5" pipe``) becomes one section, because counting them does not tell what is inside quotes.
    """
    size = Path(file).stat().st_size
    if size - start <= section_bytes:
        return _pairs([start], size)
    bounds = [start]
    beside = np.isin(np.arange(256), np.frombuffer(separator.encode() + b'"\r\n', np.uint8))
    for offset, window, inside in _windows(file, start, scan_bytes, beside):
        if inside is None:
            return _pairs([start], size)
        if offset + len(window) >= bounds[-1] + section_bytes:
            end = record_end(window, 1, inside=inside)
            if end is not None and offset + end < size:
                bounds.append(offset + end)
    return _pairs(bounds, size)


def record_end(data: bytes, at: int = 0, *, inside: bool = False) -> int | None:
    r"""The offset behind the first line break (LF, CRLF or CR) after ``at`` that ends a record; None if there is none.

    ``inside`` is true if ``at`` is inside quotes. A CR at the end of ``data`` does not count: an LF may follow it.
    """
    while True:
        if inside:
            at = data.find(b'"', at) + 1
            if not at:
                return None
        match = _QUOTE_OR_BREAK.search(data, at)
        if match is None:
            return None
        at, inside = match.end(), True
        if match[0] == b"\n":
            return at
        if match[0] == b"\r":
            return at + data.startswith(b"\n", at) if at < len(data) else None


def line_breaks(data: bytes) -> int:
    """The number of line breaks (LF, CRLF or CR) in ``data``."""
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")


def _windows(
    file: str, start: int, scan_bytes: int, beside: npt.NDArray[np.bool_]
) -> Iterator[tuple[int, bytes, bool | None]]:
    """Overlapping windows of the file: offset, bytes, and whether byte 1 is inside quotes (None: quotes are misplaced).

    A quote is checked against the bytes on both sides of it. So windows overlap by two bytes, and each window checks
    all of its quotes except those in its first and its last byte.
    """
    with Path(file).open("rb") as opened:
        opened.seek(start)
        window = b"\n" + opened.read(scan_bytes)  # a record begins as if a line had ended
        offset, inside = start - 1, False
        while True:
            more = opened.read(scan_bytes)
            yield offset, window, inside
            judged = window if more else window + b"\n"
            quotes = _quotes(judged)
            if not _in_order(judged, quotes, beside, inside=inside):
                yield offset, window, None
            if not more:
                return
            inside ^= bool(len(quotes) & 1)
            offset += len(window) - 2
            window = window[-2:] + more


def _quotes(window: bytes) -> npt.NDArray[np.intp]:
    if b'"' not in window:
        return np.empty(0, np.intp)
    return np.flatnonzero(np.frombuffer(window, np.uint8)[1:-1] == ord('"')) + 1


def _in_order(window: bytes, quotes: npt.NDArray[np.intp], beside: npt.NDArray[np.bool_], *, inside: bool) -> bool:
    """True if quotes open at the beginning of fields only, and close at the end of them or are doubled.

    ``beside`` is true for bytes that may be in front of an opening quote and behind a closing one.
    """
    data = np.frombuffer(window, np.uint8)
    opening, closing = (quotes[1::2], quotes[::2]) if inside else (quotes[::2], quotes[1::2])
    return bool(beside[data[opening - 1]].all() and beside[data[closing + 1]].all())


def _pairs(bounds: list[int], size: int) -> Bounds:
    ends = [*bounds[1:], size]
    return [(start, stop) for start, stop in zip(bounds, ends, strict=True) if start < stop]
