"""Output partitions: coalescing, credit and control elements, with a manual clock."""

from dataclasses import dataclass, field, replace

import pyarrow as pa
import pytest
from exchanges import channel_key, edge_graph, keys, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.config import Config
from sabotnb.eventtime import with_clock
from sabotnb.exchange.output import ChannelRouting, OutputPartition
from sabotnb.exchange.rate_limiter import BURST, RateLimiter
from sabotnb.exchange.routing import splitter
from sabotnb.graph.job_graph import EdgeType
from sabotnb.native import hash_rows, key_groups
from sabotnb.protocol.elements import Batch, Cut, CutKind, End, Leave, Marker, Status, Watermark

CONFIG = Config(coalesce_rows=4, coalesce_bytes=1 << 20, coalesce_seconds=0.010)


@dataclass(eq=False)
class Wire:
    """A sender that keeps its elements."""

    down: int
    free: int = 1
    sent: list = field(default_factory=list)
    closed: bool = False
    joined: int = 0

    def __post_init__(self):
        self.key = channel_key(0, self.down)

    def send(self, element):
        self.sent.append(element)

    def credit(self):
        return self.free

    def close(self):
        self.closed = True

    def read(self):
        """Remove and return the elements in order, batches as lists of keys."""
        sent, self.sent = self.sent, []
        return [keys(element) if isinstance(element, Batch) else element for element in sent]


def routing_of(kind, wires, table=None):
    """Route to tasks 0, 1, ... over ``wires``; ``table`` has the task of each of the 128 key groups."""
    graph = edge_graph(kind, 1, len(wires))
    if table is not None:
        graph = replace(graph, tables={"k": tuple(table)})
    return ChannelRouting(kind, dict(enumerate(wires)), splitter(graph.edges[0], graph))


class Setup:
    def __init__(self, kind, down, config=CONFIG, rate_limiter=None):
        self.now = 100.0
        self.wake_ups = []
        self.wires = [Wire(i) for i in range(down)]
        self.rate_limiter = rate_limiter or RateLimiter(lambda: self.now)
        routing = routing_of(kind, self.wires)
        self.output = OutputPartition(routing, config, lambda: self.now, self.rate_limiter, self.wake_ups.append)

    def emit(self, *elements):
        for element in elements:
            self.output.emit(element)
        return self

    def read(self):
        return [wire.read() for wire in self.wires]


def test_small_batches_wait_until_there_are_enough_rows():
    setup = Setup(EdgeType.FORWARD, 1).emit(rows(0, 1), rows(1, 3))
    assert setup.read() == [[]]
    assert setup.emit(rows(3, 5)).read() == [[[0, 1, 2, 3, 4]]]


def test_small_batches_wait_until_there_are_enough_bytes():
    setup = Setup(EdgeType.FORWARD, 1, Config(coalesce_rows=1000, coalesce_bytes=30))
    assert setup.emit(rows(0, 1)).read() == [[]]
    assert setup.emit(rows(1, 2)).read() == [[[0, 1]]]


def test_a_large_batch_is_not_copied():
    setup = Setup(EdgeType.FORWARD, 1)
    batch = rows(0, 4)
    setup.emit(batch)
    (sent,) = setup.wires[0].sent
    assert sent.data is batch.data


def test_a_small_slice_does_not_keep_its_batch_alive():
    setup = Setup(EdgeType.FORWARD, 1)
    whole = rows(0, 1000).data
    setup.emit(Batch(whole.slice(5, 2), 50))
    setup.output.flush()
    (sent,) = setup.wires[0].sent
    assert keys(sent) == [5, 6]
    assert sent.data.get_total_buffer_size() < 100


def test_old_slices_are_sent_with_the_next_batch():
    setup = Setup(EdgeType.HASH, 2)
    a, b = 1, 2  # keys of different tasks, see the assertion
    setup.emit(rows(a, a + 1))
    setup.now += 0.012
    assert setup.emit(rows(b, b + 1)).read() == [[], [[a]]]
    assert setup.wake_ups == []


def test_old_slices_are_sent_without_another_batch():
    setup = Setup(EdgeType.FORWARD, 1).emit(rows(0, 1), Watermark(7))
    setup.output.send_aged()
    assert setup.read() == [[]]
    setup.now += 0.012
    setup.output.send_aged()
    assert setup.read() == [[[0], Watermark(7)]]


def test_old_small_batches_wait_at_the_rate_limit():
    setup = Setup(EdgeType.FORWARD, 1)
    setup.rate_limiter.wait(BURST + 20_000)  # ten seconds' worth
    setup.emit(rows(0, 1))
    setup.now += 1
    assert setup.emit(rows(1, 2)).read() == [[]]
    setup.now += 4
    assert setup.emit(rows(2, 3)).read() == [[[0, 1, 2]]]


def test_flush_sends_within_the_rate_limit():
    setup = Setup(EdgeType.FORWARD, 1).emit(rows(0, 1))
    setup.output.flush()
    assert setup.emit(rows(1, 2)).read() == [[[0]]]
    setup.rate_limiter.wait(BURST + 20)
    setup.output.flush()
    setup.output.flush()
    assert setup.read() == [[]]
    assert setup.wake_ups == [pytest.approx(0.0105)]  # a debt of 21 small batches; one wake-up is enough
    setup.now += 0.011
    setup.output.flush()
    assert setup.read() == [[[1]]]


def test_tasks_that_often_sleep_send_large_batches_to_a_hundred_channels():
    first = Setup(EdgeType.HASH, 100, Config())
    others = [Setup(EdgeType.HASH, 100, Config(), first.rate_limiter) for _ in range(9)]
    batch = rows(0, 65_536)
    for _ in range(12):
        for setup in (first, *others):
            first.now += 0.005
            setup.now = first.now
            setup.emit(batch).output.flush()
    for setup in (first, *others):
        setup.emit(End())
    channels = [traffic for setup in (first, *others) for traffic in setup.output.statistics()]
    assert sum(traffic.rows for traffic in channels) / sum(traffic.batches for traffic in channels) > 1000


def test_flush_keeps_slices_without_credit():
    setup = Setup(EdgeType.FORWARD, 1).emit(rows(0, 1))
    setup.wires[0].free = 0
    setup.output.flush()
    assert setup.read() == [[]]
    setup.wires[0].free = 1
    setup.output.flush()
    assert setup.read() == [[[0]]]


def test_watermarks_wait_behind_slices_and_merge():
    setup = Setup(EdgeType.FORWARD, 1)
    setup.emit(Watermark(1), rows(0, 1), Watermark(2), Watermark(3), rows(1, 2), Marker("m", "{}"))
    assert setup.read() == [[Watermark(1)]]
    setup.output.flush()
    assert setup.read() == [[[0, 1], Watermark(3), Marker("m", "{}")]]


@pytest.mark.parametrize("element", [End(), Leave(), Cut(1, CutKind.CHECKPOINT, 1)])
@pytest.mark.parametrize("kind", [EdgeType.FORWARD, EdgeType.HASH, EdgeType.BROADCAST, EdgeType.REBALANCE])
def test_cuts_and_ends_send_pending_slices(kind, element):
    setup = Setup(kind, 1).emit(rows(0, 1), Status(idle=True), element)
    assert setup.read() == [[[0], Status(idle=True), element]]


@pytest.mark.parametrize("kind", [EdgeType.HASH, EdgeType.BROADCAST, EdgeType.REBALANCE])
def test_markers_go_to_one_channel_in_turn(kind):
    markers = [Marker("m", str(number)) for number in range(7)]
    setup = Setup(kind, 3).emit(*markers)
    assert setup.read() == [markers[0::3], markers[1::3], markers[2::3]]


@pytest.mark.parametrize("kind", [EdgeType.FORWARD, EdgeType.HASH, EdgeType.BROADCAST, EdgeType.REBALANCE])
def test_a_marker_waits_behind_the_rows_and_does_not_send_them(kind):
    setup = Setup(kind, 1).emit(rows(0, 1), Marker("m", "{}"))
    assert setup.read() == [[]]
    assert setup.emit(rows(1, 4)).read() == [[[0, 1, 2, 3], Marker("m", "{}")]]


def test_delayed_rows_do_not_divide_the_batches_of_the_others():
    setup = Setup(EdgeType.FORWARD, 1)
    setup.emit(rows(0, 1), delayed(1, 2), rows(2, 3), delayed(3, 4), rows(4, 6))
    assert setup.read() == [[[0, 2, 4, 5]]]
    assert setup.emit(delayed(6, 8)).read() == [[[1, 3, 6, 7]]]


def test_old_delayed_rows_are_sent_though_the_others_were_sent_meanwhile():
    setup = Setup(EdgeType.FORWARD, 1).emit(delayed(0, 1))
    setup.now += 0.006
    assert setup.emit(rows(1, 5)).read() == [[[1, 2, 3, 4]]]
    setup.now += 0.006
    setup.output.send_aged()
    assert setup.read() == [[[0]]]


@pytest.mark.parametrize("kind", [EdgeType.FORWARD, EdgeType.HASH, EdgeType.BROADCAST, EdgeType.REBALANCE])
def test_watermarks_wait_behind_slices_of_both_kinds(kind):
    setup = Setup(kind, 1).emit(delayed(0, 1), Watermark(1), rows(1, 2), Watermark(2), rows(2, 5))
    assert setup.read() == [[[1, 2, 3, 4]]]
    assert setup.emit(Status(idle=True), End()).read() == [[[0], Watermark(2), Status(idle=True), End()]]


def delayed(start, stop):
    data = with_clock(rows(start, stop).data, 100)
    return Batch(data, data.nbytes)


TIMED_STEPS = st.lists(st.one_of(st.integers(1, 5), st.integers(-5, -1), st.sampled_from(["flush", "age", "mark"])))


@pytest.mark.parametrize("kind", [EdgeType.FORWARD, EdgeType.HASH, EdgeType.BROADCAST, EdgeType.REBALANCE])
@settings(max_examples=50, deadline=None)
@given(steps=TIMED_STEPS)
def test_no_watermark_overtakes_rows(kind, steps):
    setup, count = Setup(kind, 1 if kind is EdgeType.FORWARD else 3), 0
    for step in steps:
        match step:
            case "flush":
                setup.output.flush()
            case "age":
                setup.now += 0.012
                setup.output.send_aged()
            case "mark":
                setup.emit(Watermark(count))
            case _:  # a negative number of rows are delayed ones
                setup.emit((rows if step > 0 else delayed)(count, count + abs(step)))
                count += abs(step)
    sent = setup.emit(End()).read()
    copies = 3 if kind is EdgeType.BROADCAST else 1
    assert sorted(k for elements in sent for k in keys_in(elements)) == sorted([*range(count)] * copies)
    for elements in sent:
        passed = 0
        for element in elements:
            if isinstance(element, Watermark):
                passed = element.us
            elif isinstance(element, list):
                assert min(element) >= passed
        assert passed == max([0, *(element.us for element in elements if isinstance(element, Watermark))])


def test_broadcast_sends_everything_to_all():
    setup = Setup(EdgeType.BROADCAST, 3).emit(rows(0, 2), rows(2, 4), End())
    assert setup.read() == [[[0, 1, 2, 3], End()]] * 3


def test_rebalance_prefers_the_channel_with_most_credit_and_ends_all():
    setup = Setup(EdgeType.REBALANCE, 3)
    setup.wires[2].free = 5
    setup.emit(rows(0, 4))
    setup.wires[2].free, setup.wires[0].free = 0, 2
    setup.emit(rows(4, 8), End())
    assert setup.read() == [[[4, 5, 6, 7], End()], [End()], [[0, 1, 2, 3], End()]]


def test_rebalance_takes_channels_with_equal_credit_in_turn():
    setup = Setup(EdgeType.REBALANCE, 3)
    setup.emit(*(rows(4 * n, 4 * n + 4) for n in range(4)), End())
    assert setup.read() == [[[0, 1, 2, 3], [12, 13, 14, 15], End()], [[4, 5, 6, 7], End()], [[8, 9, 10, 11], End()]]


@pytest.mark.parametrize(
    ("kind", "free", "writable"),
    [
        (EdgeType.HASH, [1, 0], False),
        (EdgeType.HASH, [1, 1], True),
        (EdgeType.BROADCAST, [1, -5], False),
        (EdgeType.REBALANCE, [0, 1], True),
        (EdgeType.REBALANCE, [0, 0], False),
    ],
)
def test_writable_requires_credit_where_the_next_batch_may_go(kind, free, writable):
    setup = Setup(kind, 2)
    for wire, bytes_free in zip(setup.wires, free, strict=True):
        wire.free = bytes_free
    assert setup.output.writable() is writable


def test_new_dictionaries_are_not_unified():
    schema = pa.schema([("k", pa.dictionary(pa.int32(), pa.string()))])
    first, second = (pa.array([v]).dictionary_encode() for v in "ab")
    setup = Setup(EdgeType.FORWARD, 1)
    for column in (first, first, second):
        setup.emit(Batch(pa.record_batch([column], schema=schema), 10))
    setup.emit(End())
    assert setup.read() == [[["a", "a"], ["b"], End()]]


def test_counts_traffic_and_closes_its_channels():
    setup = Setup(EdgeType.BROADCAST, 2).emit(rows(0, 2), rows(0, 0), rows(2, 4))
    assert [(t.down, t.rows, t.batches) for t in setup.output.statistics()] == [(0, 4, 1), (1, 4, 1)]
    setup.output.close()
    assert [wire.closed for wire in setup.wires] == [True, True]


class Rerouting(Setup):
    """An output that is rerouted; ``spans`` record its input between two reroutes."""

    def __init__(self, kind):
        super().__init__(kind, 2)
        self.kind = kind
        self.count = 0
        self.all_wires = list(self.wires)
        self.spans = [Span(balanced(2), self.wires)]

    def take(self, step):
        match step:
            case "flush":
                self.output.flush()
            case "age":
                self.now += 0.012
                self.output.send_aged()
            case "mark":
                self.spans[-1].marks.append(Watermark(self.count))
                self.emit(Watermark(self.count))
            case (tasks, offset):
                self.reroute([(group + offset) % tasks for group in range(128)], tasks)
            case rows_:
                self.spans[-1].keys += range(self.count, self.count + rows_)
                self.emit(rows(self.count, self.count + rows_))
                self.count += rows_

    def reroute(self, table, tasks):
        joining = [Wire(down, joined=len(self.spans)) for down in range(len(self.wires), tasks)]
        self.all_wires += joining
        self.wires = self.wires[:tasks] + joining
        cut = Cut(len(self.spans), CutKind.RESCALE, 1)
        self.output.reroute(routing_of(self.kind, self.wires, table), cut)
        self.spans.append(Span(table, self.wires))


@dataclass
class Span:
    table: list
    wires: list
    keys: list = field(default_factory=list)
    marks: list = field(default_factory=list)

    def keys_of(self, down):
        groups = key_groups(hash_rows([pa.array(self.keys, pa.int64())]), 128).to_pylist()
        return [k for k, group in zip(self.keys, groups, strict=True) if self.table[group] == down]


def balanced(tasks):
    return [group * tasks // 128 for group in range(128)]


def split_at_cuts(elements):
    """Split the elements at the cuts, which are left out."""
    between = [[]]
    for element in elements:
        between.append([]) if isinstance(element, Cut) else between[-1].append(element)
    return between


def keys_in(elements):
    return [k for element in elements if isinstance(element, list) for k in element]


STEPS = st.one_of(
    st.integers(1, 9), st.sampled_from(["flush", "age", "mark"]), st.tuples(st.integers(1, 4), st.integers(0, 127))
)


@pytest.mark.parametrize("kind", [EdgeType.HASH, EdgeType.BROADCAST, EdgeType.REBALANCE])
@settings(max_examples=50, deadline=None)
@given(steps=st.lists(STEPS, max_size=25))
def test_rerouting_between_any_two_batches_neither_loses_nor_duplicates_rows(kind, steps):
    setup = Rerouting(kind)
    for step in steps:
        setup.take(step)
    setup.emit(End())
    sent = {id(wire): wire.read() for wire in setup.all_wires}
    for wire in setup.all_wires:
        stays, elements = any(wire is other for other in setup.wires), sent[id(wire)]
        numbers = [element.id for element in elements if isinstance(element, Cut)]
        left = next((i for i, span in enumerate(setup.spans) if i > wire.joined and wire not in span.wires), None)
        assert numbers == list(range(max(1, wire.joined), len(setup.spans) if left is None else left + 1))
        assert elements[-1:] == ([End()] if stays else [Leave()])
        assert wire.closed is not stays
    for number, span in enumerate(setup.spans):
        parts = [split_at_cuts(sent[id(wire)])[number - max(0, wire.joined - 1)] for wire in span.wires]
        if kind is EdgeType.REBALANCE:
            assert sorted(k for part in parts for k in keys_in(part)) == span.keys
        for down, part in enumerate(parts):
            if kind is EdgeType.HASH:
                assert keys_in(part) == span.keys_of(down)
            if kind is EdgeType.BROADCAST:
                assert keys_in(part) == span.keys
            assert [element for element in part if isinstance(element, Watermark)][-1:] == span.marks[-1:]


def test_traffic_is_counted_across_a_reroute():
    setup = Rerouting(EdgeType.HASH)
    for step in (9, (1, 0), 9, "flush"):
        setup.take(step)
    counted = {traffic.down: traffic.rows for traffic in setup.output.statistics()}
    before = setup.spans[0]
    assert counted == {0: len(before.keys_of(0)) + 9, 1: len(before.keys_of(1))}
