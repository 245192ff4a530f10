"""Random orders, delays, duplicates and losses around the machine: no row of a run is lost or doubled."""

import os

import pytest
from simulated_run import SimulatedRun

SEEDS = int(os.environ.get("SABOTNB_SEEDS", "60"))


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_every_row_is_committed_once_whatever_happens(first):
    for seed in range(first, min(first + 20, SEEDS)):
        run = SimulatedRun(seed)
        try:
            for _ in range(run.random.randint(50, 1500)):
                run.go_on()
                if run.random.random() < 0.01:
                    run.disturb()
            run.finish()
            run.check_output()
        except Exception as failed:
            raise AssertionError(f"seed {seed}: {failed}") from failed
        assert run.machine.pool.statistics().holders == {}
