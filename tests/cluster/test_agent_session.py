from queue import Queue

import pytest

from sabotnb.cluster import agent_session
from sabotnb.cluster.agent_session import AgentSession
from sabotnb.config import Config
from sabotnb.errors import SinkError
from sabotnb.protocol import Commit, RunId

RUN = RunId("job", 3)


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), RuntimeError("x"), SinkError("no room")])
def test_whatever_a_commit_raises_is_reported(monkeypatch, raised):
    def commit(order, blobs):
        raise raised

    monkeypatch.setattr(agent_session, "commit_or_abort", commit)
    reports = Queue()
    session = AgentSession("agent-1", reports.put, Config(), None, "127.0.0.1")
    session.begin()
    session.commit(Commit("agent-1", RUN, 7, "commit", {}, ()), {})
    report = reports.get(timeout=30)
    session.end()
    assert (report.agent, report.run, report.epoch, report.action) == ("agent-1", RUN, 7, "commit")
    assert report.failure.error == "SinkError"
