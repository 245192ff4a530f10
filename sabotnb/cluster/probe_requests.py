"""Resolves the target of a probe in a running job, and combines the answers of its tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sabotnb.errors import JobError
from sabotnb.protocol import MAX_WATERMARK, RunStatus

HOT_KEYS = 5
LISTED = 30
"""How many candidates an error message lists."""


@dataclass(frozen=True, slots=True)
class Probed:
    """The last rows that left ``operator``, as typed columns, the newest of each task last; no columns if none came.

    ``seen`` rows have come by in the ``seconds`` since somebody began to look. ``hot`` are the values of ``keys`` that
    came most often, written as text, with their parts of the rows that were looked at. ``note`` explains in words what
    is to be known of it; empty if nothing is.
    """

    operator: str
    table: pa.Table
    seen: int
    seconds: float
    keys: tuple[str, ...]
    hot: tuple[tuple[str, float], ...]
    watermark: int | None
    note: str


@dataclass(frozen=True, slots=True)
class Aim:
    """The target of a probe: the output of ``operator`` in the tasks of ``vertex``."""

    operator: str
    vertex: str
    keys: tuple[str, ...]
    note: str = ""


def aim(status: RunStatus, target: str) -> Aim:
    """Resolve ``target``: an operator's id, an edge (``"a->b"``), or the unique beginning of an id.

    A sink is probed at its input.

    Raises:
        JobError: the job has no such operator, or it does not run, or the beginning is that of several.
    """
    graph = _ProbedGraph(status)
    if "->" in target and target not in graph.operators:
        return graph.aim_at(graph.upper_end(target))
    operator = graph.named(target)
    entering = graph.before(operator) if operator in graph.sinks else None
    return graph.aim_at(entering, f"what enters {operator}") if entering else graph.aim_at(operator)


def operator_of(status: RunStatus, target: str) -> str:
    """The id of the operator with the id ``target``, or the only one whose id begins so; JobError lists all."""
    return _ProbedGraph(status).named(target)


class _ProbedGraph:
    """The job's operators and edges."""

    def __init__(self, status: RunStatus) -> None:
        topology = status.topology
        self.run = status.run
        self.job = self.run.job
        self.operators = {operator.id: vertex for vertex in topology.vertices.values() for operator in vertex.operators}
        self._edges = topology.edges
        self._keys = {
            operator.id: operator.keys for vertex in topology.vertices.values() for operator in vertex.operators
        }
        self._removed = topology.removed
        self.sinks = frozenset(sink.operators[-1].id for sink in topology.sinks)

    def aim_at(self, operator: str, note: str = "") -> Aim:
        return Aim(operator, self.operators[operator].id, self._keys[operator], note)

    def named(self, text: str) -> str:
        """The operator with this id, or the only one whose id begins so."""
        matching = [text] if text in self.operators or text in self._removed else []
        matching = matching or [name for name in [*self.operators, *self._removed] if text and name.startswith(text)]
        if len(matching) != 1:
            what = f"{text!r} is the beginning of several" if matching else f"job {self.job!r} has no operator {text!r}"
            raise JobError(f"{what}; choose one of: {_listed(matching or list(self.operators))}")
        if matching[0] in self._removed:
            raise JobError(f"{matching[0]} is not a separate operator of the running job: {self._removed[matching[0]]}")
        return matching[0]

    def upper_end(self, edge: str) -> str:
        """The operator whose rows travel on the edge that is written so."""
        for known in self._edges:
            if edge in (f"{known.up}->{known.down}", known.path, f"{self.run}:{known.path}"):
                return known.operator
        up, down = (self.named(end.strip()) for end in edge.split("->", 1))
        for known in self._edges:
            if (self.operators[up].id, self.operators[down].id) == (known.up, known.down):
                return known.operator
        if self.before(down) == up:
            return up
        paths = [f"{known.up}->{known.down}" for known in self._edges]
        raise JobError(f"job {self.job!r} has no edge {edge!r}; choose one of: {_listed(paths)}")

    def before(self, operator: str) -> str | None:
        """The operator whose rows enter ``operator``: before it in its chain, or at the other end of an edge."""
        vertex = self.operators[operator]
        chain = [member.id for member in vertex.operators]
        position = chain.index(operator)
        if position:
            return chain[position - 1]
        return next((edge.operator for edge in self._edges if edge.down == vertex.id), None)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more if names else "none"


def combined(aimed: Aim, answers: Sequence[Mapping[str, Any]], rows: int, note: str) -> Probed:
    """Combine the tasks' answers (``TaskRunner.probe``); ``note`` is added to the explanation."""
    seen = sum(answer["seen"] for answer in answers)
    seconds = max((answer["seconds"] for answer in answers), default=0.0)
    watermarks = [answer["watermark"] for answer in answers if answer["watermark"] is not None]
    silent = f"no rows left {aimed.operator} in {seconds:.1f} s" if answers else f"all tasks of {aimed.vertex} are over"
    return Probed(
        operator=aimed.operator,
        table=_last_rows(answers, rows),
        seen=seen,
        seconds=seconds,
        keys=aimed.keys,
        hot=_hot(answers),
        watermark=min((watermark for watermark in watermarks if watermark < MAX_WATERMARK), default=None),
        note="; ".join(filter(None, (aimed.note, "" if seen else silent, note))),
    )


def _last_rows(answers: Sequence[Mapping[str, Any]], rows: int) -> pa.Table:
    """The last ``rows`` rows, about equally many from each task."""
    tables = [pa.ipc.open_stream(answer["batch"]).read_all() for answer in answers if answer["batch"]]
    if not tables:
        return pa.table({})
    each = -(-rows // len(tables))
    together = pa.concat_tables([table.slice(max(0, table.num_rows - each)) for table in tables]).unify_dictionaries()
    return together.slice(max(0, together.num_rows - rows))


def _hot(answers: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, float], ...]:
    counts: Counter[str] = Counter()
    for answer in answers:
        for key, rows in answer["hot"]:
            counts[key] += rows
    looked_at = sum(answer["kept"] for answer in answers)
    return tuple((key, min(1.0, rows / max(1, looked_at))) for key, rows in counts.most_common(HOT_KEYS))
