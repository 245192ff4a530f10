"""``StreamBase``: the plan behind a stream, its schema, and the operations of Python that no stream has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pyarrow as pa

from sabotnb.api.stream_node import StreamPlan
from sabotnb.api.verbs import brackets
from sabotnb.errors import GraphError, InvalidUse
from sabotnb.foreign import Hinted
from sabotnb.native import without_orders

if TYPE_CHECKING:  # only for annotations, from which completion knows what a chain of verbs returns
    from sabotnb.api.stream import Stream


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StreamBase(Hinted):
    """What the groups of methods share. ``Stream`` is the only class made of them."""

    flow: StreamPlan

    def __post_init__(self) -> None:
        if not isinstance(self.flow, StreamPlan):
            raise InvalidUse("a stream begins with a source: sb.Stream.from_rows([{'x': 1}]), .from_pandas(frame), ...")

    @classmethod
    def _stream_of(cls, plan: StreamPlan) -> Stream:
        """The stream of ``plan``, which verbs and sources return."""
        return cast("Stream", cls(plan))

    def _own_hint(self, name: str) -> str:
        is_column = name != "flow" and name in self.schema.names
        return f"for its column write col({name!r})" if is_column else ""

    def _hint_columns(self) -> tuple[None, list[str]]:
        return None, self.schema.names

    @property
    def schema(self) -> pa.Schema:
        """Columns and types."""
        return without_orders(self.flow.schema)

    # Python operations that a description of rows cannot support: they raise and say what to write

    def __getitem__(self, key: Any) -> NoReturn:
        raise InvalidUse(f"a stream has no [...]; {brackets.instead(key)}")

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        name = key if isinstance(key, str) else "x"
        raise InvalidUse(f"a stream never changes; make another one: .with_columns({name}={value!r})")

    def __contains__(self, item: object) -> NoReturn:
        raise InvalidUse(f"a stream has no values to look through; its columns are: {item!r} in stream.schema.names")

    def __len__(self) -> NoReturn:
        raise InvalidUse("a stream has no length before it runs; count its rows: .agg(n=sb.count()).to_rows()")

    def __bool__(self) -> bool:
        return True

    def __add__(self, other: Any) -> NoReturn:
        raise InvalidUse("streams have no +; bring their rows together: .union(other)")


def plan_of(other: object) -> StreamPlan:
    """Return the plan of another stream that a verb takes; GraphError for any other object."""
    if not isinstance(other, StreamBase):
        raise GraphError(
            f"{type(other).__name__} is not a stream; make it one: sb.Stream.from_pandas, from_arrow, from_rows"
        )
    return other.flow
