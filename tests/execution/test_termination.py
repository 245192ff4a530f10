"""Runs end or go on whatever is lost meanwhile, and tell those who wait for them."""

import pytest
from simulator import Simulator, agent, request

from sabotnb.errors import StaleMessage
from sabotnb.metrics import TaskCounters
from sabotnb.protocol import (
    AgentLeaving,
    AgentUp,
    CheckpointPolicy,
    Commit,
    CommitOverdue,
    Committable,
    Committed,
    CutAcked,
    CutDue,
    CutOverdue,
    Failure,
    Heartbeat,
    JobVertex,
    LeasesDue,
    MetricsReported,
    PeerLost,
    RestartDue,
    RunTakenOver,
    SessionChanged,
    SessionOverdue,
    Split,
    SplitWanted,
    Stop,
    Stored,
    TakeSavepoint,
    TaskChanged,
    TaskId,
    TaskSnapshot,
    TaskState,
    Tell,
)
from sabotnb.protocol.ids import RunId

RUN = RunId("job", 1)
BROKEN = PeerLost("agent-1", "agent-2", "broken pipe")
RAISED = Failure("UserFunctionError", "row 7")
TAKEN = Failure("JobTakenOver", "another process has resumed job 'job'")
ALL = {"agent-1", "agent-2"}


@pytest.fixture
def cluster():
    return Simulator(agents=2, slots=2)


def writing(cluster, **more):
    """An endless run, whose output each cut commits."""
    vertices = (JobVertex("read", 2, reads=True, bounded=False), JobVertex("write", 2, writes=True))
    more = {"restarts": True, "checkpoint": CheckpointPolicy(10.0, "/checkpoints"), "outputs": {"/o": False}, **more}
    cluster.submit(request(vertices=vertices, **more))
    return cluster.machine.jobs["job"]


def wrote(cluster, number):
    written = TaskSnapshot(committables=(Committable("write", {"file": number}),))
    cluster.snapshots[TaskId(RUN, "write", 0)] = written


def storing(cluster, number=1):
    """Let a cut with output be stored, for which the job store takes its time."""
    wrote(cluster, number)
    cluster.busy = True
    cluster.fire(CutDue)


def lose_all(cluster):
    for number in (1, 2):
        if f"agent-{number}" in cluster.machine.agents:
            cluster.lose(number)


def join(cluster, *numbers):
    for number in numbers:
        cluster.feed(AgentUp(agent(number, 2)))


def commits(cluster):
    return [(told.action, told.cut) for told in cluster.told_to(Commit)]


# Output that stays


def bounded(cluster, **more):
    vertices = (JobVertex("read", 2, reads=True, bounded=True), JobVertex("write", 2, writes=True))
    more = {"restarts": True, "checkpoint": CheckpointPolicy(10.0, "/checkpoints"), "outputs": {"/o": False}, **more}
    cluster.submit(request(vertices=vertices, **more))
    return cluster.machine.jobs["job"]


def kept(cluster):
    """The files that each commit or abort leaves prepared."""
    return [(told.action, [part.payload["file"] for part in told.kept]) for told in cluster.told_to(Commit)]


GOES_ON = "Its state is kept. To go on from checkpoint 1: .run('job', start_from=1)"


@pytest.mark.parametrize("end", ["cancel", "fail"])
def test_a_run_that_ends_early_keeps_what_its_last_cut_needs_and_says_how_to_go_on(cluster, end):
    job = bounded(cluster)
    wrote(cluster, 1)
    cluster.fire(CutDue)
    args = (RAISED,) if end == "fail" else ()
    said = cluster.command(end, RUN, *args).sentence
    assert kept(cluster) == [("abort", [1])]
    if end == "fail":
        assert (cluster.state(), job.failure.message, job.failure.advice) == ("FAILED", RAISED.message, GOES_ON)
    else:
        assert said == "job is being canceled; what it wrote after its last checkpoint is removed"
        assert (cluster.state(), job.note) == ("CANCELED", GOES_ON)


@pytest.mark.parametrize("end", ["cancel", "fail"])
def test_a_run_without_a_stored_cut_keeps_nothing(cluster, end):
    job = bounded(cluster)
    said = cluster.command(end, RUN, *((RAISED,) if end == "fail" else ())).sentence
    assert kept(cluster) == [("abort", [])]
    assert "start_from" not in f"{said} {job.note} {job.failure}"


def test_a_replaced_run_does_not_say_how_to_go_on_from_it(cluster):
    job = bounded(cluster)
    wrote(cluster, 1)
    cluster.fire(CutDue)
    cluster.submit(request(vertices=tuple(job.topology.vertices.values()), fingerprint="other"))
    assert (job.state.value, job.failure.error, job.failure.advice) == ("CANCELED", "JobReplaced", "")
    assert kept(cluster) == [("abort", [1])]


@pytest.mark.parametrize(("savepoint", "stays"), [("s", [1]), (None, [])])
def test_output_that_cannot_be_committed_is_saved_unless_a_savepoint_keeps_it(cluster, savepoint, stays):
    job = bounded(cluster)
    wrote(cluster, 1)
    cluster.busy = True
    if savepoint:
        cluster.feed(Stop("s", "job", savepoint))
    cluster.silent = set(ALL)
    if savepoint:
        cluster.feed(Stored(RUN, 1, 1))
        for who, attempt in cluster.running:
            cluster.feed(TaskChanged(who, attempt, TaskState.CANCELED))
    else:
        cluster.finish()
    assert kept(cluster) == [("commit", stays)]
    said = "no room" if savepoint else "no room. Nothing is lost: 'out' has all rows"
    cluster.feed(Committed(job.committer, RUN, 1, "commit", Failure("SinkError", said)))
    assert kept(cluster)[1:] == [("abort", stays)]
    cluster.feed(Committed(job.committer, RUN, 1, "abort"))
    assert ("start_from=1" in job.failure.advice) is bool(savepoint)


# Without agents


def stopped_at_a_savepoint(cluster):
    job = writing(cluster)
    wrote(cluster, 1)
    cluster.busy = True
    cluster.feed(Stop("s", "job", ""))
    cluster.silent = set(ALL)
    cluster.feed(Stored(RUN, 1, 1))
    lose_all(cluster)
    return job


def test_the_output_up_to_a_savepoint_waits_for_an_agent(cluster):
    stopped_at_a_savepoint(cluster)
    assert cluster.state() == "COMMITTING"
    join(cluster, 3)
    assert (cluster.state(), commits(cluster)[-2:]) == ("FINISHED", [("commit", 1), ("commit", None)])


def test_a_run_that_ends_at_a_savepoint_does_not_wait_forever(cluster):
    job = stopped_at_a_savepoint(cluster)
    cluster.fire(CommitOverdue)
    told = "the output of checkpoint 1 of job 'job' may be committed in part only: the last worker was lost, and none"
    assert (cluster.state(), job.failure.message.partition(" joined")[0]) == ("FAILED", told)
    assert cluster.machine.pool.statistics().holders == {}


def test_a_savepoint_ends_a_run_without_output(cluster):
    writing(cluster, commits=False, outputs={})
    cluster.silent = {"agent-2"}
    cluster.deaf = {"agent-2"}
    cluster.feed(Stop("s", "job", ""))
    cluster.lose(2)
    assert cluster.state() == "RESTARTING"
    cluster.fire(RestartDue)
    join(cluster, 3)
    cluster.feed(Stop("t", "job", ""))
    assert (cluster.state(), commits(cluster)) == ("FINISHED", [])


def test_a_run_that_starts_again_leaves_the_commit_of_its_cut_to_the_next_epoch(cluster):
    writing(cluster)
    storing(cluster)
    cluster.feed(BROKEN)
    cluster.silent = set(ALL)
    cluster.feed(Stored(RUN, 1, 1))
    assert (cluster.state(), commits(cluster)) == ("RESTARTING", [])
    lose_all(cluster)
    join(cluster, 3, 4)
    cluster.fire(RestartDue)
    assert (cluster.state(), commits(cluster)) == ("RUNNING", [("commit", 1)])


def test_a_run_whose_last_cut_is_committed_after_its_end_outlives_the_last_agent(cluster):
    writing(cluster)
    storing(cluster)
    cluster.finish()
    cluster.silent = set(ALL)
    cluster.feed(Stored(RUN, 1, 1))
    lose_all(cluster)
    join(cluster, 3)
    assert (cluster.state(), commits(cluster)[-2:]) == ("FINISHED", [("commit", 1), ("commit", None)])


@pytest.mark.parametrize(("end", "state"), [("cancel", "CANCELED"), ("fail", "FAILED")])
def test_an_agent_that_joins_while_a_cut_is_stored_waits_for_the_answer(cluster, end, state):
    writing(cluster)
    storing(cluster)
    cluster.command(end, RUN, *([RAISED] if end == "fail" else []))
    lose_all(cluster)
    join(cluster, 3)
    assert commits(cluster) == []
    cluster.feed(Stored(RUN, 1, 1))
    assert (cluster.state(), commits(cluster)) == (state, [("commit", 1), ("abort", None)])


def without_committer(cluster, end):
    """A run that ended with two stored cuts before the last, whose output no agent commits."""
    job = writing(cluster)
    for number in (1, 2, 3):
        wrote(cluster, number)
        if number == 2:
            cluster.silent = set(ALL)
        cluster.feed(CutDue(RUN, 1))
        cluster.speak("agent-1") if number < 2 else acknowledge(cluster)
    cluster.command(end, RUN, *([RAISED] if end == "fail" else []))
    lose_all(cluster)
    cluster.fire(CommitOverdue)
    return job


def acknowledge(cluster):
    number = cluster.machine.jobs["job"].cuts.number
    for who, attempt in list(cluster.running):
        cluster.feed(CutAcked(who, attempt, number, cluster.snapshots.get(attempt.task, TaskSnapshot())))


@pytest.mark.parametrize(("end", "state"), [("cancel", "CANCELED"), ("fail", "FAILED")])
def test_a_run_says_which_cuts_were_not_committed_and_from_where_to_write_them_again(cluster, end, state):
    job = without_committer(cluster, end)
    told = (
        "the output of checkpoints 2 to 3 of job 'job' may be committed in part only: the last worker was lost, and "
        "none joined within 60 s. When env.slots() lists an agent, write these rows again: .run('job', start_from=1)"
    )
    assert cluster.state() == state
    if end == "cancel":
        assert (job.failure, job.note) == (None, told)
    else:
        assert job.failure.message == f"row 7. {told}"


# Ends by a client


@pytest.mark.parametrize("when", ["running", "restarting", "without slots"])
def test_a_client_that_cannot_take_rows_ends_the_run_also_when_it_could_start_again(cluster, when):
    job = writing(cluster)
    cluster.fire(CutDue)
    if when == "restarting":
        cluster.feed(BROKEN)
    elif when == "without slots":
        lose_all(cluster)
        cluster.fire(RestartDue)
    cluster.command("fail", RUN, RAISED)
    if when == "without slots":
        join(cluster, 3)
    assert (cluster.state(), job.failure.message) == ("FAILED", RAISED.message)


def test_a_client_fails_a_run_that_waits(cluster):
    writing(cluster)
    waiting = cluster.submit(request(vertices=(("work", 4),), name="waits", fingerprint="w")).run
    cluster.silent = set(ALL)
    following = cluster.submit(request(vertices=(("work", 4),), fingerprint="g")).run
    for run in (waiting, following):
        cluster.command("fail", run, RAISED)
        job = cluster.machine.overview.run(run)
        assert (job.state.value, job.failure) == ("CANCELED", RAISED)


def test_a_run_that_starts_again_ends_with_the_session_that_takes_its_rows(cluster):
    writing(cluster, pulled=True)
    cluster.fire(CutDue)
    cluster.feed(BROKEN)
    cluster.feed(SessionChanged("me", connected=False))
    cluster.fire(SessionOverdue)
    assert cluster.state() == "CANCELED"


@pytest.mark.parametrize(("cut", "how"), [(True, "stopped, then replaces"), (False, "replaced")])
def test_a_run_that_starts_again_is_replaced_when_it_has_stopped_at_its_last_cut(cluster, cut, how):
    job = writing(cluster)
    if cut:
        cluster.fire(CutDue)
    cluster.feed(BROKEN)
    assert cluster.submit(request(outputs={"/o": False}, fingerprint="g")).how == how
    assert job.stopping is cut


# Replies

ENDS = {
    "taken over": lambda cluster: cluster.feed(RunTakenOver(RUN, TAKEN)),
    "cancel": lambda cluster: cluster.command("cancel", "job"),
    "stop": lambda cluster: cluster.command("stop", "job"),
    "fail": lambda cluster: cluster.command("fail", RUN, RAISED),
    "finish": lambda cluster: cluster.finish(),
    "raise": lambda cluster: cluster.fail(),
    "loss": lambda cluster: cluster.feed(BROKEN),
    "all are lost": lose_all,
}


@pytest.mark.parametrize("stored", [True, False], ids=["being stored", "being taken"])
@pytest.mark.parametrize("end", ENDS)
def test_whatever_ends_a_run_answers_those_who_wait_for_its_savepoints(cluster, end, stored):
    writing(cluster)
    cluster.busy = True
    if not stored:
        cluster.deaf = {"agent-2"}
    asked = [TakeSavepoint("s", "job"), Stop("t", "job", ""), TakeSavepoint("u", "job")]
    for command in asked:
        cluster.feed(command)
    ENDS[end](cluster)
    if stored and end != "taken over":
        cluster.feed(Stored(RUN, 1, 1))
    assert {command.id for command in asked} <= cluster.replies.keys()
    if end == "taken over":
        assert cluster.replies["s"] == TAKEN


# Events about an earlier run of the name, or an earlier epoch


def second_run(cluster):
    """A run of the job whose name another run had, which was canceled."""
    writing(cluster)
    cluster.command("cancel", "job")
    job = writing(cluster)
    assert job.id == RunId("job", 2)
    return job


def test_timers_of_cuts_of_an_earlier_run_say_nothing(cluster):
    job = second_run(cluster)
    cluster.deaf = set(ALL)
    cluster.feed(CutDue(RUN, 1))
    assert job.cuts.pending is None
    cluster.feed(CutDue(job.id, 1))
    cluster.feed(CutOverdue(RUN, 1, 1))
    assert job.cuts.pending.cut.id == 1


def test_a_timer_of_cuts_of_an_earlier_epoch_says_nothing(cluster):
    job = writing(cluster)
    cluster.feed(BROKEN)
    cluster.fire(RestartDue)
    cluster.feed(CutDue(RUN, 1))
    assert (cluster.state(), job.epoch, job.cuts.number) == ("RUNNING", 2, 0)


def test_a_commit_of_an_earlier_run_is_refused(cluster):
    job = second_run(cluster)
    cluster.silent = set(ALL)
    cluster.finish()
    assert (cluster.state(), job.committer) == ("COMMITTING", "agent-1")
    with pytest.raises(StaleMessage, match="which is over"):
        cluster.feed(Committed("agent-1", RUN, 1, "commit"))
    cluster.speak("agent-1")
    assert cluster.state() == "FINISHED"
    with pytest.raises(StaleMessage, match="which is over"):
        cluster.feed(Committed("agent-1", job.id, 1, "commit"))


def test_a_timer_of_the_restart_of_an_earlier_run_says_nothing(cluster):
    job = second_run(cluster)
    cluster.feed(BROKEN)
    cluster.feed(RestartDue(RUN, 1))
    assert (cluster.state(), job.restart_ready) == ("RESTARTING", False)


def test_a_deadline_of_the_commit_of_an_earlier_run_says_nothing(cluster):
    job = second_run(cluster)
    cluster.silent = set(ALL)
    cluster.finish()
    lose_all(cluster)
    cluster.feed(CommitOverdue(RUN))
    assert (cluster.state(), job.awaits_committer) == ("COMMITTING", True)


def test_a_run_that_is_taken_over_keeps_its_output_and_asks_no_committer(cluster):
    job = writing(cluster)
    cluster.silent = set(ALL)
    wrote(cluster, 1)
    cluster.feed(CutDue(RUN, 1))
    acknowledge(cluster)
    cluster.feed(RunTakenOver(RUN, TAKEN))
    with pytest.raises(StaleMessage, match="which is over"):
        cluster.feed(Committed("agent-1", RUN, 1, "commit", cut=1))
    lose_all(cluster)
    assert (cluster.state(), job.failure, commits(cluster)) == ("FAILED", TAKEN, [("commit", 1)])
    cluster.feed(RunTakenOver(RUN, RAISED))
    assert job.failure == TAKEN


def test_metrics_of_an_agent_that_is_lost_are_not_a_sign_of_life(cluster):
    cluster.lose(2)
    cluster.feed(MetricsReported("agent-2", {}))
    for _ in range(30):
        cluster.fire(LeasesDue)
        cluster.feed(Heartbeat("agent-1"))
    assert set(cluster.machine.agents) == {"agent-1"}


def test_a_task_that_is_being_canceled_is_handed_no_splits(cluster):
    job = writing(cluster, splits={"read": tuple(Split(name) for name in "abcdef")})
    cluster.silent = set(ALL)
    task = job.tasks[TaskId(RUN, "read", 0)]
    cluster.feed(BROKEN)
    assigned = list(task.assigned)
    cluster.feed(SplitWanted(task.slot.agent, task.attempt, 0))
    assert task.assigned == assigned


def test_a_timer_of_a_restart_says_nothing_to_a_run_that_was_canceled(cluster):
    job = writing(cluster)
    cluster.feed(BROKEN)
    cluster.silent = set(ALL)
    cluster.command("cancel", "job")
    cluster.fire(RestartDue)
    assert (cluster.state(), job.restart_ready) == ("CANCELING", False)
    assert cluster.machine.pool.statistics().holders == {"job": 2}


@pytest.mark.parametrize("event", [AgentLeaving("agent-9", "it may"), LeasesDue()])
def test_events_about_no_agent_are_refused(event):
    cluster = Simulator(agents=0)
    with pytest.raises(StaleMessage):
        cluster.feed(event)
    cluster.feed(AgentUp(agent(1)))
    assert cluster.submit(request()).how == "started"


def test_a_connection_of_an_agent_without_tasks_of_a_run_does_not_matter(cluster):
    writing(cluster)
    join(cluster, 3)
    cluster.feed(PeerLost("agent-3", "agent-1", "broken pipe"))
    assert cluster.state() == "RUNNING"


def test_a_task_that_opens_while_it_is_being_canceled_is_canceled(cluster):
    cluster.silent = set(ALL)
    job = writing(cluster)
    cluster.command("cancel", "job")
    for task in job.tasks.values():
        cluster.feed(TaskChanged(task.slot.agent, task.attempt, TaskState.RUNNING))
        assert task.state is TaskState.CANCELING


# Commits


def test_a_restart_does_not_wait_for_the_commit_of_a_cut(cluster):
    job = writing(cluster)
    cluster.silent = set(ALL)
    wrote(cluster, 1)
    cluster.feed(CutDue(RUN, 1))
    acknowledge(cluster)
    assert job.committer == "agent-1"
    cluster.feed(BROKEN)
    for task in list(job.tasks.values()):
        cluster.feed(TaskChanged(task.slot.agent, task.attempt, TaskState.CANCELED))
    cluster.fire(RestartDue)
    assert (cluster.state(), job.epoch) == ("DEPLOYING", 2)


def test_a_last_commit_that_fails_is_followed_by_an_abort(cluster):
    job = writing(cluster)
    cluster.silent = set(ALL)
    cluster.finish()
    cluster.feed(Committed("agent-1", RUN, 1, "commit", RAISED))
    assert (cluster.state(), commits(cluster)) == ("FAILING", [("commit", None), ("abort", None)])
    cluster.feed(Committed("agent-1", RUN, 1, "abort"))
    assert (cluster.state(), job.failure.message) == ("FAILED", RAISED.message)


def test_an_agent_that_joins_aborts_nothing_while_a_task_may_write(cluster):
    writing(cluster)
    cluster.silent = {"agent-2"}
    cluster.command("cancel", "job")
    join(cluster, 3)
    assert (cluster.state(), commits(cluster)) == ("CANCELING", [])
    cluster.speak("agent-2")
    assert (cluster.state(), commits(cluster)) == ("CANCELED", [("abort", None)])


def test_a_handle_of_an_earlier_run_stops_no_later_one(cluster):
    job = second_run(cluster)
    cluster.command("stop", RUN)
    assert (cluster.state(), job.stopping) == ("RUNNING", False)


def test_results_of_a_run_that_goes_on_are_not_dropped(cluster):
    writing(cluster)
    cluster.told.clear()
    cluster.command("drop results", "job")
    assert cluster.told_to(Tell) == []


def test_metrics_of_an_earlier_attempt_or_an_ended_task_are_dropped(cluster):
    job = writing(cluster)
    (earlier, *_) = [task.attempt for task in job.tasks.values()]
    cluster.feed(BROKEN)
    cluster.feed(MetricsReported("agent-1", {earlier: TaskCounters(rows_in=5)}))
    cluster.fire(RestartDue)
    cluster.feed(MetricsReported("agent-1", {earlier: TaskCounters(rows_in=5)}))
    assert (job.epoch, job.last_row_at, job.last_report_at) == (2, {}, {})


def test_storage_that_a_running_task_cannot_read_counts_as_raised(cluster):
    job = writing(cluster)
    cluster.fire(CutDue)
    cluster.fail(error="StorageUnreachable")
    assert [(loss.raised, loss.unread) for loss in job.losses] == [(True, False)]
