"""Worker processes are killed, stopped and continued at drawn moments: every row is in the output once.

A run that fails says its seed and what was done.
"""

import psutil
import pytest
from chaos import Chaos

import sabotnb as sb

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

SHORT_LEASES = {"HEARTBEAT_SECONDS": "0.2", "AGENT_LOST_SECONDS": "2", "BATCH_ROWS": "128"}


@pytest.fixture(scope="module")
def mortal():
    with pytest.MonkeyPatch.context() as environment:
        for name, value in SHORT_LEASES.items():
            environment.setenv(f"SABOTNB_{name}", value)
        before = set(psutil.Process().children(recursive=True))
        env = sb.local(workers=2, slots=4)
        workers = set(psutil.Process().children(recursive=True)) - before
        yield env
        env.close()
        assert [process for process in workers if "spawn_main" in _command(process)] == []


def _command(process):
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


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
