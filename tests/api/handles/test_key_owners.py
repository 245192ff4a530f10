"""Where keys are, against the state files of a checkpoint: each has the key groups of one task."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb.api.handles.key_owners import key_owners
from sabotnb.api.running.compiling import compile_graph
from sabotnb.api.running.sampled_run import collected
from sabotnb.errors import JobError
from sabotnb.execution.graph_topology import topology_of
from sabotnb.metrics import TaskCounters
from sabotnb.operators import readable
from sabotnb.protocol import Attempt, JobState, RunId, RunStatus, TaskId, TaskState, TaskStatus
from sabotnb.storage import StateReader
from sabotnb.testing import CheckpointedRun
from tests.support.restarts import SMALL

RUN = RunId("hours", 1)
ROWS = 400
KEYS = {
    "string": pa.array([f"k{at % 20}" for at in range(ROWS)]),
    "dictionary": pa.array([None if at % 20 == 7 else f"k{at % 20}" for at in range(ROWS)]).dictionary_encode(),
    "int32": pa.array([at % 20 - 10 for at in range(ROWS)], pa.int32()),
    "float": pa.array([at % 20 / 4 for at in range(ROWS)], pa.float32()),
    "boolean": pa.array([at % 2 == 0 for at in range(ROWS)]),
    "date": pa.array([date(2013, 1, 1 + at % 20) for at in range(ROWS)]),
    "timestamp": pa.array(
        [datetime(2013, 1, 1 + at % 20, tzinfo=UTC) for at in range(ROWS)], pa.timestamp("ms", "UTC")
    ),
    "decimal": pa.array([Decimal(at % 20) / 4 for at in range(ROWS)], pa.decimal128(9, 2)),
    "binary": pa.array([bytes([at % 20]) for at in range(ROWS)]),
}


class Last(sb.KeyedProcess):
    last = sb.value("int64")
    output = {"x": "int64"}

    def on_row(self, row, ctx):
        self.last.set(row["x"])


def stream(*names):
    columns = {name: KEYS[name] for name in names}
    return sb.Stream.from_arrow(pa.table({**columns, "x": pa.array(range(ROWS))}))


def status(execution):
    """The status of a job whose task n of each vertex is on agent-n."""
    tasks = [
        TaskStatus(
            Attempt(TaskId(RUN, vertex.id, index), 1, 0), f"agent-{index}", 0, TaskState.RUNNING, 0, TaskCounters(), {}
        )
        for vertex in execution.vertices.values()
        for index in range(vertex.parallelism)
    ]
    return RunStatus(
        run=RUN,
        owner="me",
        state=JobState.RUNNING,
        submitted=0.0,
        started=0.0,
        changed=0.0,
        topology=topology_of(execution),
        tasks=tuple(tasks),
    )


def owners(flow, operator, values, parallelism=3):
    execution = compile_graph(collected(flow.flow), parallelism).execution
    return key_owners(status(execution), execution, operator, values)


def saved_owners(flow, operator, keys, folder):
    """The group and task of each key, as the state files of a run of three tasks have them."""
    job = compile_graph(collected(flow.flow), 3)
    with CheckpointedRun(job.execution, job.splits, str(folder), config=SMALL).start() as run:
        cut = run.read(polls=6).take_cut()
    found = {}
    for task, snapshot in cut.tasks.items():
        reader = StateReader(snapshot.file) if snapshot.file is not None else None
        for state in reader.states() if reader is not None else ():
            for group in state.groups if state.operator == operator else ():
                for batch in reader.batches(operator, state.spec.name, group):
                    shown = readable(pa.Table.from_batches([batch]))
                    rows = zip(*(shown[key].to_pylist() for key in keys), strict=True)
                    found.update(dict.fromkeys(rows, (group, task.index)))
    return found


@pytest.mark.parametrize("keys", [*([name] for name in KEYS), ["dictionary", "int32"], ["date", "boolean", "string"]])
def test_keys_are_where_their_state_is(tmp_path, keys):
    flow = stream(*keys).group_by(*keys).agg(n=sb.count()).named("totals")
    saved = saved_owners(flow, "totals", keys, tmp_path)
    assert len({task for _, task in saved.values()}) > 1
    asked = list(saved) if len(keys) > 1 else [key for (key,) in saved]
    table = owners(flow, "totals", asked)
    rows = zip(*(table[key].to_pylist() for key in keys), strict=True)
    places = zip(table["group"].to_pylist(), table["task"].to_pylist(), strict=True)
    assert dict(zip(rows, places, strict=True)) == saved
    assert table["agent"].to_pylist() == [f"agent-{task}" for _, task in saved.values()]


@pytest.mark.parametrize(
    ("operator", "flow"),
    [
        ("process", stream("string").group_by("string").process(Last).named("process")),
        ("distinct", stream("string").distinct("string").named("distinct")),
        ("top", stream("string").group_by("string").top(1, by="x").named("top")),
        (
            "join",
            stream("string").join(stream("string").distinct("string"), on="string", strategy="hash").named("join"),
        ),
    ],
)
def test_all_keyed_operators_have_keys(tmp_path, operator, flow):
    saved = saved_owners(flow, operator, ["string"], tmp_path)
    assert saved
    table = owners(flow, operator, [key for (key,) in saved])
    assert list(zip(table["group"].to_pylist(), table["task"].to_pylist(), strict=True)) == list(saved.values())


def test_rows_that_are_spread_by_key_have_keys_without_state():
    flow = stream("string", "int32").partition_by("string").map_batches(lambda batch: batch).named("spread")
    assert owners(flow, "spread", "k1").num_rows == 1


@pytest.mark.parametrize(
    "values",
    [
        [("k1", 4), ("k2", None)],
        [{"string": "k1", "int32": 4, "x": 0}, {"string": "k2", "int32": None}],
        pa.table({"int32": pa.array([4, None], pa.int64()), "string": ["k1", "k2"]}),
        pd.DataFrame({"string": ["k1", "k2"], "int32": pd.array([4, None], "Int64")}),
    ],
)
def test_several_keys_come_as_tuples_dicts_or_a_table(values):
    flow = stream("string", "int32").group_by("string", "int32").agg(n=sb.count()).named("totals")
    table = owners(flow, "totals", values)
    assert table.select(["string", "int32"]).to_pylist() == [
        {"string": "k1", "int32": 4},
        {"string": "k2", "int32": None},
    ]


@pytest.mark.parametrize("values", ["k1", ["k1"], ("k1",), {"string": "k1"}, pa.array(["k1"]), pd.Series(["k1"])])
def test_a_single_key_is_a_value_or_a_list_of_values(values):
    flow = stream("string").group_by("string").agg(n=sb.count()).named("totals")
    assert owners(flow, "totals", values).column_names == ["string", "group", "task", "agent"]
    assert owners(flow, "totals", values)["string"].to_pylist() == ["k1"]
    assert owners(flow, "totals", []).num_rows == 0


def test_a_key_called_agent_keeps_its_column():
    flow = sb.Stream.from_rows([{"agent": "smith"}]).group_by("agent").agg(n=sb.count()).named("totals")
    row = owners(flow, "totals", ["smith"]).to_pylist()[0]
    assert (row["agent_key"], row["agent"]) == ("smith", f"agent-{row['task']}")


@pytest.mark.parametrize(
    ("keys", "operator", "values", "message"),
    [
        (["string"], "source_0", ["k1"], r"'source_0' has no keys; these have: totals"),
        ([], "totals", ["k1"], r"'totals' has no keys.*; no operator of this job has: write \.group_by"),
        (["string"], "totals", ["k1", 5], r"the key 'string' of 'totals' is string, and 5 \(int\) does not fit"),
        (["int32"], "totals", [1.5], r"the key 'int32' of 'totals' is int32, and 1.5 \(float\) does not fit"),
        (["int32"], "totals", [2**40], r"is int32, and 1099511627776 \(int\) does not fit"),
        (["string"], "totals", [{"x": 5}], r"\{'x': 5\} is not a key of 'totals'; give a value of 'string'"),
        (["string", "int32"], "totals", ["k1"], r"'k1' is not a key of 'totals'; give a tuple \(string, int32\)"),
        (["string", "int32"], "totals", [("k1", 4, 5)], r"give a tuple \(string, int32\): job.probe\('totals'\)"),
    ],
)
def test_what_is_not_a_key_is_refused(keys, operator, values, message):
    flow = stream("string", "int32")
    flow = (flow.group_by(*keys) if keys else flow).agg(n=sb.count()).named("totals")
    with pytest.raises(JobError, match=message):
        owners(flow, operator, values)
