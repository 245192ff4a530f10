"""The measured time of steps."""

import pytest

from sabotnb.graph import specs
from sabotnb.graph.job_graph import Operator as Node
from sabotnb.task.steps import StepFailed, Steps, TaskCanceled
from sabotnb.testing import ManualClock

FIRST, SECOND = Node("first", specs.Union(1)), Node("second", specs.Union(1))


def test_each_operator_has_the_time_of_its_steps():
    clock = ManualClock()
    steps = Steps(clock)
    for node, seconds in [(FIRST, 1), (SECOND, 2), (FIRST, 4)]:
        steps.run(node, "process", lambda seconds=seconds: clock.advance(seconds))
        clock.advance(100)
    assert steps.seconds() == {"first": 5, "second": 2}


def test_running_and_failed_steps_count():
    clock = ManualClock()
    steps = Steps(clock)

    def read_and_fail():
        clock.advance(3)
        assert steps.seconds() == {"first": 3}
        clock.advance(4)
        raise ValueError

    with pytest.raises(StepFailed):
        steps.run(FIRST, "process", read_and_fail)
    assert steps.seconds() == {"first": 7}


def test_a_whole_step_is_not_interrupted():
    steps = Steps()
    assert steps.run(FIRST, "close", steps.interrupt, whole=True) is False
    with pytest.raises(TaskCanceled):
        steps.run(FIRST, "process", steps.interrupt)
