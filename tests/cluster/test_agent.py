"""What agents report of running tasks, and what they show of the rows in them."""

import pyarrow as pa
import pytest
from cluster_jobs import collected, endless, mapped, submit

pytestmark = pytest.mark.cluster

N = pa.schema({"n": pa.int64()})


def negated(batch):
    return pa.record_batch({"n": [-n for n in batch["n"].to_pylist()]}, N)


def test_agents_report_rows_by_operator_latency_and_queues(cluster):
    run = submit(cluster, "reported", endless())

    def metrics():
        return {vertex.id: vertex for vertex in cluster.jobs.metrics(run.id).vertices}

    run.wait_until(lambda status: status.state == "RUNNING")
    while not (found := metrics())["mapped"].latency or not found["mapped"].queued:
        assert run.status().state == "RUNNING"
    assert found["forever"].latency is None
    run.cancel()
    run.wait_over(10)
    found = metrics()  # those of different agents agree only now: while they ran, each was as old as its last report
    rows = {operator.id: operator.rows for vertex in found.values() for operator in vertex.operators}
    assert rows["forever"] >= found["mapped"].into.rows > 0
    assert rows["mapped"] > 0


def test_a_probe_shows_the_rows_behind_an_operator_of_a_running_job(cluster):
    run = submit(cluster, "probed", endless(mapped(negated, N), collected()))
    run.wait_until(lambda status: status.state == "RUNNING")
    probed = cluster.jobs.probe(run.id, "forever", rows=3, wait=30)
    run.cancel()
    run.wait_over(10)
    numbers = probed.table["n"].to_pylist()
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert probed.seen >= 3
