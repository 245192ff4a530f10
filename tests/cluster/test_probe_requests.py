"""Which operator a probe is about, and one answer out of those of many tasks."""

import pyarrow as pa
import pytest

from sabotnb.cluster.probe_requests import Aim, aim, combined
from sabotnb.errors import JobError
from sabotnb.protocol import ChainedOperator, JobEdge, JobState, JobTopology, JobVertex, RunId, RunStatus


def vertex(name, *operators, writes=False):
    keyed = {"late_only", "by_carrier"}
    chain = tuple(ChainedOperator(one, "kind", ("carrier",) if one in keyed else ()) for one in operators or (name,))
    return JobVertex(name, 2, chain, writes=writes)


STATUS = RunStatus(
    run=RunId("late", 7),
    owner="owner",
    state=JobState.RUNNING,
    submitted=0.0,
    started=0.0,
    changed=0.0,
    topology=JobTopology.of(
        (
            vertex("source_0", "source_0", "late_only"),
            vertex("by_carrier"),
            vertex("by_day", "by_day", "shown", writes=True),
            vertex("out", writes=True),
        ),
        (
            JobEdge(0, "source_0", "by_carrier", 0, "hash", "late_only"),
            JobEdge(1, "source_0", "by_day", 0, "hash", "source_0"),
            JobEdge(2, "by_carrier", "out", 0, "hash", "by_carrier"),
        ),
        removed={"filter_9": "runs in source_0 (push filters)"},
    ),
)


@pytest.mark.parametrize(
    ("target", "operator", "vertex"),
    [
        ("source_0", "source_0", "source_0"),
        ("late", "late_only", "source_0"),
        ("by_c", "by_carrier", "by_carrier"),
        ("source_0->by_carrier", "late_only", "source_0"),
        ("late_only -> by_carrier", "late_only", "source_0"),
        ("source_0->by_day:0", "source_0", "source_0"),
        ("late@7:source_0->by_day:0", "source_0", "source_0"),
        ("source_0->late_only", "source_0", "source_0"),
    ],
)
def test_operators_are_named_by_id_beginning_or_edge(target, operator, vertex):
    found = aim(STATUS, target)
    assert (found.operator, found.vertex, found.note) == (operator, vertex, "")


@pytest.mark.parametrize(
    ("sink", "operator", "vertex"), [("shown", "by_day", "by_day"), ("out", "by_carrier", "by_carrier")]
)
def test_of_a_sink_is_shown_what_enters_it(sink, operator, vertex):
    found = aim(STATUS, sink)
    assert (found.operator, found.vertex, found.note) == (operator, vertex, f"what enters {sink}")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("by_", "'by_' is the beginning of several; choose one of: by_carrier, by_day"),
        ("planes", "job 'late' has no operator 'planes'; choose one of: source_0, late_only, by_carrier"),
        ("", "job 'late' has no operator ''; choose one of: source_0"),
        ("by_carrier->source_0", "job 'late' has no edge .*; choose one of: source_0->by_carrier, source_0->by_day"),
        ("filter_9", r"filter_9 is not a separate operator of the running job: runs in source_0 \(push filters\)"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(target, message):
    with pytest.raises(JobError, match=message):
        aim(STATUS, target)


def answer(index, rows, seen, hot=(), watermark=None):
    batch = pa.record_batch({"n": pa.array(rows, pa.int64())})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    batch_bytes = sink.getvalue().to_pybytes() if rows else b""
    common = {"index": index, "seen": seen, "kept": seen, "seconds": 2.0, "watermark": watermark}
    return common | {"batch": batch_bytes, "hot": list(hot)}


AIM = Aim("by_carrier", "by_carrier", ("carrier",))


def test_the_last_rows_of_all_tasks_are_taken():
    found = combined(AIM, [answer(0, range(10), 10), answer(1, [], 0), answer(2, range(100, 110), 10)], 4, "")
    assert found.table["n"].to_pylist() == [8, 9, 108, 109]
    assert (found.seen, found.seconds, found.note) == (20, 2.0, "")


def test_hot_keys_are_added_up():
    answers = [answer(0, [1], 60, [["UA", 50], ["AA", 10]], 5), answer(1, [1], 40, [["AA", 20]], 3)]
    found = combined(AIM, answers, 10, "")
    assert found.hot == (("UA", 0.5), ("AA", 0.3))
    assert found.watermark == 3


def test_rows_that_do_not_come_are_explained():
    found = combined(AIM, [answer(0, [], 0), answer(1, [], 0)], 10, "the job is paused")
    assert found.table.num_rows == 0
    assert found.note == "no rows left by_carrier in 2.0 s; the job is paused"
    assert combined(AIM, [], 10, "").note == "all tasks of by_carrier are over"
