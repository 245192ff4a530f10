"""``KeyedProcess`` and the states that its classes declare: what users subclass and write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, ClassVar

import pyarrow as pa

from sabotnb.errors import FunctionError, InvalidUse, TypeMismatch
from sabotnb.expr import Misfit, duration_us, exact_array, is_open, type_of
from sabotnb.native import canonical
from sabotnb.state import DeclaredColumn, StateKind

HANDLES = "\0handles"
"""Attribute of an instance with the handles of its states; a task sets it."""


class DeclaredState:
    """A state in the body of a class; on an instance in a task it is the handle of the state of the current key.

    In ``on_row`` a value has ``get``, ``set`` and ``clear``; a list also ``append`` and ``extend``; a map is used as a
    dict. In ``on_batch`` all have ``get`` and ``set`` with an array, one value for each key of the batch.
    """

    def __init__(self, kind: StateKind, data_type: pa.DataType, default: Any, ttl: int | None) -> None:
        """Declare a state of ``data_type``, that of the whole list or map."""
        self.kind = kind
        self.type = data_type
        self.default = default
        self.ttl = ttl
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        handles = instance.__dict__.get(HANDLES)
        if handles is None:
            raise InvalidUse(
                f"{self.name} has values only while rows are processed, not in __init__; declare a start value: "
                f"{self.name} = sb.value(..., default=0)"
            )
        return handles[self.name]

    def __set__(self, instance: Any, value: Any) -> None:
        raise InvalidUse(f"{self.name} is a state, which cannot be assigned; write self.{self.name}.set({value!r})")

    def column(self) -> DeclaredColumn:
        """The column that stores it."""
        return DeclaredColumn(self.name, self.kind, self.type, self.ttl)


def value(data_type: Any, default: Any = None, ttl: str | timedelta | None = None) -> Any:
    """Declare a state with one value for each key, of an Arrow type; ``default`` where none is set.

    A value that has not been set for ``ttl`` is gone: by event time if the rows have one, else by processing time.
    """
    kind = type_of(data_type)
    if default is not None:
        try:
            exact_array([default], kind)
        except Misfit as misfit:
            raise TypeMismatch(
                f"default={default!r} is not {kind} ({misfit}); write sb.value(type, default)"
            ) from misfit
    return DeclaredState(StateKind.VALUE, _settled(kind), default, _ttl(ttl))


def list_state(data_type: Any, ttl: str | timedelta | None = None) -> Any:
    """Declare a state with a list of values for each key; ``ttl`` is that of ``value``, for the whole list."""
    return DeclaredState(StateKind.LIST, pa.list_(_settled(type_of(data_type))), None, _ttl(ttl))


def map_state(key_type: Any, data_type: Any, ttl: str | timedelta | None = None) -> Any:
    """Declare a state with a map for each key; ``ttl`` is that of ``value``, for the whole map."""
    key = _settled(type_of(key_type))
    if not canonical.can_be_key(key):
        raise TypeMismatch(f"keys of a map_state cannot be {key}; use a plain type: sb.map_state('string', 'int64')")
    return DeclaredState(StateKind.MAP, pa.map_(key, _settled(type_of(data_type))), None, _ttl(ttl))


def _settled(data_type: pa.DataType) -> pa.DataType:
    if is_open(data_type):
        raise TypeMismatch(f"a state cannot be {data_type}; declare what it holds: sb.value('int64')")
    return canonical.plain_type(data_type)


def _ttl(given: str | timedelta | None) -> int | None:
    if given is None:
        return None
    us = duration_us(given)
    if us <= 0:
        raise TypeMismatch(f"ttl={given!r} keeps nothing; write ttl='1h', or leave it out to keep values forever")
    return us


class KeyedProcess:
    """A function of the rows of each key, with state and timers. Subclass it and pass the class to ``process``.

    ``output`` has the columns of the rows that the methods yield, ``sides`` those of each side output. Define
    ``on_row`` or ``on_batch``::

        class Idle(sb.KeyedProcess):
            last = sb.value("timestamp[us]")
            output = {"plane": "string", "since": "timestamp[us]"}

            def on_row(self, row, ctx):
                self.last.set(ctx.event_time)
                ctx.timer(ctx.event_time + timedelta(hours=6))

            def on_timer(self, at, ctx):
                if at - self.last.get() >= timedelta(hours=6):
                    yield {"plane": ctx.key, "since": self.last.get()}

    ``on_row(row, ctx)`` gets each row as a dict. ``on_batch(batch, ctx)`` gets a record batch sorted by key; states
    then have an array with one value for each key (``ctx.keys``, whose rows begin at ``ctx.starts``), and ``on_timer``
    gets an array of times. ``on_side_row(row, ctx)`` gets the rows of ``side_input`` in every task; what it stores in
    plain attributes of ``self`` is the same in every task. Attributes that other methods store are lost when keys move.
    """

    output: ClassVar[Mapping[str, Any]]
    sides: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    on_row: Callable[..., Any] | None = None
    on_batch: Callable[..., Any] | None = None
    on_timer: Callable[..., Any] | None = None
    on_side_row: Callable[..., Any] | None = None


def declared_states(cls: type[KeyedProcess]) -> Iterator[DeclaredState]:
    """The states of a class and of those that it inherits from, in the order of declaration."""
    found: dict[str, DeclaredState] = {}
    for base in reversed(cls.__mro__):
        found.update({name: state for name, state in vars(base).items() if isinstance(state, DeclaredState)})
    return iter(found.values())


def check_process_class(cls: Any, *, side_input: bool) -> None:
    """Raise FunctionError if ``cls`` cannot be the class of ``process``."""
    if not isinstance(cls, type) or not issubclass(cls, KeyedProcess):
        hint = (
            f"pass the class, not an instance: process({type(cls).__name__})"
            if isinstance(cls, KeyedProcess)
            else ("write class P(sb.KeyedProcess) with on_row(self, row, ctx), and .process(P)")
        )
        raise FunctionError(f"process takes a class of sb.KeyedProcess, not {cls!r}; {hint}")
    if (cls.on_row is None) == (cls.on_batch is None):
        has = "neither on_row nor on_batch" if cls.on_row is None else "both on_row and on_batch"
        raise FunctionError(f"{cls.__name__} has {has}; define one of them: def on_row(self, row, ctx): ...")
    if not isinstance(getattr(cls, "output", None), Mapping | pa.Schema) or not len(cls.output):
        raise FunctionError(
            f"{cls.__name__} does not say which columns it yields; declare them: output = {{'name': 'string', ...}}"
        )
    if not isinstance(cls.sides, Mapping):
        raise FunctionError(f"sides of {cls.__name__} is {cls.sides!r}; write sides = {{'alerts': {{'x': 'int64'}}}}")
    if side_input and cls.on_side_row is None:
        raise FunctionError(
            f"{cls.__name__} does not read the side input; define on_side_row(self, row, ctx), or leave side_input= out"
        )
    if not side_input and cls.on_side_row is not None:
        raise FunctionError(
            f"on_side_row of {cls.__name__} gets no rows; pass them: .process({cls.__name__}, side_input)"
        )
