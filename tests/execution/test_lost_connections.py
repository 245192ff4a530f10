import pytest
from simulator import Simulator, request

from sabotnb.errors import AgentLost, StaleMessage
from sabotnb.protocol import PeerLost

BROKEN = PeerLost("agent-1", "agent-2", "broken pipe")


def test_a_broken_connection_fails_the_jobs_that_use_both_agents():
    cluster = Simulator(agents=3)
    cluster.submit(request("wide", vertices=(("work", 3),)))
    cluster.submit(request("narrow", vertices=(("work", 1),)))
    cluster.feed(BROKEN)
    assert (cluster.state("wide"), cluster.state("narrow")) == ("FAILED", "RUNNING")
    assert "agent-1 lost the connection with agent-2: broken pipe" in cluster.machine.jobs["wide"].failure.message


def say_so_of_a_task(cluster):
    cluster.fail(message="agent-1 lost the connection with agent-2", error=AgentLost.__name__)


@pytest.mark.parametrize("say", [lambda cluster: cluster.feed(BROKEN), say_so_of_a_task])
def test_that_the_agent_itself_was_lost_explains_more(say):
    cluster = Simulator(agents=2)
    cluster.silent = {"agent-2"}
    cluster.submit(request(vertices=(("work", 2),)))
    say(cluster)
    assert cluster.state() == "FAILING"
    assert "agent-1 lost the connection with agent-2" in cluster.machine.jobs["job"].failure.message
    cluster.lose(2)
    assert cluster.state() == "FAILED"
    assert "agent-2 (process" in cluster.machine.jobs["job"].failure.message


def test_an_agent_that_was_given_up_is_not_listened_to():
    cluster = Simulator(agents=2)
    cluster.lose(1)
    with pytest.raises(StaleMessage, match="after being declared lost itself"):
        cluster.feed(BROKEN)
