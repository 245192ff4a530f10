"""Savepoints, stops at one, runs that begin from a cut, and resumed runs."""

from dataclasses import replace

import pytest
from simulator import Simulator, request

from sabotnb.protocol import (
    CancelTasks,
    CheckpointPolicy,
    Commit,
    Committable,
    Committed,
    CutAcked,
    CutDue,
    CutFailed,
    CutKind,
    Deploy,
    Failure,
    JobVertex,
    LineageCut,
    MeaningPart,
    PeerLost,
    RestartDue,
    ResumeRun,
    ResumeSources,
    SourceState,
    Split,
    StartSources,
    StateMeaning,
    Stop,
    Store,
    Stored,
    StoredCut,
    Submitted,
    TakeCut,
    TakeSavepoint,
    TaskChanged,
    TaskId,
    TaskRestore,
    TaskSnapshot,
    TaskState,
    Tell,
)
from sabotnb.protocol.checkpoints import StateFile
from sabotnb.protocol.ids import RunId
from sabotnb.protocol.job_topology import ChainedOperator, JobEdge, JobTopology

RUN = RunId("job", 1)
OTHER = RunId("other", 7)
BROKEN = PeerLost("agent-1", "agent-2", "broken pipe")
FULL = Failure("CheckpointError", "the disk is full")


def chained(*operators):
    return tuple(ChainedOperator(operator, "map") for operator in operators)


def graph(*, bounded=False, parallelism=2, count="count"):
    return (
        JobVertex("read", parallelism, chained("read"), reads=True, bounded=bounded),
        JobVertex(count, parallelism, chained(count, "write"), writes=True),
    )


def running(cluster, *, vertices=None, **more):
    more = {"restarts": True, "checkpoint": CheckpointPolicy(10.0, "/checkpoints"), **more}
    cluster.submit(request(vertices=vertices or graph(), **more))
    return cluster.machine.jobs["job"]


@pytest.fixture
def cluster():
    return Simulator(agents=2, slots=2)


def ask(cluster, command):
    cluster.feed(command)
    return cluster.replies.get(command.id)


def commands(cluster, kind):
    return [told.command for told in cluster.told_to(Tell) if isinstance(told.command, kind)]


def file(name):
    return Committable("write", {"file": name})


def committed(cluster):
    return [(commit.cut, [one.payload["file"] for one in commit.committables]) for commit in cluster.told_to(Commit)]


# Savepoints


def test_the_reply_comes_when_the_savepoint_is_stored(cluster):
    running(cluster)
    cluster.busy = True
    assert ask(cluster, TakeSavepoint("s", "job", "before the change")) is None
    cluster.feed(Stored(RUN, 1, 1))
    stored = cluster.replies["s"]
    assert (stored.cut, stored.kind, stored.name) == (1, CutKind.SAVEPOINT, "before the change")
    assert cluster.state() == "RUNNING"


def test_a_savepoint_begins_behind_the_cut_in_progress(cluster):
    running(cluster)
    cluster.busy = True
    cluster.fire(CutDue)
    ask(cluster, TakeSavepoint("s", RUN))
    ask(cluster, TakeSavepoint("t", RUN))
    assert [command.cut.id for command in commands(cluster, TakeCut)] == [1, 1]
    cluster.busy = False
    cluster.feed(Stored(RUN, 1, 1))
    assert (cluster.replies["s"].cut, cluster.replies["t"].cut) == (2, 3)


WHY = {
    "no storage": "job 'job' takes no checkpoints, and so no savepoints. If all of its sources can be read again, run ",
    "ended": "job 'job' is FINISHED and takes no savepoint. It took none before; sb.jobs() shows how it ends",
    "stopping": "job 'job' is stopping and takes no savepoint. It took none before; sb.jobs() shows how it ends",
    "restarting": "When it is RUNNING, ask again: sb.attach('job').savepoint()",
}


@pytest.mark.parametrize("command", [TakeSavepoint("s", "job"), Stop("s", "job", "end")])
@pytest.mark.parametrize("why", ["no storage", "ended", "stopping", "restarting"])
def test_a_run_that_can_take_no_savepoint_says_so(cluster, command, why):
    running(cluster, checkpoint=None if why == "no storage" else CheckpointPolicy(10.0, "/checkpoints"))
    if why == "ended":
        cluster.finish()
    elif why == "stopping":
        cluster.command("stop", "job")
    elif why == "restarting":
        cluster.feed(BROKEN)
    before = cluster.state()
    refused = ask(cluster, command)
    assert refused.error == "CheckpointError"
    assert WHY[why] in refused.message
    assert (cluster.state(), commands(cluster, TakeCut)) == (before, [])


@pytest.mark.parametrize("busy", [True, False], ids=["its tasks end", "it has ended"])
def test_a_run_that_ends_at_a_savepoint_says_which_one(cluster, busy):
    running(cluster)
    cluster.busy = busy
    ask(cluster, Stop("s", "job", "end"))
    if busy:
        cluster.feed(Stored(RUN, 1, 1))
    assert ask(cluster, TakeSavepoint("late", "job")).message.endswith(
        " and takes no savepoint. Its last one is savepoint 1 'end': .run('job', start_from=1)"
    )


@pytest.mark.parametrize("what", ["fails", "stop", "cancel", "loss"])
def test_a_savepoint_that_does_not_come_is_answered(cluster, what):
    job = running(cluster)
    cluster.deaf = {"agent-2"}
    ask(cluster, TakeSavepoint("s", "job"))
    ask(cluster, TakeSavepoint("waits", "job"))
    if what == "fails":
        task = job.tasks[TaskId(RUN, "read", 1)]
        cluster.feed(CutFailed(task.slot.agent, task.attempt, 1, FULL))
        assert cluster.replies["s"] == FULL
        cluster.command("stop", "job")
    elif what == "loss":
        cluster.feed(BROKEN)
        assert "starts again" in cluster.replies["s"].message
    else:
        cluster.command(what, "job")
    assert (cluster.replies["s"].error, cluster.replies["waits"].error) == ("CheckpointError", "CheckpointError")


# Stop with a savepoint


def test_a_run_that_is_stopped_with_a_savepoint_emits_nothing_behind_it(cluster):
    job = running(cluster)
    cluster.snapshots[TaskId(RUN, "count", 0)] = TaskSnapshot(committables=(file("1"),))
    stored = ask(cluster, Stop("s", "job", "end"))
    assert isinstance(stored, StoredCut)
    assert [command.hold for command in commands(cluster, TakeCut)] == [True, True]
    assert (cluster.state(), job.failure) == ("FINISHED", None)
    assert job.note == "stopped at savepoint 1 'end'. A new run begins there: .run('job', start_from=1)"
    assert committed(cluster) == [(1, ["1"]), (None, [])]
    assert cluster.machine.pool.statistics().holders == {}


def test_output_of_a_task_that_ends_behind_the_savepoint_is_not_committed(cluster):
    job = running(cluster)
    cluster.busy = True
    ask(cluster, Stop("s", "job", ""))
    who, attempt = cluster.running.pop()
    cluster.feed(TaskChanged(who, attempt, TaskState.FINISHED, committables=(file("behind"),)))
    cluster.feed(Stored(RUN, 1, 1))
    assert (cluster.state(), committed(cluster)) == ("FINISHED", [(None, [])])
    assert job.committables == []


def test_a_bounded_run_commits_up_to_the_savepoint(cluster):
    running(cluster, vertices=graph(bounded=True))
    cluster.snapshots[TaskId(RUN, "count", 0)] = TaskSnapshot(committables=(file("1"),))
    ask(cluster, Stop("s", "job", ""))
    assert (cluster.state(), committed(cluster)) == ("FINISHED", [(None, ["1"])])


def test_a_run_goes_on_if_the_savepoint_fails(cluster):
    running(cluster)
    cluster.refusal = FULL
    assert ask(cluster, Stop("s", "job", "")) == FULL
    assert (cluster.state(), len(commands(cluster, ResumeSources))) == ("RUNNING", 2)
    assert commands(cluster, CancelTasks) == []


def test_a_paused_run_stays_paused_if_the_savepoint_fails(cluster):
    running(cluster)
    cluster.command("pause", "job")
    cluster.refusal = FULL
    ask(cluster, Stop("s", "job", ""))
    assert commands(cluster, ResumeSources) == []


@pytest.mark.parametrize("stored", [True, False])
def test_a_run_that_is_resumed_before_its_savepoint_is_stored_reads_nothing_behind_it(cluster, stored):
    running(cluster)
    cluster.command("pause", "job")
    cluster.busy = True
    ask(cluster, Stop("s", "job", ""))
    cluster.command("resume", "job")
    assert commands(cluster, ResumeSources) == []
    cluster.feed(Stored(RUN, 1, 1, None if stored else FULL))
    assert cluster.state() == ("FINISHED" if stored else "RUNNING")
    assert len(commands(cluster, ResumeSources)) == (0 if stored else 2)


@pytest.mark.parametrize("lost", ["before", "after"])
def test_a_worker_that_is_lost_while_the_savepoint_is_stored_does_not_matter(cluster, lost):
    running(cluster)
    cluster.busy = True
    ask(cluster, Stop("s", "job", ""))
    if lost == "before":
        cluster.lose(2)
        cluster.feed(Stored(RUN, 1, 1))
    else:
        cluster.silent = {"agent-2"}
        cluster.feed(Stored(RUN, 1, 1))
        assert cluster.state() == "COMMITTING"
        cluster.lose(2)
    cluster.fire(RestartDue)
    assert isinstance(cluster.replies["s"], StoredCut)
    assert cluster.state() == "FINISHED"


@pytest.mark.parametrize("command", ["cancel", "stop"])
def test_a_run_that_ends_at_a_savepoint_cannot_be_ended_otherwise(cluster, command):
    job = running(cluster)
    cluster.silent = {"agent-2"}
    cluster.snapshots[TaskId(RUN, "count", 0)] = TaskSnapshot(committables=(file("1"),))
    ask(cluster, Stop("s", "job", ""))
    for who, attempt in [entry for entry in cluster.running if entry[0] == "agent-2"]:
        cluster.unheeded = [told for told in cluster.unheeded if not isinstance(told.command, TakeCut)]
        cluster.feed(CutAcked(who, attempt, 1, TaskSnapshot()))
    sentence = cluster.command(command, "job").sentence
    assert sentence.startswith(f"job is COMMITTING, too late to {command}: ")
    assert sentence.endswith("its tasks end at the savepoint")
    cluster.speak("agent-2")
    assert (cluster.state(), job.failure) == ("FINISHED", None)


# Start from a cut


def savepoint(snapshots=None, *, parallelism=2, groups=0, run=OTHER, **more):
    ids = [TaskId(run, vertex, index) for vertex in ("read", "count") for index in range(parallelism)]
    return StoredCut(
        run,
        3,
        9,
        CutKind.SAVEPOINT,
        groups,
        {"read": parallelism, "count": parallelism},
        {"read": ("read",), "count": ("count", "write")},
        {task: (snapshots or {}).get((task.vertex, task.index), TaskSnapshot()) for task in ids},
        **more,
    )


def restores(cluster):
    return {
        (attempt.task.vertex, attempt.task.index): restore
        for told in cluster.told_to(Deploy)
        for attempt, restore in told.deployment.restores.items()
    }


def first_splits(cluster):
    return {
        first.attempt.task.index: [(split.id, dict(split.position)) for split in first.splits]
        for told in cluster.told_to(Deploy)
        for first in told.deployment.splits
    }


SPLITS = {"read": tuple(Split(name) for name in "abcdef")}
COUNTED = {
    ("read", 0): TaskSnapshot(source=SourceState((Split("b", {"row": 1}), Split("c", {"row": 2})))),
    ("read", 1): TaskSnapshot(source=SourceState((Split("d", {"row": 3}),)), event_times={"": 5}),
    ("count", 0): TaskSnapshot(StateFile("f0", 1, 1), memos={"count": {"n": 0}}, event_times={"count": 8, "write": 4}),
    ("count", 1): TaskSnapshot(StateFile("f1", 1, 1), memos={"count": {"n": 1}}, event_times={"count": 7, "": 2}),
}


def test_a_run_begins_from_the_cut_of_another_run(cluster):
    job = running(
        cluster,
        splits=SPLITS,
        start_from=savepoint(COUNTED, finished={"read": ("a",)}, committables=(file("of the other run"),)),
    )
    assert job.epoch == 1
    assert restores(cluster)["count", 0] == TaskRestore(
        (StateFile("f0", 1, 1),), {"count": ({"n": 0},)}, {"count": 8, "write": 4}
    )
    assert first_splits(cluster) == {0: [("b", {"row": 1}), ("c", {"row": 2})], 1: [("d", {"row": 3})]}
    assert job.queues["read"].left().following == "e"
    cluster.fire(CutDue)
    (store,) = cluster.told_to(Store)
    assert (store.stored.finished, store.stored.committables) == ({"read": ("a",)}, ())


def test_at_another_parallelism_every_task_gets_all_snapshots_and_splits_are_dealt(cluster):
    running(cluster, vertices=graph(parallelism=3), splits=SPLITS, start_from=savepoint(COUNTED))
    everything = TaskRestore(
        (StateFile("f0", 1, 1), StateFile("f1", 1, 1)),
        {"count": ({"n": 0}, {"n": 1})},
        {"count": 7, "write": 4, "": 2},
        rescaled=True,
    )
    assert {restores(cluster)["count", index] == everything for index in range(3)} == {True}
    assert first_splits(cluster) == {0: [("b", {"row": 1})], 1: [("c", {"row": 2})], 2: [("d", {"row": 3})]}


def test_operators_are_found_in_other_chains(cluster):
    chain = (
        JobVertex("read", 2, chained("read", "count"), reads=True, bounded=False),
        JobVertex("new", 2, chained("new")),
        JobVertex("write", 2, chained("write"), writes=True),
    )
    running(cluster, vertices=chain, splits=SPLITS, start_from=savepoint(COUNTED))
    found = restores(cluster)
    assert found["read", 0] == TaskRestore((StateFile("f0", 1, 1),), {"count": ({"n": 0},)}, {"count": 8, "": 4})
    assert ("new", 0) not in found
    assert first_splits(cluster)[1] == [("d", {"row": 3})]


def test_state_of_an_operator_that_is_missing_is_refused_unless_it_is_dropped(cluster):
    stated = savepoint({("count", 1): TaskSnapshot(StateFile("f", 1, 1), stateful=("count",))})
    job = request(vertices=graph(count="total"), start_from=stated)
    assert cluster.submit(job).message == (
        "job 'job' has no operator 'count', whose state savepoint 9 of 'other' has. Give the operator the same name "
        "with .named(...), or drop its state: .run(drop_state=['count'])"
    )
    dropping = request(vertices=graph(count="total"), start_from=stated, drop_state=("count",))
    assert cluster.submit(dropping).how == "started"


def meaning(window, digest):
    return {"count": StateMeaning("window", {"window": MeaningPart(window, digest)})}


def test_state_that_means_something_else_is_refused_unless_it_is_dropped(cluster):
    minutes = savepoint(COUNTED, meanings=meaning("tumbling 1m", "a"))
    job = request(vertices=graph(), start_from=minutes, meanings=meaning("tumbling 2m", "b"))
    assert cluster.submit(job).message == (
        "operator 'count' has changed its window from 'tumbling 1m' to 'tumbling 2m': its state in savepoint 9 of "
        "'other' does not fit. Change it back, begin from nothing (.run('job', fresh=True)), or drop the state: "
        ".run(..., drop_state=['count'])"
    )
    assert cluster.submit(replace(job, drop_state=("count",))).how == "started"


@pytest.mark.parametrize("saved", [{}, meaning("tumbling 1m", "a")])
def test_state_that_means_the_same_is_taken_and_so_is_that_of_an_earlier_version(cluster, saved):
    job = request(vertices=graph(), start_from=savepoint(COUNTED, meanings=saved), meanings=meaning("1m", "a"))
    assert cluster.submit(job).how == "started"


def test_a_stored_cut_says_what_its_state_means(cluster):
    running(cluster, meanings=meaning("tumbling 1m", "a"))
    assert ask(cluster, TakeSavepoint("s", "job")).meanings == meaning("tumbling 1m", "a")


def test_an_operator_that_is_added_above_one_that_has_ended_is_refused(cluster):
    over = savepoint({(vertex, index): TaskSnapshot(ended=True) for vertex in ("read", "count") for index in range(2)})
    read = graph(bounded=True)[0]
    count = JobVertex(
        "count", 2, (ChainedOperator("count", "aggregate", combines=True), *chained("write")), writes=True
    )
    added = JobVertex("added", 2, chained("added"))
    edges = (JobEdge(0, "read", "added", 0, "hash", "read"), JobEdge(1, "added", "count", 0, "hash", "added"))
    job = request(vertices=(read, added, count), edges=edges, start_from=over)
    assert cluster.submit(job).message == (
        "job 'job' puts 'added' above operators that had read all of their input at the savepoint, and take no more. "
        "Leave 'added' out, or begin without saved state: .run('job', fresh=True)"
    )
    behind = (JobEdge(0, "read", "count", 0, "hash", "read"), JobEdge(1, "count", "added", 0, "hash", "count"))
    assert cluster.submit(request(vertices=(read, count, added), edges=behind, start_from=over)).how == "started"


@pytest.mark.parametrize("bounded", [False, True])
def test_a_run_that_began_from_a_cut_continues_its_output_also_after_a_restart(cluster, bounded):
    running(cluster, vertices=graph(bounded=bounded), splits=SPLITS, start_from=savepoint(COUNTED))
    cluster.fire(CutDue)
    cluster.feed(BROKEN)
    cluster.fire(RestartDue)
    cluster.snapshots[TaskId(RUN, "count", 0)] = TaskSnapshot(committables=(file("1"),))
    cluster.fire(CutDue)
    cluster.finish()
    lineage = (LineageCut(OTHER, 3, 9), LineageCut(RUN, 1, 1))
    first, *others = cluster.told_to(Commit)
    assert (first.cut, first.lineage, {commit.lineage for commit in others}) == (9, lineage[:1], {lineage})
    assert [told.stored.lineage for told in cluster.told_to(Store)] == [lineage[:1], lineage]
    assert {told.deployment.lineage for told in cluster.told_to(Deploy)} == {lineage[:1], lineage}
    assert cluster.state() == "FINISHED"


INHERITED = savepoint(COUNTED, committables=(file("of the other run"),))
LOST = Failure("SinkError", "1 file is gone")


def test_no_run_begins_from_a_cut_that_its_job_went_back_behind(cluster):
    job = running(cluster)
    for _ in range(2):
        cluster.fire(CutDue)
    left = job.cuts.last
    job.cuts.go_back()
    assert cluster.submit(request(name="fork", vertices=graph(), start_from=left)).message == (
        "checkpoint 2 of 'job' cannot be used: the job went back to an earlier one, and its output after that was "
        "replaced. Begin from one that is usable: sb.attach('job').checkpoints()"
    )
    cluster.submit(request(name="fork", vertices=graph(), start_from=job.cuts.last))
    assert cluster.state("fork") == "RUNNING"


@pytest.mark.parametrize("bounded", [False, True])
def test_a_run_commits_what_the_run_that_it_goes_on_from_has_prepared(cluster, bounded):
    running(cluster, vertices=graph(bounded=bounded), splits=SPLITS, start_from=INHERITED)
    cluster.fire(CutDue)
    cluster.finish()
    actions = [(told.action, told.cut, len(told.committables)) for told in cluster.told_to(Commit)]
    assert actions == ([("check", 9, 1), ("commit", None, 1)] if bounded else [("commit", 9, 1), ("commit", None, 0)])
    (store,) = cluster.told_to(Store)
    assert store.stored.committables == (INHERITED.committables if bounded else ())


@pytest.mark.parametrize(("bounded", "action"), [(False, "commit"), (True, "check")])
def test_a_run_that_cannot_commit_what_it_goes_on_from_ends_before_it_reads(cluster, bounded, action):
    cluster.silent = {"agent-1", "agent-2"}
    job = running(cluster, vertices=graph(bounded=bounded), splits=SPLITS, start_from=INHERITED)

    def report(state):
        for task in job.tasks.values():
            cluster.feed(TaskChanged(task.slot.agent, task.attempt, state))

    report(TaskState.RUNNING)
    cluster.feed(Committed("agent-1", RUN, 1, action, LOST, cut=9))
    report(TaskState.CANCELED)
    cluster.feed(Committed("agent-1", RUN, 1, "abort"))
    assert (cluster.state(), job.failure, commands(cluster, StartSources)) == ("FAILED", LOST, [])
    assert [(told.action, told.saves) for told in cluster.told_to(Commit)] == [(action, False), ("abort", False)]


@pytest.mark.parametrize(("bounded", "action"), [(False, "commit"), (True, "check")])
def test_a_run_that_goes_on_from_committed_output_is_checked_too_as_it_may_be_replaced(cluster, bounded, action):
    running(cluster, vertices=graph(bounded=bounded), splits=SPLITS, start_from=savepoint(COUNTED))
    assert [(told.action, told.cut, told.committables) for told in cluster.told_to(Commit)] == [(action, 9, ())]


def test_a_run_without_files_may_begin_from_any_cut(cluster):
    vertices = (graph()[0], JobVertex("count", 2, chained("count", "write")))
    running(cluster, vertices=vertices, splits=SPLITS, commits=False, outputs={}, start_from=savepoint(COUNTED))
    assert (cluster.state(), cluster.told_to(Commit)) == ("RUNNING", [])


def test_a_run_is_checked_again_if_it_starts_again_before_it_has_a_cut(cluster):
    running(cluster, vertices=graph(bounded=True), splits=SPLITS, start_from=INHERITED)
    cluster.feed(BROKEN)
    cluster.fire(RestartDue)
    cluster.fire(CutDue)
    cluster.feed(BROKEN)
    cluster.fire(RestartDue)
    assert [(told.action, told.cut) for told in cluster.told_to(Commit)] == [("check", 9), ("check", 9)]


def test_a_run_without_sinks_is_refused_if_the_cut_has_output(cluster):
    writes_nothing = (graph()[0], JobVertex("count", 2, chained("count", "write")))
    running(cluster, vertices=writes_nothing, splits=SPLITS, commits=False, outputs={}, start_from=INHERITED)
    assert [(told.action, told.cut) for told in cluster.told_to(Commit)] == [("check", 9)]


def test_an_operator_whose_state_is_dropped_begins_empty(cluster):
    job = running(cluster, splits=SPLITS, start_from=savepoint(COUNTED), drop_state=("count",))
    assert restores(cluster)["count", 0] == TaskRestore((StateFile("f0", 1, 1),), {}, {"write": 4}, dropped=("count",))
    cluster.fire(CutDue)
    cluster.feed(BROKEN)
    cluster.fire(RestartDue)
    assert (job.epoch, restores(cluster)["count", 0].dropped) == (2, ())


def test_a_source_whose_position_is_dropped_reads_from_its_beginning(cluster):
    job = running(
        cluster, splits=SPLITS, start_from=savepoint(COUNTED, finished={"read": ("a",)}), drop_state=("read",)
    )
    assert (first_splits(cluster), job.finished_before) == ({0: [("a", {})], 1: [("b", {})]}, {})
    assert sorted(restores(cluster)) == [("count", 0), ("count", 1)]


@pytest.mark.parametrize(
    "snapshot",
    [
        TaskSnapshot(memos={"count": {"n": 1}}),
        TaskSnapshot(StateFile("f", 1, 1)),
    ],
)
def test_memos_and_files_that_do_not_say_whose_they_are_are_state(cluster, snapshot):
    job = request(vertices=graph(count="total"), start_from=savepoint({("count", 1): snapshot}))
    assert cluster.submit(job).error == "CheckpointError"


def test_a_position_of_a_source_is_state(cluster):
    vertices = (JobVertex("other", 1, chained("other", "count", "write"), reads=True),)
    assert "'read'" in cluster.submit(request(vertices=vertices, start_from=savepoint(COUNTED))).message


def test_another_number_of_key_groups_is_refused(cluster):
    topology = JobTopology.of([JobVertex("count", 1, chained("read", "count", "write"))], tables={"d": (0,) * 64})
    wanted = replace(request(), topology=topology, start_from=savepoint(groups=128))
    assert cluster.submit(wanted).message == (
        "job 'job' has 64 key groups, and savepoint 9 of 'other' has 128: set SABOTNB_KEY_GROUPS=128"
    )


# Resume


def test_a_run_is_resumed_with_its_id_in_a_later_epoch(cluster):
    run = RunId("job", 41)
    cuts = tuple(savepoint(run=run, committables=(file(f"{number}"),), name=f"{number}") for number in range(2))
    wanted = request(vertices=graph(), checkpoint=CheckpointPolicy(10.0, "/checkpoints"), restarts=True)
    assert ask(cluster, ResumeRun("r", wanted, run, 5, cuts, starts=2)) == Submitted(run, "resumed")
    job = cluster.machine.jobs["job"]
    assert (cluster.state(), job.id, job.epoch, job.restarts) == ("RUNNING", run, 5, 2)
    assert cluster.machine.overview.status("job").lost == "its cluster had ended"
    assert committed(cluster) == [(9, ["1"])]
    cluster.fire(CutDue)
    assert cluster.told_to(Store)[0].stored.cut == 10
    cluster.finish()
    assert cluster.submit(request()).run.number == 42


def test_a_resumed_run_lists_the_checkpoints_that_it_had(cluster):
    run, policy = RunId("job", 41), CheckpointPolicy(10.0, "/checkpoints")
    cuts = tuple(replace(savepoint(run=run), cut=number, at=1000.0 + number, seconds=0.5) for number in (4, 9))
    wanted = request(vertices=graph(), checkpoint=policy, restarts=True)
    ask(cluster, ResumeRun("r", wanted, run, 5, cuts, newest=9, at=1060.0))
    shown = cluster.machine.overview.status("job").checkpoints
    assert [(status.cut, cluster.now - status.began, status.kept) for status in shown] == [
        (4, 56.5, True),
        (9, 51.5, True),
    ]


def test_a_run_that_went_back_says_so_in_later_epochs(cluster):
    """Not even if it is resumed once more before the output of its first cut is committed."""
    run, policy = RunId("job", 41), CheckpointPolicy(10.0, "/checkpoints")
    wanted = request(vertices=graph(), checkpoint=policy, restarts=True)
    ask(cluster, ResumeRun("r", wanted, run, 5, (savepoint(run=run),), newest=12))
    cluster.snapshots[TaskId(run, "count", 0)] = TaskSnapshot(committables=(file("1"),))
    cluster.fire(CutDue)
    (stored,) = (told.stored for told in cluster.told_to(Store))
    assert (stored.cut, stored.lineage) == (13, (LineageCut(run, 3, 9),))
    again = Simulator(agents=2, slots=2)
    ask(again, ResumeRun("r", wanted, run, 6, (stored,), newest=13))
    (commit,) = again.told_to(Commit)
    assert (commit.cut, commit.lineage) == (13, (LineageCut(run, 3, 9), LineageCut(run, 5, 13)))


def test_a_run_is_not_resumed_beside_another_of_its_name(cluster):
    running(cluster)
    assert ask(cluster, ResumeRun("r", request(), RUN, 2)).error == "JobNameTaken"
    assert cluster.machine.jobs["job"].epoch == 1
