"""Saved state fits the operator of today, is converted, or is refused with the field and both types."""

import re
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa
import pytest

from sabotnb.errors import CheckpointError
from sabotnb.graph import AggregateColumn
from sabotnb.protocol import Scope, StateSpec, fit_state
from sabotnb.state import GroupedAggregates

SPEC = StateSpec("rows", optional=("b",))


def fitted(saved, now, before=SPEC):
    return fit_state("join_0", before, pa.schema(saved), SPEC, pa.schema(now))


@pytest.mark.parametrize(
    ("saved", "now", "value"),
    [
        (pa.int64(), pa.int64(), 7),
        (pa.int8(), pa.int64(), -7),
        (pa.uint8(), pa.uint32(), 7),
        (pa.uint32(), pa.int64(), 2**32 - 1),
        (pa.float32(), pa.float64(), 0.5),
        (pa.decimal128(5, 2), pa.decimal128(9, 2), Decimal("1.50")),
        (pa.string(), pa.large_string(), "x"),
        (pa.large_binary(), pa.binary(), b"x"),
        (pa.list_(pa.int32()), pa.list_(pa.int64()), [1, None]),
        (pa.map_(pa.string(), pa.int32()), pa.map_(pa.string(), pa.int64()), [("a", 1)]),
    ],
)
def test_values_of_a_wider_type_are_the_same(saved, now, value):
    fit = fitted({"a": saved}, {"a": now})
    found = fit.converted(pa.record_batch({"a": pa.array([value, None], saved)}))
    assert found.schema == pa.schema({"a": now})
    assert found["a"].to_pylist() == [value, None]


@pytest.mark.parametrize(
    ("saved", "now"),
    [
        (pa.int64(), pa.int32()),
        (pa.int64(), pa.string()),
        (pa.int32(), pa.uint64()),
        (pa.uint64(), pa.int64()),
        (pa.int32(), pa.float64()),
        (pa.float64(), pa.float32()),
        (pa.decimal128(9, 2), pa.decimal128(9, 3)),
        (pa.timestamp("us"), pa.timestamp("ms")),
        (pa.timestamp("us"), pa.timestamp("us", "UTC")),
        (pa.list_(pa.int64()), pa.list_(pa.string())),
        (pa.list_(pa.int64()), pa.int64()),
        (pa.string(), pa.binary()),
    ],
)
def test_another_type_is_refused_with_both(saved, now):
    with pytest.raises(CheckpointError) as refused:
        fitted({"a": saved}, {"a": now})
    assert str(refused.value) == (
        f"operator 'join_0' has the field 'a', which was {saved} in the checkpoint, and is {now} now. Change it back, "
        "or let it begin empty: .run(drop_state=['join_0'])"
    )


def test_an_optional_field_may_come_and_go():
    rows = pa.record_batch({"a": [1, 2]})
    both = pa.record_batch({"a": [1, 2], "b": ["x", "y"]})
    assert fitted(rows.schema, both.schema).converted(rows).to_pylist() == [{"a": 1, "b": None}, {"a": 2, "b": None}]
    assert fitted(both.schema, rows.schema).converted(both) == rows


@pytest.mark.parametrize(
    ("saved", "now", "message"),
    [
        ({"a": pa.int64()}, {"a": pa.int64(), "c": pa.string()}, r"needs the field 'c' \(string\), which the check"),
        ({"a": pa.int64(), "c": pa.string()}, {"a": pa.int64()}, r"has no field 'c' now, .* has it \(string\)"),
        ({"\0key k": pa.int64()}, {"\0key j": pa.int64()}, r"has no field 'key k' now"),
    ],
)
def test_other_fields_may_not(saved, now, message):
    with pytest.raises(CheckpointError, match=message):
        fitted(saved, now)


def test_fields_are_found_by_name():
    rows = pa.record_batch({"a": [1], "c": ["x"]})
    assert fitted(rows.schema, {"c": pa.string(), "a": pa.int64()}).converted(rows).to_pylist() == [{"c": "x", "a": 1}]


@pytest.mark.parametrize("before", [StateSpec("rows", Scope.BROADCAST), StateSpec("rows", version=2)])
def test_another_scope_or_version_is_refused(before):
    with pytest.raises(CheckpointError, match=r"was saved as state 'rows' \(.*\), and now has keyed, version 1"):
        fitted({"a": pa.int64()}, {"a": pa.int64()}, before)


class Hidden(NamedTuple):
    """An aggregate, and two types of its input that give equal types of state."""

    fn: str
    saved: pa.DataType
    now: pa.DataType


@pytest.mark.parametrize(
    "case",
    [
        Hidden("approx_n_unique", pa.int64(), pa.string()),
        Hidden("sum", pa.duration("s"), pa.duration("ms")),
        Hidden("sum", pa.int64(), pa.duration("ms")),
    ],
)
def test_state_whose_type_does_not_show_what_it_was_made_of_is_refused_for_another_input(case):
    def schema(of):
        given = pa.schema({"k": pa.int64(), "x": of})
        return GroupedAggregates(pa.schema([given.field("k")]), [AggregateColumn("n", case.fn, "x")], given).schema

    with pytest.raises(CheckpointError, match=f"in the checkpoint, and is {re.escape(str(case.now))} now"):
        fit_state("a", SPEC, schema(case.saved), SPEC, schema(case.now))
    assert fit_state("a", SPEC, schema(case.saved), SPEC, schema(case.saved)).same
