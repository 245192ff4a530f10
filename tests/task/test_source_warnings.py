"""Faults in the data of a source are logged once per operator and run, whichever task finds them."""

import pytest

import sabotnb as sb
from sabotnb.protocol import Attempt, RunId, SourceWarned, TaskId
from sabotnb.task import SourceWarnings
from sabotnb.task.source_warnings import MOST_JOBS


def warned(run=1, operator="a", kind="order", job="late", index=0):
    attempt = Attempt(TaskId(RunId(job, run), "v", index), 0, 0)
    return SourceWarned("agent-1", attempt, operator, kind, f"{kind} in {run}")


@pytest.mark.parametrize(
    ("faults", "logged"),
    [
        ([warned(), warned(index=1)], ["order in 1"]),
        ([warned(), warned(kind="ahead"), warned(operator="b")], ["order in 1", "ahead in 1", "order in 1"]),
        ([warned(), warned(run=2), warned(run=1), warned(run=2)], ["order in 1", "order in 2"]),
        ([warned(), warned(job="other")], ["order in 1"] * 2),
    ],
)
def test_a_fault_is_logged_once_per_operator_and_run(caplog, faults, logged):
    warnings = SourceWarnings()
    for fault in faults:
        warnings.log(fault)
    assert [record.getMessage() for record in caplog.records] == logged


def test_the_jobs_that_warned_last_are_known(caplog):
    warnings = SourceWarnings()
    for number in range(MOST_JOBS + 1):
        warnings.log(warned(job=str(number)))
    warnings.log(warned(job="1"))
    assert len(caplog.records) == MOST_JOBS + 1
    warnings.log(warned(job="0"))
    assert len(caplog.records) == MOST_JOBS + 2


@pytest.fixture
def unsorted(tmp_path):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    us = np.roll(np.linspace(0, 60_000_000, 20_000).astype("int64"), 2_000)
    for number in range(10):
        pq.write_table(pa.table({"t": pa.array(us).cast(pa.timestamp("us"))}), tmp_path / f"{number}.parquet")
    return sb.Stream.from_parquet(tmp_path, event_time="t")


@pytest.mark.parametrize("where", ["cluster", "process"])
def test_ten_files_out_of_order_are_one_line(unsorted, caplog, where):
    counted = unsorted.window(sb.tumbling("1m")).agg(n=sb.count())
    if where == "process":
        counted.check(runs=0)
        counted.head(timeout="20s")
    else:
        with sb.local(workers=2, slots=2, processes=False):
            counted.sink_live().run("unsorted", parallelism=4).wait()
    (line,) = [record.getMessage() for record in caplog.records if "runs backwards" in record.getMessage()]
    assert line.startswith("t runs backwards by up to 60 s in ")
