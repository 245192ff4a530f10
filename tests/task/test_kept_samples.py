"""Late and failing rows: the last are kept, bounded in rows and bytes."""

import pyarrow as pa

from sabotnb.protocol import Failure
from sabotnb.task.kept_samples import KEPT_BYTES, KEPT_ROWS, KeptSamples


def batch(*values):
    return pa.record_batch([pa.array(values)], ["x"])


def rows_of(answer):
    return pa.ipc.open_stream(answer["batch"]).read_all().to_pylist()


def kept(samples):
    return [
        (answer["operator"], answer["kind"], answer["time"], [row["x"] for row in rows_of(answer)])
        for answer in samples.answers()
    ]


def test_the_last_rows_of_each_operator_and_kind_are_kept():
    times = iter(range(10))
    samples = KeptSamples(lambda: next(times))
    samples.note("a", "late", batch(*range(100)))
    samples.note("a", "errors", batch(1))
    samples.note("b", "late", batch(2))
    samples.note("b", "alerts", batch(3))
    last = list(range(100 - KEPT_ROWS, 100))
    assert kept(samples) == [("a", "late", 0, last), ("a", "errors", 1, [1]), ("b", "late", 2, [2])]
    samples.note("a", "late", batch(200))
    assert kept(samples)[0] == ("a", "late", 3, [200])


def test_large_rows_are_left_out():
    samples = KeptSamples()
    samples.note("a", "late", batch("x" * KEPT_BYTES))
    assert samples.answers() == []
    samples.note("a", "late", batch("x" * KEPT_BYTES, "y" * (KEPT_BYTES // 2), "z"))
    assert [[text[0] for text in rows] for *_, rows in kept(samples)] == [["z"]]
    samples.note("a", "late", batch("v" * (KEPT_BYTES * 2 // 3)))
    samples.note("a", "late", batch("w" * (KEPT_BYTES * 2 // 3)))
    assert [[text[0] for text in rows] for *_, rows in kept(samples)] == [["w"]]


def test_the_row_that_ended_the_job_is_kept_as_text():
    samples = KeptSamples()
    samples.note_failure(
        Failure("UserFunctionError", "map_0: f raised ValueError\nmore", operator="map_0", sample="x 1")
    )
    (answer,) = samples.answers()
    assert (answer["operator"], answer["kind"]) == ("map_0", "failed")
    assert rows_of(answer) == [{"reason": "map_0: f raised ValueError", "row": "x 1"}]
