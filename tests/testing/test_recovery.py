"""What the check of recovery finds: operators that lose, repeat or change something at a cut."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import strategies as st

from sabotnb.graph import Distinct
from sabotnb.operators.create import create
from sabotnb.protocol import Cut, Delayed, EndReason, Operator, OperatorContext, Out, StateSpec
from sabotnb.state import GroupedRows
from sabotnb.testing import Advance, EndPort, Push, Recovery, RecoverySuite

SCHEMA = pa.schema({"k": pa.string(), "v": pa.int64()})
ROW = st.fixed_dictionaries({"k": st.sampled_from("abcd"), "v": st.integers(0, 3)})


class TestDistinct(RecoverySuite):
    steps = st.lists(st.lists(ROW, max_size=5).map(Push), max_size=6).map(lambda pushes: [*pushes, EndPort()])

    def recovery(self) -> Recovery:
        return Recovery.of(Distinct(("k",)), SCHEMA)


class Held(Operator):
    """Returns all rows at the end, as each of the following does except for one fault."""

    delayed = Delayed.DROP

    def open(self, ctx: OperatorContext) -> None:
        self.rows = ctx.keyed(StateSpec("rows"), GroupedRows(SCHEMA, ["k"], ctx.groups))
        self.count = 0

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        self.rows.add(batch)
        self.count += batch.num_rows
        return ()

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        while (batch := self.rows.take_first()) is not None:
            yield batch

    def memo(self) -> Mapping[str, Any]:
        return {"count": self.count}

    def restored(self, memos: Sequence[Mapping[str, Any]]) -> None:
        self.count = sum(memo["count"] for memo in memos)


class KeepsWhatItReturned(Held):
    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        return [piece.batch for piece in self.rows.joined().pieces]


class ReturnsAtACut(Held):
    def on_cut(self, cut: Cut) -> Iterable[Out]:
        return [piece.batch for piece in self.rows.joined().pieces]


class HoldsRowsOutsideItsState(Held):
    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        self.last = batch
        return ()

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        return [self.last] if hasattr(self, "last") else []


class HoldsTheWatermarkBack(Held):
    def output_watermark(self, us: int) -> int:
        return min(us, 5) if self.count == 0 else us

    def restored(self, memos: Sequence[Mapping[str, Any]]) -> None:
        return


class HasAMemoThatCannotBeSent(Held):
    def memo(self) -> Mapping[str, Any]:
        return {"count": {1, 2}}


class Unfrozen(GroupedRows):
    def freeze(self, groups: Sequence[int]) -> Any:
        return self

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return super().freeze([group]).export(group)


class DoesNotFreeze(Held):
    def open(self, ctx: OperatorContext) -> None:
        super().open(ctx)
        ctx.states.clear()
        self.rows = ctx.keyed(StateSpec("rows"), Unfrozen(SCHEMA, ["k"], ctx.groups))


STEPS = [Push([{"k": "a", "v": 1}]), Advance(10), Push([{"k": "b", "v": 2}]), Advance(20), EndPort()]


def check(operator: type[Operator], at: int, **options: Any) -> None:
    Recovery(lambda _: operator(), [SCHEMA], [("k",)]).check(STEPS, at, **options)


@pytest.mark.parametrize("at", range(len(STEPS) + 1))
@pytest.mark.parametrize("tasks", [(1, 1), (1, 2), (2, 1), (3, 2)])
def test_a_correct_operator_passes(at, tasks):
    check(Held, at, before=tasks[0], after=tasks[1])


@pytest.mark.parametrize(
    ("operator", "at", "message"),
    [
        (KeepsWhatItReturned, 5, "rows before and after the cut: 2 rows unexpected"),
        (ReturnsAtACut, 2, "rows of the tasks that were cut: 1 row unexpected"),
        (HoldsRowsOutsideItsState, 3, "rows before and after the cut: 1 row missing"),
        (DoesNotFreeze, 1, "frozen states export other rows"),
        (HoldsTheWatermarkBack, 3, "the restored tasks hold back another watermark"),
    ],
)
def test_a_fault_is_found(operator, at, message):
    with pytest.raises(AssertionError, match=message):
        check(operator, at)


def test_a_memo_must_be_json():
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        check(HasAMemoThatCannotBeSent, 1)


def test_each_update_must_be_one_that_the_oracle_returns():
    class Totals(Held):
        """Returns the number of rows at each cut, and forgets it."""

        def on_cut(self, cut: Cut) -> Iterable[Out]:
            yield pa.RecordBatch.from_pylist([{"k": "all", "v": self.count}], schema=SCHEMA)

        def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
            yield pa.RecordBatch.from_pylist([{"k": "all", "v": self.count}], schema=SCHEMA)

    class Doubles(Totals):
        def restored(self, memos: Sequence[Mapping[str, Any]]) -> None:
            self.count = 2 * memos[0]["count"]

    def check(operator: type[Operator]) -> None:
        Recovery(lambda _: operator(), [SCHEMA], [("k",)], updates=("k",)).check(STEPS, 3)

    check(Totals)
    with pytest.raises(AssertionError, match=r"the oracle never returns .*'v': 4"):
        check(Doubles)


def test_an_operator_of_a_spec_is_divided_by_its_keys():
    recovery = Recovery.of(Distinct(("k",)), SCHEMA)
    assert recovery.keys == [("k",)]
    assert type(recovery.make(lambda: 0)) is type(create(Distinct(("k",)), [SCHEMA]))
