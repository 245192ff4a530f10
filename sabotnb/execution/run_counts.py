"""The counts of a run over all of its epochs: what tasks had counted at the cut from which they go on.

Theory of operation
-------------------
A task counts from zero in each epoch, and knows nothing of earlier ones. The machine adds to each of its reports what
it had counted at the cut that it is restored from. So all that is shown, and what the next cut stores, are totals of
the run. Rows that are read again count once: what an attempt counted after that cut is dropped with the attempt. Rates
and shares are differences of two reports of one attempt, from which the addition drops out.

With another parallelism, what all tasks of a vertex had counted is divided evenly, as no new task stands for one of
them. The sums are right. If the chains are not the same, an operator keeps what it had counted by its id, a vertex what
came into it if it begins with the same operator, and what left it if it ends with the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sabotnb.execution.ended_tasks import is_rescaled, origins_of
from sabotnb.metrics import COUNTS_IN, COUNTS_OUT, Report, TaskCounters
from sabotnb.protocol import CutCounts, JobTopology, JobVertex, StoredCut, TaskId

AT_END = ("open_windows", "waiting_rows")
"""What a stop has dropped stays in the state: a task that had not ended is told of the stop, and counts it, again."""

OfChain = tuple[Sequence[str], CutCounts]
"""The operators of a task, and what it had counted."""


def counts_at_cut(counted: Report, topology: JobTopology, *, ended: bool) -> CutCounts:
    """Return what a task had counted at a cut as plain data; ``ended`` if it had ended before."""
    counters = counted.counters
    names = [name for name in (*COUNTS_IN, *COUNTS_OUT) if ended or name not in AT_END]
    paths = {edge.index: edge.path for edge in topology.edges}
    return CutCounts(
        **{name: getattr(counters, name) for name in names},
        operators=_positive(counters.operators),
        late_rows=_positive(counters.late_rows),
        sent_rows=_positive({paths[edge]: rows for edge, (rows, _) in counted.sent.items()}),
        sent_bytes=_positive({paths[edge]: nbytes for edge, (_, nbytes) in counted.sent.items()}),
    )


def counted_before(cut: StoredCut, topology: JobTopology) -> dict[TaskId, Report]:
    """Return what each task of the run has counted in the epochs that lead to ``cut``."""
    return {
        TaskId(cut.run, vertex.id, task): counted
        for vertex in topology.vertices.values()
        for task, counted in enumerate(_of_vertex(cut, vertex, topology))
    }


def _of_vertex(cut: StoredCut, vertex: JobVertex, topology: JobTopology) -> list[Report]:
    """What each task of ``vertex`` has counted."""
    of_origins = [
        [(cut.operators[origin], snapshot.counts) for snapshot in cut.snapshots(origin)]
        for origin in origins_of(cut, vertex)
    ]
    tasks = range(vertex.parallelism)
    if is_rescaled(cut, vertex):
        together = _joined([part for parts in of_origins for part in parts], vertex, topology)
        return [_share(together, task, vertex.parallelism) for task in tasks]
    return [_joined([parts[task] for parts in of_origins], vertex, topology) for task in tasks]


def _joined(parts: Sequence[OfChain], vertex: JobVertex, topology: JobTopology) -> Report:
    """What a task of ``vertex`` counts of what tasks, perhaps with other chains, had counted."""
    chain = vertex.operator_ids
    first = [counts for operators, counts in parts if operators[:1] == chain[:1]]
    last = [counts for operators, counts in parts if operators[-1:] == chain[-1:]]
    every = [counts for _, counts in parts]
    late = _summed(counts.late_rows for counts in every)
    rows = _summed(counts.operators for counts in every)
    counters = _counters(
        {
            **{name: sum(getattr(counts, name) for counts in first) for name in COUNTS_IN},
            **{name: sum(getattr(counts, name) for counts in last) for name in COUNTS_OUT},
        },
        {operator: rows[operator] for operator in chain},
        {operator: late[operator] for operator in chain},
    )
    sent_rows, sent_bytes = (_summed(getattr(counts, name) for counts in every) for name in ("sent_rows", "sent_bytes"))
    edges = [edge for edge in topology.edges if edge.up == vertex.id]
    return Report(0.0, counters, {edge.index: (sent_rows[edge.path], sent_bytes[edge.path]) for edge in edges})


def _share(whole: Report, task: int, tasks: int) -> Report:
    """The share of one of so many ``tasks``, which add up to the ``whole``."""

    def share(count: int) -> int:
        return count // tasks + (task < count % tasks)

    counters = _counters(
        {name: share(getattr(whole.counters, name)) for name in (*COUNTS_IN, *COUNTS_OUT)},
        {operator: share(rows) for operator, rows in whole.counters.operators.items()},
        {operator: share(rows) for operator, rows in whole.counters.late_rows.items()},
    )
    return Report(0.0, counters, {edge: (share(rows), share(nbytes)) for edge, (rows, nbytes) in whole.sent.items()})


def _counters(numbers: Mapping[str, Any], operators: dict[str, int], late: Mapping[str, int]) -> TaskCounters:
    counters = TaskCounters(late=sum(late.values()), operators=operators, late_rows=_positive(late))
    return replace(counters, **numbers)


def _summed(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for by_name in counts:
        total.update(by_name)
    return total


def _positive(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
