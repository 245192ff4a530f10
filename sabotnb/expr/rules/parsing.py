"""Parse text as timestamps, by a format of ``strptime``.

Arrow calls the C library, which reads 31 February as 3 March and has no fractions of a second. Both are handled here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.expr.rules.overload import Refused
from sabotnb.expr.scalars import TRUE, scalar

_MEANS = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "D": "%m/%d/%y", "R": "%H:%M", "e": "%d", "h": "%b", "k": "%H", "l": "%I"}
_WORD = r"\p{L}+\.?"
_PATTERNS = {
    "%Y": r"\d{1,4}",
    "%y": r"\d{1,2}",
    "%m": r"[01]?\d",
    "%d": r"[0-3]?\d",
    "%j": r"(?:(?:[0-2]\d|3[0-6])\d|\d{1,2})",
    "%H": r"[0-2]?\d",
    "%I": r"[01]?\d",
    "%M": r"[0-5]?\d",
    "%S": r"[0-6]?\d",
    "%f": r"\d{1,6}",
    "%.f": r"(?:\.\d{1,6})?",
    "%s": r"-?\d+",
    "%a": _WORD,
    "%A": _WORD,
    "%b": _WORD,
    "%B": _WORD,
    "%p": r"\p{L}+",
    "%z": r"(?:Z|[+-]\d{2}(?::?\d{2})?)",
    "%%": "%",
}
"""What the C library reads for each directive. It skips white space before numbers."""

_PIECE = re.compile(r"%\.?.?|\s+|[^%\s]+")
_MICROSECOND = pa.timestamp("us")


def parser(written: str) -> Callable[[Any], Any]:
    """Return a function that reads text of format ``written`` as UTC in microseconds; ArrowInvalid for other text.

    ``%f`` is a fraction of a second, ``%.f`` an optional one with its point.

    Raises:
        Refused: the format has a directive that does not exist or would be ignored.
    """
    pieces = _pieces(written)

    def read(data: Any) -> Any:
        fraction = _place(pieces, "%f", "%.f")
        if fraction is None:
            return _read(data, pieces)
        data, digits = _taken_out(data, pieces, fraction)
        whole = _read(data, [*pieces[:fraction], *pieces[fraction + 1 :]])
        padded = pc.utf8_rpad(pc.utf8_ltrim(digits, characters="."), 6, padding="0")
        return pc.add_checked(whole, pc.cast(pc.cast(padded, pa.int64()), pa.duration("us")))

    return read


def _pieces(written: str) -> list[str]:
    """Split the format into directives, white space, and literal text."""
    for short, long in _MEANS.items():
        written = re.sub(rf"(?<!%)((?:%%)*)%{short}", rf"\1{long}", written)
    pieces = _PIECE.findall(written)
    for piece in pieces:
        if piece.startswith("%") and piece not in _PATTERNS:
            known = ", ".join([*_PATTERNS, *(f"%{short}" for short in _MEANS)])
            raise Refused(f".str.to_datetime does not know {piece!r} in its format {written!r}; it knows {known}")
    return pieces


def _place(pieces: Sequence[str], *directives: str) -> int | None:
    """The index of the last of ``directives``, which is the one that counts."""
    found = [place for place, piece in enumerate(pieces) if piece in directives]
    return found[-1] if found else None


def _pattern(pieces: Sequence[str]) -> str:
    return "".join(
        rf"\s*{_PATTERNS[piece]}" if piece in _PATTERNS else r"\s*" if piece.isspace() else re.escape(piece)
        for piece in pieces
    )


def _parts(data: Any, pieces: Sequence[str], place: int) -> tuple[Any, Any, Any]:
    """Split each text into the part before the directive at ``place``, the directive's own part, and the rest."""
    patterns = (_pattern(pieces[:place]), _PATTERNS[pieces[place]], _pattern(pieces[place + 1 :]))
    parts = pc.extract_regex(data, pattern=r"^(?P<before>{}\s*)(?P<piece>{})(?P<behind>{}\s*)$".format(*patterns))
    _demand(data, pc.equal(pc.is_valid(parts), pc.is_valid(data)), f"is not as {''.join(pieces)!r} says")
    before, piece, behind = (pc.struct_field(parts, name) for name in ("before", "piece", "behind"))
    return before, piece, behind


def _taken_out(data: Any, pieces: Sequence[str], place: int) -> tuple[Any, Any]:
    """``data`` without the part of the directive at ``place``, and that part."""
    before, piece, behind = _parts(data, pieces, place)
    return pc.binary_join_element_wise(before, behind, scalar("", before.type)), piece


def _read(data: Any, pieces: Sequence[str]) -> Any:
    moments = pc.strptime(data, format="".join(pieces), unit="us")
    zone = _place(pieces, "%z")
    if zone is None:
        _demand_days(data, pieces, moments)
        return moments
    local, _ = _taken_out(data, pieces, zone)
    _read(local, [*pieces[:zone], *pieces[zone + 1 :]])  # the written days are local to the zone
    return pc.cast(moments, _MICROSECOND)


def _demand_days(data: Any, pieces: Sequence[str], moments: Any) -> None:
    """Raise for a day that its month lacks, and for day 366 of a year of 365."""
    for directive, field in (("%d", pc.day), ("%j", pc.day_of_year)):
        place = _place(pieces, directive)
        if place is None:
            continue
        doubtful = pc.less_equal(pc.day(moments), 3)  # a day that overflows its month becomes day 1 to 3 of the next
        texts, found = data.filter(doubtful), field(moments.filter(doubtful))
        _, days, _ = _parts(texts, pieces, place)
        _demand(texts, pc.equal(pc.cast(days, pa.int64()), found), "is a day that does not exist")


def _demand(data: Any, holds: Any, otherwise: str) -> None:
    if pc.all(holds, min_count=0).as_py() is False:
        wrong = data.filter(pc.invert(pc.coalesce(holds, TRUE)))[0]
        raise pa.ArrowInvalid(f"{wrong.as_py()!r} {otherwise}")
