"""``check(runs=)``: results that depend on batches or parallelism are found, and the operator that makes them."""

from datetime import datetime, timedelta

import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.errors import GraphError, InconsistentResults

START = datetime(2024, 1, 1)
EVENTS = sb.Stream.from_rows([{"k": i % 5, "x": i, "t": START + timedelta(seconds=i)} for i in range(200)])
TIMED = EVENTS.with_event_time("t")


class Counts(sb.KeyedProcess):
    n = sb.value("int64", default=0)
    output = {"k": "int64", "n": "int64"}

    def on_row(self, row, ctx):
        self.n.set(self.n.get() + 1)
        ctx.timer("30s")

    def on_timer(self, at, ctx):
        if self.n.get() == 40:
            yield {"k": ctx.key, "n": 40}
            self.n.set(0)


@pytest.mark.parametrize(
    "stream",
    [
        EVENTS.filter(col("x") > 3).group_by("k").agg(total=col("x").sum(), mean=col("x").mean()),
        EVENTS.map_rows(lambda row: {"k": row["k"]}).distinct().sort("k"),
        EVENTS.join(EVENTS.select("k", y=col("x")).filter(col("y") < 7), on="k", how="left"),
        TIMED.group_by("k").window(sb.sliding("20s", every="10s")).agg(n=sb.count()),
        TIMED.group_by("k").process(Counts),
        EVENTS.named("rows", parallelism=2).map_async(lambda row: {"x": row["x"]}, {"x": "int64"}, ordered=False),
    ],
)
def test_results_that_do_not_depend_on_the_division_pass(stream):
    stream.check(runs=4)


def first_of_batch(batch):
    return batch.slice(0, 1)


def numbered(batch):
    return {"k": batch["k"], "x": batch["x"], "number": list(range(batch.num_rows))}


def test_a_function_that_depends_on_batches_is_named():
    stream = EVENTS.map_batches(first_of_batch).group_by("k").agg(n=sb.count())
    with pytest.raises(InconsistentResults) as raised:
        stream.check(runs=5)
    said = str(raised.value)
    assert said.startswith("run ")
    assert "returns other rows than the run as a whole; the first operator whose rows differ is map (" in said
    assert "test_repeated_runs.py" in said
    assert "unexpected:" in said
    assert "together by .group_by(...)" in said


def test_a_named_operator_has_its_name():
    with pytest.raises(InconsistentResults, match="whose rows differ is mine"):
        EVENTS.map_batches(numbered, {"k": "int64", "x": "int64", "number": "int64"}).named("mine").check(runs=5)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(GraphError, match="this stream is endless; leave runs out"):
        sb.Stream.from_rate(10).check(runs=1)
    with pytest.raises(GraphError, match="can be read only once"):
        sb.Stream.from_generator(lambda: [{"x": 1}], {"x": "int64"}).check(runs=1)
    with pytest.raises(GraphError, match="give the number of runs"):
        EVENTS.check(runs=-1)


def test_without_runs_nothing_runs():
    def fails(batch):
        raise ValueError("ran")

    EVENTS.map_batches(fails, {"x": "int64"}).check()


def test_files_are_read_in_random_parts(tmp_path):
    EVENTS.to_pandas().to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InconsistentResults):
        sb.Stream.from_parquet(tmp_path / "a.parquet").map_batches(first_of_batch).check(runs=5)
