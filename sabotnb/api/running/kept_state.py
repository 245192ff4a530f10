"""Which operators of a changed graph go on with the state of the graph that runs.

Theory of operation
-------------------
An operator goes on with the state of the one that has its name, if that state means the same: it has the keys, window,
aggregates and order that it had (``plan.state_meanings``). A name says whose state is meant, not that it fits.

An automatic id (``window_0``) promises nothing: an operator that is inserted before another takes its number. So
operators with automatic ids match only if there are as many of their kind as before, and if also the code of their
functions is the same, and what a source reads. Otherwise the user says which operator is meant, by giving it the
automatic id of the old one: ``.named("window_0")``.

All other operators of the old graph are dropped from the savepoint, so that nothing of them is found by an id which has
another meaning now. Those that have state are dropped only if the user says so.

The comparison needs no rows, and is made while the old run goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sabotnb.errors import CheckpointError, JobError
from sabotnb.graph import JobGraph, Operator, Sink, Source
from sabotnb.plan import JobLevels, has_state, state_details, state_meanings
from sabotnb.protocol import JobState, changed_meaning

if TYPE_CHECKING:  # only for annotations: runs in this process need no Dask
    from sabotnb.cluster import ClusterClient

_GOES_ON = (JobState.PENDING, JobState.DEPLOYING, JobState.RUNNING, JobState.RESTARTING)


@dataclass(frozen=True, slots=True)
class KeptState:
    """The operators with state that go on with it (``kept``), that begin ``empty``, and whose state is ``lost``.

    ``dropped`` are all operators of the old run that are not among those of the new one, with state or without.
    ``changed`` are those without state that were added, removed or modified: the rows in the state went through others.
    """

    kept: tuple[str, ...]
    empty: tuple[str, ...]
    lost: tuple[str, ...]
    dropped: tuple[str, ...]
    changed: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = {"kept": self.kept, "began empty": self.empty, "dropped": self.lost, "changed": self.changed}
        return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names)


def kept_state(old: JobLevels, new: JobGraph, drop_state: Collection[str]) -> KeptState:
    """Compare the operators of a run with those of the graph that is to go on from its state.

    Raises:
        CheckpointError: state would be lost, of an operator that ``drop_state`` does not name.
    """
    logical = old.logical
    saved, now = state_meanings(logical), state_meanings(new)
    known = [name for name in drop_state if name in logical.operators]  # so that advice repeats no misspelt name
    matched: set[str] = set()
    for operator in logical.operators.values():
        if operator.id in drop_state:
            continue
        if difference := _difference(operator, logical, new):
            if has_state(operator):
                raise CheckpointError(_refusal(operator.id, difference, known))
            continue
        if operator.id in saved and (change := changed_meaning(saved[operator.id], now[operator.id])):
            raise CheckpointError(_misfit(operator.id, change, known))
        matched.add(operator.id)
    stateful = [operator.id for operator in logical.operators.values() if has_state(operator)]
    begins = [operator.id for operator in new.operators.values() if has_state(operator)]
    running = [operator.id for vertex in old.execution.vertices.values() for operator in vertex.operators]
    return KeptState(
        kept=tuple(name for name in begins if name in matched),
        empty=tuple(name for name in begins if name not in matched),
        lost=tuple(name for name in stateful if name not in matched),
        dropped=tuple(name for name in dict.fromkeys([*logical.operators, *running]) if name not in matched),
        changed=_changed(logical, new),
    )


def kept_of_running(client: ClusterClient, job: str, graph: JobGraph, drop_state: Collection[str]) -> KeptState | None:
    """Compare ``graph`` with the running job of that name; None if there is none, or it takes no checkpoints.

    Raises:
        JobNameTaken: another session that is connected runs it.
        CheckpointError: as ``kept_state``.
    """
    try:
        status = client.status(job)
    except JobError:
        return None
    levels = client.levels(status.run) if status.state in _GOES_ON and status.checkpointing.storage else None
    if levels is None:
        return None
    client.check_name(job)
    return kept_state(levels, graph, drop_state)


def _difference(old: Operator, before: JobGraph, after: JobGraph) -> str:
    """What keeps ``old`` from being the operator of its id in ``after``; empty if it is that."""
    new = after.operators.get(old.id)
    if new is None or (old.name is not None and new.name is None):
        return "is not in the changed job"
    if type(new.spec) is not type(old.spec):
        return f"was of kind {old.spec.kind!r}, and is of kind {new.spec.kind!r} now"
    if new.name is not None:
        return ""
    numbers = [_automatic(graph)[old.spec.kind] for graph in (before, after)]
    if numbers[0] != numbers[1]:
        return f"was one of {numbers[0]} of its kind, and there are {numbers[1]} now, so its number may mean another"
    if state_details(old, before) != state_details(new, after):
        what = "another input" if isinstance(old.spec, Source) else "other functions in its keys or aggregates"
        return f"has {what} than before"
    return ""


def _changed(before: JobGraph, after: JobGraph) -> tuple[str, ...]:
    """The operators without state, beside sinks, that are new, gone, or were written differently."""
    old, new = (
        {name: it.spec for name, it in graph.operators.items() if not (has_state(it) or isinstance(it.spec, Sink))}
        for graph in (before, after)
    )
    return tuple(name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name))


def _automatic(graph: JobGraph) -> Counter[str]:
    return Counter(operator.spec.kind for operator in graph.operators.values() if operator.name is None)


def _refusal(name: str, difference: str, drop_state: Collection[str]) -> str:
    return (
        f"operator {name!r} {difference}; its state would be lost. The job goes on as it was. Give the operator that "
        f"goes on with this state the name: .named({name!r}), or drop the state: "
        f".run(drop_state={[*drop_state, name]!r})"
    )


def _misfit(name: str, change: str, drop_state: Collection[str]) -> str:
    return (
        f"operator {name!r} {change}; its state does not fit. The job goes on as it was. Change it back, begin from "
        f"nothing (.run(..., fresh=True)), or drop the state: .run(..., drop_state={[*drop_state, name]!r})"
    )
