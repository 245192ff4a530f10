import pyarrow as pa
import pytest
from taskjobs import Doubled, Evens, Exploding, Total, Written, X, rows

from sabotnb.eventtime import clocks, with_clock
from sabotnb.graph import specs
from sabotnb.graph.job_graph import Operator as Node
from sabotnb.metrics import TaskCounters
from sabotnb.protocol.elements import MIN_WATERMARK, Cut, CutKind, EndReason, Watermark
from sabotnb.protocol.ids import RunId
from sabotnb.protocol.operator import Committable, Delayed, Operator, OperatorContext
from sabotnb.protocol.state import UNSENT, Scope, StateSpec
from sabotnb.state import KeySet
from sabotnb.task import unsent_results
from sabotnb.task.chain import Chain
from sabotnb.task.frozen_chain import FrozenChain
from sabotnb.task.probes import Probes
from sabotnb.task.stage import Emission, PassThrough, Stage
from sabotnb.task.steps import StepFailed, Steps


def batch(*values):
    return pa.RecordBatch.from_pylist(rows(*values), schema=X)


def probes_of(names, counters=None):
    counters = counters or TaskCounters()
    counters.operators.update(dict.fromkeys(names, 0))
    return Probes(counters)


def chain(*operators, counters=None):
    stages = [Stage(Node(f"op_{i}", specs.Union(1)), operator) for i, operator in enumerate(operators)]
    built = Chain(stages, Steps(), probes_of([stage.node.id for stage in stages], counters))
    built.open(lambda node: OperatorContext(RunId("job", 1), node.id, 0, 1, 128))
    return built


def emitted(work):
    return [
        (emission.operator, emission.side, emission.batch.column("x").to_pylist())
        for emission in work
        if emission is not None
    ]


def test_each_operator_feeds_the_next():
    assert emitted(chain(Doubled(), Evens(), Doubled()).process(0, batch(1, 2))) == [("op_2", None, [4, 8])]


def test_a_side_output_leaves_the_chain_and_an_empty_batch_is_dropped():
    assert emitted(chain(Evens(), Doubled()).process(0, batch(1, 3))) == [("op_0", "odd", [1, 3])]
    assert emitted(chain(PassThrough()).process(0, batch())) == []


def test_operators_run_only_as_far_as_they_are_pulled():
    calls = []

    class Counts(Operator):
        def process(self, port, batch):
            calls.append(batch.num_rows)
            return (batch,)

    work = chain(Exploding(), Counts()).process(0, batch(1))
    assert calls == []
    assert isinstance(next(work), Emission)
    assert isinstance(next(work), Emission)
    assert calls == [1, 1]


def test_the_end_goes_through_the_operators_in_turn():
    built = chain(PassThrough(), Total(), Doubled(), Total())
    list(built.process(0, batch(1, 2, 3)))
    assert emitted(built.on_end(0, EndReason.EXHAUSTED)) == []
    assert emitted(built.finish(EndReason.EXHAUSTED)) == [("op_3", None, [12])]


def test_dropped_work_closes_the_iterators_of_operators():
    closed = []

    class Endless(Operator):
        def process(self, port, batch):
            try:
                while True:
                    yield batch
            finally:
                closed.append(port)

    work = chain(Endless(), Doubled()).process(3, batch(1))
    next(work)
    work.close()
    assert closed == [3]


def test_a_failure_names_the_operator_the_step_and_its_rows():
    class Fails(Operator):
        def process(self, port, batch):
            yield batch
            raise ValueError("second")

    work = chain(Doubled(), Fails(), Doubled()).process(0, batch(4))
    assert next(work).batch.column("x").to_pylist() == [16]
    with pytest.raises(StepFailed) as raised:
        next(work)
    failed = raised.value
    assert (failed.node.id, failed.step, failed.batch.to_pylist()) == ("op_1", "process", [{"x": 8}])
    assert isinstance(failed.__cause__, ValueError)


def test_a_failed_open_closes_what_was_opened():
    calls = []

    class Opens(Operator):
        def __init__(self, name):
            self.name = name

        def open(self, ctx):
            calls.append(f"open {self.name}")
            if self.name == "bad":
                raise OSError("no")

        def process(self, port, batch):
            return ()

        def close(self):
            calls.append(f"close {self.name}")

    operators = [Opens("never"), Opens("bad"), Opens("good")]
    built = Chain(
        [Stage(Node(operator.name, specs.Union(1)), operator) for operator in operators], Steps(), probes_of([])
    )
    with pytest.raises(StepFailed, match="open of bad failed"):
        built.open(lambda node: OperatorContext(RunId("job", 1), node.id, 0, 1, 128))
    assert built.close() == built.close() == []
    assert calls == ["open good", "open bad", "close good"]


def test_every_operator_is_closed_after_errors_of_others():
    class FailsToClose(PassThrough):
        def close(self):
            raise OSError("no")

    errors = chain(FailsToClose(), PassThrough(), FailsToClose()).close()
    assert [str(error) for error in errors] == ["close of op_0 failed", "close of op_2 failed"]


@pytest.mark.parametrize(
    ("operators", "left"),
    [
        ((PassThrough, Evens, Doubled, PassThrough), [3, 1, 1, 1]),
        ((Doubled, Total), [3, 0]),
        ((Evens, Written), [1, 1]),
        ((Written,), [3]),
    ],
)
def test_rows_are_counted_behind_each_operator_and_before_a_sink(operators, left):
    counters = TaskCounters()
    list(chain(*(make() for make in operators), counters=counters).process(0, batch(1, 2, 3)))
    assert list(counters.operators.values()) == left


def test_only_a_sink_prepares():
    assert chain(Doubled()).prepare() == ()
    built = chain(Doubled(), Written())
    list(built.process(0, batch(2, 1)))
    assert built.prepare() == (Committable("written", {"values": [2, 4]}),)


class Keeps(Operator):
    """Registers keyed states with these names."""

    def __init__(self, *names):
        self.sets = {name: KeySet(X, 4) for name in names}

    def open(self, ctx):
        for name, state in self.sets.items():
            assert ctx.keyed(StateSpec(name), state) is state


def test_states_are_kept_by_operator_and_name():
    keeps, stateless, more = Keeps("keys", "others"), Evens(), Keeps("keys")
    built = chain(keeps, stateless, more)
    by_operator = {
        name: {spec.name: state for spec, state in states.items() if spec.name != UNSENT}
        for name, states in built.states.items()
    }
    assert by_operator == {"op_0": keeps.sets, "op_1": {}, "op_2": more.sets}
    keeps.sets["others"].add([pa.array([1, 2])])
    more.sets["keys"].add([pa.array([1])])
    keys, nbytes = built.state_size()
    assert keys == 3
    assert nbytes > 0


def test_a_state_name_is_unique_in_its_operator():
    class Twice(Operator):
        def open(self, ctx):
            for version in (1, 2):
                ctx.keyed(StateSpec("keys", version=version), KeySet(X, 4))

    with pytest.raises(StepFailed) as raised:
        chain(Twice())
    assert "op_0 has a state 'keys' already" in str(raised.value.__cause__)


class Slow(Operator):
    """Calls a function that takes ``per_row`` seconds for each row, by a clock of the test; emits every other call."""

    calls_function = True

    def __init__(self, per_row):
        self.per_row, self.now, self.calls = per_row, 0.0, []

    def process(self, port, batch):
        self.calls.append(batch.num_rows)
        self.now += self.per_row * batch.num_rows
        if len(self.calls) % 2:
            yield batch


def slow_chain(slow, *others):
    stages = [Stage(Node(f"op_{i}", specs.Union(1)), operator) for i, operator in enumerate([slow, *others])]
    steps = Steps(lambda: slow.now)
    return Chain(stages, steps, probes_of([stage.node.id for stage in stages]))


def test_a_slow_function_gets_slices_of_100_ms_in_order():
    slow = Slow(0.001)
    items = list(slow_chain(slow, Doubled()).process(0, batch(*range(500))))
    assert slow.calls == [128, 100, 100, 100, 72]
    assert [x for item in items if item for x in item.batch["x"].to_pylist()] == [
        2 * x for x in (*range(128), *range(228, 328), *range(428, 500))
    ]


def test_the_task_can_act_between_two_calls_of_a_slow_function():
    slow = Slow(0.001)
    work = slow_chain(slow).process(0, batch(*range(500)))
    made = [len(slow.calls) for _ in work]
    assert sorted(set(made)) == [1, 2, 3, 4, 5]
    assert all(later - before <= 1 for before, later in zip([0, *made], made, strict=False))


def test_work_that_is_dropped_between_two_calls_makes_no_further_call():
    slow = Slow(0.001)
    work = slow_chain(slow).process(0, batch(*range(500)))
    next(work)
    work.close()
    assert slow.calls == [128]


def test_delayed_rows_are_sliced_with_their_clocks():
    slow = Slow(0.001)
    slow.delayed = Delayed.SPLIT
    delayed = with_clock(batch(*range(300)), pa.array([7] * 150 + [9] * 150))
    items = [item for item in slow_chain(slow).process(0, delayed) if item]
    assert [clocks(item.batch).to_pylist() for item in items] == [[7] * 128, [9] * 78]
    assert slow.calls == [128, 22, 78, 72]


class Held(Operator):
    """Holds its rows until a cut, and remembers the numbers of cuts and rows of its port."""

    def __init__(self, log):
        self.log = log
        self.rows = []
        self.seen = 0

    def open(self, ctx):
        self.set = ctx.keyed(StateSpec("keys"), KeySet(X, 4))

    def process(self, port, batch):
        self.seen += batch.num_rows
        self.set.add([batch.column("x")])
        self.rows.append(batch)
        return ()

    def on_cut(self, cut):
        self.log.append(("cut", cut.id, self.seen))
        rows, self.rows = self.rows, []
        return rows

    def memo(self):
        self.log.append(("memo", self.seen))
        return {"seen": self.seen}

    def restored(self, memos):
        self.log.append(("restored", [memo["seen"] for memo in memos]))


def test_a_cut_freezes_each_operator_behind_what_the_operators_before_it_emit():
    log = []
    sink = Written()
    built = chain(Held(log), Doubled(), Held(log), sink)
    list(built.on_watermark(7))
    assert emitted(built.process(0, batch(1, 2))) == []
    frozen = FrozenChain()
    assert emitted(built.on_cut(Cut(4, CutKind.CHECKPOINT, 1), frozen)) == []
    assert log == [("cut", 4, 2), ("memo", 2), ("cut", 4, 2), ("memo", 2)]
    kept = {
        state.operator: sorted(
            x for group in state.groups for rows in state.frozen.export(group) for x in rows["x"].to_pylist()
        )
        for state in frozen.states
    }
    assert kept == {"op_0": [1, 2], "op_2": [2, 4]}
    assert frozen.memos == {"op_0": {"seen": 2}, "op_1": {}, "op_2": {"seen": 2}, "op_3": {}}
    assert frozen.event_times == {"op_0": 7, "op_1": 7, "op_2": 7, "op_3": 7, "": 7}
    assert frozen.prepared() == [Committable("written", {"values": [2, 4]})]


def test_event_times_that_have_not_begun_hold_back_a_task_that_continues_several():
    assert chain(Doubled()).event_times() == {"op_0": MIN_WATERMARK, "": MIN_WATERMARK}


def test_a_restored_chain_goes_on_from_its_watermarks_and_tells_its_operators_from_the_last_to_the_first():
    log = []
    built = chain(Held(log), Held(log))
    built.restore({"op_0": 9, "op_1": 5, "": 4}, {"op_1": [{"seen": 1}, {"seen": 3}]})
    assert log == [("restored", [1, 3]), ("restored", [])]
    assert list(built.on_watermark(8)) == []
    assert [item for item in built.on_watermark(10) if item is not None] == [Watermark(10)]


def test_a_failure_at_a_cut_names_the_operator():
    class Unfit(Held):
        def memo(self):
            raise ValueError("no memo")

    with pytest.raises(StepFailed, match="memo of op_1 failed"):
        list(chain(Doubled(), Unfit([])).on_cut(Cut(1, CutKind.CHECKPOINT, 1), FrozenChain()))


class Windows(Operator):
    """Returns the numbers of its state as batches when the event time comes, and again what is left at the end."""

    def __init__(self, *numbers):
        self.numbers = numbers

    def on_watermark(self, us):
        numbers, self.numbers = self.numbers, ()
        return (batch(x) for x in numbers)

    def on_cut(self, cut):
        return (batch(0),)

    def memo(self):
        return {"left": len(self.numbers)}


class Times(Operator):
    """Records the event times and the rows that reach it."""

    def __init__(self):
        self.log = []

    def process(self, port, batch):
        self.log += batch["x"].to_pylist()
        return (batch,)

    def on_watermark(self, us):
        self.log.append(f"at {us}")
        return ()


def cut_behind(chain, work, results):
    """The items of ``work``, in which a cut comes behind so many emissions, and what was frozen at it."""
    cut, frozen, items = Cut(1, CutKind.CHECKPOINT, 1), FrozenChain(), []

    def taken():
        items.append("cut")
        yield from chain.on_cut(cut, frozen)
        yield cut

    chain.allow_cuts(lambda: "cut" not in items and len(items) == results, taken)
    for item in work:
        if item is not None and not isinstance(item, Cut):  # one by one, as the cut comes behind so many items
            items.append(item.batch["x"].to_pylist() if isinstance(item, Emission) else item)  # noqa: PERF401
    return items, frozen


@pytest.mark.parametrize("results", [0, 1, 2])
def test_results_that_a_cut_finds_unsent_are_state_and_hold_the_watermark_back(results):
    times = Times()
    built = chain(Windows(1, 2, 3), times)
    items, frozen = cut_behind(built, built.on_watermark(9), results)
    numbers = [[1], [2], [3]]
    assert items == [*numbers[:results], "cut", *numbers[results:], [0], Watermark(9)]
    assert times.log == [1, 2, 3, 0, "at 9"]
    assert frozen.memos["op_0"] == {"left": 0}
    assert frozen.event_times == {"op_0": 9, "op_1": MIN_WATERMARK, "": MIN_WATERMARK}

    restored = chain(Windows(), again := Times())
    for state in frozen.states:
        for group in state.groups:
            restored.states[state.operator][state.spec].load(group, state.frozen.export(group))
    restored.restore(frozen.event_times, {})
    assert restored.unsent
    items, _ = cut_behind(restored, restored.on_end(0, EndReason.EXHAUSTED), -1)
    assert items == [*numbers[results:], [0], Watermark(9)]
    assert again.log == [*(x for (x,) in numbers[results:]), 0, "at 9"]
    assert not restored.unsent


def test_a_cut_waits_while_more_is_unsent_than_is_computed_ahead(monkeypatch):
    monkeypatch.setattr(unsent_results, "LIMIT_BYTES", 16)
    built = chain(Windows(1, 2, 3, 4))
    taken = []
    built.allow_cuts(lambda: not taken, lambda: iter([taken.append(True)]))
    sent = [item.batch["x"].to_pylist() for item in built.on_watermark(9) if isinstance(item, Emission) and not taken]
    assert sent == [[1], [2], [3]]
    assert taken


def test_unsent_results_of_a_later_operator_go_before_new_rows():
    built = chain(PassThrough(), PassThrough(), times := Times())
    unsent = built.states["op_1"][StateSpec(UNSENT, Scope.TASK)]
    unsent.add(batch(1))
    unsent.add(batch(2))
    assert emitted(built.process(0, batch(3))) == [("op_2", None, [x]) for x in (1, 2, 3)]
    assert times.log == [1, 2, 3]
