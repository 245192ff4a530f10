"""What stands where a condition, a column or a function belongs."""

import pytest

import sabotnb as sb
from sabotnb import col, errors

ROWS = [{"a": 1, "b": 2}, {"a": 2, "b": 1}]
REFUSED = [
    ("s.filter(5)", "filter takes conditions, not 5 (int); write .filter(col('x') > 1)"),
    ("s.filter(None)", "filter takes conditions, not None (NoneType)"),
    ("s.filter(col('a') is None)", "filter got False, one truth for all rows"),
    ("s.filter(col('a').dt.year == 2013)", "col('t').dt.year() == 2013"),
    ("s.map_rows(5)", "map_rows takes a function, not 5 (int); write map_rows(lambda row: row)"),
    ("s.map_batches(5)", "write map_batches(lambda batch: batch)"),
    ("s.reduce(5)", "write reduce(lambda left, right: left)"),
    ("s.group_by('a').reduce(5)", "write reduce(lambda left, right: left)"),
]


@pytest.mark.parametrize(("code", "message"), REFUSED, ids=[code for code, _ in REFUSED])
def test_what_is_no_condition_or_function_is_refused(code: str, message: str) -> None:
    with pytest.raises(errors.SabotnbError) as raised:
        eval(code, {"s": sb.Stream.from_rows(ROWS), "col": col})
    assert message in str(raised.value)


LISTS = [
    (lambda s: s.filter([col("a") > 1, col("b") > 0]), [{"a": 2, "b": 1}]),
    (lambda s: s.select(["a"]), [{"a": 1}, {"a": 2}]),
    (lambda s: s.with_columns([(col("a") + 1).alias("c")]).drop(["a", "b"]), [{"c": 2}, {"c": 3}]),
    (lambda s: s.distinct(["a"]).select("a"), [{"a": 1}, {"a": 2}]),
    (lambda s: s.sort(["b", "a"]), [{"a": 2, "b": 1}, {"a": 1, "b": 2}]),
    (lambda s: s.group_by(["a"]).agg([sb.count(), col("b").max()]), [{"a": a, "count": 1, "b": 3 - a} for a in (1, 2)]),
]


@pytest.mark.parametrize(("write", "rows"), LISTS)
def test_lists_are_taken_wherever_columns_are(write, rows: list) -> None:
    sb.testing.assert_rows(write(sb.Stream.from_rows(ROWS)), rows)
