"""Columns that Arrow stores under another name: UUIDs, JSON, booleans of a byte."""

from uuid import UUID

import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import col, errors

ONE, TWO = UUID(int=1), UUID(int=2)
IDS = sb.Stream.from_rows([{"u": ONE, "k": 1}, {"u": TWO, "k": 1}, {"u": None, "k": 2}])
BYTES = sb.Stream.from_arrow(pa.table({"b": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0], pa.int8()))}))

WORKS = {
    "top": (lambda s: s.top(1, by="k", reverse=True).select("k"), [{"k": 1}]),
    "top of groups": (lambda s: s.filter(col("k") == 2).group_by("k").top(1, by="k"), [{"u": None, "k": 2}]),
    "sort": (lambda s: s.sort("k", descending=True).top(1, by="k"), [{"u": None, "k": 2}]),
    "key": (lambda s: s.filter(col("k") == 1).group_by("u").agg(n=sb.count()).agg(n=sb.count()), [{"n": 2}]),
    "join": (lambda s: s.join(s.select("u"), on="u").agg(n=sb.count()), [{"n": 2}]),
    "first": (lambda s: s.agg(u=col("u").arg_max("k"), n=col("u").n_unique()), [{"u": None, "n": 2}]),
    "null": (lambda s: s.filter(col("u").is_null()).select("k"), [{"k": 2}]),
    "bytes": (lambda s: s.filter(col("u").cast(pa.binary(16)) == ONE.bytes), [{"u": ONE, "k": 1}]),
}


@pytest.mark.parametrize("kind", WORKS)
def test_what_needs_no_order_and_no_computing_works(kind):
    verb, rows = WORKS[kind]
    assert verb(IDS).to_rows() == rows


REFUSED = {
    "equality": (
        lambda: IDS.filter(col("u") == col("u")),
        r"nothing can be computed with .*: \.cast\(pa\.binary\(16\)\)",
    ),
    "choice": (lambda: IDS.select(u=sb.when(col("k") == 1).then(col("u"))), "nothing can be computed with"),
    "coalesce": (lambda: IDS.select(u=sb.coalesce("u", "u")), "nothing can be computed with"),
    "order": (lambda: IDS.agg(col("u").max()), "max takes values that have an order"),
    "number as key": (lambda: BYTES.group_by("b").agg(n=sb.count()), "cannot be a key; make a plain column of it"),
    "number as join": (lambda: BYTES.join(BYTES, on="b"), "cannot be a key"),
    "distinct numbers": (lambda: BYTES.agg(col("b").n_unique()), "n_unique takes plain values"),
    "number": (lambda: BYTES.filter(col("b")), "filter|boolean"),
    "sum": (lambda: BYTES.select(n=col("b") + 1), r"\.cast\('int8'\)"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_the_rest_is_refused_where_it_is_written(kind):
    write, says = REFUSED[kind]
    with pytest.raises(errors.TypeMismatch, match=says):
        write()


def test_the_advice_of_a_cast_can_be_followed():
    assert BYTES.select(n=col("b").cast("int8") + 1).to_rows() == [{"n": 2}, {"n": 1}]
