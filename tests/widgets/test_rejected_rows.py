"""Late and failing rows become bounded tables of text."""

import pyarrow as pa

from sabotnb.cluster import SampledRows
from sabotnb.widgets.rejected_rows import MOST_ROWS, rejected_rows


def sampled(time, *values, operator="a", kind="late"):
    return SampledRows(operator, kind, float(time), tuple(f"late by {x}" for x in values), pa.table({"x": values}))


def rows_of(*batches, operators=("a",)):
    return [(table.operator, table.kind, table.rows) for table in rejected_rows(batches, operators)]


def test_there_is_a_table_for_each_operator_and_kind_in_the_order_of_time():
    found = rows_of(sampled(61, 2), sampled(0, 1), sampled(5, 3, kind="errors"), sampled(1, 4, operator="b"))
    assert found == [
        ("a", "late", (("1970-01-01 00:00:00", "late by 1", "1"), ("1970-01-01 00:01:01", "late by 2", "2"))),
        ("a", "errors", (("1970-01-01 00:00:05", "late by 3", "3"),)),
    ]


def test_a_table_has_the_last_rows_of_all_tasks():
    ((_, _, rows),) = rows_of(*(sampled(task, *range(20)) for task in range(10)))
    assert (len(rows), rows[0][1:], rows[-1][1:]) == (MOST_ROWS, ("late by 10", "10"), ("late by 19", "19"))


def test_long_values_and_reasons_are_cut():
    long = "x" * 10_000
    ((_, _, rows),) = rows_of(SampledRows("a", "errors", 0.0, (long,), pa.table({"x": [long]})))
    assert [len(text) for text in rows[0]] == [19, 200, 200]


def test_rows_of_another_schema_have_their_own_table():
    other = SampledRows("a", "late", 2.0, ("late by 9",), pa.table({"y": ["z"]}))
    assert [rows for _, _, rows in rows_of(sampled(1, 1), other)] == [
        (("1970-01-01 00:00:01", "late by 1", "1"),),
        (("1970-01-01 00:00:02", "late by 9", "z"),),
    ]
