import asyncio

import pytest
from simulator import Simulator, request

from sabotnb.cluster import control_codec
from sabotnb.cluster.change_notifier import ChangeNotifier
from sabotnb.cluster.watch_server import WatchServer
from sabotnb.protocol import RunId, Unsent, Until, ViewKind, Watch

JOB = RunId("job", 1)
HOUR = 3600.0


async def nothing(machine, changes):
    pass


async def finish(machine, changes):
    machine.finish()
    changes.wake("job")


async def place(machine, changes):
    machine.finish("first")
    changes.wake("job")


def watched(machine, watch, act=nothing):
    """The views that answer ``watch``; ``act`` changes the machine once the question waits."""

    async def run():
        changes = ChangeNotifier()
        server = WatchServer(machine.machine.overview, changes)
        answer = asyncio.create_task(server.sabot_watch(control_codec.dumps(watch)))
        await asyncio.sleep(0)  # the question is read, and waits if it has to
        await act(machine, changes)
        return control_codec.loads(await answer).views

    return asyncio.run(run())


@pytest.fixture
def running():
    machine = Simulator()
    machine.submit(request())
    return machine


@pytest.fixture
def pending():
    """A job that waits for the slots of ``first``."""
    machine = Simulator(agents=1, slots=2)
    machine.submit(request("first"))
    machine.submit(request())
    return machine


def test_a_view_is_read_at_once(running):
    (status,) = watched(running, Watch(ViewKind.STATUS, (JOB,)))
    assert (status.run, status.state, len(status.tasks)) == (JOB, "RUNNING", 2)


def test_an_unknown_run_has_no_view(running):
    assert watched(running, Watch(ViewKind.STATUS, (RunId("nope", 1),), Until.OVER, HOUR)) == (None,)


def test_a_name_means_the_current_run(running):
    (metrics,) = watched(running, Watch(ViewKind.METRICS, ("job",)))
    assert (metrics.job, metrics.run, len(metrics.tasks)) == ("job", 1, 2)


def test_a_run_that_is_waited_for_comes_with_the_change_that_ends_it(running):
    (status,) = watched(running, Watch(ViewKind.STATUS, (JOB,), Until.OVER, HOUR), finish)
    assert status.state == "FINISHED"


def test_a_run_that_has_come_far_enough_is_not_waited_for(running):
    for until in (Until.PLACED, Until.BEGUN):
        (status,) = watched(running, Watch(ViewKind.STATUS, (JOB,), until, HOUR))
        assert status.state == "RUNNING"


def test_a_pending_run_is_answered_when_it_has_slots(pending):
    (status,) = watched(pending, Watch(ViewKind.STATUS, ("job",), Until.PLACED, HOUR), place)
    assert [task.agent for task in status.tasks] == ["agent-1", "agent-1"]
    assert status.addresses == {"agent-1": "tcp://host:1"}


def test_of_a_run_that_has_not_come_as_far_in_time_nothing_is_sent(running):
    assert watched(running, Watch(ViewKind.STATUS, (JOB,), Until.OVER)) == (Unsent.NOT_YET,)


def test_a_change_answers_for_every_run_that_is_watched(running):
    running.submit(request("other"))
    watch = Watch(ViewKind.LIVE, (JOB, "other", "nope"), Until.CHANGED, HOUR)
    views = watched(running, watch, finish)
    assert [view and view.state for view in views] == ["FINISHED", "RUNNING", None]


def test_live_metrics_have_tasks_only_when_the_run_is_over(running):
    assert watched(running, Watch(ViewKind.LIVE, (JOB,)))[0].tasks == ()
    running.finish()
    assert len(watched(running, Watch(ViewKind.LIVE, (JOB,)))[0].tasks) == 2


def test_metrics_that_the_client_has_are_not_sent_again(running):
    running.finish()
    (metrics,) = watched(running, Watch(ViewKind.LIVE, (JOB,)))
    known = (metrics.version, metrics.at)
    for stamps, sent in (((known,), Unsent.UNCHANGED), (((known[0] - 1, known[1]),), metrics), ((None,), metrics)):
        assert watched(running, Watch(ViewKind.LIVE, (JOB,), known=stamps)) == (sent,)


def test_the_views_of_the_cluster_name_no_run(pending):
    (agents,) = watched(pending, Watch(ViewKind.AGENTS))
    (runs,) = watched(pending, Watch(ViewKind.RUNS))
    assert [(agent["agent"], agent["slots"], agent["free"]) for agent in agents] == [("agent-1", 2, 0)]
    assert [(run.job, run.state) for run in runs] == [("first", "RUNNING"), ("job", "PENDING")]


@pytest.mark.parametrize(("count", "seconds"), [(1, HOUR), (2, 0.0)])
def test_a_question_for_a_number_of_agents_is_answered_when_it_is_reached_or_after_its_time(pending, count, seconds):
    (agents,) = watched(pending, Watch(ViewKind.AGENTS, seconds=seconds, agents=count))
    assert len(agents) == 1


@pytest.mark.parametrize("view", [ViewKind.CHANNELS, ViewKind.HISTORY])
def test_rows_of_metrics_are_plain(running, view):
    assert watched(running, Watch(view, (JOB,))) == ([],)
