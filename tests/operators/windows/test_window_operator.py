"""Which rows a window gets, which are late, and when results leave: drawn rows against the definition."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.graph import (
    Aggregate,
    AggregateColumn,
    Phase,
    SlidingWindow,
    TumblingWindow,
    Window,
    WindowShape,
    output_schema,
)
from sabotnb.operators.windows.partial_windows import PartialWindowOperator
from sabotnb.operators.windows.window_operator import WindowOperator
from sabotnb.protocol import CLOCK, MAX_WATERMARK, MIN_WATERMARK, EndReason, OperatorContext, RunId

SCHEMA = pa.schema({"t": pa.timestamp("us"), "k": pa.int64()})
DELAYED = SCHEMA.append(pa.field(CLOCK, pa.int64()))

Batches = list[pa.RecordBatch]
Row = tuple[int, int]
"""Time and key."""

SHAPES = st.one_of(
    st.builds(TumblingWindow, st.integers(1, 7), offset=st.integers(-3, 3)),
    st.tuples(st.integers(1, 9), st.integers(1, 9)).map(lambda pair: SlidingWindow(max(pair), min(pair))),
)


def spec(shape: WindowShape, lateness: int = 0) -> Window:
    count = AggregateColumn("n", "count")
    return Window(Aggregate(("k",), (count,), SCHEMA), shape, "t", lateness=lateness)


def opened(window: Window) -> WindowOperator:
    operator = WindowOperator(window, [SCHEMA])
    operator.open(OperatorContext(RunId("job", 1), "window_0", 0, 1, 4, wake_in=lambda _: None))
    return operator


def ends(shape: WindowShape, time: int) -> list[int]:
    """The ends of the windows that have ``time``, by trying all."""
    every = shape.every if isinstance(shape, SlidingWindow) else shape.size
    near = range(time - 50, time + 50)
    return [end for end in near if (end - shape.size - shape.offset) % every == 0 and end - shape.size <= time < end]


def clocks(rows: Sequence[Row], max_delay: int) -> list[int]:
    """The clock of each row: the largest time before it - ``max_delay``."""
    before = accumulate((time for time, _ in rows), max, initial=MIN_WATERMARK + max_delay)
    return [largest - max_delay for largest, _ in zip(before, rows, strict=False)]


def batches(rows: Sequence[Row], of_rows: Sequence[int]) -> Iterable[pa.RecordBatch]:
    """The rows as a reader returns them: those that are not delayed, and the others with their clocks."""
    on_time = [row for row, clock in zip(rows, of_rows, strict=True) if row[0] >= clock]
    delayed = [(*row, clock) for row, clock in zip(rows, of_rows, strict=True) if row[0] < clock]
    for part, schema in ((on_time, SCHEMA), (delayed, DELAYED)):
        if part:
            columns = [pa.array(column) for column in zip(*part, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema.names).cast(schema)


class OnePhase:
    """A window operator as it is."""

    def __init__(self, window: Window) -> None:
        self.operator = opened(window)

    def process(self, batch: pa.RecordBatch) -> Iterable[tuple[str, pa.RecordBatch]]:
        """Late rows."""
        return self.operator.process(0, batch)


class TwoPhases:
    """Partial aggregates per batch, and a window operator that merges them."""

    def __init__(self, window: Window) -> None:
        first = replace(window, verb=replace(window.verb, phase=Phase.PARTIAL))
        last = replace(window, verb=replace(window.verb, phase=Phase.FINAL))
        self.partial = PartialWindowOperator(first, [SCHEMA])
        self.partial.open(OperatorContext("job", "window_0_partial", 0, 1, 4))
        self.operator = WindowOperator(last, [output_schema(first, [SCHEMA])])
        self.operator.open(OperatorContext("job", "window_0", 0, 1, 4, wake_in=lambda _: None))

    def process(self, batch: pa.RecordBatch) -> Iterable[tuple[str, pa.RecordBatch]]:
        """Late rows."""
        for out in self.partial.process(0, batch):
            if isinstance(out, tuple):
                yield out
            else:
                yield from self.operator.process(0, out)


def run(phases: OnePhase | TwoPhases, rows: Sequence[Row], max_delay: int, cuts: set[int]) -> tuple[Batches, Batches]:
    """Results and late rows, with a watermark behind each batch."""
    of_rows, operator = clocks(rows, max_delay), phases.operator
    results, late = [], []
    bounds = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    for start, stop in pairwise(bounds):
        for batch in batches(rows[start:stop], of_rows[start:stop]):
            late += [out for _, out in phases.process(batch)]
        results += operator.on_watermark(max(time for time, _ in rows[:stop]) - max_delay)
    results += operator.on_watermark(MAX_WATERMARK)
    results += operator.on_end(0, EndReason.EXHAUSTED)
    return results, late


def values(column: pa.Array) -> list[int]:
    return column.cast(pa.int64()).to_pylist()


@pytest.mark.parametrize("phases", [OnePhase, TwoPhases])
@given(
    rows=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2)), min_size=1, max_size=40),
    shape=SHAPES,
    max_delay=st.integers(0, 10),
    cuts=st.sets(st.integers(1, 40)),
)
@settings(max_examples=300, deadline=None)
def test_lateness_depends_on_rows_alone(
    rows: list[Row], shape: WindowShape, max_delay: int, cuts: set[int], phases: type[OnePhase | TwoPhases]
) -> None:
    results, late = run(phases(spec(shape)), rows, max_delay, cuts)
    expected: Counter[tuple[int, int]] = Counter()
    lost: Counter[Row] = Counter()
    for (time, key), clock in zip(rows, clocks(rows, max_delay), strict=True):
        open_ends = [end for end in ends(shape, time) if end > clock]
        expected.update((end, key) for end in open_ends)
        lost.update([(time, key)] if not open_ends else [])
    found = [
        ((end, key), n)
        for batch in results
        for end, key, n in zip(values(batch["window_end"]), values(batch["k"]), values(batch["n"]), strict=True)
    ]
    assert dict(found) == expected
    assert len(found) == len(expected)
    assert Counter(row for batch in late for row in zip(values(batch["t"]), values(batch["k"]), strict=True)) == lost


@pytest.mark.parametrize("phases", [OnePhase, TwoPhases])
@given(
    rows=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2)), min_size=1, max_size=40),
    shape=SHAPES,
    lateness=st.integers(1, 10),
    cuts=st.sets(st.integers(1, 40)),
)
@settings(max_examples=200, deadline=None)
def test_the_last_result_of_a_window_has_the_rows_that_came_within_lateness(
    rows: list[Row], shape: WindowShape, lateness: int, cuts: set[int], phases: type[OnePhase | TwoPhases]
) -> None:
    results, _ = run(phases(spec(shape, lateness)), rows, 0, cuts)
    expected: Counter[tuple[int, int]] = Counter()
    for (time, key), clock in zip(rows, clocks(rows, 0), strict=True):
        expected.update((end, key) for end in ends(shape, time) if end + lateness > clock)
    last = {
        (end, key): n
        for batch in results
        for end, key, n in zip(values(batch["window_end"]), values(batch["k"]), values(batch["n"]), strict=True)
    }
    assert last == expected


def test_results_leave_when_the_watermark_passes_the_end() -> None:
    operator = opened(spec(TumblingWindow(10)))
    (batch,) = batches([(1, 0), (12, 0)], [0, 0])
    assert list(operator.process(0, batch)) == []
    assert list(operator.on_watermark(9)) == []
    assert [values(out["window_end"]) for out in operator.on_watermark(10)] == [[10]]
    assert [values(out["window_end"]) for out in operator.on_watermark(35)] == [[20]]


def test_a_late_row_says_by_how_much() -> None:
    operator = opened(spec(TumblingWindow(10)))
    (batch,) = batches([(1, 7)], [25])
    ((tag, late),) = operator.process(0, batch)
    assert (tag, values(late["t"]), values(late["k"])) == ("late", [1], [7])
    assert values(late["late_by"]) == [15]


def test_each_of_many_late_rows_says_by_how_much() -> None:
    operator = opened(spec(TumblingWindow(10)))
    (batch,) = batches([(1, 7), (2, 7), (3, 8)], [25, 40, 10])
    (late,) = [out for _, out in operator.process(0, batch)]
    assert values(late["late_by"]) == [15, 30, 0]


@pytest.mark.parametrize("shape", [TumblingWindow(10), SlidingWindow(10, 5)], ids=["tumbling", "sliding"])
def test_a_row_for_a_window_that_was_returned_is_late_without_a_clock(shape: WindowShape) -> None:
    operator = opened(spec(shape))
    list(operator.on_watermark(100))
    (batch,) = batches([(3, 0)], [0])
    ((tag, late),) = operator.process(0, batch)
    assert (tag, late.num_rows) == ("late", 1)


def test_state_is_dropped_with_its_last_window() -> None:
    operator = opened(spec(SlidingWindow(10, 5)))
    for start in range(0, 1000, 5):
        (batch,) = batches([(start, key) for key in range(3)], [0] * 3)
        list(operator.process(0, batch))
        list(operator.on_watermark(start))
    assert operator._store.size()[0] <= 3 * 3
    assert np.isfinite(operator._store.size()[1])


@pytest.mark.parametrize(
    ("shape", "windows"),
    [
        (TumblingWindow(10), {(20, 1), (20, 2), (30, 1)}),
        (SlidingWindow(10, 5), {(20, 1), (20, 2), (25, 1), (25, 2), (30, 1)}),
        (SlidingWindow(20, 2), {(end, 1) for end in range(18, 42, 2)} | {(end, 2) for end in range(18, 36, 2)}),
    ],
)
def test_a_stop_drops_the_open_windows_and_counts_their_results(shape, windows):
    operator = opened(spec(shape))
    (batch,) = batches([(3, 1), (12, 1), (15, 2), (21, 1)], [MIN_WATERMARK] * 4)
    list(operator.process(0, batch))
    list(operator.on_watermark(17))
    assert operator.awaited() == min(windows)[0]
    assert list(operator.on_end(0, EndReason.STOPPED)) == []
    assert operator._ctx.counters.open_windows == len(windows)
    assert operator.awaited() is None


@pytest.mark.parametrize("phases", [OnePhase, TwoPhases])
@pytest.mark.parametrize("cuts", [set(), {3}, {2, 3, 4}])
def test_each_late_row_says_how_late_it_was(phases: type[OnePhase | TwoPhases], cuts: set[int]) -> None:
    rows = [(30, 1), (3, 1), (45, 1), (4, 1), (5, 2)]  # the two last are in one pane with the row that was less late
    _, late = run(phases(spec(TumblingWindow(10))), rows, 0, cuts)
    found = [row for batch in late for row in zip(values(batch["t"]), values(batch["late_by"]), strict=True)]
    assert sorted(found) == [(3, 20), (4, 35), (5, 35)]


def test_windows_whose_panes_are_tiny_visit_only_panes_with_rows() -> None:
    """Panes of 20 minutes every 1001 ms are one millisecond long: 1.2 million of them are in a window."""
    operator = opened(spec(SlidingWindow(1_200_000_000, 1_001_000)))
    (batch,) = batches([(second * 1_000_000, 0) for second in range(10)], [0] * 10)
    list(operator.process(0, batch))
    results = list(operator.on_watermark(20_000_000))
    assert sum(values(out["n"])[0] for out in results) > 0
    assert operator._store.size()[0] == 10


def test_loaded_windows_leave_when_they_end() -> None:
    old, new = opened(spec(SlidingWindow(10, 5))), opened(spec(SlidingWindow(10, 5)))
    (batch,) = batches([(3, 0), (8, 1), (12, 2)], [0] * 3)
    list(old.process(0, batch))
    for group in old._store.groups():
        new._store.load(group, old._store.export(group))
    ends_of = [(values(out["window_end"])[0], sorted(values(out["k"]))) for out in new.on_watermark(20)]
    assert ends_of == [(5, [0]), (10, [0, 1]), (15, [1, 2]), (20, [2])]
    assert new._store.size()[0] == 0 or list(new.on_watermark(100)) == []
