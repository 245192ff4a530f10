"""Job graphs as data: written to files, read by another session, run there, with equal results."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

import sabotnb as sb
from sabotnb import col, errors

pytestmark = pytest.mark.cluster

NUMBERS = pa.table({"x": range(1000), "k": [number % 7 for number in range(1000)]})


@pytest.fixture(scope="module")
def env() -> Iterator[sb.Env]:
    with sb.local(workers=2, slots=4, processes=False) as env:
        yield env


def saved(graph: sb.JobGraph, folder: Path) -> sb.JobGraph:
    """The graph after a trip through files."""
    (folder / "job.json").write_text(json.dumps(graph.to_dict()))
    (folder / "blobs").mkdir()
    for sha256, blob in graph.blobs().items():
        (folder / "blobs" / sha256).write_bytes(blob)
    blobs = {file.name: file.read_bytes() for file in (folder / "blobs").iterdir()}
    return sb.JobGraph.from_dict(json.loads((folder / "job.json").read_text()), blobs)


@sb.udf("int64", engine="row")
def squared(x: int) -> int:
    return x * x


def parity(row: dict[str, int]) -> dict[str, int]:
    return {"k": 10 // row["k"], "x": row["x"]}


NAMES = sb.Stream.from_rows([{"k": number, "name": f"n{number}"} for number in range(7)])
PIPELINES = {
    "expressions and a join": lambda s: s.filter(col("x") > 10).with_columns(y=squared(col("x"))).join(NAMES, on="k"),
    "groups": lambda s: s.group_by("k").agg(n=sb.count(), q=col("x").quantile(0.5)),
    "functions and a side": lambda s: s.map_rows(parity, schema={"k": "int64", "x": "int64"}, on_error="side").side(
        "errors"
    ),
    "ranges": lambda s: s.range_partition("x").map_batches(lambda batch: batch).named("ranges", parallelism=2),
    "a fold": lambda s: s.group_by("k").reduce(lambda left, right: {"x": left["x"] + right["x"]}),
}


@pytest.mark.parametrize("kind", PIPELINES)
def test_a_graph_that_was_read_again_gives_equal_results(env: sb.Env, tmp_path: Path, kind: str) -> None:
    stream = PIPELINES[kind](sb.Stream.from_arrow(NUMBERS))
    graph = saved(stream.sink_parquet(tmp_path / "out").to_job_graph(), tmp_path)
    job = env.submit_stream_job(graph, f"again {kind}")
    job.wait(timeout=60)
    written = ds.dataset(tmp_path / "out").to_table().to_pylist()
    assert sorted(written, key=repr) == sorted(stream.to_rows(), key=repr)


def test_live_sinks_of_a_graph_keep_their_rows(env: sb.Env, tmp_path: Path) -> None:
    graph = saved(sb.Stream.from_arrow(NUMBERS).sort("x").sink_live(keep=3).to_job_graph(), tmp_path)
    job = env.submit_stream_job(graph, "read live")
    assert job.wait(timeout=60).rows_out == 1000
    assert job.rows["x"].to_pylist() == [997, 998, 999]


def test_a_stream_and_its_graph_are_one_job(env: sb.Env, tmp_path: Path) -> None:
    sink = sb.Stream.from_rate(1000).sink_live()
    job = sink.run("one job")
    assert env.submit_stream_job(saved(sink.to_job_graph(), tmp_path), "one job") is job
    job.cancel()


def test_what_cannot_be_submitted_says_why(env: sb.Env) -> None:
    stream = sb.Stream.from_arrow(NUMBERS)
    with pytest.raises(errors.GraphError, match="it has no sink"):
        env.submit_stream_job(stream.to_job_graph())
    with pytest.raises(errors.GraphError, match=r"'sink_0' hands its rows to a function of the session that wrote it"):
        env.submit_stream_job(stream.sink_callback(print).to_job_graph())
    with pytest.raises(errors.GraphError, match=r"Stream is not a job graph; give stream.sink_parquet\('out'\)"):
        env.submit_stream_job(stream)
    with pytest.raises(errors.GraphError, match="parallelism is 0"):
        env.submit_stream_job(stream.sink_live().to_job_graph(), parallelism=0)
