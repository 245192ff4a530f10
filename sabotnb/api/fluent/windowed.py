"""``Windowed``: groups whose rows are divided by time; its methods say what to compute for each key and window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from sabotnb.api.boundary import boundary
from sabotnb.api.stream_node import StreamPlan
from sabotnb.api.verbs import grouping
from sabotnb.api.verbs.columns import Column
from sabotnb.api.verbs.grouping import Grouping
from sabotnb.errors import InvalidUse
from sabotnb.expr import Expr
from sabotnb.foreign import Hinted

if TYPE_CHECKING:  # only for annotations, from which completion knows what a chain of verbs returns
    from sabotnb.api.stream import Stream


@boundary
@dataclass(frozen=True, slots=True, eq=False)
class Windowed(Hinted):
    """A grouping with windows. Every result has the columns ``window_start`` and ``window_end``, then the keys.

    A row is late if all its windows ended, plus ``lateness``, before the largest event time that its file or stream had
    shown until then, minus ``max_delay``. Late rows are counted; ``.side("late")`` of the result has them.
    """

    grouping: Grouping
    _stream_of: Callable[[StreamPlan], Stream]
    """The class ``Stream``, which returns windows, so its module imports this one."""

    def agg(self, *exprs: Expr, **named: Expr) -> Stream:
        """Return a row per group and window: the window, the keys, then the aggregates.

        ``flights.group_by("origin").window(sb.tumbling("1h")).agg(n=sb.count(), worst=col("delay").max())``
        """
        return self._stream_of(grouping.aggregated(self.grouping, exprs, named))

    def top(self, n: int, by: Column, reverse: bool = False, ties: bool = False, rank: str | None = None) -> Stream:
        """Return the ``n`` rows of each group and window with the largest ``by``; see ``Grouped.top``."""
        return self._stream_of(grouping.top(self.grouping, n, by, reverse=reverse, ties=ties, rank=rank))

    def latest(self, *columns: Column) -> Stream:
        """Return the row of each group and window with the latest event time: the keys and these columns, or all."""
        return self._stream_of(grouping.latest(self.grouping, columns))

    def reduce(self, fn: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]], init: Any = None) -> Stream:
        """Reduce each group and window to a row; see ``Grouped.reduce``."""
        return self._stream_of(grouping.reduced(self.grouping, fn, init))

    def _own_hint(self, name: str) -> str:
        is_column = name not in type(self).__slots__ and name in self.grouping.flow.schema.names
        return f"aggregate its column: .agg({name}=col({name!r}).max())" if is_column else ""

    def _hint_columns(self) -> tuple[None, list[str]]:
        return None, self.grouping.flow.schema.names

    def __getitem__(self, key: Any) -> NoReturn:
        name = key if isinstance(key, str) else "x"
        raise InvalidUse(f"windows have no [...]; aggregate columns: .agg({name}=col({name!r}).sum())")

    def __iter__(self) -> NoReturn:
        raise InvalidUse("windows cannot be iterated over; aggregate them: .agg(n=sb.count())")

    def __repr__(self) -> str:
        keys = f" by {', '.join(self.grouping.names)}" if self.grouping.names else ""
        return f"Windowed{keys}: add .agg(...), .top(...), .latest() or .reduce(...)"
