"""Live dataflows in a notebook cell.

``import sabotnb as sb`` costs next to nothing: each name below is imported when it is first used, so that a notebook
that only describes a stream loads neither Dask nor pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "Aggregation",
    "Config",
    "Edge",
    "EdgeHint",
    "EdgeType",
    "Env",
    "ExecutionGraph",
    "Expr",
    "Grouped",
    "Job",
    "JobGraph",
    "JobManager",
    "JobResult",
    "JobStatus",
    "KeyedProcess",
    "Operator",
    "Preview",
    "ShuffleEdge",
    "Sink",
    "SlotPool",
    "Stream",
    "Task",
    "Windowed",
    "__version__",
    "aggregate",
    "attach",
    "checkpoint",
    "coalesce",
    "col",
    "connect",
    "count",
    "count_window",
    "datasets",
    "doctor",
    "duration",
    "errors",
    "global_window",
    "jobs",
    "list_state",
    "lit",
    "live",
    "local",
    "map_state",
    "nexmark",
    "read_state",
    "resume",
    "run",
    "same_window",
    "session",
    "sliding",
    "testing",
    "tumbling",
    "udf",
    "union",
    "until",
    "value",
    "when",
]

__version__ = "0.1.0"

if TYPE_CHECKING:  # what type checkers and editors see of the lazy names; not there to hide a cycle
    from sabotnb import datasets, errors, nexmark, testing
    from sabotnb.api.doctor import doctor
    from sabotnb.api.env import Env, connect, local
    from sabotnb.api.fluent.windowed import Windowed
    from sabotnb.api.handles.job import Job
    from sabotnb.api.handles.live import live
    from sabotnb.api.handles.status import JobResult, JobStatus
    from sabotnb.api.known_jobs import attach, jobs, resume
    from sabotnb.api.running.checkpointing import checkpoint
    from sabotnb.api.running.preview import Preview
    from sabotnb.api.running.saved_state import read_state
    from sabotnb.api.sink import Sink, run
    from sabotnb.api.stream import Grouped, Stream, union
    from sabotnb.api.verbs.windows import count_window, global_window, same_window, session, sliding, tumbling, until
    from sabotnb.cluster import JobManager, Task
    from sabotnb.config import Config
    from sabotnb.execution import SlotPool
    from sabotnb.expr import Aggregation, Expr, aggregate, coalesce, col, count, duration, lit, udf, when
    from sabotnb.graph import Edge, EdgeHint, EdgeType, JobGraph, Operator
    from sabotnb.operators import KeyedProcess, list_state, map_state, value
    from sabotnb.plan import ExecutionGraph, ShuffleEdge

_MODULES = ("datasets", "errors", "nexmark", "testing")
_HOMES = {
    "sabotnb.api.doctor": ("doctor",),
    "sabotnb.api.env": ("Env", "connect", "local"),
    "sabotnb.api.known_jobs": ("attach", "jobs", "resume"),
    "sabotnb.api.handles.job": ("Job",),
    "sabotnb.api.handles.live": ("live",),
    "sabotnb.api.running.checkpointing": ("checkpoint",),
    "sabotnb.api.running.preview": ("Preview",),
    "sabotnb.api.running.saved_state": ("read_state",),
    "sabotnb.api.sink": ("Sink", "run"),
    "sabotnb.api.handles.status": ("JobResult", "JobStatus"),
    "sabotnb.api.stream": ("Grouped", "Stream", "union"),
    "sabotnb.api.verbs.windows": (
        "count_window",
        "global_window",
        "same_window",
        "session",
        "sliding",
        "tumbling",
        "until",
    ),
    "sabotnb.api.fluent.windowed": ("Windowed",),
    "sabotnb.cluster": ("JobManager", "Task"),
    "sabotnb.config": ("Config",),
    "sabotnb.execution": ("SlotPool",),
    "sabotnb.expr": ("Aggregation", "Expr", "aggregate", "coalesce", "col", "count", "duration", "lit", "udf", "when"),
    "sabotnb.graph": ("Edge", "EdgeHint", "EdgeType", "Operator"),
    "sabotnb.operators": ("KeyedProcess", "list_state", "map_state", "value"),
    "sabotnb.plan": ("ExecutionGraph", "JobGraph", "ShuffleEdge"),  # attaches methods to JobGraph
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"sabotnb.{name}")
    if name not in _HOME_OF:
        raise import_module("sabotnb.foreign").absent("module 'sabotnb'", name, ("sabotnb",), tuple(__all__))
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
