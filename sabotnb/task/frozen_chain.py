"""What the operators of one task are at a cut: frozen, so that another thread can write it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from sabotnb.graph import Operator as Node
from sabotnb.protocol import Committable, KeyedState, Memo, Operator, Prepared, StateSpec
from sabotnb.storage import FrozenState
from sabotnb.task.steps import StepFailed, Steps


def _no_output() -> Sequence[Committable]:
    return ()


@dataclass(slots=True)
class FrozenChain:
    """The states and memos of a chain at a cut, filled operator by operator.

    ``event_times`` as in ``TaskSnapshot``. ``prepared`` makes the output up to the cut durable; any thread may call it,
    once.
    """

    states: list[FrozenState] = field(default_factory=list)
    memos: dict[str, Memo] = field(default_factory=dict)
    event_times: Mapping[str, int] = field(default_factory=dict)
    prepared: Callable[[], Sequence[Committable]] = _no_output

    def add(self, node: Node, operator: Operator, states: Mapping[StateSpec, KeyedState], steps: Steps) -> None:
        """Freeze one operator, after its ``on_cut``."""
        for spec, state in states.items():
            self.states += steps.run(node, "freeze", lambda: _frozen(node, spec, state))  # noqa: B023 - called at once
        self.memos[node.id] = steps.run(node, "memo", operator.memo)

    def join(self, other: FrozenChain) -> None:
        """Add the operators of ``other``."""
        self.states += other.states
        self.memos |= other.memos

    def prepare_by(self, node: Node, output: Prepared) -> None:
        """Set the output of the sink of ``node``; StepFailed from ``prepared`` if it cannot be made durable."""
        self.prepared = partial(_durable, node, output)

    def drain(self) -> Iterator[FrozenState]:
        """Yield the states and keep none: once one is written, changes of its rows cost what they cost before."""
        while self.states:
            yield self.states.pop(0)

    @property
    def writes(self) -> bool:
        """True if another thread has to write something: states, or output."""
        return bool(self.states) or self.prepared is not _no_output


def _durable(node: Node, output: Prepared) -> Sequence[Committable]:
    try:  # not a step, which would be one of the task's thread
        return output.durable()
    except BaseException as error:
        raise StepFailed(node, "durable", None) from error


def _frozen(node: Node, spec: StateSpec, state: KeyedState) -> list[FrozenState]:
    groups = tuple(state.groups())
    return [FrozenState(node.id, spec, state.schema, groups, state.freeze(groups))] if groups else []
