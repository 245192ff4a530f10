"""Probes of running jobs on real agents."""

import pyarrow as pa
import pytest
from cluster_jobs import line, mapped, submit

from sabotnb import connectors
from sabotnb.errors import JobError
from sabotnb.graph import Operator, Sink

pytestmark = pytest.mark.cluster


N = pa.schema({"n": pa.int64()})


def tenfold(batch):
    return pa.record_batch({"n": [10 * n for n in batch["value"].to_pylist()]}, N)


@pytest.fixture
def ticking(cluster):
    ticks = Operator("ticks", connectors.rate(500), parallelism=1)
    return submit(cluster, "ticking", line(ticks, mapped(tenfold, N), Operator("kept", Sink("live", {"keep": 10}))))


def test_a_probe_shows_the_last_rows_of_an_operator(ticking):
    ticking.wait_metrics(lambda it: it.rows_in.rows > 0)
    before = ticking.cluster.jobs.probe(ticking.id, "ticks", rows=5, wait=30)
    after = ticking.cluster.jobs.probe(ticking.id, "mapped", rows=5, wait=30)
    assert (before.table.column_names, after.table.column_names) == (["time", "value"], ["n"])
    assert 0 < before.table.num_rows <= 5
    assert 0 < after.table.num_rows <= 5
    assert all(n % 10 == 0 for n in after.table["n"].to_pylist())
    assert after.seen >= after.table.num_rows


def test_of_a_sink_the_rows_that_enter_it_are_shown(ticking):
    found = ticking.cluster.jobs.probe(ticking.id, "kept", wait=30)
    assert (found.operator, found.table.column_names, found.note) == ("mapped", ["n"], "what enters kept")


def test_a_paused_job_explains_why_no_rows_come(ticking):
    ticking.wait_metrics(lambda it: it.rows_in.rows > 0)
    ticking.cluster.jobs.pause(ticking.id)
    before, after = 0, 1
    while before != after:  # rows that were under way when the source paused
        first = ticking.wait_metrics(lambda it: True)
        last = ticking.wait_metrics(lambda it, at=first.at: it.at > at + 1)
        before, after = first.rows_in.rows, last.rows_in.rows
    found = ticking.cluster.jobs.probe(ticking.id, "mapped", wait=0.2)
    assert found.table.num_rows == 0
    assert found.note.startswith("no rows left mapped in ")
    assert found.note.endswith("; the job is paused")


def test_a_job_that_is_over_has_no_rows_to_look_at(ticking):
    ticking.cancel()
    ticking.wait_over()
    with pytest.raises(JobError, match="ticking is CANCELED: no rows pass mapped"):
        ticking.cluster.jobs.probe(ticking.id, "mapped")
