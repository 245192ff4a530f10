"""Decimals join by value: with decimals of other digits and with integers."""

from decimal import Decimal

import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.errors import SchemaError, TypeMismatch

LEFT = pa.decimal128(15, 2)


def stream(values: list, data_type: pa.DataType, number: str) -> sb.Stream:
    return sb.Stream.from_arrow(pa.table({"k": pa.array(values, data_type), number: range(len(values))}))


def left() -> sb.Stream:
    return stream([Decimal("1.50"), Decimal("2.00"), None, Decimal("-3.25")], LEFT, "n")


@pytest.mark.parametrize("strategy", ["hash", "broadcast"])
@pytest.mark.parametrize(
    ("data_type", "keys", "met"),
    [
        (pa.decimal128(10, 2), [Decimal("1.50"), Decimal("-3.25"), None], {0: 0, 3: 1}),
        (pa.decimal128(20, 4), [Decimal("1.5"), Decimal("2.0001"), Decimal("-3.25")], {0: 0, 3: 2}),
        (pa.decimal256(50, 3), [Decimal("2"), Decimal("1.5"), None], {0: 1, 1: 0}),
        (pa.int64(), [1, 2, -3], {1: 1}),
        (pa.uint8(), [2, None], {1: 0}),
    ],
)
def test_equal_values_meet(data_type: pa.DataType, keys: list, met: dict[int, int], strategy: str):
    right = stream(keys, data_type, "m")
    inner = left().join(right, on="k", strategy=strategy)
    assert inner.schema == pa.schema({"k": LEFT, "n": pa.int64(), "m": pa.int64()})
    assert {row["n"]: row["m"] for row in inner.to_rows()} == met
    outer = left().join(right, on="k", how="left", strategy=strategy)
    assert {row["n"]: row["m"] for row in outer.to_rows()} == {n: met.get(n) for n in range(4)}
    assert {row["n"] for row in left().join(right, on="k", how="semi", strategy=strategy).to_rows()} == set(met)
    assert {row["n"] for row in left().join(right, on="k", how="anti", strategy=strategy).to_rows()} == set(
        range(4)
    ) - set(met)
    back = right.join(left(), left_on="k", right_on="k", strategy=strategy)
    assert {row["n"]: row["m"] for row in back.to_rows()} == met


def test_other_keys_beside_a_decimal():
    mine = left().with_columns(t=col("n").cast("string"))
    others = stream([Decimal("1.5"), Decimal("2.0")], pa.decimal128(4, 1), "m").with_columns(t=sb.lit("0"), k2=col("k"))
    joined = mine.join(others, on=["t", "k"])
    assert joined.to_rows() == [{"k": Decimal("1.50"), "n": 0, "t": "0", "m": 0, "k2": Decimal("1.5")}]


@pytest.mark.parametrize(
    ("mine", "other", "wide"),
    [
        (pa.int32(), pa.int64(), pa.int64()),
        (pa.int64(), pa.uint64(), pa.decimal128(20, 0)),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.decimal128(15, 2), pa.decimal128(10, 2), pa.decimal128(15, 2)),
        (pa.decimal128(5, 2), pa.decimal128(9, 4), pa.decimal128(9, 4)),
        (pa.decimal128(15, 2), pa.int64(), pa.decimal128(22, 2)),
    ],
)
@pytest.mark.parametrize(("how", "numbers"), [("right", {(1, 0), (None, 1)}), ("full", {(0, None), (1, 0), (None, 1)})])
def test_outer_joins_give_keys_a_type_that_holds_both(mine, other, wide, how, numbers):
    joined = stream([1, 2], mine, "n").join(stream([2, 3], other, "m"), on="k", how=how)
    assert joined.schema.field("k").type == wide
    rows = joined.to_rows()
    assert {(row["n"], row["m"]) for row in rows} == numbers
    assert sorted(row["k"] for row in rows) == ([2, 3] if how == "right" else [1, 2, 3])


def test_integers_and_floats_do_not_meet():
    with pytest.raises(TypeMismatch, match="cast one side"):
        stream([1], pa.int8(), "n").join(stream([1.0], pa.float64(), "m"), on="k", how="full")


def test_membership_of_decimals():
    kept = left().filter(col("k").is_in([Decimal("1.5"), 2, Decimal("9.999")])).to_rows()
    assert [row["n"] for row in kept] == [0, 1]


@pytest.mark.parametrize(
    ("types", "wide"),
    [
        ([pa.int8(), pa.int64()], pa.int64()),
        ([pa.int64(), pa.uint64(), pa.int8()], pa.decimal128(20, 0)),
        ([pa.int32(), pa.float64()], pa.float64()),
        ([pa.float32(), pa.int32()], pa.float64()),
        ([pa.decimal128(5, 2), pa.int8(), pa.decimal128(9, 4)], pa.decimal128(9, 4)),
    ],
)
def test_a_union_has_types_that_hold_all_numbers(types: list, wide: pa.DataType):
    streams = [stream([1, None], kind, "n") for kind in types]
    united = sb.union(*streams)
    assert united.schema == pa.schema({"k": wide, "n": pa.int64()})
    assert sorted(str(row["k"]) for row in united.to_rows()) == sorted(
        str(value) for _ in types for value in pa.array([1, None], pa.int8()).cast(wide).to_pylist()
    )


@pytest.mark.parametrize("other", [pa.float64(), pa.string(), pa.bool_()])
def test_a_union_of_integers_refuses_what_does_not_hold_them(other: pa.DataType):
    with pytest.raises(SchemaError, match=r"Make them equal with .*\.cast"):
        stream([1], pa.int64(), "n").union(stream([None], other, "n"))
