"""``map_async`` that is restored from a cut calls its function again with the rows that were in flight."""

import random

import async_gate
import pyarrow as pa
import pytest

from sabotnb.blobs import capture
from sabotnb.graph import MapAsync
from sabotnb.operators.map_async.async_operator import MapAsyncOperator
from sabotnb.testing.recovery_task import CutTask

SCHEMA = pa.schema({"x": pa.int64()})


async def answered(row):
    import asyncio

    import async_gate

    gate = async_gate.current()
    while not gate.open[row["x"]].is_set():  # noqa: ASYNC110  the test opens it from another thread
        await asyncio.sleep(0)
    return {"x": row["x"]}


def task_of(*, ordered, index=0, parallelism=1):
    spec = MapAsync(capture(answered, "map_async"), SCHEMA, concurrency=3, ordered=ordered)
    return CutTask(lambda _clock: MapAsyncOperator(spec, [SCHEMA]), index, parallelism)


def restored(cuts, parallelism, *, ordered, rescaled):
    tasks = [task_of(ordered=ordered, index=index, parallelism=parallelism) for index in range(parallelism)]
    exported = [cut.export() for cut in cuts]
    for index, task in enumerate(tasks):
        chosen = range(len(cuts)) if rescaled else [index]
        task.restore([cuts[n] for n in chosen], [exported[n] for n in chosen], rescaled=rescaled)
    return tasks


def rows_of(task):
    return [row["x"] for row in task.output.get("", [])]


def wait_answered(task, gate):
    """Wake the task until no result is left that may leave."""
    operator = task.operator
    while calls := [*operator._pending.in_flight][: 1 if operator._spec.ordered else None]:
        if not any(gate.open[call.row["x"]].is_set() for call in calls):
            return
        operator._any_done.wait(10)
        task.wake()


def push(task, numbers):
    task.push(0, pa.record_batch([pa.array([*numbers], pa.int64())], schema=SCHEMA))


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_rows_and_watermarks_in_flight_are_restored(seed, ordered):
    draw = random.Random(seed)
    gate, task = async_gate.renew(), task_of(ordered=ordered)
    before, left, us, pushed = {}, [], 0, 0
    for _ in range(8):
        match draw.choice(["push", "push", "advance", "answer", "cut", "cut"]):
            case "push":
                last = min(10, pushed + draw.randint(1, 3))
                if pushed < last:
                    push(task, range(pushed, last))
                pushed = last
            case "advance":
                us += 5
                before[us] = pushed
                task.advance(us)
            case "answer":
                gate.open[draw.randrange(10)].set()
                wait_answered(task, gate)
            case "cut":
                cut = task.cut()
                left += rows_of(task)
                released = task.released
                task.operator.close()
                (task,) = restored([cut], 1, ordered=ordered, rescaled=False)
                assert task.released == released
        so_far = {*left, *rows_of(task)}
        assert all(x in so_far for at, end in before.items() if at <= task.released for x in range(end))
    for event in gate.open.values():
        event.set()
    wait_answered(task, gate)
    got = left + rows_of(task)
    assert (got if ordered else sorted(got)) == [*range(pushed)]
    assert task.released == us or not us
    task.operator.close()


@pytest.mark.parametrize(("tasks", "after"), [(2, 1), (1, 2), (2, 3)])
def test_rows_in_flight_are_dealt_to_other_tasks(tasks, after):
    gate, old = async_gate.renew(), [task_of(ordered=True, index=index, parallelism=tasks) for index in range(tasks)]
    for number, task in enumerate(old):
        push(task, [number, number + 4])
        task.advance(10 + number)
    cuts = [task.cut() for task in old]
    new = restored(cuts, after, ordered=True, rescaled=True)
    for event in gate.open.values():
        event.set()
    for task in new:
        task.wake()
        wait_answered(task, gate)
    assert sorted(x for task in new for x in rows_of(task)) == sorted(x for n in range(tasks) for x in (n, n + 4))
    assert [task.released for task in new] == [10] * after
    for task in (*old, *new):
        task.operator.close()
