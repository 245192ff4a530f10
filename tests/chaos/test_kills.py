"""Worker processes are killed, stopped and continued at drawn moments: every row is in the output once.

A run that fails says its seed and what was done.
"""

import pytest
from chaos import Chaos

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def outcome(env, seed, folder, flow=""):
    chaos = Chaos(env, seed, folder, flow)
    chaos.settle()
    return {"seed": seed, "flow": chaos.flow_name, "done": chaos.log, "wrong": chaos.run()}


@pytest.mark.parametrize(("flow", "seed"), [("endless", 6), ("files", 13), ("totals", 12), ("endless_windows", 3)])
def test_a_job_survives_what_happens_to_its_workers(mortal, tmp_path, flow, seed):
    found = outcome(mortal, seed, tmp_path, flow)
    assert found["wrong"] == [], found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_many_jobs_survive_what_happens_to_their_workers(mortal, tmp_path, seed):
    found = outcome(mortal, seed, tmp_path)
    assert found["wrong"] == [], found
