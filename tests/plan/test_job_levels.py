import json

import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import col, display
from sabotnb.api import views
from sabotnb.plan import JobLevels, dump, dump_levels, explain, load_levels, physical

AT = pa.table({"at": pa.array([1, 2], pa.timestamp("us")), "k": ["a", "b"], "n": [1, 2]})


def shout(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch


@sb.udf(pa.int64(), engine="arrow")
def twice(numbers: pa.Array) -> pa.Array:
    return numbers


class Seen(sb.KeyedProcess):
    count = sb.value(pa.int64(), default=0)
    output = {"k": pa.string()}

    def on_row(self, row, ctx):
        yield {"k": row["k"]}


def rows(**more) -> sb.Stream:
    return sb.Stream.from_arrow(AT, **more)


STREAMS = {
    "rows": rows,
    "a chain that is merged": lambda: rows().filter(col("n") > 0).filter(col("k") != "c").with_columns(m=col("n") * 2),
    "functions": lambda: rows().map_batches(shout, AT.schema).with_columns(m=twice(col("n"))),
    "a table of the session": lambda: rows().lookup_join(AT.select(["k"]), on="k"),
    "a union and a join": lambda: sb.union(rows(), rows()).join(rows().select("k"), on="k"),
    "a window": lambda: rows(event_time="at").group_by("k").window(sb.tumbling("1h")).agg(n=sb.count()),
    "a process": lambda: rows(event_time="at").group_by("k").process(Seen),
}


@pytest.mark.parametrize("name", STREAMS)
def test_levels_that_were_kept_are_described_as_the_job_was(name):
    levels = views.compiled(STREAMS[name]().flow).levels
    kept = json.loads(json.dumps([dump_levels(levels), dump(levels.execution)[0]]))
    read = load_levels(*kept)
    assert explain(read.logical, read.optimized, read.execution) == explain(
        levels.logical, levels.optimized, levels.execution
    )
    assert display.scenes(read) == display.scenes(levels)


def test_rows_of_sources_are_kept():
    compiled = views.compiled(rows().flow)
    levels = JobLevels(compiled.graph, compiled.optimized, compiled.execution, {"from_arrow_0": 2})
    assert load_levels(dump_levels(levels), dump(levels.execution)[0]).rows == {"from_arrow_0": 2}


def test_a_job_that_was_not_optimized_has_two_levels():
    graph = views.compiled(rows().filter(col("n") > 0).flow).graph
    execution = physical(graph, 1)
    read = load_levels(dump_levels(JobLevels(graph, None, execution)), dump(execution)[0])
    assert read.optimized is None
    assert read.removed() == {}


def test_removed_operators_say_where_they_went():
    levels = views.compiled(rows().filter(col("n") > 0).filter(col("k") != "c").flow).levels
    assert levels.removed() == {"filter_1": "runs in filter_0"}
