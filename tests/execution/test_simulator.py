"""Random orders, delays, duplicates and losses around the machine: no row of a run is lost or doubled."""

import os

import pytest
from simulated_run import SimulatedRun

SEEDS = int(os.environ.get("SABOTNB_SEEDS", "60"))

seeds = pytest.mark.parametrize("first", range(0, SEEDS, 20))


def disturbed(seed):
    """A run to which all kinds of things have happened."""
    run = SimulatedRun(seed)
    for _ in range(run.random.randint(50, 1500)):
        run.go_on()
        if run.random.random() < 0.01:
            run.disturb()
    return run


def check(first, end):
    """Let runs be disturbed and come to their end; no row is lost or doubled, no slot and no request is left."""
    for seed in range(first, min(first + 20, SEEDS)):
        try:
            run = disturbed(seed)
            end(run)
            run.check_output()
            assert run.machine.pool.statistics().holders == {}
            assert run.asked == run.replies.keys()
        except Exception as failed:
            raise AssertionError(f"seed {seed}: {failed}") from failed


@seeds
def test_every_row_is_committed_once_whatever_happens(first):
    check(first, lambda run: run.finish())


@seeds
def test_whatever_ends_a_run_it_ends_and_answers_all_who_have_asked(first):
    def end(run):
        run.end_run()
        run.settle()

    check(first, end)
