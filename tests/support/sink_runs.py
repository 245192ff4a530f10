"""Runs of a job with file sinks, without a cluster: what its tasks write, and the committers that commit it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from sabotnb import connectors
from sabotnb.connectors import FileCommitter
from sabotnb.graph import Sink
from sabotnb.protocol import FINAL_CUT, Committable, LineageCut, OperatorContext
from sabotnb.protocol.ids import RunId
from sabotnb.testing import SignalAt

SCHEMA = pa.schema({"n": pa.int64(), "k": pa.int64()})


def numbers(folder: Path) -> list[int]:
    """Return the rows that a reader of ``folder`` sees."""
    files = sorted(folder.glob("**/part-*.csv"))
    return sorted(int(line.split(",")[0]) for file in files for line in file.read_text().splitlines()[1:])


class SinkRun:
    """One epoch of run ``number`` of a job that writes into ``folders``, with two tasks for each sink."""

    def __init__(
        self,
        *folders: Path,
        number: int = 1,
        epoch: int = 1,
        mode: str = "error",
        partition_by: Sequence[str] = (),
        lineage: Sequence[LineageCut] = (),
    ) -> None:
        options = {"mode": mode, "partition_by": list(partition_by)}
        self.specs = {
            f"sink_{at}": connectors.with_run(Sink("csv", {"path": str(folder), **options}), f"aa{number:02}")
            for at, folder in enumerate(folders)
        }
        self.run = RunId("job", number)
        self.epoch = epoch
        self._lineage = lineage
        self._sinks: list[connectors.FileSink] = []

    def open(self) -> SinkRun:
        """Open the tasks."""
        for operator, spec in self.specs.items():
            for index in range(2):
                sink = connectors.sink(spec, SCHEMA)
                context = OperatorContext(
                    self.run, operator, index, 2, 128, epoch=self.epoch, lineage=tuple(self._lineage)
                )
                sink.open(context)
                self._sinks.append(sink)
        return self

    def write(self, *values: int, cut: int = FINAL_CUT) -> list[Committable]:
        """Write ``values`` into every sink; return what the tasks prepare at ``cut``."""
        prepared = []
        for at, sink in enumerate(self._sinks):
            own = values[at % 2 :: 2]
            if own:
                list(sink.process(0, pa.RecordBatch.from_pydict({"n": own, "k": [n % 2 for n in own]}, SCHEMA)))
            prepared += sink.roll(cut).durable()
        return prepared

    def close(self) -> None:
        """Close the tasks."""
        while self._sinks:
            self._sinks.pop().close()

    def kill(self) -> None:
        """Release what the kernel releases when the processes of the tasks are killed: their claims."""
        while self._sinks:
            claim = self._sinks.pop()._claim
            assert claim is not None
            os.close(claim)

    def committer(self) -> FileCommitter:
        """Return a committer of the run in this epoch."""
        return connectors.committer(self.specs, self.run, self.epoch, self._lineage)

    def finish(self, *values: int) -> None:
        """Run from the beginning to the end with ``values`` as rows."""
        self.open()
        prepared = self.write(*values)
        self.close()
        self.committer().commit(prepared)


def killed(act: Callable[[], object], step: int) -> bool:
    """Call ``act`` in another process, which is killed at its change number ``step``; False if it made fewer."""
    with _child(act, step, signal.SIGKILL) as child:
        _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert status == 0
    return False


@contextmanager
def stopped(act: Callable[[], object], step: int) -> Iterator[bool]:
    """Stop a process that calls ``act`` at its change number ``step``, and let it go on after the block."""
    with _child(act, step, signal.SIGSTOP) as child:
        _, status = os.waitpid(child, os.WUNTRACED)
        try:
            yield os.WIFSTOPPED(status)
        finally:
            if os.WIFSTOPPED(status):
                os.kill(child, signal.SIGCONT)
                os.waitpid(child, 0)


@contextmanager
def _child(act: Callable[[], object], step: int, number: signal.Signals) -> Iterator[int]:
    child = os.fork()
    if child == 0:
        with connectors.before_changes(SignalAt(step, number)):
            try:
                act()
            finally:  # never back into the test: an exception is in the status
                os._exit(sys.exc_info()[0] is not None)
    yield child
