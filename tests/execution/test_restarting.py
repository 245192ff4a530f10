"""Runs that lose a worker and begin again, or say why they do not."""

from collections import Counter

import pytest
from simulator import Simulator, agent, request

from sabotnb.errors import AgentLost, StaleMessage
from sabotnb.execution.status.run_metrics import job_metrics
from sabotnb.protocol import (
    AgentLeaving,
    AgentUp,
    Attempt,
    ChainedOperator,
    CheckpointPolicy,
    Commit,
    Committable,
    Committed,
    CutAcked,
    CutDue,
    CutKind,
    Deploy,
    EpochGranted,
    Failure,
    GrantEpoch,
    Heartbeat,
    LeasesDue,
    LineageCut,
    PauseSources,
    PeerLost,
    RestartDue,
    RestartOverdue,
    RunId,
    Split,
    SplitWanted,
    StartSources,
    StopSources,
    StoredCut,
    TakeSavepoint,
    TaskChanged,
    TaskId,
    TaskSnapshot,
    TaskState,
    Tell,
)
from sabotnb.protocol.job_topology import JobVertex

BROKEN = PeerLost("agent-1", "agent-2", "broken pipe")
CALLS = JobVertex("map_0", 2, (ChainedOperator("map_0", "map", calls_function=True),))


@pytest.fixture
def cluster():
    return Simulator(agents=3, slots=1)


def writing(cluster, *vertices):
    cluster.submit(request(vertices=vertices or (("work", 2),), restarts=True))
    return cluster.machine.jobs["job"]


def again(cluster):
    cluster.fire(RestartDue)


def finding(cluster):
    return cluster.machine.overview.metrics(cluster.now, cluster.now, "job").finding


def test_a_run_that_lost_a_worker_begins_again_with_the_workers_that_are_left(cluster):
    job = writing(cluster)
    cluster.lose(2)
    assert cluster.state() == "RESTARTING"
    assert finding(cluster).sentence == (
        "worker agent-2 (process 2 on host) was lost: connection closed. The job starts again from the beginning."
    )
    again(cluster)
    assert cluster.state() == "RUNNING"
    assert (job.epoch, [str(task.attempt) for task in job.tasks.values()]) == (
        2,
        ["job@1/work[0]#2:e2", "job@1/work[1]#3:e2"],
    )
    assert {task.slot.agent for task in job.tasks.values()} == {"agent-1", "agent-3"}
    cluster.finish()
    assert cluster.state() == "FINISHED"
    assert [(commit.epoch, commit.action) for commit in cluster.told_to(Commit)] == [(2, "commit")]
    status = cluster.machine.overview.status("job")
    assert (status.restarts, status.lost) == (1, "worker agent-2 (process 2 on host) was lost: connection closed")


def test_it_begins_again_when_no_task_of_the_former_epoch_is_left(cluster):
    writing(cluster)
    cluster.silent = {"agent-1"}
    cluster.lose(2)
    again(cluster)
    assert (cluster.state(), len(cluster.told_to(Deploy))) == ("RESTARTING", 2)
    cluster.speak("agent-1")
    again(cluster)
    assert (cluster.state(), len(cluster.told_to(Deploy))) == ("RUNNING", 4)


def test_output_of_tasks_that_had_finished_is_written_again(cluster):
    job = writing(cluster)
    who, attempt = cluster.running.pop(0)
    cluster.feed(TaskChanged(who, attempt, TaskState.FINISHED, committables=("of epoch 1",)))
    cluster.lose(2)
    again(cluster)
    assert job.committables == []
    assert job.all_in(TaskState.RUNNING)


def test_late_reports_of_the_former_epoch_are_refused(cluster):
    job = writing(cluster)
    cluster.lose(2)
    again(cluster)
    with pytest.raises(Exception, match="which is over"):
        cluster.feed(TaskChanged("agent-1", Attempt(TaskId(job.id, "work", 0), 0, 1), TaskState.FINISHED))


def test_reports_of_an_agent_that_is_lost_are_refused_before_its_run_begins_again(cluster):
    """Its tasks still have the current attempts then."""
    job = writing(cluster)
    task = next(task for task in job.tasks.values() if task.slot.agent == "agent-2")
    cluster.lose(2)
    for late in (
        TaskChanged("agent-2", task.attempt, TaskState.FINISHED),
        SplitWanted("agent-2", task.attempt, 0),
        CutAcked("agent-2", task.attempt, 1, TaskSnapshot()),
    ):
        with pytest.raises(StaleMessage, match="which is over"):
            cluster.feed(late)


def test_a_run_whose_rows_a_client_takes_does_not_begin_again(cluster):
    cluster.submit(request())
    cluster.lose(2)
    assert cluster.state() == "FAILED"


def test_a_function_that_raised_would_raise_again(cluster):
    writing(cluster)
    cluster.fail()
    assert cluster.state() == "FAILED"


def test_a_run_without_a_cut_that_is_being_stopped_ends(cluster):
    writing(cluster)
    cluster.command("stop", "job")
    cluster.lose(2)
    assert cluster.state() == "FAILED"


@pytest.mark.parametrize(
    "lose",
    [
        lambda cluster: cluster.feed(BROKEN),
        lambda cluster: cluster.fail(message="agent-1 lost the connection with agent-2", error=AgentLost.__name__),
        lambda cluster: (cluster.feed(AgentLeaving("agent-2", "the cluster was scaled down")), cluster.lose(2)),
    ],
    ids=["a connection", "reported by a task", "scaled down"],
)
def test_other_ways_to_lose_tasks(cluster, lose):
    writing(cluster)
    lose(cluster)
    assert cluster.state() == "RESTARTING"
    again(cluster)
    assert cluster.state() == "RUNNING"


def test_a_loss_that_is_reported_twice_costs_one_restart_and_is_explained_by_its_cause(cluster):
    job = writing(cluster)
    cluster.silent = {"agent-2"}
    cluster.feed(BROKEN)
    cluster.lose(2)
    assert [loss.failure.message[:40] for loss in job.losses] == [
        "worker agent-2 (process 2 on host) was lost: con"[:40]
    ]
    again(cluster)
    assert (cluster.state(), job.epoch) == ("RUNNING", 2)


@pytest.mark.parametrize("command", [None, "stop"])
def test_a_connection_with_an_agent_of_a_former_epoch_does_not_matter(cluster, command):
    job = writing(cluster)
    cluster.lose(2)
    again(cluster)
    if command is not None:
        cluster.command(command, "job")
    cluster.feed(BROKEN)
    assert (cluster.state(), job.epoch, len(job.losses)) == ("RUNNING", 2, 1)


def test_a_task_that_raises_while_its_run_restarts_does_not_end_it(cluster):
    writing(cluster)
    cluster.silent = {"agent-1"}
    cluster.lose(2)
    cluster.fail()
    assert cluster.state() == "RESTARTING"
    cluster.silent.clear()
    again(cluster)
    assert cluster.state() == "RUNNING"


def test_a_timer_of_an_earlier_restart_says_nothing_about_a_later_one():
    cluster = Simulator(agents=2, slots=1)
    job = writing(cluster)
    cluster.lose(2)
    again(cluster)
    cluster.feed(AgentUp(agent(3, 1)))
    cluster.lose(3)
    again(cluster)
    assert cluster.state() == "RESTARTING"
    cluster.feed(RestartOverdue(job.id, 1))
    assert cluster.state() == "RESTARTING"


def test_a_commit_of_an_earlier_epoch_is_refused(cluster):
    job = writing(cluster)
    cluster.lose(2)
    again(cluster)
    cluster.silent = set(job.agents())
    cluster.finish()
    assert cluster.state() == "COMMITTING"
    with pytest.raises(StaleMessage, match="epoch 1, which is over"):
        cluster.feed(Committed(job.committer, job.id, 1, "commit"))


def test_pauses_grow(cluster):
    writing(cluster)
    waits = []
    for _ in range(5):
        before = cluster.now
        cluster.feed(BROKEN if not waits else PeerLost(*cluster.machine.jobs["job"].agents(), "broken pipe"))
        again(cluster)
        waits.append(round(cluster.now - before, 3))
    assert waits == [0.2, 1.0, 2.0, 4.0, 4.0]


def test_a_run_that_loses_workers_again_and_again_fails(cluster):
    job = writing(cluster)
    for _ in range(11):
        assert cluster.state() == "RUNNING"
        cluster.feed(PeerLost(*job.agents(), "broken pipe"))
        again(cluster)
    assert cluster.state() == "FAILED"
    assert "This was loss 11 of a worker or connection in 10 minutes" in job.failure.message


def test_the_loss_that_ends_a_run_is_not_one_that_it_survived(cluster):
    job = writing(cluster, CALLS)
    for number in (2, 3):
        cluster.lose(number)
        assert job.survived == job.losses[0].failure
        again(cluster)
    assert (cluster.state(), job.restarts, len(job.losses)) == ("FAILED", 1, 2)


def test_losses_long_ago_do_not_count(cluster):
    job = writing(cluster)
    for _ in range(30):
        cluster.feed(PeerLost(*job.agents(), "broken pipe"))
        again(cluster)
        cluster.now += 61
    assert cluster.state() == "RUNNING"


@pytest.mark.parametrize("first", [None, BROKEN], ids=["at once", "after its peers"])
def test_a_function_that_crashes_its_process_crashes_two_and_then_its_job(cluster, first):
    job = writing(cluster, CALLS)
    for number in (2, 3):
        if first is not None:
            cluster.silent = {f"agent-{number}"}
            cluster.feed(PeerLost("agent-1", f"agent-{number}", "broken pipe"))
        cluster.lose(number)
        again(cluster)
    assert cluster.state() == "FAILED"
    assert job.failure.message.startswith(
        "worker agent-3 (process 3 on host) was lost: connection closed, while it ran 'map_0', as a worker before it "
    )


def test_a_function_that_blocks_two_workers_is_said_to_block_them(cluster):
    cluster.feed(AgentUp(agent(4, 1)))
    job = writing(cluster, CALLS)
    for heard in (("agent-1", "agent-3", "agent-4"), ("agent-1", "agent-4")):
        for _ in range(11):
            cluster.now += 1
            for name in heard:
                cluster.feed(Heartbeat(name))
            cluster.feed(LeasesDue())
        again(cluster)
    assert cluster.state() == "FAILED"
    assert job.failure.message == (
        "worker agent-3 (process 3 on host) was lost: no heartbeat for 10 s, while it ran 'map_0', as a worker before "
        "it did. One call of the function in 'map_0' probably holds Python's global lock for that long. No output was "
        "committed. Run the job again, with smaller pieces of work for such a call, or a longer "
        "SABOTNB_AGENT_LOST_SECONDS."
    )


def test_workers_that_are_taken_away_are_not_blamed_on_a_function(cluster):
    job = writing(cluster, CALLS)
    for number in (2, 3):
        cluster.feed(AgentUp(agent(number + 10, 1)))
        cluster.feed(AgentLeaving(f"agent-{number}", "env.kill_worker(0) killed it"))
        cluster.lose(number)
        again(cluster)
    assert (cluster.state(), job.restarts) == ("RUNNING", 2)
    lost = cluster.machine.overview.status("job").lost
    assert lost == "worker agent-3 (process 3 on host) was taken away: env.kill_worker(0) killed it"


@pytest.mark.parametrize("worker_first", [True, False])
def test_a_lost_worker_explains_more_than_its_broken_connections(cluster, worker_first):
    job = writing(cluster)
    cluster.silent = {"agent-1", "agent-2"}
    for first in (worker_first, not worker_first):
        cluster.lose(2) if first else cluster.feed(BROKEN)
    assert [loss.failure.message[:40] for loss in job.losses] == ["worker agent-2 (process 2 on host) was lo"[:40]]


@pytest.mark.parametrize("first", [None, BROKEN], ids=["at once", "after its peers"])
def test_a_run_with_files_says_why_it_does_not_begin_again(cluster, first):
    cluster.submit(request(passed_on=("sink_1", "sink_2")))
    if first is not None:
        cluster.silent = {"agent-2"}
        cluster.feed(first)
    cluster.lose(2)
    assert cluster.state() == "FAILED"
    assert cluster.machine.jobs["job"].failure.message == (
        "worker agent-2 (process 2 on host) was lost: connection closed. The job does not start again, as rows of it "
        "were passed on to 'sink_1' and 'sink_2'. No output was committed. Run the job again."
    )


def test_workers_that_are_lost_together_are_one_loss():
    cluster = Simulator(agents=4, slots=1)
    job = writing(cluster, CALLS)
    cluster.silent = {"agent-1", "agent-2"}
    for number in (1, 2):
        cluster.lose(number)
    again(cluster)
    assert (cluster.state(), len(job.losses)) == ("RUNNING", 1)


def test_a_run_without_slots_waits_for_a_worker():
    cluster = Simulator(agents=2, slots=1)
    job = writing(cluster)
    cluster.lose(2)
    again(cluster)
    assert cluster.state() == "RESTARTING"
    assert finding(cluster).sentence.endswith("starts again from the beginning: it needs 2 slots, 1 free.")
    cluster.feed(AgentUp(agent(7, 1)))
    assert (cluster.state(), job.epoch) == ("RUNNING", 2)
    cluster.fire(RestartOverdue)
    assert cluster.state() == "RUNNING"


def placed(job):
    """The number of tasks in each slot."""
    return Counter(f"{task.slot.agent}/{task.slot.index}" for task in job.tasks.values())


def test_a_run_shares_the_slots_that_are_left_after_a_short_wait():
    cluster = Simulator(agents=2, slots=2)
    job = writing(cluster, JobVertex("read", 4, reads=True), JobVertex("write", 4))
    cluster.lose(2)
    again(cluster)
    before = cluster.now
    assert cluster.state() == "RESTARTING"
    cluster.fire(RestartOverdue)
    assert (cluster.state(), round(cluster.now - before, 3)) == ("RUNNING", 3.0)
    assert placed(job) == {"agent-1/0": 4, "agent-1/1": 4}
    sentence = (
        "worker agent-2 (process 2 on host) was lost: connection closed; "
        "it runs in 2 of the 4 slots that it needs, and is slower"
    )
    assert cluster.machine.overview.status("job").lost == sentence
    assert cluster.machine.overview.metrics(cluster.now, cluster.now, "job").lost == sentence
    cluster.finish()
    assert cluster.state() == "FINISHED"
    assert cluster.machine.overview.status("job").lost == sentence.partition(";")[0]
    assert cluster.machine.pool.statistics().holders == {}


def test_it_has_its_own_slots_again_after_a_restart_that_finds_enough():
    cluster = Simulator(agents=2, slots=1)
    job = writing(cluster)
    cluster.lose(2)
    again(cluster)
    cluster.fire(RestartOverdue)
    assert placed(job) == {"agent-1/0": 2}
    cluster.feed(AgentUp(agent(3, 1)))
    cluster.feed(AgentUp(agent(4, 1)))
    cluster.lose(1)
    again(cluster)
    assert (cluster.state(), placed(job)) == ("RUNNING", {"agent-3/0": 1, "agent-4/0": 1})
    assert "slower" not in cluster.machine.overview.status("job").lost


def test_a_worker_that_joins_makes_it_wait_again_for_the_next_one():
    cluster = Simulator(agents=2, slots=1)
    job = writing(cluster)
    cluster.lose(1)
    cluster.lose(2)
    again(cluster)
    cluster.fire(RestartOverdue)
    assert cluster.state() == "RESTARTING"
    cluster.now += 7
    cluster.feed(AgentUp(agent(3, 1)))
    assert cluster.state() == "RESTARTING"
    cluster.now += 2
    cluster.feed(AgentUp(agent(4, 1)))
    assert (cluster.state(), placed(job)) == ("RUNNING", {"agent-3/0": 1, "agent-4/0": 1})


def test_a_run_may_share_the_slots_of_other_jobs():
    cluster = Simulator(agents=2, slots=2)
    for name in ("one", "two"):
        cluster.submit(request(name, restarts=True))
    cluster.lose(2)
    again(cluster)
    cluster.fire(RestartOverdue)
    assert (cluster.state("one"), cluster.state("two")) == ("RUNNING", "RUNNING")
    statistics = cluster.machine.pool.statistics()
    assert (statistics.free, statistics.holders) == (0, {"one": 2, "two": 2})
    cluster.finish("one")
    statistics = cluster.machine.pool.statistics()
    assert (statistics.free, statistics.holders) == (0, {"two": 2})
    cluster.finish("two")
    assert cluster.machine.pool.statistics().free == 2


def test_a_run_shares_no_slots_of_agents_without_its_tags():
    cluster = Simulator(agents=1, slots=4)
    cluster.feed(AgentUp(agent(2, 1, tags=frozenset({"gpu"}))))
    writing(cluster, JobVertex("work", 1, tags=frozenset({"gpu"})))
    cluster.lose(2)
    again(cluster)
    cluster.fire(RestartOverdue)
    assert cluster.state() == "RESTARTING"
    cluster.fire(RestartOverdue)
    assert cluster.state() == "FAILED"


def test_a_new_run_waits_for_its_slots_and_shares_none():
    cluster = Simulator(agents=2, slots=1)
    writing(cluster)
    cluster.submit(request("later"))
    cluster.lose(2)
    again(cluster)
    cluster.fire(RestartOverdue)
    assert (cluster.state(), cluster.state("later")) == ("RUNNING", "PENDING")


def test_a_run_without_any_agent_in_time_fails_and_its_files_are_removed():
    cluster = Simulator(agents=1, slots=2)
    job = writing(cluster)
    cluster.lose(1)
    again(cluster)
    began = cluster.now
    cluster.fire(RestartOverdue)
    assert cluster.state() == "RESTARTING"
    cluster.fire(RestartOverdue)
    assert (cluster.state(), cluster.now - began) == ("FAILING", 60)
    assert "The job needs 2 slots, 0 free, and waited 60 s to start again." in job.failure.message
    cluster.feed(AgentUp(agent(2, 2)))
    assert [commit.action for commit in cluster.told_to(Commit)] == ["abort"]
    assert cluster.state() == "FAILED"


@pytest.mark.parametrize("slots", [True, False], ids=["pausing", "without slots"])
@pytest.mark.parametrize("command", ["cancel", "stop"])
def test_a_run_that_restarts_can_be_ended(command, slots):
    cluster = Simulator(agents=2, slots=1)
    writing(cluster)
    cluster.lose(2)
    if not slots:
        again(cluster)
    cluster.command(command, "job")
    assert cluster.state() == "CANCELED"
    assert cluster.machine.pool.statistics().holders == {}
    again(cluster)
    assert cluster.state() == "CANCELED"


def test_a_paused_run_begins_again_paused(cluster):
    writing(cluster)
    cluster.command("pause", "job")
    cluster.lose(2)
    again(cluster)
    second = [told.command for told in cluster.told_to(Tell) if getattr(told.command, "epoch", None) == 2]
    assert list(map(type, second)) == [PauseSources, PauseSources, StartSources, StartSources]


def test_a_run_that_begins_again_hands_every_split_out_again(cluster):
    splits = {"files": tuple(Split(str(number)) for number in range(4))}
    files = JobVertex("files", 2, reads=True)
    cluster.submit(request(vertices=(files,), splits=splits, restarts=True))
    who, former = cluster.running[0]
    cluster.feed(SplitWanted(who, former, 0))
    cluster.lose(2)
    cluster.told.clear()
    again(cluster)
    taken = [split.id for told in cluster.told_to(Deploy) for first in told.deployment.splits for split in first.splits]
    with pytest.raises(StaleMessage, match="asks for splits"):
        cluster.feed(SplitWanted(who, former, 0))
    for who, attempt in cluster.running * 2:
        cluster.told.clear()
        cluster.feed(SplitWanted(who, attempt, 0))
        taken += [split.id for told in cluster.told_to(Tell) for split in told.command.splits]
    assert taken == ["0", "1", "2", "3"]


# From a stored cut


TORN = "the file /c/9 is torn. Remove it"


def checkpointing(cluster, *, bounded=False, **more):
    vertices = (JobVertex("work", 2, bounded=bounded, reads=True),)
    policy = CheckpointPolicy(10.0, "/checkpoints")
    cluster.submit(request(vertices=vertices, restarts=True, checkpoint=policy, **more))
    return cluster.machine.jobs["job"]


def test_a_function_that_raises_is_called_again_from_a_stored_cut_a_few_times(cluster):
    job = checkpointing(cluster)
    cluster.fire(CutDue)
    for failures in range(3):
        cluster.fail(message="row 7")
        assert (cluster.state(), len(job.losses)) == ("RESTARTING", failures + 1)
        again(cluster)
    cluster.fail(message="row 7")
    assert (cluster.state(), job.failure.message, job.restarts) == ("FAILED", "row 7", 3)
    assert sorted(task.failures for task in job_metrics(job, cluster.now, cluster.now).tasks) == [0, 4]


def test_functions_that_raised_long_ago_do_not_count(cluster):
    checkpointing(cluster)
    cluster.fire(CutDue)
    for _ in range(10):
        cluster.fail()
        again(cluster)
        cluster.now += 201
    assert cluster.state() == "RUNNING"


def test_functions_that_raise_and_lost_workers_are_counted_apart(cluster):
    job = checkpointing(cluster)
    cluster.fire(CutDue)
    for _ in range(3):
        cluster.fail()
        again(cluster)
    for _ in range(10):
        cluster.feed(PeerLost(*job.agents(), "broken pipe"))
        again(cluster)
    assert cluster.state() == "RUNNING"
    cluster.feed(PeerLost(*job.agents(), "broken pipe"))
    assert "This was loss 11" in job.failure.message


@pytest.mark.parametrize("why", ["no cut is stored", "it is being stopped", "a client takes rows"])
def test_a_function_that_raises_ends_the_run_at_once(cluster, why):
    passed_on = ("sink",) if why == "a client takes rows" else ()
    policy = CheckpointPolicy(10.0, "/checkpoints")
    cluster.submit(request(vertices=(("work", 2),), restarts=not passed_on, passed_on=passed_on, checkpoint=policy))
    if why != "no cut is stored":
        cluster.fire(CutDue)
    if why == "it is being stopped":
        cluster.command("stop", "job")
    cluster.fail()
    assert cluster.state() == "FAILED"


ALL = {"agent-1", "agent-2", "agent-3"}


def refuse_restore(cluster, error="CheckpointError", message=TORN):
    """Let the tasks of the next epoch say that they cannot read the cut."""
    cluster.silent = set(ALL)
    again(cluster)
    refuse_open(cluster, error, message)


def refuse_open(cluster, error, message):
    """Let the tasks of silent agents say that they cannot read the cut."""
    for task in list(cluster.machine.jobs["job"].tasks.values()):
        cluster.feed(TaskChanged(task.slot.agent, task.attempt, TaskState.FAILED, Failure(error, message)))
    cluster.unheeded.clear()
    cluster.silent = set()


def test_a_cut_that_cannot_be_read_is_replaced_by_the_one_before(cluster):
    job = checkpointing(cluster)
    for number in (1, 2):
        cluster.snapshots[TaskId(job.id, "work", 0)] = TaskSnapshot(committables=(Committable("work", {"n": number}),))
        cluster.fire(CutDue)
    cluster.feed(BROKEN)
    refuse_restore(cluster)
    assert cluster.state() == "RESTARTING"
    again(cluster)
    assert (cluster.state(), job.cuts.base.cut, job.restarts) == ("RUNNING", 1, 2)
    assert job.note == "checkpoint 2 could not be read: the file /c/9 is torn; went on from checkpoint 1"
    last = cluster.told_to(Commit)[-1]
    assert (last.cut, last.lineage) == (1, (LineageCut(job.id, 1, 1),))
    cluster.fire(CutDue)
    assert job.cuts.last.cut == 3


@pytest.mark.parametrize(("bounded", "expected"), [(False, "FAILED"), (True, "RUNNING")])
def test_without_an_older_cut_only_a_run_that_has_committed_nothing_begins_again(cluster, bounded, expected):
    job = checkpointing(cluster, bounded=bounded)
    cluster.fire(CutDue)
    cluster.feed(BROKEN)
    refuse_restore(cluster)
    again(cluster)
    cluster.running = [entry for entry in cluster.running if entry[1].epoch == job.epoch]
    if expected == "FAILED":
        assert job.failure.message == TORN
    else:
        assert (job.cuts.base, cluster.state()) == (None, "RUNNING")


AWAY = "the file /c/9 cannot be read: input/output error. Repair the storage"


@pytest.mark.parametrize("bounded", [False, True])
def test_a_cut_whose_storage_cannot_be_read_is_tried_again(cluster, bounded):
    job = checkpointing(cluster, bounded=bounded)
    for _ in range(2):
        cluster.fire(CutDue)
    cluster.feed(BROKEN)
    for pause in (1.0, 2.0, 4.0, 8.0):
        refuse_restore(cluster, "StorageUnreachable", AWAY)
        assert cluster.timers[RestartDue(job.id, job.epoch)] == cluster.now + pause
        assert (cluster.state(), job.cuts.last.cut, job.note) == ("RESTARTING", 2, "")
    again(cluster)
    assert (cluster.state(), job.cuts.base.cut) == ("RUNNING", 2)
    cluster.feed(PeerLost(*job.agents(), "broken pipe"))
    refuse_restore(cluster, "StorageUnreachable", AWAY)
    assert cluster.timers[RestartDue(job.id, job.epoch)] == cluster.now + 1.0


def test_a_cut_whose_storage_stays_away_is_kept_when_the_run_fails(cluster):
    job = checkpointing(cluster)
    for _ in range(2):
        cluster.fire(CutDue)
    cluster.feed(BROKEN)
    for _ in range(7):
        assert cluster.state() == "RESTARTING"
        refuse_restore(cluster, "StorageUnreachable", AWAY)
    assert [stored.cut for stored in job.cuts.kept] == [1, 2]
    assert job.failure.message == (
        "the file /c/9 cannot be read: input/output error. The job tried 7 times to begin from checkpoint 2, which is "
        "kept. When the storage can be read again: .run('job', start_from=2)"
    )


def test_a_worker_that_is_lost_meanwhile_does_not_shorten_the_wait_for_the_storage(cluster):
    job = checkpointing(cluster)
    cluster.fire(CutDue)
    cluster.feed(BROKEN)
    refuse_restore(cluster, "StorageUnreachable", AWAY)
    cluster.silent = set(ALL)
    again(cluster)
    unread, other = job.tasks.values()
    failure = Failure("StorageUnreachable", AWAY)
    cluster.feed(TaskChanged(unread.slot.agent, unread.attempt, TaskState.FAILED, failure))
    cluster.lose(int(other.slot.agent.removeprefix("agent-")))
    assert cluster.timers[RestartDue(job.id, job.epoch)] == cluster.now + 2.0


def test_a_run_waits_for_the_storage_of_the_cut_of_another_run(cluster):
    stored = StoredCut(RunId("other", 7), 1, 9, CutKind.SAVEPOINT, 0, {}, {}, {})
    cluster.silent = set(ALL)
    cluster.submit(request(vertices=(("work", 2),), start_from=stored))
    refuse_open(cluster, "StorageUnreachable", AWAY)
    assert cluster.state() == "RESTARTING"
    again(cluster)
    assert cluster.state() == "RUNNING"


def test_a_cut_of_another_run_is_not_taken_for_the_own_one_of_its_number(cluster):
    other = StoredCut(RunId("other", 7), 1, 1, CutKind.SAVEPOINT, 0, {}, {}, {})
    job = checkpointing(cluster, bounded=True, start_from=other)
    cluster.fire(CutDue)
    cluster.feed(BROKEN)
    refuse_restore(cluster)
    again(cluster)
    assert (job.cuts.base, cluster.state()) == (other, "RUNNING")
    checkpointing_status = cluster.machine.overview.status("job").checkpointing
    assert (checkpointing_status.restored, checkpointing_status.replayed) == ("savepoint 1 of 'other'", None)


def test_a_checkpoint_error_of_a_run_that_is_running_counts_as_raised(cluster):
    job = checkpointing(cluster)
    cluster.fire(CutDue)
    cluster.fail(error="CheckpointError")
    again(cluster)
    assert (cluster.state(), job.cuts.base.cut) == ("RUNNING", 1)


@pytest.mark.parametrize("stop_first", [True, False])
def test_a_run_that_loses_a_worker_around_a_stop_stops_at_its_last_cut(cluster, stop_first):
    job = checkpointing(cluster)
    cluster.fire(CutDue)
    for act in (lambda: cluster.command("stop", "job"), lambda: cluster.lose(2))[:: 1 if stop_first else -1]:
        act()
    assert (cluster.state(), job.stopping) == ("RESTARTING", True)
    again(cluster)
    second = [told.command for told in cluster.told_to(Tell) if getattr(told.command, "epoch", None) == 2]
    assert list(map(type, second)) == [StopSources, StopSources, StartSources, StartSources]
    assert job.note == ("started again before it had stopped, and stopped at checkpoint 1: later rows are not written")


def test_a_run_that_is_being_stopped_goes_back_to_an_older_cut_but_not_to_its_beginning(cluster):
    job = checkpointing(cluster, bounded=True)
    for _ in range(2):
        cluster.fire(CutDue)
    cluster.command("stop", "job")
    cluster.feed(BROKEN)
    refuse_restore(cluster)
    assert (cluster.state(), job.cuts.last.cut) == ("RESTARTING", 1)
    refuse_restore(cluster)
    assert (cluster.state(), job.failure.message) == ("FAILING", TORN)


@pytest.mark.parametrize(
    ("taken", "kept"),
    [
        ("ccccc", [3, 4, 5]),
        ("cscsssss", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("sccscsc", [3, 4, 5, 6, 7]),
        ("ssss", [1, 2, 3, 4]),
    ],
)
def test_three_checkpoints_are_kept_with_the_savepoints_between_them(cluster, taken, kept):
    job = checkpointing(cluster)
    for number, kind in enumerate(taken):
        cluster.fire(CutDue) if kind == "c" else cluster.feed(TakeSavepoint(f"{number}", "job"))
    assert [stored.cut for stored in job.cuts.kept] == kept


def test_no_epoch_begins_before_the_job_store_has_granted_it(cluster):
    job = writing(cluster)
    cluster.grants = False
    cluster.lose(2)
    again(cluster)
    assert cluster.told_to(GrantEpoch) == [GrantEpoch(job.id, 2)]
    assert (cluster.state(), len(cluster.told_to(Deploy))) == ("RESTARTING", 2)
    down = Failure("StoreUnavailable", "the job store does not answer. Check that its database runs")
    cluster.feed(EpochGranted(job.id, 2, down))
    again(cluster)
    assert cluster.state() == "RESTARTING"
    assert cluster.machine.overview.status("job").waits == (
        "waits for the job store: the job store does not answer. Check that its database runs"
    )
    assert finding(cluster).sentence.endswith(
        "it waits for the job store: the job store does not answer. Check that its database runs."
    )
    cluster.feed(EpochGranted(job.id, 2))
    again(cluster)
    assert (cluster.state(), job.epoch, cluster.machine.overview.status("job").waits) == ("RUNNING", 2, "")


def test_a_grant_that_nothing_waits_for_is_stale(cluster):
    job = writing(cluster)
    for late in (EpochGranted(job.id, 2), EpochGranted(job.id, 1)):
        with pytest.raises(StaleMessage):
            cluster.feed(late)
    cluster.grants = False
    cluster.lose(2)
    for other in (EpochGranted(job.id, 3), EpochGranted(RunId("job", 9), 2), EpochGranted(RunId("none", 1), 2)):
        with pytest.raises(StaleMessage):
            cluster.feed(other)


def test_a_run_that_waits_for_its_grant_can_be_canceled(cluster):
    job = writing(cluster)
    cluster.grants = False
    cluster.lose(2)
    again(cluster)
    cluster.command("cancel", "job")
    assert cluster.state() == "CANCELED"
    with pytest.raises(StaleMessage):
        cluster.feed(EpochGranted(job.id, 2))
