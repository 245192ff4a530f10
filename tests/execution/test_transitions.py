"""The states of runs: those that places in the machine list together."""

import pytest

from sabotnb.execution.transitions import BEGUN, DEPLOYED, ENDING, JOB_MOVES
from sabotnb.protocol import JobState


@pytest.mark.parametrize("state", JobState)
def test_a_run_has_begun_or_is_ending_or_has_ended(state):
    assert [state in BEGUN, state in ENDING, state.terminal].count(True) == 1


def test_a_run_that_is_ending_does_not_begin_again():
    assert not BEGUN & frozenset().union(*(JOB_MOVES[state] for state in ENDING))
    assert DEPLOYED < BEGUN


@pytest.mark.parametrize(("ending", "ended"), ENDING.items())
def test_a_run_that_is_ending_can_end(ending, ended):
    assert ended in JOB_MOVES[ending]
    assert ended.terminal
