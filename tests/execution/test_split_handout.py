"""Splits are handed out on demand: who gets which, and who is told of the bound of those that are left."""

import pytest
from simulator import Simulator, request

from sabotnb.cluster import control_codec
from sabotnb.errors import StaleMessage
from sabotnb.protocol import (
    MAX_WATERMARK,
    AssignSplits,
    Deploy,
    RaiseBound,
    Split,
    SplitsLeft,
    SplitWanted,
    Tell,
)
from sabotnb.protocol.job_topology import JobVertex


class Files(Simulator):
    """A job of one source vertex over files with lower bounds 0, 1, 2 ..., on two agents."""

    def __init__(self, files, tasks=2, **vertex):
        super().__init__(agents=2)
        splits = {"files": tuple(Split(str(number), {}, number, 10) for number in range(files))}
        source = JobVertex("files", tasks, reads=True, **vertex)
        self.submit(request(vertices=(source, ("sink", 2)), splits=splits, commits=False))
        self.attempts = {
            attempt.task.index: (who, attempt) for who, attempt in self.running if attempt.task.vertex == "files"
        }
        self.first = {
            first.attempt.task.index: first for told in self.told_to(Deploy) for first in told.deployment.splits
        }

    def ask(self, index, nbytes=0):
        """What follows when a task asks: (agent, command) of each message."""
        self.told.clear()
        who, attempt = self.attempts[index]
        self.feed(SplitWanted(who, attempt, nbytes))
        return [(told.agent, told.command) for told in self.told_to(Tell)]

    def taken(self, index, nbytes=0):
        return [
            split.id
            for _, command in self.ask(index, nbytes)
            if isinstance(command, AssignSplits)
            for split in command.splits
        ]


def numbers(assigned):
    return [split.id for split in assigned.splits]


def test_the_first_splits_come_with_the_deployment_and_the_others_on_demand():
    job = Files(5)
    assert {index: numbers(first) for index, first in job.first.items()} == {0: ["0"], 1: ["1"]}
    assert [job.taken(index) for index in (1, 1, 0, 1, 0)] == [["2"], ["3"], ["4"], [], []]


def test_a_slow_task_takes_fewer():
    job = Files(50)
    taken = {0: numbers(job.first[0]), 1: numbers(job.first[1])}
    while more := job.taken(1, nbytes=30):
        taken[1] += more
    assert (len(taken[0]), len(taken[1])) == (1, 49)


def test_few_splits_need_no_messages():
    job = Files(2)
    assert [first.left.more for first in job.first.values()] == [False, False]


def test_splits_that_are_dealt_all_come_with_the_deployment():
    job = Files(5, dealt=True)
    assert [numbers(first) for first in job.first.values()] == [["0", "2", "4"], ["1", "3"]]
    assert [first.left.more for first in job.first.values()] == [False, False]


def test_with_event_time_every_agent_is_told_of_the_bound_once_and_behind_the_answer():
    job = Files(5, tasks=4, timed=True)
    left = SplitsLeft()
    raised = RaiseBound(job.machine.jobs["job"].id, 1, "files", left)
    who, attempt = job.attempts[3]
    assert [first.left for first in job.first.values()] == [SplitsLeft(4, "4")] * 4
    assert job.ask(3) == [
        (who, AssignSplits(attempt, (Split("4", {}, 4, 10),), left)),
        ("agent-1", raised),
        ("agent-2", raised),
    ]
    assert left.bound == MAX_WATERMARK
    assert job.ask(2) == [(job.attempts[2][0], AssignSplits(job.attempts[2][1], (), left))]  # no bound has risen


def test_without_event_time_only_the_task_that_asks_hears_of_it():
    job = Files(5)
    assert [type(command) for _, command in job.ask(0)] == [AssignSplits]


@pytest.mark.parametrize("command", ["stop", "cancel"])
def test_a_run_that_is_ending_hands_out_none(command):
    job = Files(5)
    job.silent = {"agent-1", "agent-2"}
    job.command(command, "job")
    assert job.ask(0) == []


def test_a_paused_run_hands_out_splits_which_nobody_reads():
    job = Files(5)
    job.command("pause", "job")
    assert job.taken(0) == ["2"]


def test_a_task_of_an_earlier_run_gets_none():
    job = Files(5)
    job.finish()
    who, attempt = job.attempts[0]
    assert job.ask(0) == []  # it has ended
    job.submit(request(vertices=(JobVertex("files", 2, reads=True), ("sink", 2)), fingerprint="new"))
    with pytest.raises(StaleMessage, match="asks for splits"):
        job.feed(SplitWanted(who, attempt, 0))


def test_a_task_that_another_agent_runs_gets_none():
    job = Files(5)
    who, _ = job.attempts[0]
    with pytest.raises(StaleMessage, match="asks for splits"):
        job.feed(SplitWanted(who, job.attempts[1][1], 0))


def test_a_message_has_only_the_splits_of_its_task():
    job = Files(10_000, tasks=4)
    deployed = [len(control_codec.dumps(told.deployment)) for told in job.told_to(Deploy)]
    answers = [len(control_codec.dumps(command)) for _, command in job.ask(0)]
    assert max(deployed) < 3000
    assert max(answers) < 1000


def test_a_run_that_is_being_stopped_hands_out_no_splits():
    cluster = Simulator()
    splits = {"files": tuple(Split(str(number)) for number in range(4))}
    cluster.submit(request(vertices=(JobVertex("files", 1, reads=True),), splits=splits))
    cluster.command("stop", "job")
    cluster.told.clear()
    cluster.feed(SplitWanted(*cluster.running[0], 0))
    assert cluster.told == []
