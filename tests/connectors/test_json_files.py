import json
from dataclasses import replace
from datetime import date, datetime, time

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb import connectors
from sabotnb.connectors.json_files import JsonFiles
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
        "t": "timestamp[us]",
        "l": "list<item: int64>",
        "o": "struct<x: string>",
        "n": "string",
        "extra": "int64",
    }
    first, second = read(spec).to_pylist()
    assert (first["s"], first["t"], first["l"]) == ("é\n", datetime(2024, 1, 2, 3, 4, 5), [1])
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
    _, position = source.open(split).poll(30)
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
        ('{"a": 1,', "line 1000: this is no JSON (Expecting"),
        ("[1]", "line 1000: [1] is no object: correct the file, one object a line"),
        (" null", "line 1000: null is no object: correct the file, one object a line"),
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
        ("{\n", "line 1: this is no JSON"),
        ('null\n{"a": 1}\n', "line 1: null is no object: correct the file, one object a line"),
        ("  null", "line 1: null is no object"),
        ('\ufeffnull\n{"a": 1}\n', "line 1: null is no object"),
    ],
)
def test_files_that_are_no_jsonl(tmp_path, text, message):
    with pytest.raises(SourceError, match=message):
        connectors.json(write(tmp_path, text))


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
