"""The whole road across two worker processes: files, kernels, shuffle, committed output."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster_jobs import collected, line, mapped, numbers, submit

from sabotnb import connectors
from sabotnb.errors import JobFailed
from sabotnb.expr import col
from sabotnb.graph import Aggregate, AggregateColumn, Filter, Operator, Sink

pytestmark = pytest.mark.cluster

ROWS = 20_000


@pytest.fixture(scope="module")
def flights(tmp_path_factory):
    """Four files of made flights, and the same rows as one table."""
    folder = tmp_path_factory.mktemp("flights")
    table = pa.table(
        {
            "carrier": [("UA", "AA", "DL", None)[n % 4] for n in range(ROWS)],
            "delay": pa.array([n % 97 - 20 for n in range(ROWS)], pa.int64()),
        }
    )
    for part in range(4):
        piece = table.slice(part * ROWS // 4, ROWS // 4)
        pq.write_table(piece, folder / f"part-{part}.parquet", row_group_size=1000)
    return folder, table


def by_carrier(flights, out):
    folder, _ = flights
    return line(
        Operator("flights", connectors.parquet(str(folder))),
        Operator("late", Filter(col("delay") > 15)),
        Operator(
            "by_carrier",
            Aggregate(
                ("carrier",),
                (AggregateColumn("n", "count"), AggregateColumn("worst", "max", "delay")),
                pa.schema({"carrier": pa.string(), "delay": pa.int64()}),
            ),
        ),
        Operator("out", Sink("parquet", {"path": str(out), "mode": "error"})),
    )


def expected(flights):
    _, table = flights
    late = table.filter(pa.compute.greater(table["delay"], 15))
    groups = late.group_by("carrier").aggregate([([], "count_all"), ("delay", "max")])
    return groups.select(["carrier", "count_all", "delay_max"]).rename_columns(["carrier", "n", "worst"]).to_pylist()


def test_files_become_files_through_a_shuffle(cluster, flights, tmp_path):
    run = submit(cluster, "end-to-end", by_carrier(flights, tmp_path / "out"))
    status = run.wait()

    written = pq.read_table(tmp_path / "out").select(["carrier", "n", "worst"]).to_pylist()
    assert sorted(written, key=str) == sorted(expected(flights), key=str)
    assert status.counts == {"FINISHED": len(status.tasks)}
    assert {row.agent for row in status.tasks} == {row["agent"] for row in cluster.slots()}
    assert sum(row.counters.rows_in for row in status.tasks if row.vertex == "flights") == ROWS


def test_rows_come_to_the_client_from_both_agents(cluster):
    run = submit(cluster, "numbers", line(numbers(200_000), collected()))
    assert sorted(run.table()["n"].to_pylist()) == list(range(200_000))
    run.wait()


def fail_on_seven(batch):
    if 7 in batch["n"].to_pylist():
        raise ValueError("seven is right out")
    return batch


def test_a_failed_job_leaves_no_output(cluster, tmp_path):
    run = submit(
        cluster,
        "half",
        line(
            numbers(10),
            mapped(fail_on_seven, pa.schema({"n": pa.int64()})),
            Operator("out", Sink("parquet", {"path": str(tmp_path / "out"), "mode": "error"})),
        ),
    )
    with pytest.raises(JobFailed, match="seven is right out"):
        run.wait()
    assert not list(tmp_path.rglob("*.parquet"))
