"""Which tasks of a restored run had ended before its cut, and which of these run again.

Theory of operation
-------------------
A task that had ended is restored as ended: it opens no operators, and sends only its end. That is right as long as all
tasks that send to it have ended too. Another parallelism, an added operator or another edge may put a task above it
that still sends rows. Then its vertex runs again, and takes the state of all of its tasks as after a change of the
parallelism: the task that had ended has none of its own, such as the right side of a broadcast join. What is below is
looked at afterwards, as it may now receive rows as well.

A vertex cannot run again if its rows would be results of a part of the input only: if it has an operator that combines
rows, whose results for the same keys were sent before the cut, or if all copies of a broadcast side are gone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sabotnb.protocol import JobEdge, JobTopology, JobVertex, StoredCut


@dataclass(frozen=True, slots=True)
class EndedTasks:
    """By vertex the ``indexes`` of the tasks that are restored as ended; ``again`` are the vertices that run again.

    ``above`` are the vertices that may send rows to tasks that cannot run again.
    """

    indexes: Mapping[str, frozenset[int]]
    again: Collection[str]
    above: Collection[str]


def ended_tasks(cut: StoredCut, topology: JobTopology) -> EndedTasks:
    """Decide for all tasks of a run that is restored from ``cut``."""
    indexes: dict[str, frozenset[int]] = {}
    again: list[str] = []
    above: list[str] = []
    for vertex in topology.vertices.values():  # in topological order
        ended = _ended_at(cut, vertex)
        edges = topology.edges_into(vertex.id) if ended else ()
        sending = [edge for edge in edges if _is_fed(edge, ended, topology, indexes)]
        if sending and _can_run_again(vertex, ended, topology):
            again.append(vertex.id)
            ended = frozenset()
        elif sending:
            above += [edge.up for edge in sending if not _may_wait_for_client(cut, topology.vertices[edge.up])]
        indexes[vertex.id] = ended
    return EndedTasks(indexes, again, above)


def origins_of(cut: StoredCut, vertex: JobVertex) -> list[str]:
    """The vertices of the cut in which the operators of ``vertex`` were."""
    return [origin for origin, chain in cut.operators.items() if not frozenset(chain).isdisjoint(vertex.operator_ids)]


def is_rescaled(cut: StoredCut, vertex: JobVertex) -> bool:
    """True if the operators of ``vertex`` had another number of tasks in the cut."""
    return any(cut.parallelism[origin] != vertex.parallelism for origin in origins_of(cut, vertex))


def _ended_at(cut: StoredCut, vertex: JobVertex) -> frozenset[int]:
    parts = [[snapshot.ended for snapshot in cut.snapshots(origin)] for origin in origins_of(cut, vertex)]
    if not parts:
        return frozenset()
    if is_rescaled(cut, vertex):
        return frozenset(range(vertex.parallelism) if all(map(all, parts)) else ())
    return frozenset(index for index, ended in enumerate(zip(*parts, strict=True)) if all(ended))


def _is_fed(edge: JobEdge, ended: frozenset[int], topology: JobTopology, indexes: Mapping[str, frozenset[int]]) -> bool:
    """True if one of the ``ended`` tasks below ``edge`` receives from a task that has not ended."""
    senders = {topology.senders(edge, index) for index in ended}
    return not all(indexes[edge.up].issuperset(tasks) for tasks in senders)


def _can_run_again(vertex: JobVertex, ended: frozenset[int], topology: JobTopology) -> bool:
    if any(operator.combines for operator in vertex.operators):
        return False
    has_copies = any(edge.type == "broadcast" for edge in topology.edges_into(vertex.id))
    return not has_copies or len(ended) < vertex.parallelism


def _may_wait_for_client(cut: StoredCut, vertex: JobVertex) -> bool:
    """True for tasks that may have sent their end before the cut, and then waited until their rows are read."""
    return vertex.writes and bool(origins_of(cut, vertex))
