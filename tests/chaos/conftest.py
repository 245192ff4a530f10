"""One cluster of two worker processes for the chaos runs of a file; it declares silent workers lost after 2 seconds."""

import psutil
import pytest

import sabotnb as sb

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
