"""Cuts of tasks whose rows a client reads slowly, and of tasks that have ended and wait for it."""

import pytest
from taskjobs import RUN, Custom, Deployed, Doubled, graph, numbers, reads, vertex

from sabotnb.graph import Sink
from sabotnb.protocol import CutAcked, CutKind, TakeCut, TaskSnapshot, TaskState
from sabotnb.protocol.elements import Cut

CALLBACK = Sink("callback")
ENDED = TaskSnapshot(ended=True)


def one_chain(*scripts):
    return graph([vertex("rows", reads(numbers(*scripts)), Custom(Doubled), CALLBACK)])


def behind_a_gate(*scripts):
    return graph(
        [vertex("read", reads(numbers(*scripts))), vertex("rows", Custom(Doubled), CALLBACK)],
        ("read", "rows"),
    )


class Client:
    """Reads the rows of the only callback of ``job``."""

    def __init__(self, job, operator):
        self.results, self.key, self.next = job.results, (operator, 0), 0

    def read(self):
        """Acknowledge what was read before, and return the next rows; None if there are no more."""
        (pulled,) = self.results.take(RUN, {self.key: self.next}, 1).values()
        self.next = pulled.next
        return [value for batch in pulled.batches for value in batch.column("x").to_pylist()] or None


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
            client = Client(restored, operator)
            got = []
            while (rows := client.read()) is not None:
                got += rows
            assert got == [2, 4, 6, 8]
