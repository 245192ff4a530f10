"""Load the states of a task from the files of a cut.

With the parallelism of the cut a task loads all of its own file. Otherwise the files are those of all tasks of its
vertex at the cut, and each task loads a part: of keyed state the groups that the graph's table gives it, of state
without key groups that of every n-th file, of broadcast state the first copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sabotnb.errors import CheckpointError
from sabotnb.graph import Operator as Node
from sabotnb.protocol import KeyedState, Scope, StateFile, StateFit, StateSpec, TaskRestore, fit_state
from sabotnb.storage import StateReader, StoredState
from sabotnb.task.host import Assignment
from sabotnb.task.steps import Steps


@dataclass(frozen=True, slots=True)
class OwnedState:
    """The part of a vertex's state that belongs to one task: its key groups, or None if no table divides them."""

    index: int
    parallelism: int
    owned: frozenset[int] | None
    rescaled: bool

    @classmethod
    def of(cls, assignment: Assignment, restore: TaskRestore) -> OwnedState:
        """What the task of ``assignment`` loads."""
        index, vertex = assignment.attempt.task.index, assignment.vertex
        owned = None
        if vertex.domain is not None:
            table = assignment.graph.tables[vertex.domain]
            owned = frozenset(group for group, task in enumerate(table) if task == index)
        return cls(index, vertex.parallelism, owned, restore.rescaled)

    def groups(self, state: StoredState, number: int) -> Iterable[int]:
        """The groups to load of ``state`` in file ``number`` of the restore."""
        if not self.rescaled:
            return state.groups
        if state.spec.scope is Scope.KEYED and self.owned is not None:
            return self.owned & state.groups.keys()
        return state.groups if number % self.parallelism == self.index else ()


def load_states(
    states: Mapping[str, Mapping[StateSpec, KeyedState]],
    nodes: Iterable[Node],
    files: Iterable[StateFile],
    owned: OwnedState,
    steps: Steps,
) -> None:
    """Load into ``states``, by operator, what ``files`` have for this task. Blocks on I/O.

    Raises:
        CheckpointError: a file is missing, damaged, or has another form of a state than the operator.
    """
    by_operator = {node.id: node for node in nodes}
    broadcast: set[tuple[str, str]] = set()
    for number, file in enumerate(files):
        reader = StateReader(file)
        for stored in reader.states():
            node = by_operator.get(stored.operator)
            if node is None:  # the operator was removed, which was agreed on before the restore
                continue
            state, fit = _matching(states.get(node.id, {}), stored, reader.path)
            groups = owned.groups(stored, number)
            if stored.spec.scope is Scope.BROADCAST:
                groups = () if (node.id, stored.spec.name) in broadcast else stored.groups
                broadcast.add((node.id, stored.spec.name))
            for group in groups:
                batches = map(fit.converted, reader.batches(stored.operator, stored.spec.name, group))
                steps.run(node, "load", lambda: state.load(group, batches))  # noqa: B023 - called at once


def _matching(states: Mapping[StateSpec, KeyedState], stored: StoredState, path: str) -> tuple[KeyedState, StateFit]:
    """Return the operator's state of that name, and how saved rows become its own.

    Raises:
        CheckpointError: it has none, or one that the saved rows do not fit.
    """
    for spec, state in states.items():
        if spec.name == stored.spec.name:
            return state, fit_state(stored.operator, stored.spec, stored.schema, spec, state.schema)
    raise CheckpointError(
        f"operator {stored.operator!r} has no state {stored.spec.name!r}, which is in '{path}'; it has "
        f"{sorted(spec.name for spec in states)}. Begin with empty state: .run(..., fresh=True)"
    )
