"""Tasks that had ended before a cut run again if rows may reach them in the run that is restored from it."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from restarts import SMALL, compiled

import sabotnb as sb
from sabotnb import col
from sabotnb.execution.ended_tasks import ended_tasks
from sabotnb.protocol import ChainedOperator, CutKind, JobEdge, JobTopology, JobVertex, RunId, StoredCut, TaskId
from sabotnb.protocol import TaskSnapshot as Snapshot
from sabotnb.testing import CheckpointedRun

NUMBERS = [*range(20), *range(100, 1100)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A file that is read soon, and one that is not."""
    path = tmp_path_factory.mktemp("files")
    pq.write_table(pa.table({"x": NUMBERS[:20]}), path / "few.parquet")
    pq.write_table(pa.table({"x": NUMBERS[20:]}), path / "many.parquet")
    return path


def mapped(files, **settings):
    return files.select(y=col("x") + 1).named("mapped", **settings)


def joined(files, **settings):
    pairs = sb.Stream.from_rows([{"k": k, "n": k} for k in range(5)])
    keyed = files.select(y=col("x") + 1, k=col("x") % 5).named("mapped")
    return keyed.join(pairs, on="k", strategy="broadcast").named("joined", **settings)


def cut_when_one_task_has_ended(job, storage, vertex):
    """The first cut in which one of two tasks had ended."""
    with CheckpointedRun(job.execution, job.splits, str(storage), config=SMALL).start() as run:
        for polls in range(1, 200):
            cut = run.read(polls).take_cut()
            if any(snapshot.ended for snapshot in cut.snapshots(vertex)):
                assert not all(snapshot.ended for snapshot in cut.snapshots(vertex))
                return cut
    raise AssertionError("no task had ended")


@pytest.mark.parametrize(
    ("before", "after", "tasks", "vertex"),
    [
        (lambda files: mapped(files, parallelism=2), lambda files: mapped(files, parallelism=2), 3, "source_0"),
        (mapped, lambda files: mapped(files.rebalance()), 2, "source_0"),
        (lambda files: joined(files, parallelism=2), lambda files: joined(files, parallelism=2), 3, "joined"),
    ],
    ids=["own parallelism", "rebalance", "broadcast join"],
)
def test_all_rows_arrive_where_some_tasks_had_ended(folder, tmp_path, before, after, tasks, vertex):
    first = compiled(before(sb.Stream.from_parquet(str(folder))))[1]
    second = compiled(after(sb.Stream.from_parquet(str(folder))))[tasks - 1]
    cut = cut_when_one_task_has_ended(first, tmp_path, vertex)
    restored = CheckpointedRun(second.execution, second.splits, str(tmp_path), config=SMALL, restored_from=cut)
    with restored.start():
        assert sorted(row["y"] for row in restored.finish()) == [number + 1 for number in NUMBERS]


def stored(ended):
    """A cut of vertices with two tasks each, of which those of the indexes in ``ended`` had ended."""
    run = RunId("job", 1)
    return StoredCut(
        run,
        epoch=1,
        cut=1,
        kind=CutKind.SAVEPOINT,
        groups=8,
        parallelism=dict.fromkeys(ended, 2),
        operators={vertex: (vertex,) for vertex in ended},
        tasks={
            TaskId(run, vertex, i): Snapshot(ended=i in of_vertex)
            for vertex, of_vertex in ended.items()
            for i in (0, 1)
        },
    )


def topology(*edges, combining=(), writing=()):
    names = dict.fromkeys([*(up for up, _, _ in edges), *(down for _, down, _ in edges)])
    vertices = [
        JobVertex(name, 2, (ChainedOperator(name, "kind", combines=name in combining),), writes=name in writing)
        for name in names
    ]
    return JobTopology.of(vertices, [JobEdge(i, up, down, 0, kind, up) for i, (up, down, kind) in enumerate(edges)])


def test_tasks_stay_ended_below_tasks_that_had_ended():
    found = ended_tasks(stored({"a": [0], "b": [0]}), topology(("a", "b", "forward")))
    assert (list(found.indexes["b"]), list(found.again), list(found.above)) == ([0], [], [])


@pytest.mark.parametrize("kind", ["rebalance", "hash", "broadcast"])
def test_a_vertex_below_a_task_that_sends_runs_again_with_all_that_is_below_it(kind):
    job = topology(("a", "b", kind), ("b", "c", "forward"))
    found = ended_tasks(stored({"a": [0], "b": [0], "c": [0]}), job)
    assert (list(found.indexes["b"]), list(found.again), list(found.above)) == ([], ["b", "c"], [])


def test_a_vertex_runs_again_below_one_that_was_added():
    assert ended_tasks(stored({"b": [0, 1]}), topology(("added", "b", "forward"))).again == ["b"]


def test_results_that_were_sent_are_not_made_again_of_the_rest_of_the_rows():
    found = ended_tasks(stored({"a": [], "b": [0]}), topology(("a", "b", "hash"), combining=["b"]))
    assert (list(found.indexes["b"]), list(found.again), list(found.above)) == ([0], [], ["a"])


@pytest.mark.parametrize(("ended", "again", "above"), [([0], ["join"], []), ([0, 1], [], ["left"])])
def test_a_broadcast_side_is_there_as_long_as_one_task_has_it(ended, again, above):
    job = topology(("right", "join", "broadcast"), ("left", "join", "rebalance"))
    found = ended_tasks(stored({"left": [], "right": [0, 1], "join": ended}), job)
    assert (list(found.again), list(found.above)) == (again, above)


def test_a_task_that_waits_for_its_client_may_have_sent_its_end():
    job = topology(("show", "b", "hash"), combining=["b"], writing=["show"])
    assert not ended_tasks(stored({"show": [], "b": [0, 1]}), job).above
