import pytest
from simulator import Simulator, agent, request

from sabotnb.errors import IllegalTransition, StaleMessage
from sabotnb.protocol import (
    AgentLeaving,
    AgentUp,
    Commit,
    CommitOverdue,
    Deploy,
    DropRun,
    EndRun,
    Fence,
    Heartbeat,
    LeasesDue,
    SessionChanged,
    SessionOverdue,
    StartSources,
    Submitted,
    TaskChanged,
    TaskState,
    Tell,
)
from sabotnb.protocol.failure import Failure
from sabotnb.protocol.ids import Attempt, RunId, TaskId
from sabotnb.protocol.job_topology import JobVertex
from sabotnb.protocol.operator import Committable
from sabotnb.protocol.source import Split


def test_sources_start_when_every_task_runs():
    cluster = Simulator(agents=2)
    cluster.silent = {"agent-2"}
    cluster.submit(request(vertices=(("source", 2), ("sink", 2))))
    assert cluster.state() == "DEPLOYING"
    assert not [told for told in cluster.told_to(Tell) if isinstance(told.command, StartSources)]
    for deploy in cluster.told_to(Deploy):
        if deploy.agent == "agent-2":
            for attempt in deploy.deployment.attempts:
                cluster.feed(TaskChanged("agent-2", attempt, TaskState.RUNNING))
    assert cluster.state() == "RUNNING"
    assert [told.agent for told in cluster.told_to(Tell)] == ["agent-1", "agent-2"]


def test_each_agent_gets_one_deploy_message_with_its_own_tasks_and_splits():
    cluster = Simulator(agents=2)
    splits = {"source": tuple(Split(str(number)) for number in range(5))}
    cluster.submit(request(vertices=(("source", 2), ("sink", 1)), splits=splits))
    deployments = {told.agent: told.deployment for told in cluster.told_to(Deploy)}
    assert {
        who: {str(first.attempt.task): [split.id for split in first.splits] for first in deployment.splits}
        for who, deployment in deployments.items()
    } == {"agent-1": {"job/source[0]": ["0"]}, "agent-2": {"job/source[1]": ["1"]}}
    assert deployments["agent-1"].placement.tasks == {"source": ("agent-1", "agent-2"), "sink": ("agent-1",)}


def test_output_is_committed_once_when_all_tasks_are_finished():
    cluster = Simulator()
    cluster.submit(request())
    who, attempt = cluster.running.pop()
    cluster.feed(TaskChanged(who, attempt, TaskState.FINISHED, committables=(Committable("sink", {"file": "a"}),)))
    assert not cluster.told_to(Commit)
    cluster.finish()
    (commit,) = cluster.told_to(Commit)
    assert (commit.action, [one.payload for one in commit.committables]) == ("commit", [{"file": "a"}])
    assert cluster.state() == "FINISHED"
    assert cluster.machine.pool.statistics().free == 8


def test_a_job_without_committed_output_finishes_without_a_commit():
    cluster = Simulator()
    cluster.submit(request(commits=False))
    cluster.finish()
    assert (cluster.state(), cluster.told_to(Commit)) == ("FINISHED", [])


def test_the_first_failure_takes_the_others_down_and_removes_output():
    cluster = Simulator()
    cluster.submit(request(vertices=(("work", 4),)))
    cluster.submit(request(name="other"))
    cluster.fail(message="first")
    assert cluster.state() == "FAILED"
    assert cluster.machine.jobs["job"].failure.message == "first"
    assert [commit.action for commit in cluster.told_to(Commit)] == ["abort"]
    assert cluster.state("other") == "RUNNING"


@pytest.mark.parametrize("command", ["cancel"])
def test_cancel_is_idempotent_and_frees_slots(command):
    cluster = Simulator()
    cluster.submit(request())
    answers = [cluster.command(command, "job").state for _ in range(2)]
    assert answers == ["CANCELING", "CANCELED"]
    assert (cluster.running, cluster.machine.pool.statistics().free) == ([], 8)


def test_commands_for_an_unknown_job_say_which_there_are():
    cluster = Simulator()
    cluster.submit(request(name="planes"))
    assert "there are: 'planes'" in cluster.command("cancel", "plane").message


@pytest.mark.parametrize(
    ("owner", "fingerprint", "expected"),
    [("me", "f", ("attached", 1)), ("me", "changed", ("replaced", 2)), ("you", "f", "JobNameTaken")],
)
def test_a_running_name_is_attached_replaced_or_held(owner, fingerprint, expected):
    cluster = Simulator()
    cluster.submit(request())
    answer = cluster.submit(request(owner=owner, fingerprint=fingerprint))
    assert (answer.error if isinstance(answer, Failure) else (answer.how, answer.run.number)) == expected
    assert cluster.state() == "RUNNING"


@pytest.mark.parametrize(("fingerprint", "how"), [("f", "attached"), ("changed", "replaced")])
def test_a_session_that_is_gone_holds_no_names(fingerprint, how):
    cluster = Simulator()
    cluster.submit(request())
    cluster.feed(SessionChanged("me", connected=False))
    assert cluster.submit(request(owner="you", fingerprint=fingerprint)).how == how
    assert cluster.submit(request(owner="they", fingerprint=fingerprint)).error == "JobNameTaken"


@pytest.mark.parametrize(
    ("pulled", "back", "expected"),
    [(True, None, "CANCELED"), (True, "me", "RUNNING"), (True, "you", "RUNNING"), (False, None, "RUNNING")],
)
def test_a_job_whose_rows_only_a_session_takes_that_is_gone_is_canceled(pulled, back, expected):
    cluster = Simulator()
    cluster.submit(request(pulled=pulled))
    cluster.feed(SessionChanged("me", connected=False))
    ((timer, at),) = [timer for timer in cluster.timers.items() if isinstance(timer[0], SessionOverdue)]
    if back is not None:
        assert cluster.submit(request(pulled=pulled, owner=back)).how == "attached"
    cluster.now = at
    cluster.feed(timer)
    assert cluster.state() == expected
    if expected == "CANCELED":
        assert "the session that was to take its rows is gone" in cluster.machine.jobs["job"].failure.message


def test_a_successor_starts_only_when_the_old_job_is_over():
    cluster = Simulator()
    cluster.silent = {"agent-1", "agent-2"}
    cluster.submit(request())
    cluster.submit(request(fingerprint="new"))
    assert (cluster.state(), cluster.machine.jobs["job"].id.number) == ("CANCELING", 1)
    assert cluster.submit(request(fingerprint="new")).run.number == 2
    cluster.silent = set()
    for deploy in cluster.told_to(Deploy):
        for attempt in deploy.deployment.attempts:
            cluster.feed(TaskChanged(deploy.agent, attempt, TaskState.CANCELED))
    assert (cluster.state(), cluster.machine.jobs["job"].id.number) == ("RUNNING", 2)


@pytest.mark.parametrize("command", ["cancel", "stop"])
@pytest.mark.parametrize(
    ("run", "successor"),
    [("job", "CANCELED"), (RunId("job", 1), "RUNNING"), (RunId("job", 2), "CANCELED")],
)
def test_a_command_ends_the_run_that_it_names_or_all_of_the_name(command, run, successor):
    cluster = Simulator()
    cluster.silent = {"agent-1", "agent-2"}
    cluster.submit(request())
    cluster.submit(request(fingerprint="new"))
    cluster.command(command, run)
    cluster.silent = set()
    for deploy in cluster.told_to(Deploy):
        for attempt in deploy.deployment.attempts:
            cluster.feed(TaskChanged(deploy.agent, attempt, TaskState.CANCELED))
    assert (cluster.machine.jobs["job"].id.number, cluster.state()) == (2, successor)


def test_a_withdrawn_successor_is_not_attached_to():
    cluster = Simulator()
    cluster.silent = {"agent-1", "agent-2"}
    cluster.submit(request())
    cluster.submit(request(fingerprint="new"))
    cluster.command("cancel", "job")
    assert cluster.submit(request(fingerprint="new")) == Submitted(RunId("job", 3), "queued")


def test_an_old_handle_does_not_end_a_later_run():
    cluster = Simulator()
    cluster.submit(request())
    cluster.finish()
    cluster.submit(request())
    cluster.command("cancel", RunId("job", 1))
    assert cluster.state() == "RUNNING"


@pytest.mark.parametrize(("run", "dropped"), [("job", True), (RunId("job", 2), True), (RunId("job", 1), False)])
def test_the_results_of_another_run_are_not_dropped(run, dropped):
    cluster = Simulator()
    for _ in range(2):
        cluster.submit(request())
        cluster.finish()
    cluster.command("drop results", run)
    told = [told.command for told in cluster.told_to(Tell)]
    assert (DropRun(RunId("job", 2)) in told) is dropped


@pytest.mark.parametrize("end", ["finish", "cancel"])
def test_agents_drop_functions_and_tables_of_a_job_that_is_over(end):
    cluster = Simulator()
    cluster.submit(request())
    if end == "finish":
        cluster.finish()
    else:
        cluster.command("cancel", "job")
    ended = [told.agent for told in cluster.told_to(Tell) if told.command == EndRun(RunId("job", 1))]
    assert ended == ["agent-1", "agent-2"]


def test_a_finished_name_starts_anew():
    cluster = Simulator()
    cluster.submit(request())
    cluster.finish()
    assert cluster.submit(request(owner="you")).how == "started"


def test_jobs_wait_for_slots_and_say_what_they_miss():
    cluster = Simulator(agents=1, slots=4)
    cluster.submit(request(name="first", vertices=(("work", 3),)))
    cluster.submit(request(name="second", vertices=(("work", 2),)))
    assert cluster.state("second") == "PENDING"
    assert cluster.machine.overview.status("second").waits == "needs 2 slots, 1 free (job 'first' holds 3)"
    cluster.finish("first")
    assert cluster.state("second") == "RUNNING"


def test_a_job_that_does_not_fit_holds_nobody_up():
    cluster = Simulator(agents=1, slots=4)
    for name, tasks in (("first", 3), ("second", 4), ("third", 1)):
        cluster.submit(request(name=name, vertices=(("work", tasks),)))
    assert [cluster.state(name) for name in ("first", "second", "third")] == ["RUNNING", "PENDING", "RUNNING"]
    waits = cluster.machine.overview.status("second").waits
    assert waits == "needs 4 slots, 0 free (job 'first' holds 3, job 'third' holds 1)"
    cluster.finish("first")
    cluster.finish("third")
    assert cluster.state("second") == "RUNNING"


def test_jobs_that_fit_start_in_order_of_submission():
    cluster = Simulator(agents=1, slots=4)
    for name, tasks in (("all", 4), ("second", 3), ("third", 3)):
        cluster.submit(request(name=name, vertices=(("work", tasks),)))
    cluster.finish("all")
    assert [cluster.state(name) for name in ("second", "third")] == ["RUNNING", "PENDING"]


def test_a_waiting_job_says_which_agents_it_needs():
    cluster = Simulator(agents=1, slots=1)
    cluster.feed(AgentUp(agent(2, 1, tags=frozenset({"gpu"}))))
    gpu = {"vertices": (JobVertex("work", 1, tags=frozenset({"gpu"})),)}
    for name in ("one", "two"):
        cluster.submit(request(name, **gpu))
    waits = cluster.machine.overview.status("two").waits
    assert waits == "needs 1 slot on agents tagged gpu, 1 free (job 'one' holds 1)"


def test_a_waiting_job_starts_when_an_agent_joins():
    cluster = Simulator(agents=1, slots=2)
    cluster.submit(request(name="first"))
    cluster.submit(request(name="second"))
    cluster.feed(AgentUp(agent(9)))
    assert cluster.state("second") == "RUNNING"


@pytest.mark.parametrize(
    ("agents", "slots", "message"),
    [
        (0, 9, "no agents are registered"),
        (2, 9, "needs 9 slots, 8 free and the cluster has only 8 on 2 agents: env.scale(3) or .run(parallelism=8)"),
        (2, 50, "env.scale(13)"),
    ],
)
def test_more_slots_than_there_are_is_refused_with_how_many_agents_would_do(agents, slots, message):
    refusal = Simulator(agents=agents).submit(request(vertices=(("work", slots),)))
    assert refusal.error == "InsufficientSlots"
    assert message in refusal.message


def test_a_tag_that_no_agent_has_is_refused_with_how_to_start_one():
    tagged = request(vertices=(JobVertex("work", 1, tags=frozenset({"gpu"})),))
    refusal = Simulator().submit(tagged)
    assert refusal.error == "InsufficientSlots"
    assert "tagged gpu, and too few agents are: `dask worker --resources gpu=1`" in refusal.message


def test_a_lost_agent_fails_its_jobs_and_nobody_elses():
    cluster = Simulator()
    cluster.submit(request(name="both"))
    cluster.submit(request(name="one", vertices=(("work", 1),)))
    cluster.lose(2)
    assert (cluster.state("both"), cluster.state("one")) == ("FAILED", "RUNNING")
    assert (
        "worker agent-2 (process 2 on host) was lost: connection closed" in cluster.machine.jobs["both"].failure.message
    )


def test_an_agent_that_leaves_is_given_nothing_more_and_its_jobs_hear_why():
    cluster = Simulator(agents=2, slots=2)
    cluster.submit(request(name="both"))
    cluster.feed(AgentLeaving("agent-2", "the cluster was scaled down"))
    assert cluster.state("both") == "RUNNING"
    cluster.submit(request(name="one", vertices=(("work", 1),)))
    assert cluster.submit(request(name="large", vertices=(("work", 3),))).error == "InsufficientSlots"
    assert [who for who, attempt in cluster.running if attempt.run.job == "one"] == ["agent-1"]
    cluster.lose(2)
    assert (cluster.state("both"), cluster.state("one")) == ("FAILED", "RUNNING")
    assert "worker agent-2 (process 2 on host) was taken away: the cluster was scaled down" in (
        cluster.machine.jobs["both"].failure.message
    )


def test_an_agent_that_shuts_down_fails_its_jobs_though_its_tasks_say_that_they_were_canceled():
    cluster = Simulator()
    cluster.submit(request())
    task = next(task for task in cluster.machine.jobs["job"].tasks.values() if task.slot.agent == "agent-2")
    cluster.feed(TaskChanged("agent-2", task.attempt, TaskState.CANCELED))
    cluster.lose(2)
    assert cluster.state() == "FAILED"
    assert (
        "worker agent-2 (process 2 on host) was lost: it is shutting down"
        in cluster.machine.jobs["job"].failure.message
    )


def test_a_commit_whose_agent_is_lost_is_given_to_another():
    cluster = Simulator()
    cluster.submit(request())
    cluster.silent = {"agent-1"}
    cluster.finish()
    assert cluster.state() == "COMMITTING"
    cluster.lose(1)
    assert [commit.agent for commit in cluster.told_to(Commit)] == ["agent-1", "agent-2"]
    assert cluster.state() == "FINISHED"


def test_a_commit_without_any_agent_left_waits_for_one():
    cluster = Simulator(agents=1)
    cluster.submit(request())
    cluster.silent = {"agent-1"}
    cluster.finish()
    cluster.lose(1)
    assert cluster.state() == "COMMITTING"
    cluster.feed(AgentUp(agent(2)))
    assert cluster.state() == "FINISHED"


def committing_without_agents():
    cluster = Simulator(agents=1)
    cluster.submit(request())
    cluster.silent = {"agent-1"}
    cluster.finish()
    cluster.lose(1)
    return cluster


def test_a_commit_that_no_agent_comes_for_fails_the_job_and_says_what_its_output_is_like():
    cluster = committing_without_agents()
    cluster.fire(CommitOverdue)
    assert (cluster.now, cluster.state()) == (60.0, "FAILED")
    message = cluster.machine.jobs["job"].failure.message
    assert (
        "wrote all rows, but they may be committed in part only: the last worker was lost, and none joined" in message
    )
    assert cluster.machine.pool.statistics().holders == {}
    cluster.feed(AgentUp(agent(2)))
    assert cluster.submit(request()).how == "started"


def test_a_timer_that_was_held_up_gives_agents_as_much_time_again():
    cluster = committing_without_agents()
    cluster.now = 100.0
    cluster.fire(CommitOverdue)
    assert (cluster.state(), cluster.timers[CommitOverdue(RunId("job", 1))]) == ("COMMITTING", 160.0)


def test_an_agent_that_came_in_time_may_take_its_time():
    cluster = committing_without_agents()
    cluster.silent = {"agent-2"}
    cluster.feed(AgentUp(agent(2)))
    cluster.fire(CommitOverdue)
    assert cluster.state() == "COMMITTING"
    cluster.speak("agent-2")
    assert cluster.state() == "FINISHED"


def test_a_commit_that_kills_every_agent_is_given_up():
    cluster = committing_without_agents()
    for number in range(2, 6):
        assert cluster.state() == "COMMITTING"
        cluster.silent = {f"agent-{number}"}
        cluster.feed(AgentUp(agent(number)))
        cluster.lose(number)
    assert cluster.state() == "FAILED"
    assert "5 workers were lost while they committed it" in cluster.machine.jobs["job"].failure.message


@pytest.mark.parametrize("kind", ["cancel", "stop"])
def test_who_ends_a_job_that_commits_hears_what_it_waits_for(kind):
    cluster = Simulator(agents=1)
    cluster.submit(request())
    cluster.silent = {"agent-1"}
    cluster.finish()
    too_late = f"job is COMMITTING, too late to {kind}: all rows are written, and"
    assert cluster.command(kind, "job").sentence == f"{too_late} agent-1 commits its output"
    cluster.lose(1)
    assert cluster.command(kind, "job").sentence == f"{too_late} it waits for an agent to commit its output"


@pytest.mark.parametrize(("end", "state"), [("cancel", "CANCELED"), ("fail", "FAILED")])
def test_a_run_whose_output_nobody_can_remove_is_over(end, state):
    cluster = Simulator(agents=1)
    cluster.submit(request())
    cluster.silent = {"agent-1"}
    cluster.fail() if end == "fail" else cluster.command(end, "job")
    assert cluster.state() == state.replace("ED", "ING")
    cluster.lose(1)
    assert cluster.state() == state.replace("ED", "ING")
    cluster.fire(CommitOverdue)
    assert (cluster.state(), cluster.now) == (state, 60)
    cluster.feed(AgentUp(agent(2)))
    assert cluster.submit(request()).how == "started"


@pytest.mark.parametrize(("end", "state"), [("cancel", "CANCELED"), ("fail", "FAILED")])
def test_an_agent_that_joins_soon_removes_the_output(end, state):
    cluster = Simulator(agents=1)
    cluster.submit(request())
    cluster.silent = {"agent-1"}
    cluster.fail() if end == "fail" else cluster.command(end, "job")
    cluster.lose(1)
    cluster.feed(AgentUp(agent(2)))
    assert [(commit.agent, commit.action) for commit in cluster.told_to(Commit)] == [("agent-2", "abort")]
    assert cluster.state() == state


def test_a_canceled_job_that_loses_an_agent_was_canceled_all_the_same():
    cluster = Simulator()
    cluster.submit(request())
    cluster.silent = {"agent-1"}
    cluster.command("cancel", "job")
    cluster.lose(1)
    assert (cluster.state(), cluster.machine.jobs["job"].failure) == ("CANCELED", None)


@pytest.mark.parametrize("end", ["cancel", "stop", "fail"])
@pytest.mark.parametrize("fingerprint", ["f", "changed"])
def test_a_run_that_is_ending_is_not_attached_to_but_waited_for(end, fingerprint):
    cluster = Simulator()
    cluster.submit(request())
    cluster.silent = {"agent-1"}
    cluster.fail() if end == "fail" else cluster.command(end, "job")
    before = cluster.state(), cluster.machine.jobs["job"].failure
    assert cluster.submit(request(fingerprint=fingerprint)) == Submitted(RunId("job", 2), "queued")
    assert (cluster.state(), cluster.machine.jobs["job"].failure) == before
    cluster.speak("agent-1")
    if end == "stop":
        cluster.finish()
    assert (cluster.machine.jobs["job"].id.number, cluster.state()) == (2, "RUNNING")


def test_an_agent_is_given_up_after_ten_silent_seconds_and_fenced_when_it_returns():
    cluster = Simulator()
    cluster.submit(request())
    for second in range(1, 12):
        cluster.now = second
        cluster.feed(Heartbeat("agent-1"))
        cluster.feed(LeasesDue())
    assert list(cluster.machine.agents) == ["agent-1"]
    assert "no heartbeat for 10 s" in cluster.machine.jobs["job"].failure.message
    cluster.feed(Heartbeat("agent-2"))
    assert cluster.told[-1] == Tell("agent-2", Fence("agent-2"))


def test_a_late_machine_extends_every_lease_by_its_own_delay():
    cluster = Simulator()
    cluster.now = 60.0
    cluster.feed(LeasesDue())
    assert list(cluster.machine.agents) == ["agent-1", "agent-2"]


@pytest.mark.parametrize(
    "attempt",
    [
        Attempt(TaskId(RunId("job", 1), "work", 0), number=7, epoch=1),
        Attempt(TaskId(RunId("job", 1), "work", 0), number=0, epoch=2),
        Attempt(TaskId(RunId("job", 2), "work", 0), number=0, epoch=1),
        Attempt(TaskId(RunId("gone", 1), "work", 0), number=0, epoch=1),
    ],
)
def test_stale_reports_are_refused(attempt):
    cluster = Simulator()
    cluster.submit(request())
    with pytest.raises(StaleMessage, match="which is over"):
        cluster.feed(TaskChanged("agent-1", attempt, TaskState.FINISHED))
    assert cluster.state() == "RUNNING"


def test_an_illegal_move_raises():
    cluster = Simulator()
    cluster.submit(request())
    who, attempt = cluster.running[0]
    with pytest.raises(IllegalTransition, match="cannot go from RUNNING to DEPLOYING"):
        cluster.feed(TaskChanged(who, attempt, TaskState.DEPLOYING))


def test_a_thousand_agents_run_a_thousand_tasks():
    cluster = Simulator(agents=1000)
    cluster.submit(request(vertices=(("source", 1000), ("sink", 1000))))
    assert len(cluster.running) == 2000
    assert len(cluster.told_to(Deploy)) == 1000
    cluster.finish()
    assert cluster.state() == "FINISHED"


def test_output_of_a_job_whose_last_task_fails_is_removed_once():
    cluster = Simulator()
    cluster.submit(request(vertices=(("work", 1),)))
    cluster.fail()
    assert cluster.state() == "FAILED"
    assert [commit.action for commit in cluster.told_to(Commit)] == ["abort"]


def fall_silent(cluster, *speaking):
    """Let 11 seconds pass in which only the agents of these numbers send heartbeats."""
    for second in range(1, 12):
        cluster.now = second
        for number in speaking:
            cluster.feed(Heartbeat(f"agent-{number}"))
        cluster.feed(LeasesDue())


def test_a_commit_is_not_given_to_an_agent_that_falls_silent_in_the_same_moment():
    cluster = Simulator(agents=7)
    cluster.silent = {f"agent-{number}" for number in range(1, 7)}
    cluster.submit(request(vertices=(("work", 6),)))
    for who in sorted(cluster.silent):
        cluster.speak(who)
    cluster.silent = {f"agent-{number}" for number in range(1, 7)}
    cluster.finish()
    assert cluster.state() == "COMMITTING"
    fall_silent(cluster, 7)
    assert cluster.state() == "FINISHED"
    assert [commit.agent for commit in cluster.told if isinstance(commit, Commit)][1:] == ["agent-7"]


def test_a_pending_run_is_not_placed_on_an_agent_that_falls_silent_in_the_same_moment():
    cluster = Simulator(agents=3, slots=1)
    cluster.submit(request("running", vertices=(("work", 2),)))
    cluster.submit(request("waiting", vertices=(("work", 2),)))
    cluster.feed(AgentUp(agent(4, 1)))
    assert cluster.state("waiting") == "RUNNING"
    cluster.submit(request("pending", vertices=(("work", 1),)))
    cluster.silent = {"agent-1", "agent-2"}
    fall_silent(cluster, 3, 4)
    assert cluster.state("running") == "FAILED"
    assert cluster.state("waiting") == "RUNNING"
    assert cluster.state("pending") == "PENDING"


def session_timer_fires(cluster, owner="me"):
    cluster.feed(SessionChanged(owner, connected=False))
    ((timer, at),) = [timer for timer in cluster.timers.items() if isinstance(timer[0], SessionOverdue)]
    cluster.now = at
    cluster.feed(timer)


def test_a_run_that_commits_does_not_fail_with_its_session():
    cluster = Simulator()
    cluster.silent = {"agent-1", "agent-2"}
    cluster.submit(request(pulled=True))
    for who in ("agent-1", "agent-2"):
        cluster.speak(who)
    cluster.silent = {"agent-1", "agent-2"}
    cluster.finish()
    assert cluster.state() == "COMMITTING"
    session_timer_fires(cluster)
    assert cluster.machine.jobs["job"].failure is None


def test_a_waiting_run_is_canceled_with_its_session():
    cluster = Simulator()
    cluster.silent = {"agent-1", "agent-2"}
    cluster.submit(request())
    cluster.submit(request(pulled=True, fingerprint="new"))
    waiting = cluster.machine.jobs["job"].successor
    session_timer_fires(cluster)
    assert waiting.state.value == "CANCELED"
    assert "the session that was to take its rows is gone" in waiting.failure.message
