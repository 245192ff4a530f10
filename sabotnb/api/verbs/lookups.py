"""Look up the rows of a table for each row of a stream."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Any

from sabotnb.api.stream_node import StreamPlan
from sabotnb.api.verbs import joins, sources
from sabotnb.api.verbs.columns import Columns
from sabotnb.api.verbs.verb_options import Duration
from sabotnb.connectors import READ_SUFFIXES, searched_when_opened
from sabotnb.errors import InvalidUse, SchemaError, TypeMismatch
from sabotnb.expr import duration_us
from sabotnb.graph import LookupJoin, Source


def looked_up(
    flow: StreamPlan,
    table: Any,
    on: Columns | None,
    left_on: Columns | None,
    right_on: Columns | None,
    *,
    refresh: Duration | None,
    suffix: str,
) -> StreamPlan:
    """All rows of ``flow``, with the columns of the rows of ``table`` that have the same keys."""
    source = _source(table)
    right = sources.begun(source, None, "0s", "0s")
    if refresh is not None:
        interval = duration_us(refresh)
        if interval <= 0:
            raise TypeMismatch(f"refresh={refresh!r} is not an interval; write more than '0s', as in refresh='1m'")
        if source.table is not None:
            raise InvalidUse("refresh= is for files, and a table in memory does not change; pass the path of a file")
        joins.checked_suffix(suffix)
        pairs = joins.key_columns(flow, right, on, left_on, right_on, verb="lookup_join")
        mine, others = (tuple(pair[side] for pair in pairs) for side in (0, 1))
        source = searched_when_opened(source, os.fspath(table))
        return flow.then(LookupJoin(mine, others, source, interval, suffix))
    return joins.joined(flow, right, on, left_on, right_on, how="left", suffix=suffix, strategy="auto")


def _source(table: Any) -> Source:
    if isinstance(table, str | os.PathLike):
        return _file(os.fspath(table))
    if hasattr(table, "flow"):
        raise InvalidUse("lookup_join takes a table or a path; join a stream by .join(other, ..., how='left')")
    return sources.arrow(table)


def _file(path: str) -> Source:
    ends = {name: tuple(suffixes) for name, suffixes in READ_SUFFIXES.items()}
    name = next((name for name, suffixes in ends.items() if path.lower().endswith(suffixes)), None)
    if name is None and PurePath(path).suffix:
        known = ", ".join(sorted(suffix for suffixes in ends.values() for suffix in suffixes))
        raise SchemaError(
            f"the name of {path!r} does not say its format: it ends with none of {known}; name the format: "
            ".join(sb.Stream.from_csv(path), ..., how='left')"
        )
    return sources.files(name or "parquet", path, None, rate=None, speed=None, follow=False)  # a folder has no suffix
