"""Run a compiled expression as a list of steps, so that deeply nested expressions need no recursion.

Theory of operation
    A program is the steps below one head in the order of computation, arguments first. A step computes one value of a
    batch from the values of earlier steps. A shared step is computed once per program, and a value is dropped after
    its last use, so that a long expression does not keep all intermediate arrays.

    A guarded step (``sabotnb.expr.guarded``) has branches, each a program of its own that sees only some of the rows.
    The step is a generator: it yields the number of a branch and its rows, and is sent the result. Programs that wait
    for a branch wait in a list of frames, not on Python's stack.

    A step that several branches share is computed for each of them, because each sees other rows. Nested guards can
    thus need exponentially many steps; ``runner`` counts them before the first batch and refuses the expression.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sabotnb.errors import ExpressionError
from sabotnb.expr.expression_nodes import Literal
from sabotnb.native import KnownOrders
from sabotnb.traversal import bottom_up

Compute = Callable[..., Any]
"""A batch and the values of the step's arguments to an array, or to a scalar that stands for all rows."""

Branch = tuple[int, pa.RecordBatch]
"""What a guarded step asks for: the number of a branch, and the rows that it is to be computed for."""

Guarded = Generator[Branch, Any, Any]

MOST_STEPS = 1_000_000
"""Steps of one batch, counted once for each branch that they stand in."""


@dataclass(frozen=True, slots=True, eq=False)
class CompiledStep:
    """A compiled node. ``total``: it never raises. With ``branches``, ``compute`` is a generator function.

    ``orders`` are those of the categories of an ordered dictionary, as far as they are known before it runs.
    """

    type: pa.DataType
    compute: Compute
    args: tuple[CompiledStep, ...] = ()
    branches: tuple[CompiledStep, ...] = ()
    total: bool = True
    literal: Literal | None = None
    uses_functions: bool = False
    orders: KnownOrders = ()

    @property
    def below(self) -> tuple[CompiledStep, ...]:
        """All steps that this step needs."""
        return (*self.args, *self.branches)


@dataclass(frozen=True, slots=True, eq=False)
class _Instruction:
    """A step with the indexes of its arguments, and the indexes of values that no later step needs."""

    step: CompiledStep
    args: tuple[int, ...]
    last_used: tuple[int, ...]


Program = Sequence[_Instruction]


def runner(step: CompiledStep) -> Callable[[pa.RecordBatch], Any]:
    """Return a function of batches that computes ``step``; ExpressionError if that takes too many steps."""
    programs = _programs(step)
    if len(programs) == 1:
        program = [
            (instruction.step.compute, instruction.args, instruction.last_used) for instruction in programs[id(step)]
        ]
        return lambda batch: _straight(program, batch)
    return lambda batch: _branching(programs, step, batch)


def _programs(root: CompiledStep) -> Mapping[int, Program]:
    """The program of ``root`` and of every branch in it, by the id of the step."""
    programs: dict[int, Program] = {}
    length: dict[int, int] = {}
    heads = [root, *(branch for step in bottom_up((root,), _below) for branch in step.branches)]
    for head in {id(head): head for head in heads}.values():
        programs[id(head)] = _program(head)
    for step in bottom_up((root,), _below):  # branches come before the step that they belong to
        if id(step) in programs:
            inside = [instruction.step for instruction in programs[id(step)]]
            length[id(step)] = len(inside) + sum(
                length[id(branch)] for compiled in inside for branch in compiled.branches
            )
    if length[id(root)] > MOST_STEPS:
        raise ExpressionError(
            f"the expression takes {length[id(root)]:.1e} steps, because conditions that may raise use it again and "
            "again. Compute its parts in a with_columns(...) of their own"
        )
    return programs


def _below(step: CompiledStep) -> tuple[CompiledStep, ...]:
    return step.below


def _arguments(step: CompiledStep) -> tuple[CompiledStep, ...]:
    return step.args


def _program(head: CompiledStep) -> Program:
    order = bottom_up((head,), _arguments)
    place = {id(step): number for number, step in enumerate(order)}
    last: dict[int, int] = {}
    for number, step in enumerate(order):
        for arg in step.args:
            last[place[id(arg)]] = number
    ends: list[list[int]] = [[] for _ in order]
    for used, number in last.items():
        ends[number].append(used)
    return [
        _Instruction(step, tuple(place[id(arg)] for arg in step.args), tuple(done))
        for step, done in zip(order, ends, strict=True)
    ]


def _straight(program: Sequence[tuple[Compute, tuple[int, ...], tuple[int, ...]]], batch: pa.RecordBatch) -> Any:
    """Run a program without branches; the common case, so it avoids generators."""
    values: list[Any] = []
    for compute, args, last_used in program:
        if len(args) == 2:
            values.append(compute(batch, values[args[0]], values[args[1]]))
        else:
            values.append(compute(batch, *[values[place] for place in args]))
        for place in last_used:
            values[place] = None
    return values[-1]


def _branching(programs: Mapping[int, Program], root: CompiledStep, batch: pa.RecordBatch) -> Any:
    """Run ``root``; programs that wait for a branch are in ``frames``, the running one last."""
    frames = [_frame(programs[id(root)], batch)]
    result: Any = None
    while frames:
        try:
            branch, rows = frames[-1].send(result)
        except StopIteration as ended:
            frames.pop()
            result = ended.value
        else:
            frames.append(_frame(programs[id(branch)], rows))
            result = None
    return result


def _frame(program: Program, batch: pa.RecordBatch) -> Generator[tuple[CompiledStep, pa.RecordBatch], Any, Any]:
    values: list[Any] = []
    for instruction in program:
        step = instruction.step
        given = [values[place] for place in instruction.args]
        if step.branches:
            values.append((yield from _guarded(step, batch, given)))
        else:
            values.append(step.compute(batch, *given))
        for place in instruction.last_used:
            values[place] = None
    return values[-1]


def _guarded(
    step: CompiledStep, batch: pa.RecordBatch, given: list[Any]
) -> Generator[tuple[CompiledStep, pa.RecordBatch], Any, Any]:
    running: Guarded = step.compute(batch, *given)
    result: Any = None
    while True:
        try:
            number, rows = running.send(result)
        except StopIteration as ended:
            return ended.value
        result = yield step.branches[number], rows
