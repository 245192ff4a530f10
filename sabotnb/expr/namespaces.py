"""The namespaces ``.str``, ``.dt``, ``.struct`` and ``.list``: methods of expressions of one kind of type."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Generic, NoReturn, TypeVar

from sabotnb.errors import InvalidUse, TypeMismatch
from sabotnb.expr.durations import duration_us
from sabotnb.expr.expression_nodes import Call, Node, root_column
from sabotnb.expr.literals import duration_literal
from sabotnb.expr.method_options import checked
from sabotnb.expr.zones import demand_zone
from sabotnb.foreign import Hinted, explained_methods

E = TypeVar("E")


class Namespace(Hinted, Generic[E]):
    """Methods of one node; ``make`` wraps the node that they build."""

    __slots__ = ("_make", "_node")

    def __init__(self, node: Node, make: Callable[[Node], E]) -> None:
        self._node = node
        self._make = make

    def _hint_columns(self) -> tuple[str | None, None]:
        return root_column(self._node), None

    def _call(self, fn: str, **options: Any) -> E:
        return self._make(Call(fn, (self._node,), checked(fn, options)))


@explained_methods
class TextMethods(Namespace[E]):
    """Methods of text. Lengths and positions count characters; patterns are RE2 regular expressions unless literal."""

    def __getitem__(self, key: Any) -> NoReturn:
        raise InvalidUse(f"text has no [...] here; write .str.slice{_slice_of(key)}")

    def len(self) -> E:
        """Number of characters, int64."""
        return self._call("str.len")

    def lower(self) -> E:
        """Convert to lower case."""
        return self._call("str.lower")

    def upper(self) -> E:
        """Convert to upper case."""
        return self._call("str.upper")

    def strip(self, characters: str | None = None) -> E:
        """Remove ``characters`` (default: white space) at both ends."""
        return self._call("str.strip", characters=characters, side="both")

    def strip_start(self, characters: str | None = None) -> E:
        """Remove ``characters`` (default: white space) at the start."""
        return self._call("str.strip", characters=characters, side="start")

    def strip_end(self, characters: str | None = None) -> E:
        """Remove ``characters`` (default: white space) at the end."""
        return self._call("str.strip", characters=characters, side="end")

    def contains(self, pattern: str, *, literal: bool = False) -> E:
        """True where the text contains ``pattern``."""
        return self._call("str.contains", pattern=pattern, literal=literal)

    def starts_with(self, prefix: str) -> E:
        """True where the text begins with ``prefix``."""
        return self._call("str.starts_with", prefix=prefix)

    def ends_with(self, suffix: str) -> E:
        """True where the text ends with ``suffix``."""
        return self._call("str.ends_with", suffix=suffix)

    def replace(self, pattern: str, value: str, *, literal: bool = False) -> E:
        r"""Replace the first ``pattern``; ``$1`` or ``\1`` in ``value`` stands for the first group, ``$0`` for all.

        Write ``$$`` for a dollar sign before a digit. With ``literal``, both arguments are plain text.
        """
        return self._call("str.replace", pattern=pattern, value=value, literal=literal, every=False)

    def replace_all(self, pattern: str, value: str, *, literal: bool = False) -> E:
        """Replace every ``pattern``; see ``replace``."""
        return self._call("str.replace", pattern=pattern, value=value, literal=literal, every=True)

    def slice(self, offset: int, length: int | None = None) -> E:
        """``length`` characters (default: the rest) from ``offset``; a negative offset counts from the end."""
        made = self._call("str.slice", offset=offset, length=length)
        if length is not None and length < 0:
            raise TypeMismatch(f"slice takes a length of 0 or more, not {length}; write .str.slice(0, 2)")
        return made

    def split(self, by: str) -> E:
        """Split at ``by`` into a list of text."""
        return self._call("str.split", by=by)

    def to_datetime(self, format: str | None = None) -> E:  # noqa: A002  polars calls it so
        """Parse as timestamp[us], in UTC: ISO 8601, or ``format`` as in ``strptime``; other text raises.

        ``%f`` is a fraction of a second of up to six digits, ``%.f`` an optional one with its point, ``%z`` an offset.
        """
        return self._call("str.to_datetime", format=format)


@explained_methods
class TimeMethods(Namespace[E]):
    """Methods of dates, timestamps and durations. Naive timestamps are UTC; others use the clock of their zone."""

    def year(self) -> E:
        """The year, int64."""
        return self._call("dt.year")

    def quarter(self) -> E:
        """1 to 4."""
        return self._call("dt.quarter")

    def month(self) -> E:
        """1 to 12."""
        return self._call("dt.month")

    def week(self) -> E:
        """ISO week, 1 to 53."""
        return self._call("dt.week")

    def day(self) -> E:
        """Day of the month, 1 to 31."""
        return self._call("dt.day")

    def day_of_year(self) -> E:
        """1 to 366."""
        return self._call("dt.day_of_year")

    def weekday(self) -> E:
        """Monday is 1, Sunday is 7 (ISO)."""
        return self._call("dt.weekday")

    def hour(self) -> E:
        """0 to 23."""
        return self._call("dt.hour")

    def minute(self) -> E:
        """0 to 59."""
        return self._call("dt.minute")

    def second(self) -> E:
        """0 to 59."""
        return self._call("dt.second")

    def date(self) -> E:
        """The day, date32."""
        return self._call("dt.date")

    def truncate(self, every: str | timedelta) -> E:
        """Round down to a multiple of ``every``, by the zone's clock: a duration, or ``1mo``, ``1q``, ``1y``.

        Weeks begin on Monday; multiples of weeks count from 1970-01-05. An hour that clocks show twice stays two hours.
        """
        digits, unit = (
            (every[: -len(suffix)], suffix) if isinstance(every, str) and (suffix := _calendar(every)) else ("", "")
        )
        if unit and digits.isdecimal() and int(digits) > 0:
            return self._call("dt.truncate", every=f"{int(digits)}{unit}")
        step = duration_us(every)
        if step <= 0:
            raise TypeMismatch(f"truncate takes a positive duration, not {every!r}; write '15m' or '1d'")
        return self._call("dt.truncate", every=step)

    def epoch(self, unit: str = "us") -> E:
        """Whole ``s``, ``ms``, ``us`` or ``ns`` since 1970-01-01 UTC, int64, rounded down."""
        if unit not in ("s", "ms", "us", "ns"):
            raise TypeMismatch(f"epoch takes 's', 'ms', 'us' or 'ns', not {unit!r}")
        return self._call("dt.epoch", unit=unit)

    def offset_by(self, duration: str | timedelta) -> E:
        """Add ``duration``; a negative one (``"-15m"``) gives earlier times."""
        return self._make(Call("add", (self._node, duration_literal(duration))))

    def convert_time_zone(self, zone: str) -> E:
        """The same instants in another ``zone`` (``"Europe/Berlin"``)."""
        if isinstance(zone, str):
            demand_zone(zone)
        return self._call("dt.convert_time_zone", zone=zone)

    def strftime(self, format: str) -> E:  # noqa: A002  polars calls it so
        """Format as text, as ``strftime`` does; ``%S.%f`` (or ``%S%.f``) has microseconds, ``%S`` has none."""
        return self._call("dt.strftime", format=format)

    def total_seconds(self) -> E:
        """The seconds of a duration, as double."""
        return self._call("dt.total_seconds")


@explained_methods
class StructMethods(Namespace[E]):
    """Methods of structs."""

    def field(self, name: str) -> E:
        """The field ``name``; null where the struct is null."""
        return self._call("struct.field", name=name)

    def __getitem__(self, name: str) -> E:
        return self.field(name)

    def __iter__(self) -> NoReturn:
        raise InvalidUse("the fields of a struct cannot be iterated over here; write .struct.field('name')")


@explained_methods
class ListMethods(Namespace[E]):
    """Methods of lists."""

    def len(self) -> E:
        """Number of items, int64."""
        return self._call("list.len")

    def get(self, index: int) -> E:
        """The item at ``index`` (negative: from the end); null where the list is shorter."""
        return self._call("list.get", index=index)

    def __getitem__(self, index: int) -> E:
        return self.get(index)

    def __iter__(self) -> NoReturn:
        raise InvalidUse("the items of a list cannot be iterated over here; write .list.get(0), .list.len()")


def _slice_of(key: Any) -> str:
    """The arguments of a call of ``slice`` that means ``[key]``, as text for the hint."""
    match key:
        case slice(start=None | int(), stop=int(stop), step=None):
            start = key.start or 0
            return f"({start}, {stop - start})" if 0 <= start <= stop else f"({start})"
        case slice(start=int(start), stop=None, step=None):
            return f"({start})"
        case int():
            return f"({key}, 1)"
        case _:
            return "(0, 2)"


def _calendar(every: str) -> str:
    return next((suffix for suffix in ("mo", "q", "y") if every.endswith(suffix)), "")
