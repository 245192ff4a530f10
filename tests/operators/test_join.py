"""Joins against DuckDB, whatever the batches and whichever input is first."""

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sabotnb as sb
from sabotnb.config import Config
from sabotnb.graph.specs import Join
from sabotnb.operators import JoinOperator
from sabotnb.protocol import EndReason
from sabotnb.testing import Harness

LEFT = pa.schema({"k": pa.dictionary(pa.int32(), pa.string()), "n": pa.int32(), "x": pa.int64()})
RIGHT = pa.schema({"k": pa.string(), "m": pa.int64(), "x": pa.int64(), "s": pa.string()})
HOWS = ["inner", "left", "right", "full", "semi", "anti"]
KEYS = {"k": st.none() | st.sampled_from("abc"), "n": st.none() | st.integers(0, 2)}
KEYS["m"] = KEYS["n"]


def rows(schema):
    row = {"x": st.integers(0, 9), "s": st.none() | st.text("xyz", max_size=2)}
    return st.lists(st.fixed_dictionaries({name: KEYS.get(name, row.get(name)) for name in schema.names}), max_size=12)


def run(spec, left, right, order, limit=65_536, schemas=(LEFT, RIGHT)):
    """Rows that come out if rows go in one by one, in an order of ports (0 or 1) that is drawn."""
    waiting = [list(left), list(right)]
    with Harness(spec, *schemas, config=Config(batch_rows=limit)) as harness:
        ended = set()
        for port in [*order, *[0] * len(left), 0, *[1] * len(right), 1]:
            if waiting[port]:
                harness.push([waiting[port].pop(0)], port)
            elif port not in ended:
                ended.add(port)
                harness.end(port)
        return harness


def by_duckdb(spec, left, right):
    left, right = pa.Table.from_pylist(left, LEFT), pa.Table.from_pylist(right, RIGHT)
    on = " and ".join(f"l.{a} = r.{b}" for a, b in zip(spec.left_on, spec.right_on, strict=True))
    kept = [name for name in LEFT.names if name not in spec.left_on]
    keys = [
        f"coalesce(l.{a}::varchar, r.{b}::varchar) as {a}" for a, b in zip(spec.left_on, spec.right_on, strict=True)
    ]
    others = [name for name in RIGHT.names if name not in spec.right_on]
    wanted = [*keys, *(f"l.{name}" for name in kept)]
    if spec.how in ("semi", "anti"):
        found = "exists" if spec.how == "semi" else "not exists"
        query = f"select l.* from left_rows l where {found} (select 1 from right_rows r where {on})"
    else:
        wanted += [f"r.{name} as {name}{'_right' if name in LEFT.names else ''}" for name in others]
        query = f"select {', '.join(wanted)} from left_rows l {spec.how} join right_rows r on {on}"
    with duckdb.connect() as connection:
        connection.register("left_rows", left)
        connection.register("right_rows", right)
        return connection.sql(query).to_arrow_table().to_pylist()


def plain(found):
    return sorted(sorted((name, str(value)) for name, value in row.items()) for row in found)


@pytest.mark.parametrize("how", HOWS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_joins_are_those_of_duckdb(how, data):
    left, right = data.draw(rows(LEFT)), data.draw(rows(RIGHT))
    on = data.draw(st.sampled_from([(("k",), ("k",)), (("n",), ("m",)), (("k", "n"), ("k", "m"))]))
    if how in ("right", "full"):
        on = (("k",), ("k",))
    order = data.draw(st.lists(st.integers(0, 1), max_size=20))
    limit = data.draw(st.integers(1, 20))
    spec = Join(*on, how)
    found = run(spec, left, right, order, limit)
    assert all(batch.num_rows <= limit for batch in found.batches)
    assert plain(found.rows) == plain(by_duckdb(spec, left, right))


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("empty", [0, 1])
def test_an_empty_side_still_yields_outer_rows(how, empty):
    sides = [[{"k": "a", "n": 1, "x": 2}], [{"k": "a", "m": 1, "x": 3, "s": "y"}]]
    sides[empty] = []
    expected = {
        0: [{"k": "a", "n": None, "x": None, "m": 1, "x_right": 3, "s": "y"}] if how in ("right", "full") else [],
        1: [{"k": "a", "n": 1, "x": 2} | ({} if how == "anti" else {"m": None, "x_right": None, "s": None})]
        if how in ("left", "full", "anti")
        else [],
    }[empty]
    assert run(Join(("k",), ("k",), how), *sides, order=[]).rows == expected


def test_an_exploding_join_comes_in_pieces_as_they_are_pulled():
    one = [{"k": "a", "n": 0, "x": x} for x in range(300)]
    spec = Join(("k",), ("k",))
    other = pa.RecordBatch.from_pylist([{"k": "a", "m": 0, "x": x, "s": ""} for x in range(300)], schema=RIGHT)
    with Harness(spec, LEFT, RIGHT, config=Config(batch_rows=1000)) as harness:
        harness.push(other, 1).end(1)
        sizes = [batch.num_rows for batch in harness.push(one).batches]
    assert sizes == [1000] * 90


@pytest.mark.parametrize(
    ("left", "right", "pairs"),
    [
        (pa.array([-1, 2], pa.int64()), pa.array([2**64 - 1, 2], pa.uint64()), [2]),
        (pa.array([1, 300], pa.int16()), pa.array([1, 44], pa.uint8()), [1]),
        (
            pa.array([0.5, float("nan"), -0.0], pa.float32()),
            pa.array([0.5, float("nan"), 0.0]),
            [0.5, float("nan"), -0.0],
        ),
        (pa.array(["ä", "b"]).dictionary_encode(), pa.array(["ä", None], pa.large_string()), ["ä"]),
        (pa.array(["a"], pa.string_view()), pa.array(["a"]), ["a"]),
    ],
)
def test_keys_of_other_widths_and_layouts_meet(left, right, pairs):
    schemas = [pa.schema({"a": left.type}), pa.schema({"b": right.type})]
    with Harness(Join(("a",), ("b",)), *schemas) as harness:
        harness.push(pa.record_batch([right], schema=schemas[1]), 1).push(
            pa.record_batch([left], schema=schemas[0])
        ).end()
        found = [row["a"] for row in harness.rows]
    assert [str(value) for value in found] == [str(value) for value in pairs]


@pytest.mark.parametrize(("how", "expected"), [("semi", [1]), ("anti", [2**63 + 5, 7])])
def test_a_key_that_no_key_of_the_other_type_can_equal_is_not_there(how, expected):
    left = sb.Stream.from_arrow(pa.table({"k": pa.array([2**63 + 5, 1, 7], pa.uint64())}))
    right = sb.Stream.from_arrow(pa.table({"k": pa.array([None, 1], pa.int64())}))
    assert sorted(left.join(right, on="k", how=how).to_arrow()["k"].to_pylist()) == sorted(expected)


NUMBER = pa.schema({"k": pa.int64()})
NEGATIVE = pa.schema({"k2": pa.int64(), "v": pa.int64()})


def negatives(numbers):
    return pa.record_batch([list(numbers), [-number for number in numbers]], schema=NEGATIVE)


def drop_most_groups(state, _):
    for group in state.groups()[3:]:
        state.drop(group)


def load_groups_of_others(state, how):
    with Harness(Join(("k",), ("k2",), how), NUMBER, NEGATIVE) as other:
        moved = other.push(negatives(range(100, 160)), 1).states["right"]
        for group in moved.groups():
            state.load(group, moved.export(group))


def drop_and_load_again(state, _):
    exported = {group: list(state.export(group)) for group in state.groups()}
    for group in exported:
        state.drop(group)
    for group, batches in reversed(exported.items()):
        state.load(group, batches)


def add_rows(state, _):
    state.add(negatives(range(100, 160)))


@pytest.mark.parametrize("change", [drop_most_groups, load_groups_of_others, drop_and_load_again, add_rows])
@pytest.mark.parametrize("how", ["inner", "full"])
def test_the_rows_of_one_call_are_right_if_groups_move_between_two_pulls(how, change):
    """Tasks let no group move while a call is open; the state alone must not mix rows up either."""
    operator = JoinOperator(Join(("k",), ("k2",), how), [NUMBER, NEGATIVE])
    with Harness(operator, NUMBER, NEGATIVE, config=Config(batch_rows=3)) as harness:
        harness.push(negatives(range(40)), 1).end(1)
        right = harness.states["right"]
        left = pa.record_batch([list(range(20))], schema=NUMBER)
        pairs = after_the_first(operator.process(0, left), lambda: change(right, how))
        assert sorted((row["k"], row["v"]) for row in pairs) == [(k, -k) for k in range(20)]
        moved = []
        lonely = after_the_first(operator.on_end(0, EndReason.EXHAUSTED), lambda: moved.extend(moved_out(right)))
        assert all(row["v"] == -row["k"] for row in lonely)
        if how == "inner":
            assert lonely == []
        elif change is not drop_most_groups:
            others = range(100, 160) if change in (load_groups_of_others, add_rows) else ()
            assert sorted([*(row["k"] for row in lonely), *moved]) == [*range(20, 40), *others]


def moved_out(state):
    """Drop all groups but three; returns the keys of their rows."""
    moved = [row["k2"] for group in state.groups()[3:] for batch in state.export(group) for row in batch.to_pylist()]
    drop_most_groups(state, None)
    return moved


def after_the_first(outs, change):
    """All rows of ``outs``; ``change`` is called after the first batch."""
    rows = []
    for number, batch in enumerate(outs):
        rows += batch.to_pylist()
        if number == 0:
            change()
    return rows
