"""Every type of edge between two worker processes, with credit for one batch; results are independent of layout."""

import re
from bisect import bisect_right
from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster_jobs import collected, line, mapped, submit
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb import connectors
from sabotnb.blobs import capture
from sabotnb.cluster import local_cluster
from sabotnb.expr import col
from sabotnb.graph import (
    Aggregate,
    AggregateColumn,
    EdgeHint,
    EdgeType,
    Filter,
    JobGraph,
    Join,
    Operator,
    Sink,
    Union,
)
from sabotnb.native import hash_rows, key_groups
from sabotnb.plan.sticky_tables import balanced_table

pytestmark = pytest.mark.cluster

FILES, ROWS, KEYS, TASKS = 3, 300, 13, 4
PER_FILE = ROWS // FILES
BOUNDS = (50, 150, 151)
N = pa.schema({"n": pa.int64(), "k": pa.int64()})


@pytest.fixture(scope="module")
def tight():
    """A cluster of two processes in which every channel has credit for one batch, and batches are small."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"GATE_BYTES": 1, "COLLECT_BYTES": 1, "COALESCE_ROWS": 1, "BATCH_ROWS": 7}.items():
            patch.setenv(f"SABOTNB_{name}", str(value))
        started = local_cluster(workers=2, slots=8)
    yield started
    started.close()


@pytest.fixture(scope="module")
def alone():
    """One agent, so that no row ever leaves its process."""
    started = local_cluster(workers=1, slots=8, processes=False)
    yield started
    started.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of a hundred rows each: n from 0 to 299, and k, one of thirteen keys."""
    made = tmp_path_factory.mktemp("numbers")
    for number in range(FILES):
        n = np.arange(number * PER_FILE, (number + 1) * PER_FILE)
        pq.write_table(pa.table({"n": n, "k": n % KEYS}, N), made / f"part-{number}.parquet")
    return made


def owner(k):
    """The task that has the key's group in a table of TASKS tasks."""
    group = key_groups(hash_rows([pa.array([k])]), 128)[0].as_py()
    return balanced_table(128, TASKS)[group]


def modulo(batch, tasks):
    return [n % tasks for n in batch["n"].to_pylist()]


EDGES = {
    "forward": (EdgeHint(EdgeType.FORWARD), FILES, lambda n: [n // PER_FILE]),
    "hash": (EdgeHint(EdgeType.HASH, ("k",)), TASKS, lambda n: [owner(n % KEYS)]),
    "broadcast": (EdgeHint(EdgeType.BROADCAST), TASKS, lambda n: [0, 1, 2, 3]),
    "range": (EdgeHint(EdgeType.RANGE, ("n",), bounds=BOUNDS), TASKS, lambda n: [bisect_right(BOUNDS, n)]),
    "custom": (EdgeHint(EdgeType.CUSTOM, function=capture(modulo, "partition_by")), TASKS, lambda n: [n % TASKS]),
    "gather": (EdgeHint(EdgeType.GATHER), TASKS, lambda n: [0]),
}


def to_files(folder, hint, tasks, out):
    """Files -> files over one edge; the tasks at its ends never share a slot, so most of it is between processes."""
    return (
        JobGraph()
        .add_operator(Operator("files", connectors.parquet(str(folder)), parallelism=FILES))
        .add_operator(Operator("out", Sink("parquet", {"path": str(out)}), parallelism=tasks, slot_group="sinks"))
        .connect("files", "out", hint=hint)
    )


def tasks_by_row(out):
    """Tasks that each n came to; a file is called after the task that wrote it."""
    found = defaultdict(list)
    for file in sorted(out.glob("part-*.parquet")):
        for n in pq.read_table(file)["n"].to_pylist():
            found[n].append(int(re.match(r"part-(\d+)", file.name)[1]))
    return found


def ran(cluster, name, graph):
    """The job's edge, after both of its ends ran on all agents."""
    status = submit(cluster, name, graph).wait()
    agents = {row["agent"] for row in cluster.slots()}
    for vertex in ("files", "out"):
        assert {row.agent for row in status.tasks if row.vertex == vertex} == agents
    return status.topology.edges[0]


@pytest.mark.parametrize("kind", EDGES)
def test_rows_come_to_the_tasks_that_the_edge_says(tight, folder, tmp_path, kind):
    hint, tasks, expected = EDGES[kind]
    assert ran(tight, f"edge-{kind}", to_files(folder, hint, tasks, tmp_path)).type == kind
    assert tasks_by_row(tmp_path) == {n: expected(n) for n in range(ROWS)}


def test_rebalance_brings_each_row_to_one_task(tight, folder, tmp_path):
    graph = to_files(folder, EdgeHint(EdgeType.REBALANCE), TASKS, tmp_path)
    assert ran(tight, "edge-rebalance", graph).type == "rebalance"
    assert {n: len(tasks) for n, tasks in tasks_by_row(tmp_path).items()} == dict.fromkeys(range(ROWS), 1)


def rows(run, *columns):
    """How often the client gets each row; nothing, not even a schema, comes from a job without any."""
    batches = run.cluster.jobs.batches(run.id, run.vertex, "collected")
    return Counter(tuple(row[name] for name in columns) for batch in batches for row in batch.to_pylist())


def test_a_self_join_finishes_with_one_batch_of_credit(tight, folder):
    graph = (
        JobGraph()
        .add_operator(Operator("files", connectors.parquet(str(folder)), parallelism=FILES))
        .add_operator(Operator("both", Join(("k",), ("k",), strategy="hash"), parallelism=TASKS))
        .add_operator(collected())
        .connect("files", "both", port=0)
        .connect("files", "both", port=1)
        .connect("both", "collected")
    )
    assert rows(submit(tight, "self-join", graph), "n", "n_right") == Counter(
        (left, right) for left in range(ROWS) for right in range(left % KEYS, ROWS, KEYS)
    )


def negative(batch):
    return pa.record_batch({"n": [-n for n in batch["n"].to_pylist()], "k": batch["k"]}, N)


def test_a_diamond_finishes_with_one_batch_of_credit(tight, folder):
    counted = Aggregate(("k",), (AggregateColumn("count", "count"),), N)
    graph = (
        JobGraph()
        .add_operator(Operator("files", connectors.parquet(str(folder)), parallelism=FILES))
        .add_operator(mapped(negative, N, parallelism=2))
        .add_operator(Operator("all", Union(2), parallelism=TASKS))
        .add_operator(Operator("counted", counted, parallelism=2))
        .add_operator(Operator("both", Join(("k",), ("k",), strategy="hash"), parallelism=TASKS))
        .add_operator(collected())
        .connect("files", "mapped")
        .connect("files", "all", port=0)
        .connect("mapped", "all", port=1)
        .connect("files", "counted")
        .connect("all", "both", port=0)
        .connect("counted", "both", port=1)
        .connect("both", "collected")
    )
    sizes = Counter(n % KEYS for n in range(ROWS))
    assert rows(submit(tight, "diamond", graph), "n", "k", "count") == Counter(
        (n, abs(n) % KEYS, sizes[abs(n) % KEYS]) for one in range(ROWS) for n in (one, -one)
    )


ROWS_OF_A_SOURCE = st.lists(
    st.tuples(st.integers(-5, 5), st.one_of(st.none(), st.sampled_from(["", "a", "b", "é" * 9]))), max_size=30
)


@settings(max_examples=12, deadline=None)
@given(data=st.data(), pieces=st.lists(ROWS_OF_A_SOURCE, min_size=1, max_size=4))
def test_results_do_not_depend_on_how_many_run_them(tight, alone, shared_cluster, data, pieces):
    cluster = data.draw(st.sampled_from([tight, alone, shared_cluster]), "cluster")
    schema = pa.schema({"n": pa.int64(), "k": pa.string()})
    graph = JobGraph().add_operator(Operator("all", Union(len(pieces)), parallelism=data.draw(st.integers(1, 3))))
    for number, piece in enumerate(pieces):
        table = pa.table(list(zip(*piece, strict=True)) or [[], []], schema=schema)
        one = Operator(f"piece_{number}", connectors.table(table), parallelism=data.draw(st.integers(1, 2)))
        graph = graph.add_operator(one).connect(one.id, "all", port=number)
    columns = (AggregateColumn("count", "count"), AggregateColumn("sum", "sum", "n"))
    rest = line(
        Operator("positive", Filter(col("n") >= 0)),
        Operator("by_k", Aggregate(("k",), columns, schema), parallelism=data.draw(st.integers(1, 4))),
        collected(),
    )
    for operator in rest.operators.values():
        graph = graph.add_operator(operator)
    graph = graph.connect("all", "positive").connect("positive", "by_k").connect("by_k", "collected")

    expected = defaultdict(list)
    for n, k in (row for piece in pieces for row in piece if row[0] >= 0):
        expected[k].append(n)
    run = submit(cluster, "anyhow", graph, parallelism=data.draw(st.integers(1, 3)))
    assert rows(run, "k", "count", "sum") == Counter((k, len(all_n), sum(all_n)) for k, all_n in expected.items())
