import pyarrow as pa
import pytest

from sabotnb.eventtime import by_clock, clocks, is_delayed, with_clock, without_clock

ROWS = pa.record_batch({"x": [1, 2, 3, 4], "s": ["a", "b", "c", "d"]})


def test_a_clock_is_a_hidden_last_column():
    delayed = with_clock(ROWS, pa.array([7, 5, 7, 9]))
    assert (is_delayed(delayed), is_delayed(ROWS)) == (True, False)
    assert clocks(delayed).to_pylist() == [7, 5, 7, 9]
    assert without_clock(delayed).equals(ROWS)
    assert without_clock(ROWS) is ROWS
    assert with_clock(ROWS, 5).equals(with_clock(ROWS, pa.array([5] * 4)), check_metadata=True)


@pytest.mark.parametrize(
    ("column", "parts"),
    [
        ([7, 5, 7, 9], [(5, [2]), (7, [1, 3]), (9, [4])]),
        ([-3, -3, -3, -3], [(-3, [1, 2, 3, 4])]),
        ([], []),
    ],
)
def test_the_rows_of_each_clock_keep_their_order(column, parts):
    delayed = with_clock(ROWS.slice(0, len(column)), pa.array(column, pa.int64()))
    assert [(clock, rows["x"].to_pylist()) for clock, rows in by_clock(delayed)] == parts


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"v": pa.array(["p", "q"], pa.string_view())},
        {"d": pa.array(["p", "q"]).dictionary_encode(), "l": pa.array([[1], None])},
    ],
)
def test_rows_of_any_columns_are_divided_by_clock(columns):
    batch = pa.record_batch({"x": [1, 2], **columns}).select(list(columns))
    parts = list(by_clock(with_clock(batch, pa.array([2, 1]))))
    assert [clock for clock, _ in parts] == [1, 2]
    assert all(rows.num_rows == 1 and rows.schema.equals(batch.schema) for _, rows in parts)
    assert [row for _, rows in parts[::-1] for row in rows.to_pylist()] == batch.to_pylist()


def test_a_batch_may_have_more_clocks_than_a_kernel_has_partitions():
    count = (1 << 16) + 2
    batch = with_clock(pa.record_batch({"x": pa.array(range(count))}), pa.array(range(count)))
    assert [(clock, rows["x"][0].as_py()) for clock, rows in by_clock(batch)] == [(i, i) for i in range(count)]
