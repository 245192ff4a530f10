"""Pause, resume, stop and cancel: what tasks are told, and what the user hears."""

import pytest
from simulator import Simulator, request

from sabotnb.protocol import (
    PauseSources,
    Reply,
    ResumeSources,
    StartSources,
    StopSources,
    TaskChanged,
    TaskState,
    Tell,
)
from sabotnb.protocol.failure import Failure
from sabotnb.protocol.ids import RunId


def orders(cluster, *kinds):
    return [(told.agent, type(told.command)) for told in cluster.told_to(Tell) if isinstance(told.command, kinds)]


@pytest.fixture
def cluster():
    cluster = Simulator(agents=2)
    cluster.submit(request(vertices=(("work", 2),), commits=False))
    return cluster


def test_every_agent_is_told_once_however_often_the_user_clicks(cluster):
    answers = [cluster.command(kind, "job").sentence for kind in ("pause", "pause", "resume", "resume")]
    assert answers == ["job is paused", "job is already paused", "job resumed", "job is not paused: nothing to resume"]
    assert orders(cluster, PauseSources, ResumeSources) == [
        ("agent-1", PauseSources),
        ("agent-2", PauseSources),
        ("agent-1", ResumeSources),
        ("agent-2", ResumeSources),
    ]
    assert cluster.machine.overview.status("job").paused is False


def test_a_job_whose_rows_the_client_cannot_take_fails_with_the_clients_words():
    cluster = Simulator(agents=1)
    run = cluster.submit(request(vertices=(("work", 1),), commits=False)).run
    failure = Failure("UserFunctionError", "sink_0: show raised ValueError: no", "sink_0")
    assert cluster.command("fail", RunId("job", run.number - 1), failure).state == "RUNNING"
    assert cluster.command("fail", run, failure).sentence == "job is failing"
    assert cluster.state("job") == "FAILED"
    assert cluster.machine.jobs["job"].failure == failure


def test_a_job_paused_before_it_runs_starts_paused():
    cluster = Simulator(agents=1)
    cluster.silent = {"agent-1"}
    cluster.submit(request(vertices=(("work", 1),)))
    assert cluster.command("pause", "job").sentence == "job is paused: it will not read when it starts"
    assert orders(cluster, PauseSources) == []
    (task,) = cluster.machine.jobs["job"].tasks.values()
    cluster.feed(TaskChanged("agent-1", task.attempt, TaskState.RUNNING))
    assert orders(cluster, PauseSources, StartSources) == [("agent-1", PauseSources), ("agent-1", StartSources)]
    assert cluster.machine.overview.status("job").paused is True


def test_a_job_that_waits_for_slots_can_be_paused(cluster):
    cluster.submit(request(name="waiting", vertices=(("work", 8),)))
    cluster.command("pause", "waiting")
    cluster.finish()
    assert cluster.state("waiting") == "RUNNING"
    assert cluster.machine.overview.status("waiting").paused is True


@pytest.mark.parametrize("kind", ["cancel", "stop"])
def test_what_ends_a_paused_job_ends_the_pause(cluster, kind):
    cluster.command("pause", "job")
    cluster.command(kind, "job")
    assert cluster.machine.overview.status("job").paused is False


def test_a_stopping_job_is_not_paused(cluster):
    said = [cluster.command(kind, "job").sentence for kind in ("stop", "stop", "pause")]
    assert said == [
        "job is stopping: rows already read are processed",
        "job is already stopping",
        "job is stopping: nothing to pause",
    ]
    assert [kind for _, kind in orders(cluster, PauseSources, StopSources)] == [StopSources] * 4


@pytest.mark.parametrize("kind", ["pause", "resume", "stop", "cancel"])
@pytest.mark.parametrize(
    ("end", "ended"),
    [("finish", "has already FINISHED"), ("fail", "has already FAILED"), ("cancel", "was already CANCELED")],
)
def test_a_job_that_is_over_is_left_alone_and_says_so(cluster, kind, end, ended):
    if end == "cancel":
        cluster.command("cancel", "job")
    else:
        getattr(cluster, end)()
    cluster.told.clear()
    assert cluster.command(kind, RunId("job", 1)).sentence == f"job {ended}: nothing to {kind}"
    assert [type(told) for told in cluster.told] == [Reply]


@pytest.mark.parametrize("kind", ["pause", "resume", "stop", "cancel"])
def test_a_stale_page_acts_on_no_newer_run(cluster, kind):
    cluster.submit(request(fingerprint="new"))
    assert cluster.command(kind, RunId("job", 1)).sentence == "job was replaced by a newer run: sb.attach('job')"
    assert (cluster.state(), cluster.machine.overview.status("job").paused) == ("RUNNING", False)


def test_the_run_that_is_named_is_paused_be_it_the_next_one():
    cluster = Simulator()
    cluster.silent = {"agent-1", "agent-2"}
    cluster.submit(request())
    cluster.submit(request(fingerprint="new"))
    cluster.command("pause", RunId("job", 2))
    assert [cluster.machine.overview.status(RunId("job", number)).paused for number in (1, 2)] == [False, True]


def test_handles_of_former_runs_hear_how_theirs_ended(cluster):
    cluster.submit(request(fingerprint="second"))
    cluster.finish()
    cluster.submit(request(fingerprint="third"))
    states = [cluster.machine.overview.status(RunId("job", number)).state for number in (1, 2, 3)]
    assert states == ["CANCELED", "FINISHED", "RUNNING"]
    assert "replaced by a newer run" in cluster.machine.overview.status(RunId("job", 1)).failure.message
