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


def with_a_cut(seed):
    """A run that goes on from a cut with output, or has ended before it had one."""
    run = SimulatedRun(seed)
    while not run.job.state.terminal and not (run.job.cuts.last and run.job.cuts.last.committables):
        run.go_on()
        if run.random.random() < 0.003:
            run.disturb()
    for _ in range(run.random.randint(0, 60)):
        run.go_on()
    return run


def check(first, end, begin=disturbed):
    """Let runs be disturbed and come to their end; no row is lost or doubled, no slot and no request is left."""
    for seed in range(first, min(first + 20, SEEDS)):
        try:
            run = begin(seed)
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
def test_a_run_that_begins_from_the_last_cut_of_one_that_ended_early_completes_its_output(first):
    def end(run):
        run.end_run()
        run.settle()
        if run.go_on_from_last():
            assert run.job.state.value == "FINISHED", run.job.failure

    check(first, end, begin=with_a_cut)


@seeds
def test_whatever_ends_a_run_it_ends_and_answers_all_who_have_asked(first):
    def end(run):
        run.end_run()
        run.settle()

    check(first, end)
