"""How much of its input a job has read, from what its sources know and have counted."""

import pytest
from simulator import Simulator, request

from sabotnb.execution.status.input_progress import progress
from sabotnb.metrics import TaskCounters
from sabotnb.protocol import MetricsReported, TaskChanged, TaskState
from sabotnb.protocol.job_topology import JobVertex
from sabotnb.protocol.source import Split

FILES = (Split("a", nbytes=300), Split("b", nbytes=100))
TABLE = (Split("rows-0", nbytes=100, rows=10),)
RATE = (Split("rate", rows=1000),)
GENERATOR = (Split("generator"),)


class Reading:
    """A job that runs, with one task per source (``left``, ``right``)."""

    def __init__(self, bounded=True, **splits):
        self.simulator = Simulator(agents=1)
        vertices = tuple(JobVertex(name, 1, reads=True, bounded=bounded) for name in splits)
        self.simulator.submit(request(vertices=vertices, splits=splits, commits=False))
        self.job = self.simulator.machine.jobs["job"]
        self.attempts = {task.vertex: one.attempt for task, one in self.job.tasks.items()}

    def read(self, source, **counted):
        self.simulator.feed(MetricsReported("agent-1", {self.attempts[source]: TaskCounters(**counted)}, at=0))
        return progress(self.job)

    def end(self, source, state=TaskState.FINISHED):
        self.simulator.feed(TaskChanged("agent-1", self.attempts[source], state))
        return progress(self.job)


def test_files_are_read_by_their_bytes():
    job = Reading(left=FILES)
    assert [job.read("left"), job.read("left", bytes_done=300), job.end("left")] == [0.0, 0.75, 1.0]


def test_what_knows_no_bytes_is_read_by_its_rows():
    job = Reading(left=RATE)
    assert [job.read("left", rows_in=rows) for rows in (0, 250, 500)] == [0.0, 0.25, 0.5]


def test_rows_say_more_of_a_split_that_is_not_at_its_end():
    assert Reading(left=TABLE).read("left", rows_in=5, bytes_done=0) == 0.5


@pytest.mark.parametrize(
    ("left", "right", "begun", "ended"),
    [
        (FILES, TABLE, 0.0, 0.2),  # by bytes: 100 of 500
        (RATE, TABLE, 0.0, 10 / 1010),  # by rows
        (RATE, FILES, 0.0, 0.5),  # no common measure
        (RATE, GENERATOR, None, 0.5),  # unknown until it has ended
        (RATE, (), 0.0, 0.0),  # nothing to read
    ],
)
def test_sources_weigh_by_what_all_of_them_know(left, right, begun, ended):
    job = Reading(left=left, right=right)
    assert [job.read("left"), job.end("right")] == [begun, ended]


def test_not_all_is_read_before_every_source_has_ended():
    job = Reading(left=RATE, right=TABLE)
    job.read("left", rows_in=1000)
    assert job.read("right", rows_in=10, bytes_done=100) == 0.99
    assert job.end("right") == 0.99
    assert job.end("left") == 1.0


def test_a_source_that_does_not_know_counts_when_it_has_ended():
    job = Reading(left=RATE, right=GENERATOR)
    assert [job.read("left", rows_in=500), job.end("right"), job.end("left")] == [None, 0.75, 1.0]


@pytest.mark.parametrize("splits", [FILES, TABLE, RATE])
def test_it_never_falls(splits):
    job = Reading(left=splits, right=TABLE)
    seen = [job.read("left", rows_in=rows, bytes_done=rows // 3) for rows in range(0, 2000, 100)]
    seen += [job.end("right"), job.end("left")]
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_a_job_that_was_stopped_keeps_what_it_has_read():
    job = Reading(left=RATE)
    job.read("left", rows_in=250)
    job.simulator.command("stop", "job")
    assert job.end("left") == 0.25
    assert job.job.state.value == "FINISHED"


def test_a_canceled_job_keeps_what_it_has_read_and_an_endless_one_has_no_end():
    job = Reading(left=RATE)
    job.read("left", rows_in=250)
    job.simulator.command("cancel", "job")
    assert progress(job.job) == 0.25
    assert Reading(bounded=False, left=RATE).read("left", rows_in=5) is None
