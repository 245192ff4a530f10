"""``process``: what is refused when it is written, and that it runs in many tasks."""

import threading
from datetime import datetime, timedelta

import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb.errors import FunctionError, GraphError, SchemaError, TypeMismatch, UnpicklableFunction
from sabotnb.graph import JobGraph

START = datetime(2024, 1, 1)
EVENTS = sb.Stream.from_rows(
    [{"k": f"k{i % 7}", "x": i, "t": START + timedelta(minutes=i)} for i in range(100)], event_time="t"
)
BY_KEY = EVENTS.group_by("k")


class Gaps(sb.KeyedProcess):
    """Counts rows, and says after 20 minutes without one how many there were."""

    count = sb.value("int64", default=0)
    last = sb.value(pa.timestamp("us"))
    output = {"k": "string", "count": "int64"}
    sides = {"alerts": {"x": "int64"}}

    def on_row(self, row, ctx):
        self.count.set(self.count.get() + 1)
        self.last.set(ctx.event_time)
        ctx.timer("20m")
        if row["x"] == 42:
            ctx.emit("alerts", {"x": 42})

    def on_timer(self, at, ctx):
        if self.last.get() + timedelta(minutes=20) == at:
            yield {"k": ctx.key, "count": self.count.get()}


COUNTS = [{"k": f"k{k}", "count": len(range(k, 100, 7))} for k in range(7)]


def test_it_runs_in_this_process_with_side_outputs():
    found = BY_KEY.process(Gaps)
    assert sorted(found.to_rows(), key=lambda row: row["k"]) == COUNTS
    assert found.side("alerts").to_rows() == [{"x": 42}]
    assert found.side("late").to_rows() == []
    assert found.side("late").schema.names == ["k", "x", "t", "late_by"]


def test_keys_may_be_expressions_and_the_output_has_no_event_time():
    class Keys(sb.KeyedProcess):
        output = {"key": "int64"}

        def on_row(self, row, ctx):
            yield {"key": ctx.key}

    found = EVENTS.group_by(group=sb.col("x") % 2).process(Keys)
    assert sorted(row["key"] for row in found.to_rows()) == [0] * 50 + [1] * 50
    assert found.flow.event_time is None


def test_a_graph_with_it_comes_back_from_json():
    graph = BY_KEY.process(Gaps).to_job_graph()
    assert JobGraph.from_dict(graph.to_dict(), graph.blobs()) == graph


@pytest.mark.cluster
def test_it_runs_in_many_tasks_with_a_side_input():
    class Limits(Gaps):
        limit = None

        def on_side_row(self, row, ctx):
            self.limit = row["limit"]

    found = BY_KEY.process(Limits, sb.Stream.from_rows([{"limit": 1}])).named("p", parallelism=3)
    with sb.local(workers=2, slots=3):
        assert sorted(found.to_rows(), key=lambda row: row["k"]) == COUNTS


def cls(**members):
    return type("P", (sb.KeyedProcess,), {"output": {"x": "int64"}, **members})


def on_row(self, row, ctx):
    return None


@pytest.mark.parametrize(
    ("made", "error", "said"),
    [
        (lambda: BY_KEY.process(len), FunctionError, "process takes a class of sb.KeyedProcess"),
        (lambda: BY_KEY.process(Gaps()), FunctionError, "pass the class, not an instance: process(Gaps)"),
        (lambda: BY_KEY.process(cls()), FunctionError, "P has neither on_row nor on_batch"),
        (lambda: BY_KEY.process(cls(on_row=on_row, on_batch=on_row)), FunctionError, "P has both on_row and on_batch"),
        (lambda: BY_KEY.process(cls(on_row=on_row, output={})), FunctionError, "declare them: output = {'name'"),
        (lambda: BY_KEY.process(cls(on_row=on_row, output={"x": "int65"})), TypeMismatch, "int64"),
        (lambda: BY_KEY.process(cls(on_row=on_row, sides={"late": {"x": "int64"}})), SchemaError, "rename yours"),
        (lambda: BY_KEY.process(cls(on_row=on_row, sides={"y": {}})), SchemaError, "'y' of P has no columns"),
        (lambda: BY_KEY.process(cls(on_row=on_row, on_side_row=on_row)), FunctionError, ".process(P, side_input)"),
        (lambda: BY_KEY.process(Gaps, EVENTS), FunctionError, "Gaps does not read the side input"),
        (lambda: BY_KEY.process(Gaps).side("alrts"), GraphError, "it has 'alerts', 'late'"),
        (
            lambda: BY_KEY.process(cls(on_row=on_row, lock=threading.Lock())),
            UnpicklableFunction,
            "'lock' (_thread.lock)",
        ),
        (lambda: sb.value("int64", default="x"), TypeMismatch, "default='x' is not int64"),
        (lambda: sb.value("null"), TypeMismatch, "a state cannot be null"),
        (lambda: sb.map_state(pa.list_(pa.int64()), "int64"), TypeMismatch, "keys of a map_state cannot be list"),
        (lambda: sb.list_state("int64", ttl="0s"), TypeMismatch, "ttl='0s' keeps nothing"),
    ],
)
def test_what_cannot_be_run_is_refused_when_it_is_written(made, error, said):
    with pytest.raises(error) as raised:
        made()
    assert said in str(raised.value)


def test_states_are_not_there_before_the_rows():
    class Early(sb.KeyedProcess):
        count = sb.value("int64")
        output = {"x": "int64"}

        def __init__(self):
            self.count.set(1)

        on_row = on_row

    with pytest.raises(sb.errors.UserFunctionError, match="not in __init__; declare a start value"):
        BY_KEY.process(Early).to_rows()
