"""The pause of one task at a cut, and the batches after it while its state is written.

In this process, with the state, the freeze and the writer of a real task: a cluster would measure its channels too.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from sabotnb.cli.bench.recovery.case_measurements import Measurement, RecoveryCase, Run
from sabotnb.cli.bench.recovery.keyed_draws import SCHEMA, mixed
from sabotnb.graph import AggregateColumn
from sabotnb.protocol import RunId, StateSpec, TaskId
from sabotnb.state import GroupedAggregates
from sabotnb.storage import FrozenState, write_states

BATCH = 65_536
NORMAL = 40
"""Batches that say how long one normally takes."""
GROUPS = 128
TARGET_PAUSE_MS = 10.0
TARGET_LONGEST = 2.0

COLUMNS = (
    AggregateColumn("n", "count", None),
    AggregateColumn("total", "sum", "price"),
    AggregateColumn("most", "max", "price"),
)
TASK = TaskId(RunId("bench-cut", 1), "totals", 0)


def cases(folder: Path, sizes: Sequence[int]) -> list[RecoveryCase]:
    """A case for each number of keys."""
    return [
        RecoveryCase(
            f"cut of {keys:,} keys",
            f"one task, batches of {BATCH:,} rows of uniform keys",
            partial(_open, folder, keys),
            weight=0.3 + keys / 10_000_000,
        )
        for keys in sizes
    ]


@contextmanager
def _open(folder: Path, keys: int) -> Iterator[Run]:
    state = GroupedAggregates(SCHEMA.empty_table().select(["bidder"]).schema, COLUMNS, SCHEMA, GROUPS)
    for start in range(0, keys, BATCH):
        state.update(_batch(np.arange(start, min(keys, start + BATCH))))
    cuts = iter(range(1, 1_000_000))
    yield lambda: _run(state, keys, str(folder), next(cuts))


def _run(state: GroupedAggregates, keys: int, storage: str, cut: int) -> list[Measurement]:
    drawn = [_batch(mixed(np.arange(BATCH) + number * BATCH) % np.uint64(keys)) for number in range(NORMAL)]
    before = [_update(state, batch) for batch in drawn]
    began = time.perf_counter()
    groups = tuple(state.groups())
    frozen = FrozenState("totals", StateSpec("totals"), state.schema, groups, state.freeze(groups))
    pause = time.perf_counter() - began
    written: list[tuple[float, int]] = []
    writer = threading.Thread(target=lambda: written.append(_write(storage, cut, frozen)))
    behind = [_update(state, drawn[0])]  # copies most rows, even while nothing is written
    writer.start()
    while writer.is_alive():
        behind.append(_update(state, drawn[len(behind) % NORMAL]))
    writer.join()
    ((seconds, nbytes),) = written
    wall, cpu = (statistics.median(times) for times in zip(*before, strict=True))
    return [
        Measurement("pause", pause * 1e3, "ms", TARGET_PAUSE_MS),
        Measurement("normal batch", wall * 1e3, "ms"),
        Measurement("longest normal batch / median", max(before)[0] / wall, "x"),
        Measurement("longest batch behind the cut / median", max(behind)[0] / wall, "x", TARGET_LONGEST),
        Measurement(
            "the same by CPU time of the thread", max(seconds for _, seconds in behind) / cpu, "x", TARGET_LONGEST
        ),
        Measurement(
            "median batch while the state is written / median",
            statistics.median(seconds for seconds, _ in behind) / wall,
            "x",
        ),
        Measurement("writing the state", seconds, "s"),
        Measurement("state file", nbytes / 1e6, "MB"),
    ]


def _batch(bidders: np.ndarray) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(bidders.astype(np.int64))] * 2, schema=SCHEMA)


def _update(state: GroupedAggregates, batch: pa.RecordBatch) -> tuple[float, float]:
    """Wall and CPU seconds of one batch."""
    wall, cpu = time.perf_counter(), time.thread_time()
    state.update(batch)
    return time.perf_counter() - wall, time.thread_time() - cpu


def _write(storage: str, cut: int, frozen: FrozenState) -> tuple[float, int]:
    """Seconds and bytes of the state file."""
    began = time.perf_counter()
    file = write_states(storage, TASK.run, 1, cut, TASK, [frozen])
    return time.perf_counter() - began, file.nbytes
