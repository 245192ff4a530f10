import pyarrow as pa
import pytest

from sabotnb.blobs import Function, Origin
from sabotnb.errors import DuplicateColumn, GraphError, SchemaError, TypeMismatch
from sabotnb.expr import col
from sabotnb.graph import (
    Aggregate,
    AggregateColumn,
    Distinct,
    Join,
    MapRows,
    OnError,
    Phase,
    Project,
    Sort,
    Source,
    Top,
    Union,
    output_schema,
    side_schema,
)

FLIGHTS = pa.schema([("carrier", pa.string()), ("delay", pa.float64()), ("n", pa.int32())])
AIRLINES = pa.schema([pa.field("carrier", pa.string(), nullable=False), ("name", pa.string()), ("n", pa.int64())])
FUNCTION = Function("0" * 64, "f", "f", Origin("cell [1], line 1"), b"")
CODES = pa.dictionary(pa.int32(), pa.string())


def types(schema):
    return {field.name: str(field.type) for field in schema}


def test_a_projection_names_and_types_its_expressions():
    spec = Project((("hours", col("delay") / 60), ("who", col("carrier")), ("more", col("n") > 1)))
    assert types(output_schema(spec, [FLIGHTS])) == {"hours": "double", "who": "string", "more": "bool"}


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(DuplicateColumn, match="two columns are named 'a'"):
        output_schema(Project((("a", col("n")), ("a", col("delay")))), [FLIGHTS])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("inner", {"carrier": True, "delay": True, "n": True, "name": True, "n_right": True}),
        ("semi", {"carrier": True, "delay": True, "n": True}),
        ("anti", {"carrier": True, "delay": True, "n": True}),
    ],
)
def test_a_join_returns_left_columns_and_right_ones_without_keys(how, expected):
    joined = output_schema(Join(("carrier",), ("carrier",), how), [FLIGHTS, AIRLINES])
    assert {field.name: field.nullable for field in joined} == expected


@pytest.mark.parametrize(("how", "left", "right"), [("inner", 0, 0), ("left", 0, 1), ("right", 1, 0), ("full", 1, 1)])
def test_a_side_that_may_be_missing_is_nullable(how, left, right):
    required = pa.schema([pa.field("k", pa.int64(), nullable=False)])
    other = pa.schema([pa.field("j", pa.int64(), nullable=False), pa.field("x", pa.int64(), nullable=False)])
    joined = output_schema(Join(("k",), ("j",), how), [required, other])
    assert [joined.field(name).nullable for name in ("k", "x")] == [bool(left), bool(right)]


def test_join_keys_may_differ_in_width_and_encoding_where_one_side_names_them():
    small = pa.schema([("n", pa.int64()), ("carrier", CODES), ("x", pa.int8())])
    joined = output_schema(Join(("carrier", "n"), ("carrier", "n"), "left"), [FLIGHTS, small])
    assert types(joined) == {"carrier": "string", "delay": "double", "n": "int32", "x": "int8"}
    with pytest.raises(TypeMismatch, match="cannot join 'n'"):
        output_schema(Join(("n",), ("n",), "full"), [FLIGHTS, small])


@pytest.mark.parametrize(
    ("join", "error", "message"),
    [
        (Join(("carrier",), ("n",)), TypeMismatch, r"cannot join 'carrier' \(string\) with 'n' \(int64\)"),
        (Join(("carrier",), ("carrier", "n")), SchemaError, "as many left keys as right keys"),
        (Join(("carrier",), ("carrier",), suffix=""), DuplicateColumn, "two columns are named 'n'"),
    ],
)
def test_joins_that_do_not_fit_are_refused(join, error, message):
    with pytest.raises(error, match=message):
        output_schema(join, [FLIGHTS, AIRLINES])


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([pa.string(), pa.large_string()], pa.large_string()),
        ([pa.string(), pa.dictionary(pa.int32(), pa.string())], pa.string()),
        ([pa.dictionary(pa.int8(), pa.string())] * 2, pa.dictionary(pa.int8(), pa.string())),
        ([pa.large_binary(), pa.binary(), pa.binary()], pa.large_binary()),
        ([pa.int64(), pa.int64()], pa.int64()),
    ],
)
def test_a_union_accepts_strings_in_different_encodings(types, expected):
    inputs = [pa.schema([("x", data_type)]) for data_type in types]
    assert output_schema(Union(len(inputs)), inputs).field("x").type == expected


NESTED = pa.schema([("a", pa.list_(pa.int64())), ("b", pa.struct([("x", pa.int8())])), ("n", pa.int64())])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (Sort(("n", "a"), (False, False)), "'a' is list<item: int64>, which has no order"),
        (Top(("n",), 1, "b"), "'b' is struct<x: int8>, which has no order"),
        (Top(("a",), 1, "n"), "'a' is list<item: int64>, which cannot be a key"),
        (Distinct(("b",)), "'b' is struct<x: int8>, which cannot be a key"),
        (Aggregate(("a",), (AggregateColumn("rows", "count"),), NESTED), "'a' is list<item: int64>, which cannot be"),
    ],
    ids=["sort", "top by", "top of", "distinct", "group"],
)
def test_nested_columns_cannot_be_keys_or_sorted(spec, message):
    with pytest.raises(TypeMismatch, match=message):
        output_schema(spec, [NESTED])


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (FLIGHTS.remove(2), "it lacks 'n'"),
        (FLIGHTS.append(pa.field("x", pa.int8())), "it also has 'x'"),
        (FLIGHTS.set(2, pa.field("n", pa.int64())), "'n' is int64, not int32"),
        (pa.schema(reversed(list(FLIGHTS))), "the order is n, delay, carrier, not carrier, delay, n"),
    ],
)
def test_a_union_reports_what_differs(other, difference):
    with pytest.raises(SchemaError, match=f"input 1 differs from input 0: {difference}"):
        output_schema(Union(2), [FLIGHTS, other])


def aggregate(phase, keys=("carrier",), schema=FLIGHTS):
    columns = (AggregateColumn("rows", "count"), AggregateColumn("mean", "mean", "delay"))
    return Aggregate(keys, columns, schema, phase)


def test_phases_of_an_aggregate_fit_together():
    partial = output_schema(aggregate(Phase.PARTIAL), [FLIGHTS])
    assert types(partial)["carrier"] == "string"
    expected = {"carrier": "string", "rows": "int64", "mean": "double"}
    assert types(output_schema(aggregate(Phase.FINAL), [partial])) == expected
    assert types(output_schema(aggregate(Phase.FULL), [FLIGHTS])) == expected


def test_dictionary_keys_leave_as_plain_strings():
    encoded = FLIGHTS.set(0, pa.field("carrier", CODES))
    assert types(output_schema(aggregate(Phase.PARTIAL), [encoded]))["carrier"] == "string"
    assert types(output_schema(aggregate(Phase.FULL), [encoded]))["carrier"] == "string"


def test_an_aggregate_without_mergeable_form_has_no_partial():
    exact = Aggregate(("carrier",), (AggregateColumn("u", "approx_n_unique", "n"),), FLIGHTS, Phase.PARTIAL)
    with pytest.raises(GraphError, match="no partial form"):
        output_schema(exact, [FLIGHTS])


def test_a_rank_adds_a_column():
    assert output_schema(Top(("carrier",), 3, "delay", rank="place"), [FLIGHTS]).names[-1] == "place"


def test_the_errors_output_of_a_map_has_its_input_and_the_error():
    spec = MapRows(FUNCTION, AIRLINES, OnError.SIDE)
    assert side_schema(spec, "errors", [FLIGHTS]).names == ["carrier", "delay", "n", "error"]
    with pytest.raises(GraphError, match="no side output 'late'; it has 'errors'"):
        side_schema(spec, "late", [FLIGHTS])
    with pytest.raises(GraphError, match="on_error='side'"):
        side_schema(MapRows(FUNCTION, AIRLINES), "errors", [FLIGHTS])


def test_the_number_of_inputs_is_checked():
    with pytest.raises(GraphError, match="join has 2 inputs, but 1 are connected"):
        output_schema(Join(("carrier",), ("carrier",)), [FLIGHTS])
    assert output_schema(Source("rate", FLIGHTS), []) == FLIGHTS
