import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from taskjobs import COLLECT, MAKERS, Custom, X, graph, vertex

from sabotnb import connectors
from sabotnb.config import Config
from sabotnb.connectors.sources.batch_source import BatchSource
from sabotnb.exchange.gate import InputGate
from sabotnb.graph import EventTime, Source
from sabotnb.graph import Operator as Node
from sabotnb.metrics import TaskCounters
from sabotnb.plan import SplitQueue
from sabotnb.protocol import (
    MAX_WATERMARK,
    MIN_WATERMARK,
    AssignSplits,
    Attempt,
    Marker,
    Operator,
    RaiseBound,
    Reader,
    RunId,
    Split,
    SplitsLeft,
    Status,
    TaskId,
    Watermark,
)
from sabotnb.task.chain import Chain
from sabotnb.task.local import run_local
from sabotnb.task.probes import Probes
from sabotnb.task.source_input import SourceInput
from sabotnb.task.source_progress import WATERMARK_SECONDS, OpenSplit, SourceProgress
from sabotnb.task.split_supply import SplitSupply
from sabotnb.task.stage import Emission, PassThrough, Stage
from sabotnb.task.steps import Steps

SECOND = 1_000_000
SCHEMA = pa.schema({"t": pa.timestamp("us")})
ENDLESS = Source("scripted", SCHEMA, bounded=False, event_time=EventTime("t", 0, idle=30 * SECOND))
LAST = ("W", "end")


class Seconds:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def batch(seconds):
    return pa.RecordBatch.from_arrays([pa.array([s * SECOND for s in seconds], pa.int64()).cast(SCHEMA[0].type)], ["t"])


@dataclass
class Scripts:
    """Connector with one split for each script; a list of seconds is a batch, and without one there are no rows yet.

    A script that is a list may get more batches later.
    """

    scripts: list
    bounds: tuple = ()
    ended: bool = False
    opened: list = field(default_factory=list)

    def splits(self):
        bounds = self.bounds or [MIN_WATERMARK] * len(self.scripts)
        return [Split(str(number), {}, bound) for number, bound in enumerate(bounds)]

    def batches(self, split, batch_rows, done=0):
        self.opened.append(int(split.id))
        script = self.scripts[int(split.id)]
        while script or not self.ended:
            yield batch(script.pop(0)) if script else None


class Task:
    """The input of one source task, on a clock of the test."""

    def __init__(self, spec, source=None, batch_rows=1000, left=None, splits=None):
        self.seconds, self.held = Seconds(), Seconds()
        self.asked = []
        self.counters = TaskCounters(operators={"s": 0})
        node, steps = Node("s", spec), Steps()
        self.source = connectors.source(spec) if source is None else source
        chain = Chain([Stage(node, PassThrough())], steps, Probes(self.counters))
        self.input = SourceInput(
            node,
            self.source,
            SplitSupply(SplitQueue(self.source.splits(), 1).deal(whole=True)[0][:splits], left, self.asked.append),
            chain,
            InputGate([]),
            steps,
            self.counters,
            batch_rows,
            SourceProgress(spec.event_time, self.held, self.seconds),
        )
        self.input.start()

    def take(self, pass_seconds=0.0):
        """What the task does in one round: seconds of rows, ("W", seconds) and ("idle", whether)."""
        self.seconds.now += pass_seconds
        return [shown(item) for item in self.input.take() or () if not isinstance(item, Marker)]

    def pass_quietly(self, seconds):
        """Ask once a second; returns all that came."""
        return [item for _ in range(seconds) for item in self.take(1.0)]

    def rest(self):
        """Everything up to the end."""
        found = []
        while not self.input.ended:
            found += self.take(1.0)
        return found


def shown(item):
    match item:
        case Emission():
            return [us // SECOND for us in item.batch["t"].cast(pa.int64()).to_pylist()]
        case Watermark(us=us):
            return LAST if us == MAX_WATERMARK else ("W", us // SECOND)
        case Status(idle=idle):
            return ("idle", idle)


def scripted(*scripts, spec=ENDLESS, left=None, splits=None, **options):
    source = BatchSource(spec, Scripts([list(script) for script in scripts], **options), lambda: 0.0)
    return Task(spec, source, left=left, splits=splits)


def test_a_watermark_goes_behind_the_rows_that_it_follows():
    task = scripted([[1, 3], [2, 5]])
    assert task.take() == [[1, 3], ("W", 3)]
    assert task.take(1.0) == [[5], [2], ("W", 5)]
    assert task.counters.watermark == 5 * SECOND


def test_watermarks_are_at_most_every_50_ms_and_the_last_is_not_forgotten():
    task = scripted([[1], [2], [3], [4]])
    assert task.take() == [[1], ("W", 1)]
    assert task.take(WATERMARK_SECONDS / 2) == [[2]]
    assert task.take(WATERMARK_SECONDS / 2) == [[3], ("W", 3)]
    assert task.take() == [[4]]
    assert task.take(WATERMARK_SECONDS / 2) == []
    assert task.take(WATERMARK_SECONDS / 2) == [("W", 4)]
    assert task.pass_quietly(3) == []


def test_a_task_sleeps_no_longer_than_until_its_watermark_is_due():
    slept = []

    class Sleeps(InputGate):
        def poll(self, timeout):
            slept.append(timeout)

    task = scripted([[1], [2]])
    task.input._gate = Sleeps([])
    task.source.open = lambda split, opened=task.source.open: patient(opened(split))
    task.take(), task.take(), task.take()
    task.input.wait(1.0)
    task.take(WATERMARK_SECONDS)
    task.input.wait(1.0)
    assert slept == [WATERMARK_SECONDS, 0.7]


def patient(reader):
    """``reader``, with rows in 0.7 seconds."""
    reader.due = lambda: 0.7
    return reader


def test_a_hundred_daily_files_on_one_task_advance_file_by_file(tmp_path):
    day = 86_400
    for number in range(100):
        times = batch([number * day + second for second in (0, 7200, 3600, day - 1)])
        pq.write_table(pa.Table.from_batches([times]), tmp_path / f"{99 - number:03}.parquet")
    spec = replace(connectors.parquet(tmp_path), event_time=EventTime("t", 2 * 3600 * SECOND))
    task = Task(spec)
    found = task.rest()
    watermarks = [item[1] for item in found if isinstance(item, tuple)]
    assert watermarks[-1] == "end"
    assert watermarks[:-1] == sorted(watermarks[:-1])
    assert {number * day - 7200 for number in range(1, 100)} <= set(watermarks)
    assert found[:4] == [
        [0, 7200, 3600, day - 1],
        ("W", day - 7201),
        ("W", day - 7200),
        [day, day + 7200, day + 3600, 2 * day - 1],
    ]
    assert [row for item in found if isinstance(item, list) for row in item if row % day == 3600] == [
        number * day + 3600 for number in range(100)
    ]


def test_files_without_bounds_hold_the_watermark_until_the_last_is_open():
    bounded = replace(ENDLESS, bounded=True)
    task = scripted([[1], [5]], [[2], [6]], spec=bounded, ended=True)
    assert task.rest() == [[1], [5], [2], ("W", 2), [6], ("W", 6), LAST]


def test_a_split_holds_the_watermark_by_the_bounds_of_those_behind_it():
    bounded = replace(ENDLESS, bounded=True, event_time=EventTime("t", SECOND))
    task = scripted([[3], [9]], [[1], [4]], spec=bounded, ended=True, bounds=(3 * SECOND, SECOND))
    assert task.rest() == [[1], ("W", 0), [4], ("W", 2), [3], [9], ("W", 8), LAST]


def handed(*splits, left=None):
    """The answer to a task that asked for splits."""
    return AssignSplits(Attempt(TaskId(RunId("job", 1), "s", 0), 0, 1), splits, left or SplitsLeft())


def test_the_splits_that_are_left_hold_the_watermark_until_other_tasks_have_them():
    bounded = replace(ENDLESS, bounded=True)
    left = SplitsLeft(4 * SECOND, "2")
    bounds = (SECOND, 2 * SECOND)
    task = scripted([[1], [9], [10]], [[2], [8]], spec=bounded, ended=True, bounds=bounds, left=left, splits=1)
    assert task.take(1.0) == [[1], ("W", 1)]
    assert task.take(1.0) == [[9], ("W", 4)]
    assert (task.input.holder().split, task.input.holder().us) == ("2", 4 * SECOND)
    task.input.assign(RaiseBound(RunId("job", 1), 1, "s", SplitsLeft(7 * SECOND, "3")))
    assert task.take(1.0) == [[10], ("W", 7)]
    assert task.take(1.0) == []  # it has read its split, and asks for another
    assert not task.input.ended
    assert task.take(1.0) == []
    task.input.assign(handed(Split("1", {}, 7 * SECOND)))
    assert task.rest() == [[2], [8], ("W", 8), LAST]


def test_a_task_ends_when_nothing_is_left():
    bounded = replace(ENDLESS, bounded=True)
    task = scripted([[1]], spec=bounded, ended=True, left=SplitsLeft(5 * SECOND, "1"))
    assert task.take(1.0) == [[1], ("W", 1)]
    assert task.take(1.0) == [("W", 5)]
    assert task.take(1.0) == []
    task.input.assign(handed())
    assert task.rest() == [LAST]


def test_a_stopped_task_takes_no_splits():
    bounded = replace(ENDLESS, bounded=True)
    task = scripted([[1]], [[2]], spec=bounded, ended=True, left=SplitsLeft(5 * SECOND, "1"), splits=1)
    task.take(1.0)
    task.input.stop()
    task.input.assign(handed(Split("1", {})))
    assert task.rest() == []


def test_a_split_behind_the_watermark_starts_its_clock_at_the_watermark():
    bounded = replace(ENDLESS, bounded=True, event_time=EventTime("t", SECOND))
    task = scripted([[5], [21]], [[3, 18, 20]], spec=bounded, ended=True, splits=1, left=SplitsLeft(19 * SECOND, "1"))
    assert task.take(1.0) == [[5], ("W", 4)]
    assert task.take(1.0) == [[21], ("W", 18)]
    task.take(1.0)
    task.input.assign(handed(Split("1", {}, 3 * SECOND)))
    assert task.take(1.0) == [[18, 20], [3], ("W", 19)]  # 18 is not below the watermark, 3 is


def test_the_watermark_is_that_of_the_slowest_split_and_endless_splits_take_turns():
    task = scripted([[10], [20], [30]], [[1], [2], [3]])
    found = [task.take(1.0) for _ in range(6)]
    assert found == [[[10]], [[1], ("W", 1)], [[20]], [[2], ("W", 2)], [[30]], [[3], ("W", 3)]]


def test_the_split_that_holds_the_watermark_is_named_with_the_time_it_was_silent():
    slow, fast = [[1]], [[second] for second in range(100, 200)]
    task = scripted(slow, fast)
    task.source._connector.scripts[:] = [slow, fast]
    for _ in range(20):
        task.take(0.5)
    held = task.input.holder()
    assert (held.split, held.us, held.quiet > 5) == ("0", SECOND, True)
    for _ in range(60):
        task.take(0.5)
    held = task.input.holder()
    assert (held.split, held.us > 100 * SECOND, held.quiet) == ("1", True, 0.0)


def test_a_file_that_is_not_open_yet_holds_the_watermark():
    bounded = replace(ENDLESS, bounded=True)
    task = scripted([[1], [5]], [[2], [6]], spec=bounded, ended=True)
    task.take(1.0)
    assert (task.input.holder().split, task.input.holder().us) == ("1", None)
    task.rest()
    assert task.input.holder() is None


def test_two_endless_sources_of_very_different_speed_one_falls_silent():
    slow, fast = [[1]], [[second] for second in range(100, 200)]
    task = scripted(slow, fast)
    task.source._connector.scripts[:] = [slow, fast]
    first = [task.take(0.5) for _ in range(3)]
    assert first == [[[1]], [[100], ("W", 1)], [[101]]]
    found = [item for _ in range(80) for item in task.take(0.5)]
    watermarks = [item[1] for item in found if isinstance(item, tuple)]
    assert [item for item in found if item == ("idle", True)] == []
    assert watermarks == list(range(159, 182))  # from when it had been silent for 30 seconds
    slow += [[170, 182, 181, 190]]  # it comes back behind the watermark
    assert task.take(0.5) == [[182, 190], [170, 181]]
    assert task.take(0.5) == [[182], ("W", 182)]


def test_a_task_is_idle_if_all_of_its_splits_are():
    scripts = [[1]], [[2]]
    task = scripted(*scripts)
    task.source._connector.scripts[:] = scripts
    assert task.pass_quietly(31) == [[1], [2], ("W", 1)]
    assert task.pass_quietly(5) == [("idle", True)]
    scripts[1].append([9])
    assert task.take() == [("idle", False), [9], ("W", 9)]
    scripts[0].append([3, 4])
    assert task.take() == [[3, 4]]


@pytest.mark.parametrize("how", ["paused", "held", "not asked"])
def test_the_idleness_clock_stands_still_while_no_reader_is_asked(how):
    task = scripted([[1]])
    task.take()
    task.pass_quietly(20)
    if how == "paused":
        for _ in range(100):
            task.input.pause()
            assert task.take(1.0) == []
            task.input.resume()
            assert task.take() == []
    elif how == "held":
        for _ in range(100):
            task.held.now += 1.0
            assert task.take(1.0) == []
    else:
        assert task.take(100.0) == []
    assert task.pass_quietly(8) == []
    assert task.pass_quietly(4) == [("idle", True)]


def test_a_source_that_was_not_started_is_not_idle():
    task = scripted([])
    task.input._started = False
    assert task.pass_quietly(100) == []
    task.input.start()
    assert task.pass_quietly(30) == []
    assert task.pass_quietly(1) == [("idle", True)]


def test_a_stopped_source_sends_no_last_watermark():
    task = scripted([[1], [2]])
    assert task.take() == [[1], ("W", 1)]
    task.input.stop()
    assert task.rest() == []


def test_a_source_that_is_stopped_within_its_work_sends_no_watermark():
    task = scripted([[1], [2]])
    work = task.input.take()
    next(work)
    task.input.stop()
    assert [item for item in work if isinstance(item, Watermark)] == []


def test_a_rate_advances_with_its_clock():
    spec = replace(connectors.rate(2.0), event_time=EventTime("time"))
    clock = Seconds()
    source = connectors.source(spec, clock)
    task = Task(spec, source)
    found = []
    for _ in range(4):
        found.append([item.us / SECOND for item in task.input.take() or () if isinstance(item, Watermark)])
        clock.now = task.seconds.now = clock.now + 1
    assert found == [[0.0], [1.0], [2.0], [3.0]]


def test_a_followed_folder_advances_file_by_file(tmp_path):
    pq.write_table(pa.Table.from_batches([batch([1, 5])]), tmp_path / "a.parquet")
    spec = replace(connectors.parquet(tmp_path, follow=True), event_time=EventTime("t"))
    clock = Seconds()
    task = Task(spec, connectors.source(spec, clock))
    assert task.take() == [[1, 5], ("W", 5)]
    assert task.take() == []
    pq.write_table(pa.Table.from_batches([batch([4, 7])]), tmp_path / "b.parquet")
    found = []
    for _ in range(2):
        clock.now += 1
        found += task.take(1.0)
    assert found == [[7], [4], ("W", 7)]


class TellsWatermarks(Operator):
    """Returns a row for each watermark."""

    def open(self, ctx):
        pass

    def process(self, port, batch):
        return ()

    def on_watermark(self, us):
        return (pa.RecordBatch.from_pydict({"x": [us]}, X),)


@pytest.mark.parametrize("kind", ["rate", "generator", "followed", "paced"])
def test_a_running_endless_source_advances_without_an_end(tmp_path, kind):
    now = int(time.time())
    if kind == "rate":
        spec = replace(connectors.rate(1000.0), event_time=EventTime("time"))
    elif kind == "generator":
        made = connectors.generator(lambda: (batch([now + n]) for n in count()), SCHEMA, bounded=False)
        spec = replace(made, event_time=EventTime("t"))
    else:
        for day in range(2):
            days = pa.Table.from_batches([batch([day * 1000 + n for n in range(1000)])])
            pq.write_table(days, tmp_path / f"{day}.parquet")
        options = {"followed": {"follow": True}, "paced": {"rate": 1000}}[kind]
        spec = replace(connectors.parquet(tmp_path, **options), event_time=EventTime("t"))
    source = connectors.source(spec)
    job = graph([vertex("s", spec, Custom(TellsWatermarks), COLLECT)])
    makers = replace(MAKERS, source=lambda _: source)
    with closing(run_local(job, {"s": source.splits()}, Config(batch_rows=100), makers)) as batches:
        found = [us for _, each in zip(range(2), batches, strict=False) for us in each["x"].to_pylist()]
    assert found[0] < found[1]


def progress(seconds):
    return SourceProgress(EventTime("t", 0, idle=30 * SECOND), lambda: 0.0, seconds)


def test_a_restored_source_knows_what_it_had_sent():
    seconds = Seconds()
    first = progress(seconds)
    assert first.memo() == {"sent": MIN_WATERMARK, "idle": False}
    restored = progress(seconds)
    assert restored.restored([{"sent": 9 * SECOND, "idle": True}]) == [Status(idle=True)]
    assert restored.memo() == {"sent": 9 * SECOND, "idle": True}
    assert restored.elements([], 9 * SECOND, at_once=True) == []
    assert restored.before_rows() == [Status(idle=False)]
    assert restored.elements([], 10 * SECOND, at_once=True) == [Watermark(10 * SECOND)]


def test_a_source_that_continues_several_begins_at_the_earliest_of_them():
    restored = progress(Seconds())
    memos = [{"sent": 9, "idle": True}, {"sent": 5, "idle": False}, {"sent": 7, "idle": True}]
    assert restored.restored(memos) == []
    assert restored.memo() == {"sent": 5, "idle": False}


class At(Reader):
    """A reader whose watermark is ``us``."""

    def __init__(self, us):
        self.us = us

    def watermark(self):
        return self.us


def test_a_source_tells_again_that_it_is_idle_behind_a_watermark_that_made_it_active():
    restored = progress(Seconds())
    restored.restored([{"sent": 5, "idle": True}])
    split = OpenSplit(Split("a"), At(7), {})
    assert restored.elements([split], MAX_WATERMARK, at_once=True) == [Watermark(7)]
    split.idle = True
    assert restored.elements([split], MAX_WATERMARK) == [Status(idle=True)]
