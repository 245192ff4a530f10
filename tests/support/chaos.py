"""Runs of real clusters during which worker processes are killed and stopped at drawn moments."""

import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

import sabotnb as sb
from sabotnb import col
from sabotnb.api.env import Env
from sabotnb.api.handles.job import Job
from sabotnb.api.handles.status import JobResult
from sabotnb.errors import JobCanceled, SabotnbError

KEYS = 7
ROWS = 24_000
FILES = 40
PER_SECOND = 6_000
CHECKPOINT = "300ms"
LATE_MS = 3_000
LEFT_SECONDS = 10.0
"""The files of cuts that were not complete are removed soon after the end of their run."""


@dataclass(frozen=True)
class Flow:
    """A job that writes below a folder, and a function that says what is wrong with its output."""

    sinks: Callable[[Path], Sequence[sb.Sink]]
    problems: Callable[[Path], list[str]]
    prepare: Callable[[Path, str], None] = lambda folder, job: None
    bounded: bool = False
    append: bool = False


def rows_in(folder: Path) -> pa.Table:
    """What a reader sees of an output."""
    if not folder.exists():
        return pa.table({})
    return ds.dataset(folder, partitioning="hive").to_table()


def numbered(values: pa.ChunkedArray, bounded: bool) -> list[str]:
    """What is wrong with rows that are to have the numbers 0, 1, ... once."""
    counts = Counter(values.to_pylist())
    doubled = sorted(value for value, count in counts.items() if count > 1)
    expected = range(ROWS if bounded else max(counts, default=-1) + 1)
    missing = sorted(set(expected) - set(counts))
    return [
        *([f"{len(doubled)} rows are doubled: {doubled[:5]} ... {doubled[-1]}"] if doubled else []),
        *([f"{len(missing)} rows are missing: {missing[:5]} ... {missing[-1]}"] if missing else []),
    ]


def plain(bounded: bool = False, mode: str = "append", partition_by: str | None = None) -> Flow:
    """Rows of a clock, keyed, written as they are."""

    def sinks(folder: Path) -> list[sb.Sink]:
        rows = clock(bounded).partition_by("key")
        return [rows.sink_parquet(folder / "out", mode=mode, partition_by=partition_by)]

    def prepare(folder: Path, job: str) -> None:
        if mode == "overwrite":
            write_old_output(folder / "out", job)

    def problems(folder: Path) -> list[str]:
        found = rows_in(folder / "out")
        return numbered(found["value"], bounded) if found.num_columns else ["there is no output"] * bounded

    return Flow(sinks, problems, prepare, bounded, append=mode == "append")


def clock(bounded: bool) -> sb.Stream:
    return sb.Stream.from_rate(PER_SECOND, ROWS if bounded else None).with_columns(key=col("value") % KEYS)


def write_old_output(folder: Path, job: str) -> None:
    """Write a file that an earlier run could have left: rows with numbers that the flow does not write."""
    sb.Stream.from_rows([{"value": -1, "key": 0}]).sink_parquet(folder).run(job, checkpoint=None).wait()


def write_files(folder: Path, job: str = "") -> None:
    """Write many small files with numbered rows, which together say each number below ROWS once."""
    (folder / "in").mkdir()
    per_file = ROWS // FILES
    for number in range(FILES):
        values = pa.array(range(number * per_file, (number + 1) * per_file), pa.int64())
        table = pa.table({"value": values, "key": pc.subtract(values, pc.multiply(pc.divide(values, KEYS), KEYS))})
        pq.write_table(table, folder / "in" / f"{number:03}.parquet")


def files_and_clock(mode: str = "error", partition_by: str | None = "key") -> Flow:
    """The rows of many small files, which are soon read, and the same from a clock, which keep the job running."""

    def sinks(folder: Path) -> list[sb.Sink]:
        files = sb.Stream.from_parquet(folder / "in").select(value=col("value") * 2, key="key")
        later = clock(bounded=True).select(value=col("value") * 2 + 1, key="key")
        return [files.union(later).sink_parquet(folder / "out", mode=mode, partition_by=partition_by)]

    def prepare(folder: Path, job: str) -> None:
        write_files(folder)
        if mode == "overwrite":
            write_old_output(folder / "out", job)

    def problems(folder: Path) -> list[str]:
        values = rows_in(folder / "out")["value"]
        halves = [pc.filter(values, pc.equal(pc.bit_wise_and(values, 1), half)) for half in (0, 1)]
        return [problem for half in halves for problem in numbered(pc.shift_right(half, 1), bounded=True)]

    return Flow(sinks, problems, prepare, bounded=True)


def totals() -> Flow:
    """Groups of the rows of a clock."""

    def sinks(folder: Path) -> list[sb.Sink]:
        groups = clock(bounded=True).with_columns(key=col("value") % 1009).group_by("key")
        return [
            groups.agg(n=sb.count(), total=col("value").sum(), last=col("value").max()).sink_parquet(folder / "out")
        ]

    def problems(folder: Path) -> list[str]:
        expected = {}
        for value in range(ROWS):
            n, total, _ = expected.get(value % 1009, (0, 0, 0))
            expected[value % 1009] = (n + 1, total + value, value)
        rows = rows_in(folder / "out").to_pylist()
        found = {row["key"]: (row["n"], row["total"], row["last"]) for row in rows}
        if len(rows) != len(expected):
            return [f"{len(rows)} groups instead of {len(expected)}"]
        wrong = [(key, found.get(key), group) for key, group in expected.items() if found.get(key) != group]
        return [f"{len(wrong)} groups are wrong: {wrong[:3]}"] if wrong else []

    return Flow(sinks, problems, bounded=True)


def windows(bounded: bool) -> Flow:
    """Windows by event time, and the rows that were too late for them: each row is in one of both, once."""

    def sinks(folder: Path) -> list[sb.Sink]:
        late = sb.when(col("value") % 101 == 0).then(LATE_MS).otherwise(0)
        at = (col("value") - late).cast("timestamp[ms]")
        rows = clock(bounded).with_columns(at=at).with_event_time("at", max_delay="100ms")
        counted = rows.group_by("key").window(sb.tumbling("1s")).agg(n=sb.count(), total=col("value").sum())
        return [
            counted.sink_parquet(folder / "out", mode="append"),
            counted.side("late").sink_parquet(folder / "late", mode="append"),
        ]

    def problems(folder: Path) -> list[str]:
        counted, late_rows = rows_in(folder / "out"), rows_in(folder / "late")
        if not counted.num_columns:
            return ["there is no output"] * bounded
        late = Counter(late_rows["value"].to_pylist() if late_rows.num_columns else [])
        end = datetime(1970, 1, 1) + timedelta(
            milliseconds=ROWS if bounded else (max(late, default=0) - LATE_MS) // 1000 * 1000
        )
        counted = counted.filter(pc.field("window_start") < end)
        found = Counter((row["window_start"], row["key"], row["n"], row["total"]) for row in counted.to_pylist())
        expected = Counter(_windows(late, end, bounded))
        return [
            f"{what}: {sorted(wrong)[:3]}"
            for what, wrong in {
                "windows that are wrong or doubled": found - expected,
                "windows that are missing": expected - found,
                "late rows that are doubled": [value for value, count in late.items() if count > 1],
            }.items()
            if wrong
        ]

    return Flow(sinks, problems, bounded=bounded, append=True)


def _windows(late: Collection[int], end: datetime, bounded: bool) -> Iterator[tuple[datetime, int, int, int]]:
    """The windows up to ``end`` of all rows but the ``late`` ones."""
    begin = datetime(1970, 1, 1)
    rows: dict[tuple[int, int], list[int]] = defaultdict(list)
    for value in range(ROWS if bounded else max(late, default=0)):
        if value not in late:
            rows[(value - LATE_MS * (value % 101 == 0)) // 1000, value % KEYS].append(value)
    for (second, key), values in rows.items():
        start = begin + timedelta(seconds=second)
        if start < end:
            yield start, key, len(values), sum(values)


def joined() -> Flow:
    """Each number of many files meets the same number of a clock, by a join."""

    def sinks(folder: Path) -> list[sb.Sink]:
        files = sb.Stream.from_parquet(folder / "in").select("value", other="key")
        return [clock(bounded=True).join(files, on="value").sink_parquet(folder / "out")]

    def problems(folder: Path) -> list[str]:
        return numbered(rows_in(folder / "out")["value"], bounded=True)

    return Flow(sinks, problems, write_files, bounded=True)


FLOWS: dict[str, Flow] = {
    "endless": plain(),
    "endless_overwrite": plain(mode="overwrite", partition_by="key"),
    "bounded_append": plain(bounded=True),
    "files": files_and_clock(),
    "files_overwrite": files_and_clock("overwrite", None),
    "totals": totals(),
    "windows": windows(bounded=True),
    "endless_windows": windows(bounded=False),
    "joined": joined(),
}


def _status(dask_worker: Any) -> str:
    return dask_worker.status.name


@dataclass
class Chaos:
    """One run of one flow under the actions that a seed draws."""

    env: Env
    seed: int
    folder: Path
    flow_name: str = ""
    actions: int = 0
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.flow_name = self.flow_name or self.draw.choice(sorted(FLOWS))
        self.actions = self.actions or self.draw.randint(1, 4)
        self.flow = FLOWS[self.flow_name]
        self.name = f"chaos-{self.flow_name}-{self.seed}"
        self.savepoints = 0

    def run(self) -> list[str]:
        """Run the flow to its end; returns what is wrong with what it leaves."""
        self.flow.prepare(self.folder, self.name)
        job = self.start(self.draw.choice([1, 2, 2, 3]))
        for _ in range(self.actions):
            if job.wait_changed(self.draw.uniform(0, 1.5)):
                break
            job = self.act(job)
        canceled = False
        if not self.flow.bounded:
            job.wait_changed(self.draw.uniform(0, 1.0))
            canceled = self.draw.random() < 0.15
            self.note("cancel" if canceled else "stop")
            job.cancel() if canceled else job.stop()
        try:
            result = job.wait(60)
        except SabotnbError as error:
            result = None
            # a run that is stopped while it restarts from nothing has no rows, and is canceled
            nothing = isinstance(error, JobCanceled) and job.checkpoints().empty
            canceled = canceled or nothing
            if not canceled:
                return [f"{type(error).__name__}: {error}"]
        # windows that are open at a cancel are not written
        wrong = [] if canceled and "windows" in self.flow_name else self.flow.problems(self.folder)
        return [*wrong, *self.miscounted(result), *self.leftovers()]

    def miscounted(self, result: JobResult | None) -> list[str]:
        """What is wrong with the rows that a run has counted, if it has finished and has written all output itself."""
        if result is None or "rescale" in self.log:
            return []
        written = sum(rows_in(self.folder / name).num_rows for name in ("out", "late"))
        return [f"{written} rows are written: {result}"] if result.rows_out != written else []

    def leftovers(self) -> list[str]:
        """Hidden folders and temporary files that are left beside and in the output, and in the checkpoints."""
        deadline = time.monotonic() + LEFT_SECONDS
        while (left := self._hidden_files()) and time.monotonic() < deadline:
            continue
        return [f"left behind: {left[:5]}"] if left else []

    def _hidden_files(self) -> list[str]:
        return [str(path) for path in self.folder.rglob("*") if path.name.startswith(".") or ".tmp" in path.name]

    def note(self, text: str) -> None:
        self.log.append(text)

    def start(self, parallelism: int, start_from: object = None) -> Job:
        self.note(f"run p={parallelism}")
        return sb.run(
            self.name,
            *self.flow.sinks(self.folder),
            parallelism=parallelism,
            checkpoint=sb.checkpoint(CHECKPOINT, storage=self.folder / "ckpt"),
            start_from=start_from,
            env=self.env,
        )

    def act(self, job: Job) -> Job:
        name = self.draw.choice(["kill", "kill", "freeze", "freeze_long", "kill_all", "pause", "savepoint", "rescale"])
        self.note(name)
        return getattr(self, name)(job) or job

    def pids(self) -> list[int]:
        return [row["pid"] for row in self.env.cluster.slots()]

    def signal(self, pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def settle(self) -> list[int]:
        """Wait for the worker processes: Dask does not replace one that is killed while it starts."""
        self.env.cluster.jobs.wait_agents(2, 60)
        while set(self.env.client.run(_status, nanny=True).values()) != {"running"}:
            continue
        return self.pids()

    def kill(self, job: Job) -> None:
        pids = self.settle()
        if pids:
            self.signal([self.draw.choice(pids)], signal.SIGKILL)

    def kill_all(self, job: Job) -> None:
        self.signal(self.settle(), signal.SIGKILL)

    def freeze(self, job: Job, seconds: float = 0.8) -> None:
        pids = self.pids()
        chosen = pids[: self.draw.randint(1, max(1, len(pids)))]
        self.signal(chosen, signal.SIGSTOP)
        try:
            job.wait_changed(self.draw.uniform(0, seconds))
        finally:
            self.signal(chosen, signal.SIGCONT)

    def freeze_long(self, job: Job) -> None:
        self.freeze(job, 6)

    def pause(self, job: Job) -> None:
        with suppress(SabotnbError):  # it has just ended
            job.pause()
            job.wait_changed(self.draw.uniform(0, 0.5))
            if self.draw.random() < 0.5:
                self.kill(job)
                self.note("killed while paused")
                job.wait_changed(self.draw.uniform(0, 1.5))
            job.resume()

    def savepoint(self, job: Job) -> None:
        try:
            job.savepoint()
        except SabotnbError as error:
            self.note(f"({type(error).__name__}: {error})")

    def rescale(self, job: Job) -> Job | None:
        """Stop with a savepoint and go on from it with other tasks; an output that may not exist is appended to."""
        if not self.flow.append:
            return None
        try:
            savepoint = job.stop(savepoint=True)
        except SabotnbError as error:
            self.note(f"({type(error).__name__}: {error})")
            return None
        if self.draw.random() < 0.7:
            with suppress(TimeoutError):
                job.wait(30)
        return self.start(self.draw.choice([1, 2, 3]), savepoint)
