"""Each rule of the optimizer: a plan before and after, as text."""

from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa
import pytest

from sabotnb.blobs import Function, Origin
from sabotnb.config import Config
from sabotnb.expr import col, conjuncts, udf, when
from sabotnb.graph import (
    Aggregate,
    AggregateColumn,
    AsofJoin,
    Bound,
    Distinct,
    EdgeHint,
    EdgeType,
    EventTime,
    Filter,
    IntervalJoin,
    JobGraph,
    Join,
    LookupJoin,
    MapBatches,
    OnError,
    Operator,
    Phase,
    Project,
    SameWindow,
    Sink,
    Sort,
    Source,
    TimeColumn,
    Top,
    TumblingWindow,
    Union,
    WindowJoin,
)
from sabotnb.plan import optimize, physical
from sabotnb.plan.explain.levels import operator_lines

SCHEMA = pa.schema([("k", pa.int64()), ("x", pa.float64()), ("s", pa.string()), ("big", pa.int64())])
SOURCE = Source("rows", SCHEMA)
FILES = Source("parquet", SCHEMA)
SINK = Sink("collect")
FUNCTION = Function("0f" * 32, "f", "f", Origin("cell [1], line 1"), b"")


@dataclass(frozen=True)
class Estimate:
    rows: int | None
    nbytes: int | None


@udf(returns=pa.float64())
def twice(values):
    return values


def keep(*names, **named):
    return Project((*((name, col(name)) for name in names), *named.items()))


def after(graph, **options):
    """Return one line per operator, without padding."""
    graph.validate()
    optimized = optimize(graph, **options).graph
    optimized.validate()
    assert optimize(optimized, **options).graph.to_dict() == optimized.to_dict()
    return [" ".join(line.split()) for line in operator_lines(optimized)]


def rules(graph, **options):
    return [step.rule for step in optimize(graph, **options).steps]


# filters


def test_filters_in_a_row_become_one(job):
    graph = job({"s": SOURCE, "a": Filter(col("k") > 1), "b": Filter(col("x") < 2), "out": SINK}, "s > a > b > out")
    assert after(graph)[1:] == ["a filter: (col('k') > 1) & (col('x') < 2) <- s", "out sink: collect <- a"]


def test_pushed_filters_merge_with_filters_above(job):
    """Each moves one step and merges with the next; moved one at a time they would need a step for each pair."""
    middle = {}
    for number in range(20):
        middle[f"p{number}"] = keep("k", "big", x=col("x") * 2.0)
        middle[f"f{number}"] = Filter(col("k") > number)
    graph = job({"s": SOURCE, **middle, "out": SINK}, " > ".join(["s", *middle, "out"]))
    done = rules(graph)
    assert done.count("push filters") == 20
    assert done.count("merge filters") == 19
    parts = conjuncts(
        next(o.spec.predicate for o in optimize(graph).graph.operators.values() if o.spec.kind == "filter")
    )
    assert [str(part) for part in parts] == [f"col('k') > {number}" for number in range(20)]


def test_a_filter_that_may_raise_is_not_merged_with_its_guard(job):
    graph = job(
        {"s": SOURCE, "a": Filter(col("k") != 0), "b": Filter(10 // col("k") > 2), "out": SINK}, "s > a > b > out"
    )
    assert rules(graph) == []


def test_a_filter_moves_above_a_projection(job):
    graph = job(
        {"s": SOURCE, "p": Project((("key", col("k")), ("y", col("x") * 2))), "f": Filter(col("key") > 1), "out": SINK},
        "s > p > f > out",
    )
    assert after(graph)[1:] == [
        "f filter: col('k') > 1 <- s",
        "p select: key = col('k'), y = col('x') * 2 <- f",
        "out sink: collect <- p",
    ]


def test_only_conditions_on_plain_columns_move_above_a_projection(job):
    predicate = (col("k") > 1) & (col("y") < 5)
    graph = job({"s": SOURCE, "p": keep("k", y=col("x") * 2), "f": Filter(predicate), "out": SINK}, "s > p > f > out")
    assert after(graph)[1:] == [
        "filter_0 filter: col('k') > 1 <- s",
        "p select: k, y = col('x') * 2 <- filter_0",
        "f filter: col('y') < 5 <- p",
        "out sink: collect <- f",
    ]


def test_a_condition_that_relies_on_another_stays_behind_it(job):
    predicate = (col("y") != 0) & (10 // col("k") > 1)
    graph = job({"s": SOURCE, "p": keep("k", y=col("x") * 2), "f": Filter(predicate), "out": SINK}, "s > p > f > out")
    assert "push filters" not in rules(graph)


@pytest.mark.parametrize(
    "between",
    [MapBatches(FUNCTION, SCHEMA), keep("k", y=twice(col("x"))), Top((), 5, "x")],
    ids=["function", "udf", "global top"],
)
def test_a_filter_is_not_moved_above_these_operators(job, between):
    graph = job({"s": SOURCE, "op": between, "f": Filter(col("k") > 1), "out": SINK}, "s > op > f > out")
    assert "push filters" not in rules(graph)


@pytest.mark.parametrize("spec", [Distinct(("x", "k")), Top(("x",), 3, "k"), Aggregate(("x",), (), SCHEMA)])
def test_a_filter_on_a_float_key_is_not_moved_above_its_operator(job, spec):
    """0.0 and -0.0 are one key, and either may be in the output."""
    graph = job({"s": SOURCE, "op": spec, "f": Filter(1 / col("x") > 0), "out": SINK}, "s > op > f > out")
    assert "push filters" not in rules(graph)


def test_a_filter_is_pushed_into_every_input_of_a_union(job):
    graph = job(
        {"a": SOURCE, "b": SOURCE, "u": Union(2), "f": Filter(col("k") > 1), "out": SINK},
        "a > u > f > out",
        "b > u:1",
    )
    assert after(graph)[2:] == [
        "f filter: col('k') > 1 <- a",
        "filter_0 filter: col('k') > 1 <- b",
        "u union: 2 streams <- f, filter_0",
        "out sink: collect <- u",
    ]


@pytest.mark.parametrize("spec", [Sort(("k",), (False,)), Distinct(("k", "x")), Top(("k",), 3, "x")])
def test_a_filter_on_keys_moves_above_operators_that_group_by_them(job, spec):
    graph = job({"s": SOURCE, "op": spec, "f": Filter(col("k") > 1), "out": SINK}, "s > op > f > out")
    assert after(graph)[1] == "f filter: col('k') > 1 <- s"


def test_a_filter_on_an_aggregate_stays(job):
    counted = Aggregate(("k",), (AggregateColumn("n", "approx_n_unique", "x"),), SCHEMA)
    graph = job(
        {"s": SOURCE, "a": counted, "f": Filter((col("n") > 1) & (col("k") > 0)), "out": SINK}, "s > a > f > out"
    )
    assert [line.partition(" <-")[0] for line in after(graph)] == [
        "s source: rows: k, x",
        "filter_0 filter: col('k') > 0",
        "a aggregate: by k: n = approx_n_unique(x)",
        "f filter: col('n') > 1",
        "out sink: collect",
    ]


RIGHT = pa.schema([("j", pa.int64()), ("x", pa.float64()), ("z", pa.string())])
ON_KEY, ON_LEFT, ON_RIGHT = col("k") > 1, col("s") == "a", col("x_right") < 2.0
BOTH, LEFT, BELOW = ("a", "b"), ("a",), ()


@pytest.mark.parametrize(
    ("how", "predicate", "sides"),
    [
        ("inner", ON_KEY, BOTH),
        ("inner", ON_LEFT, LEFT),
        ("inner", ON_RIGHT, ("b",)),
        ("inner", col("x") < col("x_right"), BELOW),
        ("left", ON_KEY, BOTH),
        ("left", ON_LEFT, LEFT),
        ("left", ON_RIGHT, BELOW),
        ("right", ON_KEY, BOTH),
        ("right", ON_LEFT, BELOW),
        ("right", ON_RIGHT, ("b",)),
        ("full", ON_KEY, BOTH),
        ("full", ON_LEFT, BELOW),
        ("full", ON_RIGHT, BELOW),
        ("semi", ON_KEY, BOTH),
        ("semi", ON_LEFT, LEFT),
        ("anti", ON_KEY, BOTH),
        ("anti", ON_LEFT, LEFT),
        ("inner", 10 // col("k") > 1, BELOW),
    ],
)
def test_a_filter_moves_to_the_sides_of_a_join_that_have_its_columns(job, how, predicate, sides):
    assert above_filters(job, Join(("k",), ("j",), how, strategy="hash"), predicate) == (set(sides) or {"j"})


def above_filters(job, join, predicate, left=SCHEMA, right=RIGHT):
    """Return the operators that filters read, once a filter behind the join was optimized."""
    inputs = {"a": Source("rows", left), "b": Source("rows", right)}
    graph = job({**inputs, "j": join, "f": Filter(predicate), "out": SINK}, "a > j > f > out", "b > j:1")
    optimized = optimize(graph).graph
    optimized.validate()
    filters = [name for name, operator in optimized.operators.items() if isinstance(operator.spec, Filter)]
    return {optimized.inputs(name)[0].up for name in filters}


STAMP = pa.timestamp("us")
TIMED, TIMED_RIGHT = (schema.append(pa.field("t", STAMP)) for schema in (SCHEMA, RIGHT))
AT = TimeColumn("t")
ON_TIME = col("t").is_not_null()


def interval_join(how):
    return IntervalJoin(("k",), ("j",), AT, AT, Bound(-5), Bound(5), how)


def window_join(how):
    return WindowJoin(("k",), ("j",), TumblingWindow(10), AT, AT, how)


@pytest.mark.parametrize("make", [interval_join, window_join])
@pytest.mark.parametrize(
    ("how", "predicate", "sides"),
    [
        ("inner", ON_KEY, BOTH),
        ("inner", ON_LEFT, LEFT),
        ("inner", ON_TIME, LEFT),
        ("inner", ON_RIGHT, ("b",)),
        ("inner", col("t_right").is_not_null(), ("b",)),
        ("inner", col("t") < col("t_right"), BELOW),
        ("inner", 10 // col("big") > 1, BELOW),
        ("inner", ON_LEFT & (10 // col("big") > 1), ("a", "j")),
        ("inner", (10 // col("big") > 1) & ON_LEFT, ("a", "j")),
        ("left", ON_KEY, BOTH),
        ("left", ON_LEFT, LEFT),
        ("left", ON_RIGHT, BELOW),
        ("left", ON_LEFT & ON_RIGHT, ("a", "j")),
        ("right", ON_KEY, BOTH),
        ("right", ON_LEFT, BELOW),
        ("right", ON_RIGHT, ("b",)),
        ("full", ON_KEY, BOTH),
        ("full", ON_LEFT, BELOW),
        ("full", ON_RIGHT, BELOW),
        ("semi", ON_KEY, BOTH),
        ("semi", ON_LEFT, LEFT),
        ("anti", ON_KEY, BOTH),
        ("anti", ON_LEFT, LEFT),
    ],
)
def test_a_filter_moves_to_the_sides_of_a_join_by_time(job, make, how, predicate, sides):
    assert above_filters(job, make(how), predicate, TIMED, TIMED_RIGHT) == (set(sides) or {"j"})


@pytest.mark.parametrize(("predicate", "sides"), [(ON_KEY, BOTH), (ON_LEFT, LEFT), (ON_TIME, LEFT), (ON_RIGHT, BELOW)])
def test_a_filter_moves_to_the_sides_of_an_asof_join(job, predicate, sides):
    join = AsofJoin(("k",), ("j",), AT, AT)
    assert above_filters(job, join, predicate, TIMED, TIMED_RIGHT) == (set(sides) or {"j"})


def test_a_filter_on_the_time_of_an_interval_join_stays(job):
    predicate = col("join_time").is_not_null()
    assert above_filters(job, interval_join("inner"), predicate, TIMED, TIMED_RIGHT) == {"j"}


@pytest.mark.parametrize("predicate", [col("window_start").is_not_null(), col("window_end").is_not_null()])
def test_a_filter_on_the_bounds_of_a_window_join_stays(job, predicate):
    assert above_filters(job, window_join("inner"), predicate, TIMED, TIMED_RIGHT) == {"j"}
    bounds = [pa.field("window_start", STAMP), pa.field("window_end", STAMP)]
    end = TimeColumn("window_end", -1)
    join = WindowJoin(("k",), ("j",), SameWindow(), end, end)
    left, right = (pa.schema([*schema, *bounds]) for schema in (SCHEMA, RIGHT))
    assert above_filters(job, join, predicate, left, right) == {"j"}
    assert above_filters(job, join, ON_LEFT, left, right) == {"a"}


def test_a_filter_does_not_move_above_a_join_whose_late_rows_are_read(job):
    inputs = {"a": Source("rows", TIMED), "b": Source("rows", TIMED_RIGHT)}
    parts = {**inputs, "j": interval_join("inner"), "f": Filter(ON_LEFT), "out": SINK, "late": SINK}
    graph = job(parts, "a > j > f > out", "b > j:1").connect("j", "late", side="late")
    assert "push filters" not in rules(graph)


@pytest.mark.parametrize(("predicate", "above"), [(ON_KEY, "a"), (ON_LEFT, "a"), (ON_RIGHT, "j")])
def test_a_filter_on_the_stream_moves_above_a_lookup(job, predicate, above):
    join = LookupJoin(("k",), ("j",), Source("rows", RIGHT), 60_000_000)
    graph = job({"a": SOURCE, "j": join, "f": Filter(predicate), "out": SINK}, "a > j > f > out")
    assert optimize(graph).graph.inputs("f")[0].up == above


@pytest.mark.parametrize(
    ("left", "right", "how", "sides"),
    [
        (pa.int32(), pa.int64(), "inner", {"a"}),
        (pa.int64(), pa.int32(), "left", {"a"}),
        (pa.float32(), pa.float64(), "semi", {"a"}),
        (pa.float64(), pa.float64(), "inner", {"a"}),
        (pa.float64(), pa.float64(), "full", {"j"}),
        (pa.string(), pa.large_string(), "anti", {"a"}),
        (pa.string(), pa.large_string(), "right", {"j"}),
        (pa.string(), pa.dictionary(pa.int32(), pa.string()), "right", {"a", "b"}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_a_filter_on_keys_moves_to_both_sides_only_if_types_are_equal(job, left, right, how, sides):
    graph = job(
        {
            "a": Source("rows", pa.schema({"k": left})),
            "b": Source("rows", pa.schema({"j": right})),
            "j": Join(("k",), ("j",), how, strategy="hash"),
            "f": Filter(col("k").is_not_null()),
            "out": SINK,
        },
        "a > j > f > out",
        "b > j:1",
    )
    optimized = optimize(graph).graph
    filters = [name for name, operator in optimized.operators.items() if isinstance(operator.spec, Filter)]
    assert {optimized.inputs(name)[0].up for name in filters} == sides


def test_a_pushed_filter_uses_the_names_of_its_side(job):
    graph = job(
        {
            "a": SOURCE,
            "b": Source("rows", RIGHT),
            "j": Join(("k",), ("j",), strategy="hash"),
            "f": Filter((col("k") > 1) & (col("x_right") < 2.0)),
            "out": SINK,
        },
        "a > j > f > out",
        "b > j:1",
    )
    assert "filter_0 filter: (col('j') > 1) & (col('x') < 2.0) <- b" in after(graph)


def test_a_named_filter_stays_where_it_is(job):
    named = Operator("", Filter(col("k") > 1), name="f")
    graph = job({"s": FILES, "p": keep("k", y=col("x") * 2), "f": named, "out": SINK}, "s > p > f > out")
    assert rules(graph) == ["narrow columns"]


def test_a_filter_between_two_readers_stays_for_one(job):
    graph = job(
        {"s": SOURCE, "p": keep("k", y=col("x") * 2), "f": Filter(col("k") > 1), "out": SINK, "all": SINK},
        "s > p > f > out",
        "p > all",
    )
    assert rules(graph) == ["narrow columns"]


# files


def test_a_filter_is_pushed_into_files(job):
    graph = job({"s": FILES, "f": Filter((col("k") > 1) & (col("x") < 2)), "out": SINK}, "s > f > out")
    assert after(graph) == [
        "s source: parquet: k, x, s, big, where (col('k') > 1) & (col('x') < 2)",
        "out sink: collect <- s",
    ]


@pytest.mark.parametrize(
    "predicate",
    [
        col("k").cast("double") > 1.5,
        col("s").str.len() > 1,
        col("s").str.split(",").list.get(0) == "a",
        col("t").dt.date() == date(2020, 1, 1),
        ~(col("x") < 2),
        col("x").is_nan() | (1 / col("x") > 0),
        when(col("k") > 1).then(col("s")).otherwise("") == "a",
    ],
    ids=str,
)
def test_conditions_that_cannot_raise_are_pushed_into_files(job, predicate):
    files = Source("parquet", SCHEMA.append(pa.field("t", pa.timestamp("us"))))
    assert rules(job({"s": files, "f": Filter(predicate), "out": SINK}, "s > f > out")) == ["filter files"]


def test_a_function_is_called_with_rows_that_pass_conditions_before_it(job):
    predicate = (col("k") > 1) & (twice(col("x")) < 2) & (col("big") > 0)
    graph = job({"s": FILES, "f": Filter(predicate), "out": SINK}, "s > f > out")
    assert after(graph) == [
        "s source: parquet: k, x, s, big, where col('k') > 1",
        "f filter: (twice(col('x')) < 2) & (col('big') > 0) <- s",
        "out sink: collect <- f",
    ]


@pytest.mark.parametrize(
    "source",
    [
        replace(FILES, connector="csv"),
        replace(FILES, options={"rate": 10.0}),
    ],
    ids=["connector", "paced"],
)
def test_sources_that_must_return_all_rows_are_not_filtered(job, source):
    assert rules(job({"s": source, "f": Filter(col("k") > 1), "out": SINK}, "s > f > out")) == []


def test_a_filter_moves_into_files_whose_clock_runs_over_all_rows(job):
    source = replace(FILES, event_time=EventTime("k"))
    graph = job({"s": source, "f": Filter(col("k") > 1), "out": SINK}, "s > f > out")
    assert after(graph) == ["s source: parquet: k, x, s, big, where col('k') > 1", "out sink: collect <- s"]


# columns


def test_only_columns_that_are_read_leave_the_source(job):
    graph = job({"s": SOURCE, "f": Filter(col("x") > 1), "p": keep("s"), "out": SINK}, "s > f > p > out")
    (step,) = [step for step in optimize(graph).steps if step.rule == "narrow columns"]
    assert (step.operator, step.before, step.after) == ("s", 4, 2)
    assert step.text == "reads 2 of 4 columns: x, s"


def test_counting_rows_reads_the_smallest_column(job):
    counted = Aggregate((), (AggregateColumn("n", "count"),), SCHEMA)
    assert after(job({"s": SOURCE, "a": counted, "out": SINK}, "s > a > out"))[0] == "s source: rows: k"


def test_rows_that_are_only_counted_still_have_a_column(job):
    columns = (AggregateColumn("n", "count"), AggregateColumn("u", "approx_n_unique", "x"))
    graph = job({"s": SOURCE, "a": Aggregate((), columns, SCHEMA), "p": keep("n"), "out": SINK}, "s > a > p > out")
    assert after(graph)[0] == "s source: rows: k"


def test_an_unread_aggregate_is_not_computed(job):
    columns = (AggregateColumn("n", "approx_n_unique", "big"), AggregateColumn("m", "approx_n_unique", "x"))
    graph = job({"s": SOURCE, "a": Aggregate(("k",), columns, SCHEMA), "p": keep("m"), "out": SINK}, "s > a > p > out")
    assert after(graph)[:2] == ["s source: rows: k, x", "a aggregate: by k: m = approx_n_unique(x) <- s"]


def test_a_join_holds_only_columns_that_are_read(job):
    graph = job(
        {
            "a": SOURCE,
            "b": Source("rows", RIGHT),
            "f": Filter(col("z") == "q"),
            "j": Join(("k",), ("j",), strategy="hash"),
            "p": keep("big"),
            "out": SINK,
        },
        "a > j > p > out",
        "b > f > j:1",
    )
    assert after(graph) == [
        "a source: rows: k, big",
        "b source: rows: j, z",
        "f filter: col('z') == 'q' <- b",
        "select_0 select: j <- f",
        "j join: inner on k = j, hash <- a, select_0",
        "p select: big <- j",
        "out sink: collect <- p",
    ]


def test_a_left_column_is_kept_if_a_right_one_has_its_suffix_from_it(job):
    graph = job(
        {
            "a": SOURCE,
            "b": Source("rows", RIGHT),
            "j": Join(("k",), ("j",), strategy="hash"),
            "p": keep("x_right"),
            "out": SINK,
        },
        "a > j > p > out",
        "b > j:1",
    )
    assert after(graph)[:2] == ["a source: rows: k, x", "b source: rows: j, x"]


def test_inputs_of_a_union_are_narrowed_alike(job):
    graph = job(
        {"a": SOURCE, "b": SOURCE, "f": Filter(col("s") == "q"), "u": Union(2), "p": keep("k"), "out": SINK},
        "a > f > u > p > out",
        "b > u:1",
    )
    assert [line.partition(" <-")[0] for line in after(graph)[:5]] == [
        "a source: rows: k, s",
        "b source: rows: k",
        "f filter: col('s') == 'q'",
        "select_0 select: k",
        "u union: 2 streams",
    ]


@pytest.mark.parametrize("reader", [MapBatches(FUNCTION, SCHEMA), Top(("k",), 3, "x"), SINK])
def test_operators_that_read_all_columns_get_them(job, reader):
    graph = job(
        {"s": SOURCE, "op": reader, "p": keep("k"), "out": SINK}, "s > op" if reader is SINK else "s > op > p > out"
    )
    if reader is SINK:
        graph = job({"s": SOURCE, "out": SINK}, "s > out")
    assert after(graph)[0] == "s source: rows: k, x, s, big"


def test_event_time_and_keys_of_hints_are_kept(job):
    source = replace(SOURCE, event_time=EventTime("big"))
    hint = EdgeHint(EdgeType.HASH, ("s",))
    graph = job({"s": source, "p": keep("k"), "out": SINK}, "s > p > out", hints={"s > p": hint})
    assert after(graph)[0] == "s source: rows: k, s, big"


def test_all_inputs_of_a_union_keep_the_hint_keys_of_each(job):
    graph = job(
        {"a": SOURCE, "b": SOURCE, "u": Union(2), "p": keep("k"), "out": SINK},
        "a > u > p > out",
        "b > u:1",
        hints={"b > u": EdgeHint(EdgeType.HASH, ("s",))},
    )
    assert after(graph)[:2] == ["a source: rows: k, s", "b source: rows: k, s"]


def test_inputs_beside_a_side_output_in_a_union_are_not_narrowed(job):
    tried = MapBatches(FUNCTION, SCHEMA, on_error=OnError.SIDE)
    texts = keep("k", "x", "s", "big", error=col("s"))
    graph = job(
        {"s": SOURCE, "m": tried, "p": texts, "u": Union(2), "q": keep("k"), "out": SINK}, "s > m > p > u > q > out"
    )
    assert "u union: 2 streams <- p, m.errors" in after(graph.connect("m", "u", 1, side="errors"))


def test_a_hint_into_an_aggregate_is_not_left_between_its_phases(job):
    columns = (AggregateColumn("n", "count"),)
    hint = EdgeHint(EdgeType.HASH, ("x",))
    graph = job(
        {"s": SOURCE, "a": Aggregate(("k",), columns, SCHEMA), "out": SINK}, "s > a > out", hints={"s > a": hint}
    )
    assert "a_partial aggregate: partial by k: n = count() <- s" in after(graph)


# projections


def test_projections_in_a_row_become_one(job):
    graph = job(
        {"s": SOURCE, "p": keep("k", "x", y=col("x") + 1.0), "q": keep("k", z=col("y") * 2), "out": SINK},
        "s > p > q > out",
    )
    assert after(graph) == [
        "s source: rows: k, x",
        "q select: k, z = (col('x') + 1.0) * 2 <- s",
        "out sink: collect <- q",
    ]


def test_an_expression_that_is_read_twice_is_computed_once(job):
    graph = job(
        {"s": SOURCE, "p": keep(y=col("x") + 1.0), "q": keep(z=col("y") * col("y")), "out": SINK}, "s > p > q > out"
    )
    assert "merge projections" not in rules(graph)


def test_a_projection_that_changes_nothing_is_removed(job):
    graph = job({"s": SOURCE, "p": keep("k", "x"), "out": SINK}, "s > p > out")
    assert after(graph) == ["s source: rows: k, x", "out sink: collect <- s"]


# joins


@pytest.mark.parametrize(
    ("how", "estimate", "strategy"),
    [
        ("inner", Estimate(10, 400), "broadcast"),
        ("left", Estimate(10, 400), "broadcast"),
        ("semi", Estimate(None, 400), "broadcast"),
        ("anti", Estimate(10, 400), "broadcast"),
        ("right", Estimate(10, 400), "hash"),
        ("full", Estimate(10, 400), "hash"),
        ("inner", Estimate(10_000_000, None), "hash"),
        ("inner", Estimate(None, 2 << 30), "hash"),
        ("inner", Estimate(None, None), "hash"),
    ],
)
def test_a_small_right_side_is_broadcast(job, how, estimate, strategy):
    graph = job(
        {"a": SOURCE, "b": Source("rows", RIGHT), "j": Join(("k",), ("j",), how), "out": SINK}, "a > j > out", "b > j:1"
    )
    chosen = optimize(graph, {"a": Estimate(10, 10), "b": estimate}).graph.operators["j"].spec
    assert chosen.strategy == strategy


def test_the_limit_is_configured_and_the_users_choice_stands(job):
    def join(strategy):
        return job(
            {"a": SOURCE, "b": SOURCE, "j": Join(("k",), ("k",), strategy=strategy), "out": SINK},
            "a > j > out",
            "b > j:1",
        )

    small = {"b": Estimate(10, 100)}
    assert optimize(join("auto"), small, Config(broadcast_bytes=99)).graph.operators["j"].spec.strategy == "hash"
    assert optimize(join("hash"), small).graph.operators["j"].spec.strategy == "hash"


def test_the_output_of_a_function_has_unknown_size(job):
    graph = job(
        {"a": SOURCE, "b": SOURCE, "m": MapBatches(FUNCTION, SCHEMA), "j": Join(("k",), ("k",)), "out": SINK},
        "a > j > out",
        "b > m > j:1",
    )
    assert optimize(graph, {"b": Estimate(1, 1)}).graph.operators["j"].spec.strategy == "hash"


# aggregates


def test_aggregates_with_a_mergeable_form_are_split(job):
    columns = (AggregateColumn("n", "count"), AggregateColumn("m", "mean", "x"))
    graph = job(
        {"s": Operator("", SOURCE, parallelism=3), "a": Aggregate(("k",), columns, SCHEMA), "out": SINK}, "s > a > out"
    )
    optimized = optimize(graph).graph
    assert [(name, operator.spec.phase) for name, operator in optimized.operators.items() if "a" in name] == [
        ("a", Phase.FINAL),
        ("a_partial", Phase.PARTIAL),
    ]
    assert after(graph)[1:3] == [
        "a_partial aggregate: partial by k: n = count(), m = mean(x) <- s",
        "a aggregate: final by k: n = count(), m = mean(x) <- a_partial",
    ]


def test_aggregates_without_a_mergeable_form_are_not_split(job):
    columns = (AggregateColumn("n", "count"), AggregateColumn("u", "approx_n_unique", "x"))
    assert "two phases" not in rules(
        job({"s": SOURCE, "a": Aggregate(("k",), columns, SCHEMA), "out": SINK}, "s > a > out")
    )


def test_an_aggregate_inside_a_key_domain_is_not_split(job):
    counted = Aggregate(("k",), (AggregateColumn("n", "count"),), SCHEMA)
    graph = job({"s": SOURCE, "d": Distinct(("k",)), "a": counted, "out": SINK}, "s > d > a > out")
    assert "two phases" not in rules(graph)


# dictionaries


STORED = replace(FILES, options={"dictionaries": ["s"]})
BY_NAME = Aggregate(("name",), (AggregateColumn("n", "count"),), pa.schema([("name", pa.string())]))


def encoded(graph):
    graph.validate()
    optimized = optimize(graph, {"small": Estimate(1, 1)}).graph
    optimized.validate()
    assert optimized.schemas()["out"] == graph.schemas()["out"]
    return [field.name for field in optimized.operators["s"].spec.schema if pa.types.is_dictionary(field.type)]


def test_a_string_that_is_grouped_by_is_read_as_a_dictionary(job):
    between = {"f": Filter(col("s") != "q"), "j": Join(("s",), ("z",)), "p": keep(name=col("s"))}
    graph = job(
        {"s": STORED, "small": Source("rows", RIGHT), **between, "a": BY_NAME, "out": SINK},
        "s > f > j > p > a > out",
        "small > j:1",
    )
    assert encoded(graph) == ["s"]


@pytest.mark.parametrize(
    "reader", [MapBatches(FUNCTION, BY_NAME.schema), Distinct(("name",)), Sort(("name",), (False,))]
)
def test_a_string_that_something_else_reads_stays_a_string(job, reader):
    graph = job(
        {"s": STORED, "p": keep(name=col("s")), "op": reader, "a": BY_NAME, "out": SINK}, "s > p > op > a > out"
    )
    assert encoded(graph) == []


def test_a_string_that_is_only_computed_with_may_be_a_dictionary(job):
    graph = job({"s": STORED, "p": keep(name=col("s").str.upper()), "out": SINK}, "s > p > out")
    assert encoded(graph) == ["s"]


def test_a_string_of_many_values_stays_a_string(job):
    graph = job({"s": FILES, "p": keep(name=col("s")), "a": BY_NAME, "out": SINK}, "s > p > a > out")
    assert encoded(graph) == []


# other rules


def test_operators_that_reach_no_sink_are_pruned(job):
    graph = job({"s": SOURCE, "f": Filter(col("k") > 1), "out": SINK}, "s > out", "s > f")
    optimized = optimize(graph)
    assert list(optimized.graph.operators) == ["s", "out"]
    assert [(step.rule, step.before, step.after) for step in optimized.steps] == [("prune", 3, 2)]


def test_the_main_pipeline(job):
    flights = pa.schema(
        [("carrier", pa.string()), ("origin", pa.string()), ("dep_delay", pa.float64()), ("air_time", pa.float64())]
        + [(f"c{number}", pa.int64()) for number in range(15)]
    )
    late = pa.schema(
        [("carrier", pa.string()), ("origin", pa.string()), ("hours", pa.float64()), ("dep_delay", pa.float64())]
    )
    columns = (
        AggregateColumn("n", "count"),
        AggregateColumn("worst", "max", "dep_delay"),
        AggregateColumn("mean", "mean", "hours"),
    )
    graph = job(
        {
            "flights": Source("parquet", flights),
            "late": Filter(col("dep_delay") > 15),
            "hours": keep(*flights.names, hours=col("air_time") / 60),
            "four": keep("carrier", "origin", "hours", "dep_delay"),
            "by_carrier": Operator(
                "", Aggregate(("carrier", "origin"), columns, late), name="by_carrier", parallelism=2
            ),
            "out": Sink("parquet"),
        },
        "flights > late > hours > four > by_carrier > out",
    )
    aggregates = "n = count(), worst = max(dep_delay), mean = mean(hours)"
    assert after(graph) == [
        "flights source: parquet: carrier, origin, dep_delay, air_time, where col('dep_delay') > 15",
        "four select: carrier, origin, hours = col('air_time') / 60, dep_delay <- flights",
        f"by_carrier_partial aggregate: partial by carrier, origin: {aggregates} <- four",
        f"by_carrier aggregate: final by carrier, origin: {aggregates} <- by_carrier_partial",
        "out sink: parquet <- by_carrier",
    ]
    narrowed = next(
        step for step in optimize(graph).steps if step.rule == "narrow columns" and step.operator == "flights"
    )
    assert (narrowed.before, narrowed.after) == (19, 4)


@pytest.mark.parametrize("hint", [EdgeType.FORWARD, EdgeType.BROADCAST, EdgeType.CUSTOM])
@pytest.mark.parametrize("reader", [Filter(10 // col("k") > 1), Distinct(("k",)), keep("k", y=col("x") * 2)])
@pytest.mark.parametrize("projection", [keep(*SCHEMA.names), keep(*SCHEMA.names[1:], k=col("k"))])
def test_a_hint_does_not_move_to_an_operator_with_another_number_of_tasks(hint, reader, projection):
    graph = JobGraph()
    for name, spec, tasks in (("s", SOURCE, None), ("p", projection, None), ("d", reader, 4), ("out", SINK, None)):
        graph = graph.add_operator(Operator(name, spec, parallelism=tasks))
    graph = graph.connect("s", "p", hint=EdgeHint(hint, function=FUNCTION if hint is EdgeType.CUSTOM else None))
    graph = graph.connect("p", "d").connect("d", "out")
    optimized = optimize(graph).graph
    hinted = next(edge for edge in optimized.edges if edge.hint)
    assert (hinted.down, optimized.operators["d"].parallelism) == ("p", 4)
    physical(optimized, 2)
