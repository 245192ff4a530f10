import re

import distributed
import pyarrow as pa
import pytest
from cluster_jobs import collected, endless, line, mapped, numbers, submit

from sabotnb import connectors
from sabotnb.cluster import connect
from sabotnb.graph import Operator, Sink

pytestmark = pytest.mark.cluster


def found(cluster):
    return [str(finding) for finding in cluster.check()]


def test_nothing_is_wrong(cluster):
    assert found(cluster) == []


def test_held_slots_and_who_waits_for_them(cluster):
    holder = submit(cluster, "holder", endless(), parallelism=8)
    holder.wait_until(lambda status: status.state == "RUNNING")
    submit(cluster, "waiting", line(numbers(3), collected()))
    assert found(cluster) == [
        "cluster: all 8 slots are held (holder): env.scale(3) or cancel a job",
        "job 'waiting': needs 2 slots, 0 free (job 'holder' holds 8): env.scale(3)",
    ]


def crumbs(batch):
    return [batch.slice(start, 1) for start in range(batch.num_rows)]


def test_batches_of_a_few_rows(cluster):
    run = submit(
        cluster,
        "crumbs",
        line(numbers(1_000_000), mapped(crumbs, pa.schema({"n": pa.int64()})), collected()),
        parallelism=1,
    )
    run.wait_metrics(lambda metrics: any(task.out.batches_rate > 1000 for task in metrics.tasks))
    (finding,) = cluster.check()
    assert finding.subject == "job 'crumbs', numbers[0]"
    assert re.fullmatch(
        r"sends [\d,]+ batches per second of 1 rows each: overhead per batch dominates", finding.problem
    )
    assert finding.advice.startswith("let its function give larger batches")


def test_a_slow_stream_may_have_small_batches(cluster):
    ticks = Operator("ticks", connectors.rate(100), parallelism=1)
    run = submit(cluster, "slow", line(ticks, Operator("kept", Sink("live", {"keep": 10}))))
    run.wait_metrics(lambda metrics: any(task.out.batches_rate > 0 for task in metrics.tasks))
    assert cluster.check() == []


def test_a_cluster_without_workers():
    with distributed.LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as dask_cluster:
        cluster = connect(dask_cluster.scheduler_address)
        assert found(cluster) == [
            f"cluster: no agents are registered: env.scale(2), or `dask worker {cluster.address}`"
        ]
        cluster.close()
