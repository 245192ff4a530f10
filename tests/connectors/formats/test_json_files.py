import json
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from functools import partial

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb import connectors
from sabotnb.connectors.formats.json_files import JsonFiles
from sabotnb.errors import SourceError
from sabotnb.expr import col


def write(folder, rows, name="a.jsonl"):
    (folder / name).write_text(rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def test_types_are_those_of_the_first_rows(tmp_path, read):
    path = write(
        tmp_path,
        [
            {
                "i": 1,
                "f": 1.5,
                "s": "é\n",
                "b": True,
                "t": "2024-01-02T03:04:05",
                "l": [1],
                "o": {"x": None},
                "n": None,
            },
            {"s": None, "extra": 5},
        ],
    )
    spec = connectors.json(path)
    assert {field.name: str(field.type) for field in spec.schema} == {
        "i": "int64",
        "f": "double",
        "s": "string",
        "b": "bool",
        "t": "string",
        "l": "list<item: int64>",
        "o": "struct<x: string>",
        "n": "string",
        "extra": "int64",
    }
    first, second = read(spec).to_pylist()
    assert (first["s"], first["t"], first["l"]) == ("é\n", "2024-01-02T03:04:05", [1])
    assert second == {name: 5 if name == "extra" else None for name in spec.schema.names}


@settings(deadline=None, max_examples=40)
@given(
    rows=st.lists(st.fixed_dictionaries({"n": st.integers(-9, 9), "s": st.text(max_size=6)}), min_size=1, max_size=60),
    section=st.integers(1, 200),
)
def test_splits_add_up_to_the_whole(tmp_path_factory, read, rows, section):
    path = write(tmp_path_factory.mktemp("j"), rows)
    spec = connectors.json(path, schema={"s": pa.string()})
    assert read(spec, 7, JsonFiles(spec, section)).to_pylist() == rows


def test_projection_predicate_and_position(tmp_path, read):
    spec = connectors.json(write(tmp_path, [{"n": i, "w": f"w{i % 3}", "x": {"y": i}} for i in range(100)]))
    narrow = replace(spec, schema=pa.schema({"w": pa.dictionary(pa.int32(), pa.string())}), predicate=col("n") >= 98)
    assert read(narrow)["w"].to_pylist() == ["w2", "w0"]
    source = connectors.source(spec)
    (split,) = source.splits()
    _, position, *_ = source.open(split).poll(30)
    assert source.open(replace(split, position=position)).poll(1)[0]["n"].to_pylist() == [30]


def test_schema_adds_and_replaces_and_chooses(tmp_path, read):
    path = write(tmp_path, [{"a": 1, "b": "x"}])
    assert read(connectors.json(path, schema={"a": pa.float64(), "z": pa.int64()})).to_pylist() == [
        {"a": 1.0, "b": "x", "z": None}
    ]
    assert read(connectors.json(path, schema=pa.schema({"b": pa.string()}))).to_pylist() == [{"b": "x"}]


def long_file(line_1000):
    return '{"a": 1, "b": "x"}\n' * 998 + "\n" + line_1000 + "\n" + '{"a": 1}\n' * 5


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"a": "one"}',
            (
                "a.jsonl', line 1000: field 'a' is int64 by the rows before, but has 'one' here: "
                "no type holds both, so correct the file"
            ),
        ),
        ('{"a": 1.5}', "line 1000: field 'a' is int64 by the rows before, but has 1.5 here: .*{'a': pa.float64()}"),
        ('{"a": 1, "c": 3}', "line 1000: the field 'c' is not in the rows before: name its type, schema={'c': "),
        ('{"a": 1,', "line 1000: this is not JSON (Expecting"),
        ("[1]", "line 1000: [1] is not an object: correct the file, one object a line"),
        (" null", "line 1000: null is not an object: correct the file, one object a line"),
    ],
)
@pytest.mark.parametrize("section", [1000, 8 << 20])
def test_the_1000th_line_is_wrong(tmp_path, read, line, message, section):
    spec = connectors.json(write(tmp_path, long_file(line)), first_block=100)
    with pytest.raises(SourceError) as caught:
        read(spec, connector=JsonFiles(spec, section))
    for part in message.split(".*"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1}]', r"is one JSON array: write an object a line \(JSONL\), or use Stream.from_rows"),
        ("\n \n", "has nothing but blank lines"),
        ('{"a": 1}\n{"a": "x"}\n', "line 2: field 'a' is int64 by the rows before, but has 'x' here"),
        ("{\n", "line 1: this is not JSON"),
        ('null\n{"a": 1}\n', "line 1: null is not an object: correct the file, one object a line"),
        ("  null", "line 1: null is not an object"),
        ('\ufeffnull\n{"a": 1}\n', "line 1: null is not an object"),
    ],
)
def test_files_that_are_no_jsonl(tmp_path, text, message):
    with pytest.raises(SourceError, match=message):
        connectors.json(write(tmp_path, text))


@pytest.mark.parametrize("schema", [None, {"a": pa.int64()}])
def test_files_of_blank_lines_before_files_with_rows(tmp_path, read, schema):
    for name, text in (("a", "\n \n"), ("b", ""), ("c", '\n{"a": 1}\n'), ("d", "\n\n")):
        (tmp_path / f"{name}.jsonl").write_text(text)
    assert read(connectors.json(tmp_path, schema=schema)).to_pylist() == [{"a": 1}]


@pytest.mark.parametrize("block", [4, 1 << 20])
def test_text_that_is_not_utf8_names_the_line(tmp_path, read, block):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": "x"}\n{"a": "M\xfcnchen"}\n')
    with pytest.raises(SourceError, match=r"a\.jsonl', line 2: this is not UTF-8 text: save the file as UTF-8"):
        read(connectors.json(path, first_block=block))


@pytest.mark.parametrize(
    ("data_type", "text", "message"),
    [
        (
            pa.string(),
            "1",
            r"'a' is string by schema=, but has 1 here: declare what it is, schema=\{'a': pa.int64\(\)\}",
        ),
        (
            pa.int8(),
            "300",
            r"'a' is int8 by schema=, but has 300 here: declare what it is, schema=\{'a': pa.int64\(\)\}",
        ),
        (pa.date32(), '"May"', r"'a' is date32\[day\] by schema=, but has 'May' here: .*\{'a': pa.string\(\)\}"),
    ],
)
@pytest.mark.parametrize("first_block", [12, 1 << 20])
def test_what_the_user_declared_is_not_called_the_rows_before(tmp_path, read, data_type, text, message, first_block):
    path = write(tmp_path, f'{{"a": null}}\n{{"a": {text}}}\n')
    with pytest.raises(SourceError, match=f"line 2: field {message}, or correct the file"):
        read(connectors.json(path, schema={"a": data_type}, first_block=first_block))


def test_types_that_the_parser_lacks(tmp_path, read):
    rows = [{"d": "2024-05-06", "t": "01:02:03", "l": ["2024-05-06"], "m": [{"key": "a", "value": 1}], "n": 5}, {}]
    types = {
        "l": pa.large_list(pa.date32()),
        "t": pa.time64("us"),
        "d": pa.date32(),
        "m": pa.map_(pa.string(), pa.int64()),
    }
    spec = connectors.json(write(tmp_path, rows), schema=types)
    assert spec.schema == pa.schema([(name, types.get(name, pa.int64())) for name in "dtlmn"])
    day = date(2024, 5, 6)
    assert read(replace(spec, predicate=col("d") == day)).to_pylist() == [
        {"d": day, "t": time(1, 2, 3), "l": [day], "m": [("a", 1)], "n": 5}
    ]
    assert read(spec).to_pylist()[1] == dict.fromkeys("dtlmn")


BIG = "12345678901234567890", "12345678901234567891"
DECIMAL = partial(pa.decimal128, 38)
SHAPES = {
    "plain": ("{}", lambda kind: kind),
    "list": ("[1, {}]", pa.list_),
    "struct": ('{{"n": {}}}', lambda kind: pa.struct({"n": kind})),
    "structs": ('[{{"n": null}}, {{"n": {}}}]', lambda kind: pa.list_(pa.struct({"n": kind}))),
}


def numbers_in(value):
    if isinstance(value, list | dict):
        return [n for inner in (value if isinstance(value, list) else value.values()) for n in numbers_in(inner)]
    return [] if value is None else [value]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("values", "data_type"),
    [
        (BIG, pa.uint64()),
        (["9223372036854775808", "1"], pa.uint64()),
        (["-1", *BIG], DECIMAL(0)),
        (["18446744073709551616", "18446744073709551617"], DECIMAL(0)),
        (["9007199254740993", "1.5"], DECIMAL(1)),
        (["1.25", "-9007199254740993"], DECIMAL(2)),
        (["9007199254740992", "1.5"], pa.float64()),
        (["1e300", "1.5"], pa.float64()),
    ],
)
def test_no_integer_is_rounded(tmp_path, read, shape, values, data_type):
    text, type_of = SHAPES[shape]
    spec = connectors.json(write(tmp_path, "".join(f'{{"x": {text.format(value)}}}\n' for value in values)))
    assert spec.schema.field("x").type == type_of(data_type)
    if not pa.types.is_floating(data_type):
        found = numbers_in(read(spec)["x"].to_pylist())
        assert [n for n in found if shape != "list" or n != 1] == [
            Decimal(v) for v in values if shape != "list" or v != "1"
        ]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("rows", "later", "data_type"),
    [
        (["1"], BIG, pa.uint64()),
        (["-1"], BIG, DECIMAL(0)),
        (["1.5"], ["9007199254740993"], DECIMAL(1)),
        (["1"], ["2.5"], pa.float64()),
        (["9007199254740993"], ["2.5"], DECIMAL(1)),
        ([BIG[0]], ["-5"], DECIMAL(0)),
        (["9007199254740993", "2.5"], ["2.25"], DECIMAL(2)),
    ],
)
@pytest.mark.parametrize("section", [300, 8 << 20])
def test_advice_for_a_value_behind_the_first_block_can_be_run(
    tmp_path, read, advised, shape, rows, later, data_type, section
):
    text, type_of = SHAPES[shape]
    lines = [f'{{"x": {text.format(value)}}}\n' for value in [*rows * 200, *later, *rows * 50]]
    path = write(tmp_path, "".join(lines))
    spec = connectors.json(path, first_block=100)
    with pytest.raises(SourceError, match=r"a\.jsonl', line [24]0[123]: field 'x' .* here: give a type") as caught:
        read(spec, connector=JsonFiles(spec, section))
    advised = connectors.json(path, **advised(caught.value))
    assert advised.schema.field("x").type == type_of(data_type)
    exact = [json.loads(line, parse_int=Decimal, parse_float=Decimal)["x"] for line in lines]
    assert read(advised, connector=JsonFiles(advised, section))["x"].to_pylist() == exact


def test_integers_that_no_type_holds_are_refused(tmp_path, read, advised):
    path = write(tmp_path, '{"x": 1.5}\n{"x": 9007199254740993}\n{"x": 1e300}\n')
    with pytest.raises(SourceError, match=r"line 2: .*would round 9007199254740993 here: no type holds") as caught:
        connectors.json(path)
    assert read(connectors.json(path, **advised(caught.value)))["x"].to_pylist() == [1.5, 2.0**53, 1e300]


def test_a_second_file_rounds_no_integer(tmp_path, read):
    write(tmp_path, [{"x": 1.5}])
    write(tmp_path, [{"x": 9007199254740993}], "b.jsonl")
    with pytest.raises(SourceError, match=r"b\.jsonl', line 1: field 'x' .* would round 9007199254740993 here"):
        read(connectors.json(tmp_path))
    assert read(connectors.json(tmp_path, schema={"x": DECIMAL(1)})).to_pylist()[1] == {"x": 9007199254740993}


def test_digits_are_checked_over_marks_and_objects_of_several_lines(tmp_path, read):
    path = write(tmp_path, '\ufeff{"x":\n1.5} {"x": 2e0}\n\n{"x": 9007199254740993}')
    with pytest.raises(SourceError, match=r"line 4: .* would round 9007199254740993"):
        read(connectors.json(path, schema={"y": pa.int64()}, first_block=10))


@pytest.mark.parametrize("text", ["2024-05-06", "2024-05-06T01:02:03", "2024-05-06T01:02:03Z"])
@pytest.mark.parametrize("shape", SHAPES)
def test_text_that_looks_like_a_time_is_text(tmp_path, read, shape, text):
    form, type_of = SHAPES[shape]
    line = '{"x": ' + form.format(f'"{text}"').replace("1,", "null,") + "}\n"
    spec = connectors.json(write(tmp_path, line))
    assert spec.schema.field("x").type == type_of(pa.string())
    assert numbers_in(read(spec).to_pylist()) == [text]


def nested(levels):
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize("levels", [61, 90, 600, 3000, 20_000, 1_000_000])
@pytest.mark.parametrize("first_block", [4, 1 << 20])
def test_rows_nested_too_deep_are_refused(tmp_path, read, levels, first_block):
    path = write(tmp_path, '{"a": 1}\n{"b": "[{"}\n' + nested(levels) + "\n")
    schema = pa.schema({"a": pa.int64(), "b": pa.string()})
    message = r"a\.jsonl', line 3: the row is nested more than 60 levels deep: flatten it"
    with pytest.raises(SourceError, match=message):
        read(connectors.json(path, schema=schema, first_block=first_block))


def test_rows_that_are_not_closed_are_not_taken_for_deep_ones(tmp_path):
    with pytest.raises(SourceError, match=r"line 61: .* deep, or a row before it is not closed"):
        connectors.json(write(tmp_path, '{"a": 1,\n' * 100))


def test_rows_of_60_levels_are_read(tmp_path, read):
    path = write(tmp_path, nested(60) + "\n")
    table = read(connectors.json(path))
    pa.ipc.open_stream(stream_of(table)).read_all().equals(table)
    assert json.dumps(table.to_pylist()[0]).replace(" ", "") == nested(60)


def stream_of(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def test_a_field_that_a_struct_did_not_have_before(tmp_path, read, advised):
    path = write(tmp_path, '{"o": {"x": 1}}\n' * 20 + '{"o": {"x": 1, "y": [2.5]}}\n')
    with pytest.raises(SourceError, match=r"line 21: field 'o' is struct<x: int64> by the rows before") as caught:
        read(connectors.json(path, first_block=20))
    assert read(connectors.json(path, **advised(caught.value))).to_pylist()[20] == {"o": {"x": 1, "y": [2.5]}}


def test_a_field_without_values_in_the_first_rows(tmp_path, read, advised):
    path = write(tmp_path, '{"x": null}\n' * 20 + '{"x": 5}\n')
    with pytest.raises(SourceError, match=r"line 21: field 'x' is string by the rows before") as caught:
        read(connectors.json(path, first_block=20))
    assert read(connectors.json(path, **advised(caught.value))).to_pylist()[20] == {"x": 5}


@pytest.mark.parametrize("data_type", [pa.month_day_nano_interval(), pa.list_(pa.json_())])
def test_a_type_that_json_cannot_hold(tmp_path, data_type):
    with pytest.raises(SourceError, match=r"declares 'a' as .*, which JSON files cannot hold: declare pa.string\(\)"):
        connectors.json(write(tmp_path, [{"a": 1}]), schema={"a": data_type})


def test_long_values_are_shortened_in_messages(tmp_path):
    with pytest.raises(SourceError, match=r"would round 1{100}\.\.\. here") as caught:
        connectors.json(write(tmp_path, '{"a": 1.5}\n{"a": ' + "1" * 10_000 + "}\n"))
    assert len(str(caught.value)) < 600


def test_a_negative_zero_beside_large_integers(tmp_path, read):
    path = write(tmp_path, '{"a": -0}\n{"a": 12345678901234567890}\n')
    assert read(connectors.json(path))["a"].to_pylist() == [0, 12345678901234567890]
