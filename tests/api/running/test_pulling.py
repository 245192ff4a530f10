"""Rows on their way from a job to the client's functions."""

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from sabotnb.api.running.pulling import BATCH_ID, Callback, LiveRows, Puller
from sabotnb.cluster import ResultBatch, Rewind
from sabotnb.errors import JobFailed, UserFunctionError
from sabotnb.graph import StreamType

SCHEMA = pa.schema({"x": pa.int64()})


def batch(*values: int) -> pa.RecordBatch:
    return pa.record_batch({"x": list(values)}, schema=SCHEMA)


def reads(*batches: pa.RecordBatch) -> Iterator[ResultBatch]:
    return (ResultBatch(0, number, rows) for number, rows in enumerate(batches))


def test_every_batch_is_taken_in_order() -> None:
    taken: list[pa.RecordBatch] = []
    puller = Puller("sink_0", lambda: reads(batch(1), batch(2, 3)), Callback(taken.append), abandon=lambda _: None)
    puller.join()
    assert taken == [batch(1), batch(2, 3)]


def test_a_function_that_raises_abandons_the_job_and_is_heard_of() -> None:
    abandoned: list[UserFunctionError] = []

    def picky(rows: pa.RecordBatch) -> None:
        if rows.num_rows == 2:
            raise ValueError("two rows")

    puller = Puller("sink_0", lambda: reads(batch(1), batch(2, 3), batch(4)), Callback(picky), abandoned.append)
    line = r"sink_0: picky \(test_pulling.py:\d+\) raised ValueError: two rows  test_pulling.py:\d+: raise ValueError"
    with pytest.raises(UserFunctionError, match=line) as caught:
        puller.join()
    assert isinstance(caught.value.__cause__, ValueError)
    assert str(caught.value).endswith(
        "ValueError: two rows\nrows it was given:\nx\n2\n3\ncorrect it and run the job again"
    )
    (told,) = abandoned
    assert str(caught.value).startswith(str(told))
    assert "in picky" in told.user_traceback
    assert (told.sample, told.operator, told.function) == ("x\n2\n3", "sink_0", "picky")


def test_who_waits_is_told_what_kept_the_rest_from_coming() -> None:
    lost = JobFailed("elsewhere")

    def failing():
        yield from reads(batch(1))
        raise lost

    taken: list[pa.RecordBatch] = []
    assert Puller("sink_0", failing, Callback(taken.append), abandon=lambda _: None).join() is lost
    assert taken == [batch(1)]


def test_who_waits_for_a_slow_function_may_stop_waiting() -> None:
    go = threading.Event()
    puller = Puller("sink_0", lambda: reads(batch(1)), lambda _: go.wait(), abandon=lambda _: None)
    with pytest.raises(TimeoutError):
        puller.join(0.01)
    go.set()
    assert puller.join() is None


@pytest.mark.parametrize(
    ("batches", "kept"),
    [
        ([], []),
        ([(1, 2)], [1, 2]),
        ([(1, 2), (3,), (4, 5)], [3, 4, 5]),
        ([(1, 2, 3, 4, 5)], [3, 4, 5]),
        ([(1,), (2, 3, 4, 5), (6,)], [4, 5, 6]),
    ],
)
def test_the_last_three_rows_are_kept(batches: list[tuple[int, ...]], kept: list[int]) -> None:
    live = LiveRows(StreamType(SCHEMA), keep=3)
    for read in reads(*(batch(*values) for values in batches)):
        live.take(read)
    assert live.table() == pa.table({"x": pa.array(kept, pa.int64())})


def test_updates_keep_the_last_row_of_each_key() -> None:
    live = LiveRows(StreamType(pa.schema({"k": pa.int64(), "n": pa.int64()}), key=("k",)), keep=2)
    for rows in ([(1, 1), (2, 1)], [(1, 2)], [(3, 1), (1, 3)]):
        columns = [pa.array(column) for column in zip(*rows, strict=True)]
        live.take(ResultBatch(0, 0, pa.RecordBatch.from_arrays(columns, ["k", "n"])))
    assert live.table().to_pylist() == [{"k": 3, "n": 1}, {"k": 1, "n": 3}]
    assert live.total == 5


def test_live_rows_that_are_taken_back_leave() -> None:
    live = LiveRows(StreamType(SCHEMA), keep=10)
    for read in (*reads(batch(1), batch(2, 3), batch(4)), ResultBatch(1, 7, batch(5)), Rewind(0, 1)):
        live.take(read)
    assert live.table()["x"].to_pylist() == [1, 5]
    assert live.total == 2
    live.take(ResultBatch(0, 1, batch(2)))
    assert live.table()["x"].to_pylist() == [1, 5, 2]


def test_updates_are_not_taken_back() -> None:
    live = LiveRows(StreamType(SCHEMA, key=("x",)), keep=10)
    for read in (*reads(batch(1), batch(2)), Rewind(0, 1)):
        live.take(read)
    assert live.table()["x"].to_pylist() == [1, 2]


def test_a_callback_gets_the_number_of_its_batch_and_no_rewind() -> None:
    taken: list[pa.RecordBatch] = []
    callback = Callback(taken.append)
    for read in (*reads(batch(1), batch(2)), Rewind(0, 1), ResultBatch(0, 1, batch(2))):
        callback(read)
    assert [rows.schema.metadata[BATCH_ID] for rows in taken] == [b"0-0", b"0-1", b"0-1"]


def test_a_callback_that_replaces_later_batches_too_stores_each_row_once() -> None:
    stored: dict[tuple[bytes, int], list[int]] = {}

    def store(rows: pa.RecordBatch) -> None:
        task, number = rows.schema.metadata[BATCH_ID].split(b"-")
        for known in [known for known in stored if known[0] == task and known[1] >= int(number)]:
            del stored[known]
        stored[task, int(number)] = rows["x"].to_pylist()

    callback = Callback(store)
    again = ResultBatch(0, 1, batch(2, 3, 4))  # the rows of three batches in one
    for read in (*reads(batch(1), batch(2), batch(3), batch(4)), ResultBatch(1, 3, batch(5)), Rewind(0, 1), again):
        callback(read)
    assert sorted(value for values in stored.values() for value in values) == [1, 2, 3, 4, 5]
