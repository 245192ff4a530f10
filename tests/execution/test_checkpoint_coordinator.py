"""Cuts of a run: when they begin, what is stored of them, and when their output is committed."""

import pytest
from simulator import Simulator, request

from sabotnb.errors import StaleMessage
from sabotnb.metrics import TaskCounters
from sabotnb.protocol import (
    Attempt,
    CheckpointingStatus,
    CheckpointPolicy,
    CheckpointStatus,
    Commit,
    Committable,
    Committed,
    CutAcked,
    CutDue,
    CutFailed,
    CutKind,
    CutOverdue,
    CutStored,
    Deploy,
    Fail,
    Failure,
    JobVertex,
    MetricsReported,
    PeerLost,
    Position,
    RestartDue,
    ResumeSources,
    SourceState,
    Split,
    SplitWanted,
    StartSources,
    StateFile,
    Store,
    Stored,
    TakeCut,
    TakeSavepoint,
    TaskChanged,
    TaskId,
    TaskRestore,
    TaskSnapshot,
    TaskState,
    Tell,
)
from sabotnb.protocol.ids import RunId

RUN = RunId("job", 1)
BROKEN = PeerLost("agent-1", "agent-2", "broken pipe")
SPLITS = {"read": tuple(Split(name) for name in "abcdef")}


def at(split: str, position: Position) -> Split:
    return Split(split, position)


def file(name: str) -> Committable:
    return Committable("write", {"file": name})


def task(vertex: str, index: int) -> TaskId:
    return TaskId(RUN, vertex, index)


@pytest.fixture
def cluster():
    return Simulator(agents=2, slots=2)


def running(cluster, *, bounded=False, interval=10.0, pause=0.0, timeout=600.0, parallelism=2, **more):
    """A run that reads and writes, each with two tasks."""
    vertices = (
        JobVertex("read", parallelism, reads=True, bounded=bounded),
        JobVertex("write", parallelism, writes=True),
    )
    policy = CheckpointPolicy(interval, "/checkpoints", timeout, pause)
    more = {"restarts": True, "splits": SPLITS, "checkpoint": policy, **more}
    cluster.submit(request(vertices=vertices, **more))
    return cluster.machine.jobs["job"]


def cut(cluster):
    """Let the next checkpoint begin, and return what was stored of it."""
    before = len(cluster.told_to(Store))
    cluster.fire(CutDue)
    stored = cluster.told_to(Store)[before:]
    return stored[0].stored if stored else None


def commands(cluster, kind):
    return [(told.agent, told.command) for told in cluster.told_to(Tell) if isinstance(told.command, kind)]


def commits(cluster):
    return [
        (commit.action, commit.cut, [one.payload["file"] for one in commit.committables])
        for commit in cluster.told_to(Commit)
    ]


def attempt_of(job, vertex, index):
    found = job.tasks[task(vertex, index)]
    return found.slot.agent, found.attempt


def read(cluster, job, rows):
    """Let the first task of the source report that it has read ``rows`` in this epoch."""
    who, attempt = attempt_of(job, "read", 0)
    cluster.feed(MetricsReported(who, {attempt: TaskCounters(rows_in=rows)}))


def cut_at(cluster, job, rows):
    """Take a checkpoint at which the first task of the source has read ``rows`` in this epoch."""
    cluster.deaf = {"agent-1", "agent-2"}
    cluster.fire(CutDue)
    for vertex, index in (("read", 0), ("read", 1), ("write", 0), ("write", 1)):
        counters = TaskCounters(rows_in=rows if (vertex, index) != ("read", 1) else 0)
        cluster.feed(CutAcked(*attempt_of(job, vertex, index), job.cuts.number, TaskSnapshot(), counters))
    cluster.deaf = set()


def ended(cluster, job, vertex, index, *committables):
    who, attempt = attempt_of(job, vertex, index)
    cluster.running.remove((who, attempt))
    cluster.feed(TaskChanged(who, attempt, TaskState.FINISHED, committables=committables))


# When


def test_the_first_cut_begins_an_interval_after_the_run_is_running(cluster):
    job = running(cluster)
    assert cluster.timers[CutDue(RUN, 1)] == 10.0
    cluster.fire(CutDue)
    assert [(who, told.cut.id, told.hold) for who, told in commands(cluster, TakeCut)] == [
        ("agent-1", 1, False),
        ("agent-2", 1, False),
    ]
    assert job.cuts.last.cut == 1


def test_the_next_one_begins_an_interval_after_the_begin_of_the_last(cluster):
    running(cluster)
    cluster.busy = True
    cut(cluster)
    assert CutDue(RUN, 1) not in cluster.timers
    cluster.now = 13.0
    cluster.feed(Stored(RUN, 1, 1))
    assert cluster.timers[CutDue(RUN, 1)] == 20.0


def test_the_pause_is_kept_after_a_slow_one(cluster):
    running(cluster, pause=5.0)
    cluster.busy = True
    cut(cluster)
    cluster.now = 18.0
    cluster.feed(Stored(RUN, 1, 1))
    assert cluster.timers[CutDue(RUN, 1)] == 23.0


def test_a_run_without_a_policy_takes_none(cluster):
    running(cluster, checkpoint=None)
    assert not [timer for timer in cluster.timers if isinstance(timer, CutDue)]
    assert {told.deployment.storage for told in cluster.told_to(Deploy)} == {None}


def test_agents_are_told_where_the_files_are(cluster):
    running(cluster)
    assert {told.deployment.storage for told in cluster.told_to(Deploy)} == {"/checkpoints"}


@pytest.mark.parametrize("in_the_way", ["stop", "in progress", "of the last epoch"])
def test_no_cut_begins(cluster, in_the_way):
    running(cluster)
    if in_the_way == "stop":
        cluster.command("stop", "job")
    elif in_the_way == "in progress":
        cluster.deaf = {"agent-1"}
        cut(cluster)
    else:
        cluster.lose(2)
    cluster.told.clear()
    cluster.feed(CutDue(RUN, 1))
    assert cluster.told == []


# What


def test_a_cut_is_stored_when_every_task_has_acknowledged_it(cluster):
    job = running(cluster)
    cluster.deaf = {"agent-2"}
    snapshot = TaskSnapshot(StateFile("f", 5, 1), memos={"write": {"rows": 3}}, committables=(file("x"),))
    cluster.snapshots[task("write", 0)] = snapshot
    assert cut(cluster) is None
    cluster.now += 2.5
    for vertex in ("read", "write"):
        cluster.feed(CutAcked(*attempt_of(job, vertex, 1), 1, TaskSnapshot()))
    (store,) = cluster.told_to(Store)
    stored = store.stored
    assert (stored.run, stored.epoch, stored.cut, stored.seconds, stored.nbytes) == (RUN, 1, 1, 2.5, 5)
    assert stored.parallelism == {"read": 2, "write": 2}
    assert stored.operators == {"read": ("read",), "write": ("write",)}
    assert stored.tasks == {
        task("read", 0): TaskSnapshot(),
        task("read", 1): TaskSnapshot(),
        task("write", 0): snapshot,
        task("write", 1): TaskSnapshot(),
    }
    assert stored.committables == (file("x"),)


def test_the_checkpoint_exists_when_the_store_has_it(cluster):
    job = running(cluster)
    cluster.busy = True
    cut(cluster)
    assert (job.cuts.last, commands(cluster, CutStored), commits(cluster)) == (None, [], [])
    cluster.feed(Stored(RUN, 1, 1))
    assert job.cuts.last == cluster.told_to(Store)[0].stored
    assert [(who, told.cut) for who, told in commands(cluster, CutStored)] == [("agent-1", 1), ("agent-2", 1)]


def test_tasks_that_have_ended_are_acknowledged_and_their_output_joins(cluster):
    job = running(cluster)
    ended(cluster, job, "write", 1, file("before"))
    stored = cut(cluster)
    assert stored.tasks[task("write", 1)] == TaskSnapshot(ended=True)
    assert stored.committables == (file("before"),)


def test_a_task_that_ends_before_it_has_acknowledged_has_not_passed_the_cut(cluster):
    job = running(cluster)
    cluster.deaf = {"agent-2"}
    cut(cluster)
    cluster.feed(CutAcked(*attempt_of(job, "read", 1), 1, TaskSnapshot()))
    ended(cluster, job, "write", 1, file("x"))
    (store,) = cluster.told_to(Store)
    assert store.stored.tasks[task("write", 1)] == TaskSnapshot(ended=True)
    assert store.stored.committables == (file("x"),)


def test_a_task_that_ends_while_the_cut_is_stored_does_not_complete_it_again(cluster):
    job = running(cluster)
    cluster.busy = True
    cut(cluster)
    ended(cluster, job, "write", 1)
    assert len(cluster.told_to(Store)) == 1


def test_output_of_a_task_that_ends_behind_the_cut_belongs_to_the_next(cluster):
    job = running(cluster)
    cluster.deaf = {"agent-2"}
    cluster.snapshots[task("write", 0)] = TaskSnapshot(committables=(file("of cut 1"),))
    cut(cluster)
    ended(cluster, job, "write", 0, file("of cut 1"), file("behind"))
    for vertex in ("read", "write"):
        cluster.feed(CutAcked(*attempt_of(job, vertex, 1), 1, TaskSnapshot()))
    cluster.deaf.clear()
    assert [store.stored.committables for store in cluster.told_to(Store)] == [(file("of cut 1"),)]
    assert cut(cluster).committables == (file("behind"),)


def test_finished_splits_add_up_over_tasks_epochs_and_ended_tasks(cluster):
    job = running(cluster)
    cluster.feed(SplitWanted(*attempt_of(job, "read", 0), 0))
    cluster.snapshots[task("read", 0)] = TaskSnapshot(source=SourceState((at("c", {"row": 7}),), ("a",)))
    assert cut(cluster).finished == {"read": ("a",)}
    cluster.feed(SplitWanted(*attempt_of(job, "read", 1), 0))
    ended(cluster, job, "read", 1)
    assert set(cut(cluster).finished["read"]) == {"a", "b", "d"}
    lose_and_restart(cluster)
    cluster.snapshots[task("read", 0)] = TaskSnapshot(source=SourceState((), ("c",)))
    cluster.snapshots[task("read", 1)] = TaskSnapshot(ended=True)
    assert set(cut(cluster).finished["read"]) == {"a", "b", "c", "d"}


# Abandoned


@pytest.mark.parametrize("why", ["failed", "overdue", "not stored"])
def test_an_abandoned_cut_leaves_the_run_as_it_is_and_another_follows(cluster, why):
    job = running(cluster, timeout=3.0)
    cluster.deaf, cluster.busy = {"agent-2"}, True
    cut(cluster)
    failure = Failure("CheckpointError", "the disk is full")
    if why == "failed":
        cluster.feed(CutFailed(*attempt_of(job, "read", 1), 1, failure))
    elif why == "overdue":
        cluster.fire(CutOverdue)
        failure = job.cuts.last_failure
        assert failure.message.startswith(
            "checkpoint 1 was not complete after 3 s; it waited for job/read[1], job/write[1]. The job goes on."
        )
    else:
        for vertex in ("read", "write"):
            cluster.feed(CutAcked(*attempt_of(job, vertex, 1), 1, TaskSnapshot()))
        cluster.feed(Stored(RUN, 1, 1, failure))
    assert (cluster.state(), job.cuts.failures, job.cuts.last_failure) == ("RUNNING", 1, failure)
    assert (job.cuts.last, commands(cluster, CutStored), commands(cluster, ResumeSources)) == (None, [], [])
    cluster.deaf, cluster.busy = set(), False
    assert cut(cluster).cut == 2
    assert (job.cuts.failures, job.cuts.last_failure) == (0, None)


def test_a_cut_that_is_being_stored_is_not_overdue(cluster):
    job = running(cluster, timeout=3.0)
    cluster.busy = True
    cut(cluster)
    cluster.fire(CutOverdue)
    cluster.feed(Stored(RUN, 1, 1))
    assert (job.cuts.last.cut, job.cuts.failures) == (1, 0)


def test_output_of_an_abandoned_cut_joins_the_next(cluster):
    running(cluster)
    cluster.snapshots[task("write", 0)] = TaskSnapshot(committables=(file("1"),))
    cluster.refusal = Failure("CheckpointError", "no room")
    cut(cluster)
    cluster.refusal = None
    cluster.snapshots[task("write", 0)] = TaskSnapshot(committables=(file("1"), file("2")))
    cut(cluster)
    assert commits(cluster) == [("commit", 2, ["1", "2"])]


STALE = {
    "another agent": lambda job: CutAcked("agent-2", attempt_of(job, "read", 0)[1], 1, TaskSnapshot()),
    "another attempt": lambda job: CutAcked("agent-1", Attempt(task("read", 0), 99, 1), 1, TaskSnapshot()),
    "another epoch": lambda job: CutAcked("agent-1", Attempt(task("read", 0), 0, 2), 1, TaskSnapshot()),
    "another cut": lambda job: CutAcked(*attempt_of(job, "read", 1), 2, TaskSnapshot()),
    "twice": lambda job: CutAcked(*attempt_of(job, "read", 0), 1, TaskSnapshot(ended=True)),
    "not of this cut": lambda job: CutFailed(*attempt_of(job, "read", 1), 2, Failure("CheckpointError", "")),
    "of another agent": lambda job: CutFailed("agent-1", attempt_of(job, "read", 1)[1], 1, Failure("x", "")),
    "after its acknowledgement": lambda job: CutFailed(*attempt_of(job, "read", 0), 1, Failure("x", "")),
    "not asked for": lambda job: Stored(RUN, 1, 1),
    "stored in another epoch": lambda job: Stored(RUN, 2, 1),
    "stored for another run": lambda job: Stored(RunId("job", 2), 1, 1),
    "stored for an unknown job": lambda job: Stored(RunId("other", 1), 1, 1),
}


@pytest.mark.parametrize("report", STALE)
def test_reports_that_are_not_about_the_cut_in_progress_are_refused(cluster, report):
    job = running(cluster)
    cluster.deaf = {"agent-2"}
    cut(cluster)
    missing = set(job.cuts.pending.missing)
    with pytest.raises(StaleMessage):
        cluster.feed(STALE[report](job))
    assert job.cuts.pending.missing == missing
    assert job.cuts.pending.snapshots[task("read", 0)] == TaskSnapshot()


def test_an_answer_of_the_store_to_an_earlier_cut_is_refused(cluster):
    job = running(cluster)
    cut(cluster)
    cluster.busy = True
    cut(cluster)
    with pytest.raises(StaleMessage):
        cluster.feed(Stored(RUN, 1, 1))
    assert job.cuts.last.cut == 1


# Commits


def acknowledge_all(cluster, number):
    """Let the tasks of silent agents pass the next cut."""
    cluster.feed(CutDue(RUN, 1))
    cluster.unheeded = [pending for pending in cluster.unheeded if not isinstance(pending, Tell)]
    for who, attempt in list(cluster.running):
        cluster.feed(CutAcked(who, attempt, number, cluster.snapshots.get(attempt.task, TaskSnapshot())))


def wrote(cluster, number):
    cluster.snapshots[task("write", 0)] = TaskSnapshot(committables=(file(f"{number}"),))


def test_an_endless_run_commits_the_output_of_each_cut_in_order(cluster):
    job = running(cluster)
    cluster.silent = {"agent-1", "agent-2"}
    for number in (1, 2, 3):
        wrote(cluster, number)
        acknowledge_all(cluster, number)
    assert commits(cluster) == [("commit", 1, ["1"])]
    assert cluster.told_to(Store)[-1].stored.committables == (file("1"), file("2"), file("3"))
    cluster.feed(Committed("agent-1", RUN, 1, "commit", cut=1))
    assert commits(cluster)[1:] == [("commit", 2, ["2"])]
    cluster.feed(Committed("agent-1", RUN, 1, "commit", cut=2))
    cluster.feed(Committed("agent-1", RUN, 1, "commit", cut=3))
    assert commits(cluster)[2:] == [("commit", 3, ["3"])]
    assert job.committables == []


@pytest.mark.parametrize(
    "answer",
    [
        Committed("agent-2", RUN, 1, "commit", cut=1),
        Committed("agent-1", RUN, 1, "commit", cut=2),
        Committed("agent-1", RUN, 1, "commit"),
        Committed("agent-1", RUN, 1, "abort", cut=1),
        Committed("agent-1", RUN, 2, "commit", cut=1),
    ],
)
def test_a_commit_that_was_not_asked_for_is_refused(cluster, answer):
    job = running(cluster)
    wrote(cluster, 1)
    cluster.silent = {"agent-1", "agent-2"}
    acknowledge_all(cluster, 1)
    with pytest.raises(StaleMessage, match="which is over"):
        cluster.feed(answer)
    assert job.committables == [file("1")]


def test_a_bounded_run_commits_all_output_at_its_end(cluster):
    job = running(cluster, bounded=True)
    for number in (1, 2):
        wrote(cluster, number)
        assert cut(cluster).committables == tuple(file(f"{before}") for before in range(1, number + 1))
    assert commits(cluster) == []
    ended(cluster, job, "write", 0, file("2"), file("3"))
    cluster.finish()
    assert commits(cluster) == [("commit", None, ["1", "2", "3"])]
    assert cluster.state() == "FINISHED"


def test_the_end_of_a_run_waits_for_the_commit_of_its_last_cut(cluster):
    job = running(cluster)
    wrote(cluster, 1)
    cluster.busy = True
    cut(cluster)
    ended(cluster, job, "write", 0, file("1"), file("2"))
    cluster.finish()
    assert cluster.state() == "RUNNING"
    cluster.feed(Stored(RUN, 1, 1))
    assert commits(cluster) == [("commit", 1, ["1"]), ("commit", None, ["2"])]
    assert cluster.state() == "FINISHED"


def test_a_cut_in_progress_does_not_hold_the_end(cluster):
    job = running(cluster)
    cluster.deaf = {"agent-1", "agent-2"}
    cut(cluster)
    cluster.finish()
    assert (cluster.state(), job.cuts.pending, cluster.told_to(Store)) == ("FINISHED", None, [])


def test_a_commit_that_fails_ends_the_run_and_that_of_a_later_cut_is_still_tried(cluster):
    job = running(cluster)
    cluster.silent = {"agent-1", "agent-2"}
    for number in (1, 2):
        wrote(cluster, number)
        acknowledge_all(cluster, number)
    cluster.feed(Committed("agent-1", RUN, 1, "commit", Failure("SinkError", "no room"), cut=1))
    assert (cluster.state(), job.failure.message) == ("FAILING", "no room")
    assert commits(cluster)[1:] == [("commit", 2, ["1", "2"])]  # which saves both, if it fails too
    for who, attempt in cluster.running:
        cluster.feed(TaskChanged(who, attempt, TaskState.CANCELED))
    assert cluster.state() == "FAILING"
    cluster.feed(Committed("agent-1", RUN, 1, "commit", cut=2))
    assert commits(cluster)[2:] == [("abort", None, [])]
    cluster.feed(Committed("agent-1", RUN, 1, "abort"))
    assert (cluster.state(), job.failure.message) == ("FAILED", "no room")


def test_the_output_of_a_cut_whose_commit_failed_stays_for_the_run_that_goes_on_from_it(cluster):
    job = running(cluster)
    cluster.silent = {"agent-1", "agent-2"}
    wrote(cluster, 1)
    acknowledge_all(cluster, 1)
    cluster.feed(Committed("agent-1", RUN, 1, "commit", Failure("SinkError", "no room"), cut=1))
    for who, attempt in cluster.running:
        cluster.feed(TaskChanged(who, attempt, TaskState.CANCELED))
    assert [(order.saves, order.kept) for order in cluster.told_to(Commit)] == [(False, ()), (False, (file("1"),))]
    cluster.feed(Committed("agent-1", RUN, 1, "abort"))
    assert (cluster.state(), job.failure.message) == ("FAILED", "no room")
    assert job.failure.advice == "Its state is kept. To go on from checkpoint 1: .run('job', start_from=1)"


def test_the_abort_after_a_commit_that_failed_saves_output_whose_checkpoint_cannot_be_read(cluster):
    job = running(cluster)
    cluster.silent = {"agent-1", "agent-2"}
    wrote(cluster, 1)
    acknowledge_all(cluster, 1)
    cluster.feed(BROKEN)
    for who, attempt in cluster.running:
        cluster.feed(TaskChanged(who, attempt, TaskState.CANCELED))
    cluster.fire(RestartDue)
    torn = Failure("CheckpointError", "the file is torn. Remove it")
    for vertex in list(job.tasks.values()):
        cluster.feed(TaskChanged(vertex.slot.agent, vertex.attempt, TaskState.FAILED, torn))
    cluster.feed(Committed("agent-1", RUN, 2, "commit", Failure("SinkError", "no room"), cut=1))
    assert [(order.saves, order.kept) for order in cluster.told_to(Commit)][-1] == (True, ())
    cluster.feed(Committed("agent-1", RUN, 2, "abort", saved="Nothing is lost: it is there."))
    assert cluster.state() == "FAILED"
    assert job.failure.message.endswith("no room. Nothing is lost: it is there.")
    assert job.failure.advice == ""


def test_the_commit_of_a_cut_moves_to_other_agents_and_is_given_up_after_several():
    cluster = Simulator(agents=7, slots=1)
    job = running(cluster, parallelism=7)
    for index in range(6):
        for vertex in ("read", "write"):
            ended(cluster, job, vertex, index)
    cluster.snapshots[task("write", 6)] = TaskSnapshot(committables=(file("1"),))
    cluster.silent = {f"agent-{number}" for number in range(1, 7)}
    cut(cluster)
    for number in range(1, 6):
        assert (cluster.state(), job.committer) == ("RUNNING", f"agent-{number}")
        cluster.lose(number)
    assert cluster.state() == "FAILED"
    told = "the output of checkpoint 1 of job 'job' may be committed in part only: 5 workers were lost while they"
    assert job.failure.message.startswith(told)
    assert commits(cluster) == [("commit", 1, ["1"])] * 5


def test_agents_that_are_lost_are_counted_for_each_commit():
    cluster = Simulator(agents=7, slots=1)
    job = running(cluster, parallelism=7)
    for index in range(6):
        for vertex in ("read", "write"):
            ended(cluster, job, vertex, index)
    cluster.silent = {f"agent-{number}" for number in range(1, 7)}
    for number, lost in ((1, range(1, 5)), (2, range(5, 6))):
        cluster.snapshots[task("write", 6)] = TaskSnapshot(committables=(file(f"{number}"),))
        cut(cluster)
        for agent_number in lost:
            cluster.lose(agent_number)
        cluster.feed(Committed(job.committer, RUN, 1, "commit", cut=number))
    assert (cluster.state(), job.committables) == ("RUNNING", [])


def test_a_committer_that_is_lost_with_tasks_of_a_run_that_fails_is_replaced(cluster):
    job = running(cluster, restarts=False, passed_on=("write",))
    wrote(cluster, 1)
    cluster.silent = {"agent-1", "agent-2"}
    acknowledge_all(cluster, 1)
    cluster.lose(1)
    assert (cluster.state(), job.committer) == ("FAILING", "agent-2")
    cluster.speak("agent-2")
    assert cluster.state() == "FAILED"
    assert commits(cluster) == [("commit", 1, ["1"]), ("commit", 1, ["1"]), ("abort", None, [])]


# Restarts


def lose_and_restart(cluster):
    cluster.feed(BROKEN)
    cluster.fire(RestartDue)


def restores(cluster, epoch):
    return {
        attempt.task: restore
        for told in cluster.told_to(Deploy)
        if told.deployment.epoch == epoch
        for attempt, restore in told.deployment.restores.items()
    }


def first_splits(cluster, epoch):
    return {
        first.attempt.task: [(split.id, dict(split.position)) for split in first.splits]
        for told in cluster.told_to(Deploy)
        if told.deployment.epoch == epoch
        for first in told.deployment.splits
    }


def test_a_run_that_restarts_goes_on_from_its_last_stored_cut(cluster):
    job = running(cluster)
    cluster.feed(SplitWanted(*attempt_of(job, "read", 0), 0))  # c, which the task has not begun
    cluster.snapshots = {
        task("read", 0): TaskSnapshot(source=SourceState((), ("a",)), event_times={"read": 5, "": 4}),
        task("read", 1): TaskSnapshot(source=SourceState((at("b", {"row": 3}),), ()), event_times={"": 9}),
        task("write", 0): TaskSnapshot(StateFile("f0", 1, 1), memos={"write": {"rows": 1}}),
        task("write", 1): TaskSnapshot(StateFile("f1", 1, 1)),
    }
    cut(cluster)
    lose_and_restart(cluster)
    assert (cluster.state(), job.epoch) == ("RUNNING", 2)
    assert restores(cluster, 2) == {
        task("read", 0): TaskRestore(event_times={"read": 5, "": 4}),
        task("read", 1): TaskRestore(event_times={"": 9}),
        task("write", 0): TaskRestore((StateFile("f0", 1, 1),), {"write": ({"rows": 1},)}),
        task("write", 1): TaskRestore((StateFile("f1", 1, 1),)),
    }
    assert first_splits(cluster, 2) == {task("read", 0): [("c", {})], task("read", 1): [("b", {"row": 3})]}


def test_a_task_that_had_ended_is_handed_no_splits(cluster):
    job = running(cluster)
    ended(cluster, job, "read", 0)
    cut(cluster)
    lose_and_restart(cluster)
    assert restores(cluster, 2)[task("read", 0)] == TaskRestore(ended=True)
    assert first_splits(cluster, 2)[task("read", 0)] == []


def test_the_last_cut_is_committed_again_before_sources_start(cluster):
    job = running(cluster)
    wrote(cluster, 1)
    cut(cluster)
    assert commits(cluster) == [("commit", 1, ["1"])]
    cluster.feed(BROKEN)
    cluster.told.clear()
    cluster.silent = {"agent-1", "agent-2"}
    cluster.fire(RestartDue)
    for who, attempt in [
        (told.agent, attempt) for told in cluster.told_to(Deploy) for attempt in told.deployment.attempts
    ]:
        cluster.feed(TaskChanged(who, attempt, TaskState.RUNNING))
    assert (commits(cluster), commands(cluster, StartSources)) == ([("commit", 1, ["1"])], [])
    assert cluster.state() == "DEPLOYING"
    cluster.feed(Committed("agent-1", RUN, 2, "commit", cut=1))
    assert len(commands(cluster, StartSources)) == 2
    assert (cluster.state(), job.committables) == ("RUNNING", [])


def test_a_bounded_run_keeps_the_output_of_its_last_cut(cluster):
    running(cluster, bounded=True)
    wrote(cluster, 1)
    cut(cluster)
    lose_and_restart(cluster)
    assert commits(cluster) == []
    wrote(cluster, 2)
    assert cut(cluster).committables == (file("1"), file("2"))
    cluster.finish()
    assert commits(cluster) == [("commit", None, ["1", "2"])]


def test_a_restart_waits_for_the_answer_of_the_store(cluster):
    job = running(cluster)
    cluster.busy = True
    cut(cluster)
    lose_and_restart(cluster)
    assert cluster.state() == "RESTARTING"
    cluster.feed(Stored(RUN, 1, 1))
    cluster.fire(RestartDue)
    assert (cluster.state(), job.cuts.base.cut) == ("RUNNING", 1)


def test_cut_numbers_go_on_over_restarts(cluster):
    running(cluster)
    cut(cluster)
    cluster.deaf = {"agent-1"}
    cut(cluster)
    cluster.deaf = set()
    lose_and_restart(cluster)
    assert (cut(cluster).cut, cluster.told_to(Store)[-1].stored.epoch) == (3, 2)


# Status


def status(cluster):
    return cluster.machine.overview.status("job")


def test_the_status_lists_stored_cuts_with_their_bytes(cluster):
    running(cluster)
    cluster.snapshots[task("write", 1)] = TaskSnapshot(StateFile("f", 7, 1))
    cluster.busy = True
    cut(cluster)
    cluster.now += 2
    cluster.feed(Stored(RUN, 1, 1))
    assert status(cluster).checkpoints == (
        CheckpointStatus(
            cut=1, kind=CutKind.CHECKPOINT, name="", epoch=1, began=10.0, seconds=0.0, nbytes={"job/write[1]": 7}
        ),
    )
    assert status(cluster).checkpointing == CheckpointingStatus(storage="/checkpoints")


def test_the_status_says_what_a_cut_waits_for_and_why_the_last_ones_failed(cluster):
    running(cluster)
    cluster.refusal = Failure("CheckpointError", "no room")
    for _ in range(2):
        cut(cluster)
    cluster.deaf = {"agent-2"}
    cut(cluster)
    assert status(cluster).checkpointing == CheckpointingStatus(
        storage="/checkpoints", since=30.0, missing=2, failures=2, last_failure="no room"
    )
    metrics = cluster.machine.overview.metrics(cluster.now, cluster.now + 500, "job")
    assert (metrics.checkpointed, metrics.checkpoint_failure) == (None, "the last 2 checkpoints failed: no room")


def test_the_metrics_say_when_the_last_cut_began_by_the_time_of_the_day(cluster):
    running(cluster)
    cut(cluster)
    began = cluster.now
    cluster.now += 8
    metrics = cluster.machine.overview.metrics(cluster.now, cluster.now + 500, "job")
    assert (metrics.checkpointed, metrics.checkpoint_failure) == (began + 500, "")


def test_the_status_says_from_where_a_run_goes_on_and_how_much_is_done_again(cluster):
    job = running(cluster)
    cut_at(cluster, job, 100)
    read(cluster, job, 310)
    cluster.now += 4
    cluster.feed(BROKEN)
    expected = CheckpointingStatus(storage="/checkpoints", restored="checkpoint 1", replayed=4.0, replayed_rows=210)
    assert status(cluster).checkpointing == expected
    metrics = cluster.machine.overview.metrics(cluster.now, cluster.now, "job")
    again = "The job starts again from checkpoint 1, 4.0 s and about 210 rows before the failure."
    assert metrics.finding.sentence.endswith(again)
    cluster.fire(RestartDue)
    assert (cluster.state(), status(cluster).checkpointing) == ("RUNNING", expected)


def test_rows_that_are_read_a_third_time_are_known_too(cluster):
    job = running(cluster)
    cut_at(cluster, job, 100)
    read(cluster, job, 310)
    lose_and_restart(cluster)
    read(cluster, job, 50)  # of the 210 rows behind the cut
    lose_and_restart(cluster)
    assert status(cluster).checkpointing.replayed_rows == 210
    cut_at(cluster, job, 300)
    read(cluster, job, 330)
    lose_and_restart(cluster)
    assert (status(cluster).checkpointing.restored, status(cluster).checkpointing.replayed_rows) == ("checkpoint 2", 30)
    assert [shown.rows for shown in status(cluster).checkpoints] == [100, 400]


def test_the_status_says_which_checkpoints_are_of_use(cluster):
    def kept():
        return [shown.cut for shown in status(cluster).checkpoints if shown.kept]

    job = running(cluster, bounded=True)
    cluster.feed(TakeSavepoint("s", "job"))
    for _ in range(4):
        cut(cluster)
    assert kept() == [1, 3, 4, 5]
    job.cuts.go_back()
    assert kept() == [1, 3, 4]
    cluster.feed(TakeSavepoint("left", "job"))
    job.cuts.go_back()
    lose_and_restart(cluster)
    cut(cluster)
    assert kept() == [1, 3, 4, 7]


def test_how_much_is_done_again_stays_known_while_later_cuts_are_taken(cluster):
    job = running(cluster)
    cut(cluster)
    lose_and_restart(cluster)
    before = status(cluster).checkpointing
    for _ in range(job.cuts.shown.maxlen + 1):
        cut(cluster)
    assert status(cluster).checkpointing == before


def test_a_run_that_fails_after_its_checkpoints_have_committed_output_says_so(cluster):
    job = running(cluster)
    cluster.silent = {"agent-1", "agent-2"}
    wrote(cluster, 1)
    acknowledge_all(cluster, 1)
    cluster.feed(Committed("agent-1", RUN, 1, "commit", Failure("X", "gone. No output was committed. Run."), cut=1))
    for who, attempt in cluster.running:
        cluster.feed(TaskChanged(who, attempt, TaskState.CANCELED))
    cluster.feed(Committed("agent-1", RUN, 1, "abort"))
    assert job.failure.message == "gone. What its checkpoints have committed stays. Run."


def test_a_run_that_fails_says_how_a_corrected_job_goes_on(cluster):
    job = running(cluster)
    cluster.fire(CutDue)
    cluster.feed(Fail("fail", RUN, Failure("X", "row 7", advice="Correct it.")))
    assert job.failure.advice == (
        "Correct it.\nIts state is kept. To go on from checkpoint 1: .run('job', start_from=1)"
    )


def test_a_failure_that_says_what_to_do_about_the_state_is_told_as_it_is(cluster):
    job = running(cluster)
    cluster.fire(CutDue)
    failure = Failure("SinkError", "1 file is gone. Begin without saved state: .run('job', fresh=True)")
    cluster.feed(Fail("fail", RUN, failure))
    assert job.failure == failure
