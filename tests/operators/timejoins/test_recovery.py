"""Joins by time that are restored from a cut go on as if they had never stopped."""

from itertools import product

import pyarrow as pa
import pytest
from hypothesis import strategies as st
from join_scripts import two_ports

from sabotnb.graph import AsofJoin, Bound, IntervalJoin, SlidingWindow, TimeColumn, TumblingWindow, WindowJoin
from sabotnb.operators.timejoins.interval_join_operator import IntervalJoinOperator
from sabotnb.testing import EndPort, Push, Recovery, RecoverySuite, Wait

TIME = pa.timestamp("us")
LEFT = pa.schema({"k": pa.string(), "t": TIME, "low": TIME, "x": pa.int64()})
RIGHT = pa.schema({"k": pa.string(), "u": TIME, "y": pa.int64()})
TIMES = {"left_time": TimeColumn("t"), "right_time": TimeColumn("u")}
KINDS = ("inner", "left", "right", "full", "semi", "anti")


@st.composite
def rows(draw, port, us):
    """A batch of rows, of which some are late."""
    schema = RIGHT if port else LEFT
    times = draw(st.lists(st.integers(us - 10, us + 60), max_size=6))
    columns = {
        "k": [draw(st.none() | st.sampled_from("abcd")) for _ in times],
        "t": times,
        "u": times,
        "low": [draw(st.none() | st.integers(time - 20, time + 20)) for time in times],
        "x": [draw(st.integers(0, 99)) for _ in times],
    }
    columns["y"] = columns["x"]
    integers = (
        pa.array(columns[field.name], pa.string() if field.name == "k" else pa.int64()).cast(field.type)
        for field in schema
    )
    return pa.RecordBatch.from_arrays([*integers], schema=schema)


class TimeJoinRecovery(RecoverySuite):
    steps = two_ports(rows)
    spec = None

    def recovery(self):
        return Recovery.of(self.spec, LEFT, RIGHT)


class TestIntervalJoins(TimeJoinRecovery):
    @pytest.fixture(autouse=True, scope="class", params=[*product(KINDS, [Bound(-20)]), ("full", Bound(column="low"))])
    @staticmethod
    def how(request):
        how, low = request.param
        request.cls.spec = IntervalJoin(("k",), ("k",), **TIMES, low=low, high=Bound(10), how=how)


class TestWindowJoins(TimeJoinRecovery):
    @pytest.fixture(
        autouse=True, scope="class", params=[*product(KINDS, [TumblingWindow(50)]), ("full", SlidingWindow(50, 20))]
    )
    @staticmethod
    def how(request):
        how, shape = request.param
        request.cls.spec = WindowJoin(("k",), ("k",), **TIMES, shape=shape, how=how)


class TestAsofJoins(TimeJoinRecovery):
    @pytest.fixture(autouse=True, scope="class", params=product(("backward", "forward", "nearest"), (None, 15)))
    @staticmethod
    def how(request):
        direction, tolerance = request.param
        request.cls.spec = AsofJoin(("k",), ("k",), **TIMES, direction=direction, tolerance=tolerance)


class TestIntervalJoinsByProcessingTime(RecoverySuite):
    steps = st.lists(
        st.builds(Wait, st.sampled_from([0.5, 3.0, 9.0]))
        | st.builds(
            lambda port, ks: Push([{"k": k, "y" if port else "x": n} for n, k in enumerate(ks)], port),
            st.integers(0, 1),
            st.lists(st.sampled_from("abc"), max_size=4),
        ),
        max_size=6,
    ).map(lambda steps: [*steps, EndPort(0), EndPort(1)])

    def recovery(self):
        spec = IntervalJoin(("k",), ("k",), None, None, low=Bound(-5_000_000), high=Bound(5_000_000), how="full")
        inputs = [pa.schema({"k": pa.string(), "x": pa.int64()}), pa.schema({"k": pa.string(), "y": pa.int64()})]
        return Recovery(lambda clock: IntervalJoinOperator(spec, inputs, clock), inputs, [("k",), ("k",)])
