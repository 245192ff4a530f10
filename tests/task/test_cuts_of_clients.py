"""Cuts of tasks whose rows a client reads slowly, and of tasks that have ended and wait for it."""

from dataclasses import replace

import pytest
from taskjobs import RUN, TINY, Custom, Deployed, Doubled, graph, numbers, reads, vertex

from sabotnb.graph import Sink
from sabotnb.protocol import CutAcked, CutKind, TakeCut, TaskSnapshot, TaskState
from sabotnb.protocol.elements import Cut

CALLBACK = Sink("callback")
LIVE = Sink("live", {"keep": 100})
ENDED = TaskSnapshot(ended=True)


def one_chain(*scripts, sink=CALLBACK):
    return graph([vertex("rows", reads(numbers(*scripts)), Custom(Doubled), sink)])


def behind_a_gate(*scripts, sink=CALLBACK):
    return graph(
        [vertex("read", reads(numbers(*scripts))), vertex("rows", Custom(Doubled), sink)],
        ("read", "rows"),
    )


class Client:
    """Reads the rows of the only sink of ``job``."""

    def __init__(self, job, operator):
        self.results, self.key, self.next = job.results, (operator, 0), 0

    def read(self):
        """Acknowledge what was read before, and return the next rows; None if there are no more."""
        (pulled,) = self.results.take(RUN, {self.key: self.next}, 1).values()
        self.next = pulled.next
        return [value for batch in pulled.batches for value in batch.column("x").to_pylist()] or None

    def rest(self):
        """Read and acknowledge all that is left."""
        rows = []
        while (read := self.read()) is not None:
            rows += read
        return rows


def taken(job, number):
    """Take a cut of all tasks; returns the snapshots of those that run, by vertex."""
    job.command(TakeCut(RUN, 1, Cut(number, CutKind.CHECKPOINT, 1), hold=False))
    running = len(job.tasks) - len(job.reports.of(TaskState.FINISHED))
    job.reports.wait_until(lambda: len([ack for ack in job.reports.cuts if ack.cut == number]) == running)
    acks = [ack for ack in job.reports.cuts if ack.cut == number]
    assert all(isinstance(ack, CutAcked) for ack in acks), acks
    return {ack.attempt.task.vertex: ack.snapshot for ack in acks}


@pytest.mark.parametrize("make", [one_chain, behind_a_gate])
def test_a_task_that_has_ended_and_waits_for_its_client_takes_cuts(make, tmp_path):
    job = make([[1], [2], [3]])
    operator = job.vertices["rows"].operators[-1].id
    with Deployed(job, storage=str(tmp_path)).start() as deployed:
        client = Client(deployed, operator)
        assert [client.read(), client.read(), client.read()] == [[2], [4], [6]]
        if "read" in job.vertices:
            deployed.reports.wait(TaskState.FINISHED)
        first = taken(deployed, 1)
        second = taken(deployed, 2)
        assert client.read() is None
        deployed.reports.wait(TaskState.FINISHED, len(job.vertices))
    for snapshots in (first, second):
        with Deployed(job, storage=str(tmp_path), restored={"read": ENDED, **snapshots}).start() as restored:
            assert not snapshots["rows"].ended
            client = Client(restored, operator)
            client.next = 2
            assert client.read() == [6]
            assert client.read() is None
            restored.reports.wait(TaskState.FINISHED, len(job.vertices))


def test_a_source_takes_cuts_while_its_client_reads_nothing(tmp_path):
    job = one_chain([[1], [2], [3], [4]])
    operator = job.vertices["rows"].operators[-1].id
    with Deployed(job, storage=str(tmp_path)).start() as deployed:
        first = taken(deployed, 1)
        second = taken(deployed, 2)
        assert deployed.reports.of(TaskState.FINISHED) == []
    for snapshots in (first, second):
        with Deployed(job, storage=str(tmp_path), restored=snapshots).start() as restored:
            assert Client(restored, operator).rest() == [2, 4, 6, 8]


@pytest.mark.parametrize("make", [one_chain, behind_a_gate])
def test_a_live_table_that_takes_cuts_ends_when_its_client_has_its_rows(make, tmp_path):
    job = make([[1], [2], [3]], sink=LIVE)
    operator = job.vertices["rows"].operators[-1].id
    with Deployed(job, storage=str(tmp_path)).start() as deployed:
        if "read" in job.vertices:
            deployed.reports.wait(TaskState.FINISHED)
        snapshots = taken(deployed, 1)
        assert Client(deployed, operator).rest() == [2, 4, 6]
        deployed.reports.wait(TaskState.FINISHED, len(job.vertices))
    with Deployed(job, storage=str(tmp_path), restored={"read": ENDED, **snapshots}).start() as restored:
        assert Client(restored, operator).rest() == [2, 4, 6]
        restored.reports.wait(TaskState.FINISHED, len(job.vertices))


def test_a_live_table_ends_without_a_client_that_asks_for_rows(tmp_path):
    job = one_chain([[1], [2]], sink=LIVE)
    with Deployed(job, replace(TINY, reader_lost_seconds=0.0), str(tmp_path)).start() as deployed:
        deployed.reports.wait(TaskState.FINISHED)
        assert Client(deployed, job.vertices["rows"].operators[-1].id).rest() == [2, 4]
