"""The verb ``process``: a class of the user with state and timers for each key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sabotnb.api.stream_node import StreamPlan
from sabotnb.api.verbs.grouping import Grouping
from sabotnb.api.verbs.user_schemas import as_schema
from sabotnb.blobs import capture
from sabotnb.errors import InvalidUse, SchemaError
from sabotnb.graph import LATE, Process
from sabotnb.operators import check_process_class


def process_spec(grouping: Grouping, cls: Any, *, side_input: bool) -> Process:
    """The operator that calls ``cls`` for the rows of each key of ``grouping``.

    Raises:
        FunctionError: the class lacks a method or a declaration, or cannot be pickled.
        SchemaError: a side output has a name that is taken, or a declared column a type that there is not.
    """
    check_process_class(cls, side_input=side_input)
    if not grouping.keys:
        raise InvalidUse("process keeps state for each key, and there is none: .group_by('column').process(...)")
    sides = tuple((name, as_schema(columns)) for name, columns in cls.sides.items())
    time = grouping.flow.event_time
    for name, columns in sides:
        if not isinstance(name, str) or (name == LATE and time is not None):
            raise SchemaError(
                f"sides of {cls.__name__}: {name!r} cannot be a name; late rows have 'late', rename yours"
            )
        if not len(columns):
            raise SchemaError(f"side output {name!r} of {cls.__name__} has no columns; add one: {{'x': 'int64'}}")
    return Process(
        grouping.names,
        capture(cls, "process"),
        as_schema(cls.output),
        sides,
        None if time is None else time.column,
        0 if time is None else time.shift,
        side_input,
    )


def processed(grouping: Grouping, cls: Any, side_input: StreamPlan | None) -> StreamPlan:
    """Call ``cls`` with the rows and timers of each key, and with the rows of ``side_input`` in every task."""
    flow = grouping.with_keys()
    spec = process_spec(replace(grouping, flow=flow), cls, side_input=side_input is not None)
    return flow.then(spec) if side_input is None else flow.then(spec, side_input)
