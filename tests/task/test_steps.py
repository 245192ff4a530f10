"""Calls of operators: how long they take."""

import pytest

from sabotnb.graph import specs
from sabotnb.graph.job_graph import Operator as Node
from sabotnb.task.steps import StepFailed, Steps
from sabotnb.testing import ManualClock

FIRST, SECOND = Node("first", specs.Union(1)), Node("second", specs.Union(1))


def test_each_operator_has_the_time_of_its_own_steps():
    clock = ManualClock()
    steps = Steps(clock)
    for node, seconds in [(FIRST, 1), (SECOND, 2), (FIRST, 4)]:
        steps.run(node, "process", lambda seconds=seconds: clock.advance(seconds))
        clock.advance(100)
    assert steps.seconds() == {"first": 5, "second": 2}


def test_a_step_that_runs_or_raises_counts():
    clock = ManualClock()
    steps = Steps(clock)

    def looked_at_and_broken():
        clock.advance(3)
        assert steps.seconds() == {"first": 3}
        clock.advance(4)
        raise ValueError

    with pytest.raises(StepFailed):
        steps.run(FIRST, "process", looked_at_and_broken)
    assert steps.seconds() == {"first": 7}
