"""Which task loads what of the states of a cut."""

from dataclasses import replace

import pyarrow as pa
import pytest
from frozen_states import RUN, batch, state
from taskjobs import Custom, graph, vertex

from sabotnb.graph import Operator as Node
from sabotnb.graph import Union
from sabotnb.protocol import Attempt, Placement, Scope, StateSpec, TaskId, TaskRestore
from sabotnb.state import GroupedRows
from sabotnb.storage import write_states
from sabotnb.task import Assignment
from sabotnb.task.state_loading import OwnedState, load_states
from sabotnb.task.steps import Steps

SCHEMA = pa.schema([("k", pa.int64())])
NODE = Node("op", Union(1))
GROUPS = 8


def rows_of(*keys):
    """The keys by key group."""
    held = GroupedRows(SCHEMA, ("k",), GROUPS)
    held.add(batch(k=list(keys)))
    return {group: list(held.export(group)) for group in held.groups()}


def loaded(states, index, parallelism, *, files, rescaled, domain=True):
    """The keys that task ``index`` loads into each of ``states``."""
    job = graph([vertex("op", Custom(None), parallelism=parallelism)])
    job = replace(job, vertices={"op": replace(job.vertices["op"], domain="op" if domain else None)}, groups=GROUPS)
    table = tuple(group * parallelism // GROUPS for group in range(GROUPS))
    assignment = Assignment(
        Attempt(TaskId(RUN, "op", index), 0, 2), replace(job, tables={"op": table}), Placement({}, {}, {})
    )
    owned = OwnedState.of(assignment, TaskRestore(files=files, rescaled=rescaled))
    load_states({"op": states}, [NODE], files, owned, Steps())
    return {
        spec.name: sorted(
            key for group in held.groups() for rows in held.export(group) for key in rows["k"].to_pylist()
        )
        for spec, held in states.items()
    }


@pytest.fixture
def files(tmp_path):
    """The files of three tasks that had the keys 0-9, 10-19 and 20-29 in states of each scope."""
    return tuple(
        write_states(
            str(tmp_path),
            RUN,
            1,
            1,
            TaskId(RUN, "op", task),
            [
                state("op", "keyed", rows_of(*range(task * 10, task * 10 + 10))),
                state("op", "all", {0: [batch(k=[task])]}, scope=Scope.BROADCAST),
                state("op", "flight", {0: [batch(k=[task])]}, scope=Scope.TASK),
                state("removed", "rows", {0: [batch(k=[task])]}),
            ],
        )
        for task in range(3)
    )


def states():
    return {
        StateSpec("keyed"): GroupedRows(SCHEMA, ("k",), GROUPS),
        StateSpec("all", Scope.BROADCAST): GroupedRows(SCHEMA, (), GROUPS),
        StateSpec("flight", Scope.TASK): GroupedRows(SCHEMA, (), GROUPS),
    }


def test_a_task_of_the_same_parallelism_loads_its_own_file(files):
    for domain in (True, False):
        assert loaded(states(), 1, 3, files=files[1:2], rescaled=False, domain=domain) == {
            "keyed": list(range(10, 20)),
            "all": [1],
            "flight": [1],
        }


@pytest.mark.parametrize("parallelism", [1, 2, 3, 5])
@pytest.mark.parametrize("domain", [True, False])
def test_tasks_of_another_parallelism_share_keyed_state_by_group_and_the_rest_by_file(files, parallelism, domain):
    tasks = [
        loaded(states(), index, parallelism, files=files, rescaled=True, domain=domain) for index in range(parallelism)
    ]
    assert sorted(key for task in tasks for key in task["keyed"]) == list(range(30))
    assert [task["all"] for task in tasks] == [[0]] * parallelism
    assert [task["flight"] for task in tasks] == [list(range(index, 3, parallelism)) for index in range(parallelism)]
    if domain:
        for index, task in enumerate(tasks):
            assert {group * parallelism // GROUPS for group in rows_of(*task["keyed"])} <= {index}
