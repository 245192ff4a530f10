"""A job with more state than it may hold in memory loses a worker, goes on, and finishes."""

import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sabotnb as sb
from sabotnb import col

pytestmark = pytest.mark.cluster

ROWS, FILES, KEYS = 20_000, 15, 100_000
SETTINGS = {"STATE_BYTES": "1000000", "BATCH_ROWS": "2000", "HEARTBEAT_SECONDS": "0.2"}


@pytest.fixture(scope="module")
def spilling(tmp_path_factory):
    """A cluster whose operators hold a megabyte of state, and the folder of its temporary files."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TMPDIR", str(folder))
        environment.setattr(tempfile, "tempdir", None)
        for name, value in SETTINGS.items():
            environment.setenv(f"SABOTNB_{name}", value)
        env = sb.local(workers=2, slots=4)
        yield env, folder
        env.close()


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    """Files of orders; most customers have a few."""
    folder = tmp_path_factory.mktemp("orders")
    draw = np.random.default_rng(5)
    for number in range(FILES):
        columns = {"customer": draw.integers(0, KEYS, ROWS), "order": np.arange(ROWS) + number * ROWS}
        pq.write_table(pa.table(columns), folder / f"{number}.parquet", row_group_size=4000)
    return folder


def test_a_job_that_spills_goes_on_from_its_checkpoint(spilling, orders, tmp_path):
    env, temporary = spilling
    rows = sb.Stream.from_parquet(orders)
    totals = rows.group_by("customer").agg(n=sb.count(), last=col("order").max())
    joined = rows.join(totals, on="customer", strategy="hash")
    checkpoint = sb.checkpoint("0.2s", storage=tmp_path / "ckpt")
    job = joined.sink_parquet(tmp_path / "out").run("spilling", checkpoint=checkpoint, parallelism=2, env=env)
    while not job.metrics()["spilled_bytes"].sum() or job.checkpoints().empty:
        assert not job.wait_changed(0.1), "the job has ended too early"
    env.kill_worker(0)
    job.wait(120)
    assert job.status.restarts == 1
    assert list(temporary.glob("sabotnb-state-*")) == []
    assert differences(orders, tmp_path / "out") == (ROWS * FILES, 0)


def differences(orders: Path, output: Path) -> tuple[int, int]:
    """The number of rows of the output, and of those that are not in the answer of DuckDB, or are missing."""
    expected = f"""select * from '{orders}/*.parquet' join (
        select customer, count(*) as n, max("order") as last from '{orders}/*.parquet' group by customer
    ) using (customer)"""
    with duckdb.connect() as connection:
        found = f"""select customer, "order", n, last from '{output}/*.parquet'"""
        query = f"select count(*) from (({found} except all {expected}) union all ({expected} except all {found}))"
        wrong = connection.sql(query).fetchall()[0][0]
        return connection.sql(f"select count(*) from ({found})").fetchall()[0][0], wrong
