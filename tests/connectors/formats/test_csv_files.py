import csv as text_csv
import io
import re
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from functools import partial

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb import connectors
from sabotnb.connectors.formats.byte_ranges import cut_records
from sabotnb.connectors.formats.csv_files import CsvFiles
from sabotnb.connectors.formats.csv_parsing import READ_BLOCK
from sabotnb.connectors.sources.batch_source import BatchSource
from sabotnb.errors import SourceError
from sabotnb.expr import col


def small_sections(spec, section_bytes=5000, scan_bytes=1000):
    """The connector of ``spec``, but one that cuts short files, too."""
    return CsvFiles(spec, partial(cut_records, section_bytes=section_bytes, scan_bytes=scan_bytes))


def write(folder, text, name="a.csv"):
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder / name


def test_types_are_those_of_the_first_rows(tmp_path, read):
    path = write(
        tmp_path,
        "i,f,s,b,d,t,z,none\n"
        '1,1.5,"a,b",true,2024-01-02,2024-01-02 03:04:05,2024-01-02T03:04:05Z,\n'
        ",,,,,2024-01-02 03:04:05.25,,\n",
    )
    spec = connectors.csv(path)
    assert [str(field.type) for field in spec.schema] == [
        "int64",
        "double",
        "string",
        "bool",
        "date32[day]",
        "timestamp[us]",
        "timestamp[us, tz=UTC]",
        "string",
    ]
    first, second = read(spec).to_pylist()
    assert (first["i"], first["s"], first["t"]) == (1, "a,b", datetime(2024, 1, 2, 3, 4, 5))
    assert [name for name, value in second.items() if value is not None] == ["t"]


def test_an_empty_field_is_null_and_a_quoted_one_is_not(tmp_path, read):
    assert read(connectors.csv(write(tmp_path, 'a,b\n1,\n2,""\n3,NA\n')))["b"].to_pylist() == [None, "", "NA"]
    spec = connectors.csv(tmp_path / "a.csv", null_values=["", "NA"])
    assert read(spec)["b"].to_pylist() == [None, "", None]


def test_an_empty_line_is_a_null_of_a_single_column(tmp_path, read):
    assert read(connectors.csv(write(tmp_path, "a\n1\n\n3\n")))["a"].to_pylist() == [1, None, 3]
    assert read(connectors.csv(write(tmp_path, "a,b\n1,2\n\n3,4\n")))["a"].to_pylist() == [1, 3]


@pytest.mark.parametrize("text", ["\ufeffa,b\r\n1,x\r\n", '"a","b"\n1,x', "\n\na,b\n1,x\n"])
def test_marks_line_ends_and_quoted_headers(tmp_path, read, text):
    assert read(connectors.csv(write(tmp_path, text))).to_pylist() == [{"a": 1, "b": "x"}]


def test_a_header_alone_is_a_table_without_rows(tmp_path, read):
    spec = connectors.csv(write(tmp_path, "a,b\n"))
    assert spec.schema.names == ["a", "b"]
    assert read(spec).num_rows == 0


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_three_ways(tmp_path, read, end):
    text = "n,s\n" + '1,x\n2,"y\nz"\n' * 2000
    spec = connectors.csv(write(tmp_path, text.replace("\n", end)), first_block=300)
    assert len(BatchSource(spec, small_sections(spec)).splits()) > 2
    assert (
        read(spec, connector=small_sections(spec)).to_pylist()
        == [
            {"n": 1, "s": "x"},
            {"n": 2, "s": f"y{end}z"},
        ]
        * 2000
    )


values = st.text(alphabet=st.sampled_from('ab,"\n\r é😀\x00' + "'"), max_size=6).map(lambda s: s.replace("\x00", ""))


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.tuples(st.integers(-9, 9), values), min_size=1, max_size=60),
    section=st.integers(8, 120),
    end=st.sampled_from(["\r\n", "\n", "\r"]),
)
def test_splits_add_up_to_the_whole(tmp_path_factory, read, rows, section, end):
    text = io.StringIO(newline="")
    text_csv.writer(text, quoting=text_csv.QUOTE_ALL, lineterminator=end).writerows([("n", "s"), *rows])
    path = write(tmp_path_factory.mktemp("c"), text.getvalue())
    schema = pa.schema({"n": pa.int64(), "s": pa.string()})
    spec = connectors.csv(path, schema=schema)
    assert read(spec, 7, small_sections(spec, section, 16)).to_pylist() == [{"n": n, "s": s} for n, s in rows]


def test_a_long_file_is_read_in_sections_with_projection_and_predicate(tmp_path, read):
    path = write(tmp_path, "n,word,x\n" + "".join(f'{i},"w\n{i % 7}",{i / 2}\n' for i in range(5000)))
    spec = connectors.csv(path)
    splits = BatchSource(spec, small_sections(spec)).splits()
    assert len(splits) > 5
    assert sum(split.nbytes for split in splits) == path.stat().st_size - len("n,word,x\n")
    assert read(spec, connector=small_sections(spec))["n"].to_pylist() == list(range(5000))
    narrow = replace(spec, schema=pa.schema({"word": pa.dictionary(pa.int32(), pa.string())}), predicate=col("n") < 3)
    assert read(narrow, connector=small_sections(narrow))["word"].to_pylist() == ["w\n0", "w\n1", "w\n2"]
    assert connectors.estimate(spec) == connectors.SourceEstimate(None, path.stat().st_size)


def test_reading_goes_on_at_a_position(tmp_path):
    path = write(tmp_path, "n\n" + "".join(f"{i}\n" for i in range(100)))
    source = connectors.source(connectors.csv(path))
    (split,) = source.splits()
    _, position, *_ = source.open(split).poll(30)
    rest, *_ = source.open(replace(split, position=position)).poll(1000)
    assert rest["n"].to_pylist() == list(range(30, 100))


def test_files_may_have_their_columns_in_another_order(tmp_path, read):
    write(tmp_path, "a,b\n1,x\n")
    write(tmp_path, "b,a\ny,2\n", "b.csv")
    assert read(connectors.csv(tmp_path)).to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def test_schema_replaces_types_of_single_columns_or_says_all(tmp_path, read):
    path = write(tmp_path, "a,b\n1,2\n")
    assert read(connectors.csv(path, schema={"a": pa.string()})).to_pylist() == [{"a": "1", "b": 2}]
    assert read(connectors.csv(path, schema=pa.schema({"b": pa.float64()}))).to_pylist() == [{"b": 2.0}]
    with pytest.raises(SourceError, match=r"schema= names 'c', but .* has: a, b; leave 'c' out"):
        connectors.csv(path, schema={"c": pa.string()})


def long_file(line_1000):
    """A header, 998 good lines, and one that is line 1000 of the file; the value before it has a line break."""
    return "a,b,c\n" + "1,x,2.5\n" * 996 + '1,"x\ny",2.5\n' + line_1000 + "1,x,2.5\n" * 5


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "one,x,2.5\n",
            (
                "a.csv', line 1000: column 'a' is int64 by the rows before, but has 'one' here: "
                "give a type that fits all rows, schema={'a': pa.string()}, or correct the file"
            ),
        ),
        ("1.5,x,2.5\n", "line 1000: column 'a' is int64 by the rows before, but has '1.5' here: .*'a': pa.float64()"),
        ("1,x,2.5,9\n", "line 1000: 4 fields, but the header has 3: correct the file; a comma inside"),
        ("1,x\n", "line 1000: 2 fields, but the header has 3"),
    ],
)
def test_the_1000th_line_is_wrong(tmp_path, read, line, message, end):
    spec = connectors.csv(write(tmp_path, long_file(line).replace("\n", end)), first_block=200)
    with pytest.raises(SourceError) as caught:
        read(spec, connector=small_sections(spec))
    for part in message.split(".*"):
        assert part in str(caught.value)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("tail", "line"), [('2,"x\n3,y\n', 4), ('2,"x"\n3,"', None), ('2,5" pipe\n3,z\n', None)])
def test_a_quote_that_is_never_closed(tmp_path, tail, line, end):
    path = write(tmp_path, ('a,b\n0,"p\nq"\n' + tail).replace("\n", end))
    if line is None:
        connectors.csv(path)
        return
    with pytest.raises(SourceError, match=f"line {line}: a quote that begins here is never closed: correct the file"):
        connectors.csv(path)


def test_a_column_that_is_text_from_line_1000_on(tmp_path):
    path = write(tmp_path, long_file("one,x,2.5\n"))
    with pytest.raises(SourceError, match=r"line 1000: column 'a' is int64 by the rows before, but has 'one' here"):
        connectors.csv(path)
    assert connectors.csv(path, schema={"a": pa.string()}).schema.field("a").type == pa.string()


def test_a_column_without_values_in_its_first_rows_may_be_text(tmp_path):
    path = write(tmp_path, "a,b\n" + "1,\n" * 200 + "2.5,x\n")
    assert connectors.csv(path).schema == pa.schema({"a": pa.float64(), "b": pa.string()})


def test_a_line_of_the_first_block_that_has_too_many_fields(tmp_path):
    with pytest.raises(SourceError, match="line 1000: 4 fields, but the header has 3"):
        connectors.csv(write(tmp_path, long_file("1,x,2.5,9\n")))


def test_a_column_may_hold_bytes_that_are_no_text(tmp_path, read):
    path = write(tmp_path, b"a,b\n1,x\n2,\xff\n")
    assert read(connectors.csv(path, schema={"b": pa.binary()}))["b"].to_pylist() == [b"x", b"\xff"]


def test_text_that_is_not_utf8_names_the_line(tmp_path, read):
    path = write(tmp_path, b"a,b\n1,x\n2,\xff\n")
    with pytest.raises(SourceError, match=r"a\.csv', line 3: this is not UTF-8 text: pass its encoding"):
        connectors.csv(path)
    with pytest.raises(SourceError, match=r"a\.csv', line 3: this is not UTF-8 text: pass its encoding"):
        read(connectors.csv(path, schema={"b": pa.string()}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,a\n1,2\n", "has several columns named 'a': rename all but one"),
        (b"\xff\xfe,b\n1,2\n", "the first line of .* is not UTF-8"),
        ("\n\n", "has no header line: write the column names into its first line"),
        ("a,b\n1\n", "line 2: 1 fields, but the header has 2"),
    ],
)
def test_bad_headers(tmp_path, text, message):
    with pytest.raises(SourceError, match=message):
        connectors.csv(write(tmp_path, text))


def test_files_with_other_headers_are_refused_with_the_difference(tmp_path):
    write(tmp_path, "a,b\n1,2\n")
    write(tmp_path, "a,c\n1,2\n", "b.csv")
    with pytest.raises(SourceError, match=r"a different header from .*lacks \['b'\], has \['c'\] instead.*sb.union"):
        connectors.csv(tmp_path)


@pytest.mark.parametrize("data_type", [pa.list_(pa.int64()), pa.uuid(), pa.month_day_nano_interval()])
def test_a_type_that_csv_cannot_hold(tmp_path, data_type):
    path = write(tmp_path, "a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"declares 'a' as .*, which CSV files cannot hold: declare pa.string\(\)"):
        connectors.csv(path, schema={"a": data_type})


def test_long_values_are_shortened_in_messages(tmp_path, read):
    path = write(tmp_path, "a\n" + "1\n" * 200 + "x" * 1_000_000 + "\n")
    with pytest.raises(SourceError, match=r"has 'x{99}\.\.\. here: give a type") as caught:
        read(connectors.csv(path))
    assert len(str(caught.value)) < 500


def test_a_sign_of_plus(tmp_path, read):
    path = write(tmp_path, "a\n+9007199254740993\n1\n")
    assert read(connectors.csv(path))["a"].to_pylist() == [9007199254740993, 1]


def test_a_type_that_the_user_declared_is_not_called_that_of_the_rows_before(tmp_path, read):
    (tmp_path / "a.csv").write_text("a\n2024-05-06\n01/02/2024\n")
    with pytest.raises(
        SourceError, match=r"line 3: .* is timestamp.* by schema=, .*: declare what it is, schema={'a': pa"
    ):
        read(connectors.csv(tmp_path, schema={"a": pa.timestamp("us")}))


BIG = ["12345678901234567890", "12345678901234567891"]
DECIMAL = partial(pa.decimal128, 38)


@pytest.mark.parametrize(
    ("values", "data_type"),
    [
        (BIG, pa.uint64()),
        (["1", *BIG], pa.uint64()),
        (["", *BIG], pa.uint64()),
        (["9223372036854775808", "1"], pa.uint64()),
        (["-1", *BIG], DECIMAL(0)),
        (["-9223372036854775809", "1"], DECIMAL(0)),
        (["18446744073709551616", "18446744073709551617"], DECIMAL(0)),
        (["9007199254740993", "1.5"], DECIMAL(1)),
        (["1.25", "-9007199254740993"], DECIMAL(2)),
        (["9007199254740993.0", "9007199254740992.0"], DECIMAL(1)),
        (["9007199254740992", "1.5"], pa.float64()),
        (["100000000000000000000", "1.5"], pa.float64()),
        (["1e300", "1.5"], pa.float64()),
        (["inf", "nan"], pa.float64()),
    ],
)
def test_no_integer_is_rounded(tmp_path, read, values, data_type):
    spec = connectors.csv(write(tmp_path, "k,x\n" + "".join(f"0,{value}\n" for value in values)))
    assert spec.schema.field("x").type == data_type
    if not pa.types.is_floating(data_type):
        assert read(spec)["x"].to_pylist() == [Decimal(value) if value else None for value in values]


@pytest.mark.parametrize("values", [["9007199254740993", "1e-300", "1e300"], ["1" * 39, "1.5"], ["1" * 40]])
def test_integers_that_no_type_holds_are_refused(tmp_path, read, advised, values):
    path = write(tmp_path, "x\n" + "".join(f"{value}\n" for value in values))
    with pytest.raises(SourceError, match=rf"line 2: column 'x' is double .* would round {values[0]} here") as caught:
        connectors.csv(path)
    assert read(connectors.csv(path, **advised(caught.value)))["x"].to_pylist() == values


@pytest.mark.parametrize(
    ("rows", "later", "data_type"),
    [
        (["1"], BIG, pa.uint64()),
        (["-1"], BIG, DECIMAL(0)),
        (["1.5"], ["9007199254740993"], DECIMAL(1)),
        (["1.5"], ["9007199254740992", "9007199254740993"], DECIMAL(1)),
        (["1"], ["2.5"], pa.float64()),
        (["9007199254740993"], ["2.5"], DECIMAL(1)),
        ([BIG[0]], ["-5"], DECIMAL(0)),
        (["9007199254740993", "2.5"], ["2.25"], DECIMAL(2)),
        (["9007199254740993", "2.5"], ["1e300"], pa.string()),
        (["2024-01-02"], ["2024-01-02 03:04:05"], pa.timestamp("us")),
        (["2024-01-02 03:04:05"], ["2024-01-02 03:04:05.123456789"], pa.timestamp("ns")),
        (["2024-01-02 03:04:05"], ["soon"], pa.string()),
        (["true"], ["5"], pa.string()),
    ],
)
@pytest.mark.parametrize("section", [300, 1 << 24])
def test_advice_for_a_value_behind_the_first_block_can_be_run(tmp_path, read, advised, rows, later, data_type, section):
    values = [*rows * 200, *later, *rows * 50]
    path = write(tmp_path, "x,y\n" + "".join(f"{value},y\n" for value in values))
    spec = connectors.csv(path, first_block=100)
    with pytest.raises(SourceError, match=r"a\.csv', line [24]0[23]: column 'x' is .* here: give a type") as caught:
        read(spec, connector=small_sections(spec, section, 100))
    advised = connectors.csv(path, **advised(caught.value))
    assert advised.schema.field("x").type == data_type
    texts = [str(value) for value in read(advised, connector=small_sections(advised, section, 100))["x"].to_pylist()]
    if pa.types.is_decimal(data_type):
        values = [str(Decimal(value).quantize(Decimal(10) ** -data_type.scale)) for value in values]
    if not pa.types.is_floating(data_type) and not pa.types.is_timestamp(data_type) and later != ["1e300"]:
        assert texts == values


def test_a_second_file_rounds_no_integer(tmp_path, read):
    write(tmp_path, "x\n1.5\n")
    write(tmp_path, "x\n9007199254740993\n", "b.csv")
    with pytest.raises(
        SourceError, match=r"b\.csv', line 2: column 'x' is double .* would round 9007199254740993 here"
    ):
        read(connectors.csv(tmp_path))
    assert read(connectors.csv(tmp_path, schema={"x": DECIMAL(1)}))["x"].to_pylist() == [
        Decimal("1.5"),
        Decimal(9007199254740993),
    ]
    assert read(connectors.csv(tmp_path, schema={"x": pa.float64()}))["x"].to_pylist() == [1.5, 2.0**53]


@pytest.mark.parametrize("schema", [None, {"x": pa.float64()}, {"x": pa.int64()}])
def test_a_marker_of_null_in_a_column_of_numbers(tmp_path, read, advised, schema):
    path = write(tmp_path, "x,y\n" + "1,a\n" * 200 + "NA,a\n2,a\n")
    with pytest.raises(
        SourceError, match=r"has 'NA' here: if that means null, pass null_values=\['', 'NA'\]"
    ) as caught:
        read(connectors.csv(path, schema=schema))
    assert read(connectors.csv(path, **advised(caught.value)))["x"].to_pylist() == [*[1] * 200, None, 2]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_is_named_or_refused(tmp_path, read, separator):
    path = write(tmp_path, 'a;b\n1;"x;y"\n2;z\n'.replace(";", separator))
    with pytest.raises(SourceError, match=re.escape(f"separated by {separator!r}. Pass separator={separator!r}, or")):
        connectors.csv(path)
    spec = connectors.csv(path, separator=separator)
    assert read(spec, connector=small_sections(spec, 5, 5)).to_pylist() == [
        {"a": 1, "b": f"x{separator}y"},
        {"a": 2, "b": "z"},
    ]
    assert connectors.csv(path, separator=",").schema.names == [f"a{separator}b"]


def test_a_single_column_may_have_other_separators_in_its_name(tmp_path, read):
    assert read(connectors.csv(write(tmp_path, "a;b\n1\n2\n"))).to_pylist() == [{"a;b": 1}, {"a;b": 2}]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"separator": ";;"}, "is not a single ASCII character"), ({"null_values": "NA"}, r"pass one, null_values=\[")],
)
def test_options_of_the_dialect(tmp_path, options, message):
    with pytest.raises(SourceError, match=message):
        connectors.csv(write(tmp_path, "a\n1\n"), **options)


@pytest.mark.parametrize("before", [0, 3, 200_000])
def test_a_record_longer_than_a_block(tmp_path, read, before):
    long = "x" * (10 << 20)
    path = write(tmp_path, "n,s\n" + '1,"a b c d e f g h i j k l"\n' * before + f"2,{long}\n3,b\n")
    table = read(connectors.csv(path))
    assert table["n"].to_pylist() == [1] * before + [2, 3]
    assert table["s"][before].as_py() == long


def test_a_header_longer_than_a_block(tmp_path, read):
    names = [f"{'x' * 100}{number}" for number in range(12_000)]
    path = write(tmp_path, ",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    assert connectors.csv(path).schema.names == names


@pytest.mark.parametrize("value", ["0xFFFFFFFFFFFFFFFF", "0xFF", "0X1", " 0x1"])
def test_hexadecimal_text_is_text(tmp_path, read, value):
    path = write(tmp_path, f"id,n\n{value},1\n0x1,2\n")
    assert read(connectors.csv(path)).to_pydict() == {"id": [value, "0x1"], "n": [1, 2]}


@pytest.mark.parametrize("data_type", [pa.int8(), pa.int64(), pa.uint64()])
def test_a_declared_integer_is_not_hexadecimal(tmp_path, read, data_type):
    path = write(tmp_path, "id\n1\n0xFF\n")
    with pytest.raises(SourceError, match=r"line 3: column 'id' is u?int\d+ by schema=, but has '0xFF'") as raised:
        read(connectors.csv(path, schema={"id": data_type}))
    assert "schema={'id': pa.string()}" in str(raised.value)


@pytest.mark.parametrize("rows", [150, 3000])
def test_hexadecimal_text_behind_integers_is_refused(tmp_path, read, rows):
    text = "id,s\n" + "".join(f"{row},0x{row}\n" for row in range(rows)) + "0xFF,x\n"
    path = write(tmp_path, text)

    def read_all():
        spec = connectors.csv(path, first_block=3000)
        return read(spec, connector=small_sections(spec))

    with pytest.raises(SourceError, match=f"line {rows + 2}: column 'id' is int64 by the rows before, but has '0xFF'"):
        read_all()


@pytest.mark.parametrize("texts", [("b\ntrue\n", "b\n1\n0\n"), ("b\n1\n0\n", "b\ntrue\n")])
def test_digits_are_no_booleans_whichever_file_comes_first(tmp_path, read, texts):
    for number, text in enumerate(texts):
        write(tmp_path, text, f"{number}.csv")
    with pytest.raises(SourceError, match=r"1.csv', line 2: column 'b' is (bool|int64) by"):
        read(connectors.csv(tmp_path))
    spec = connectors.csv(tmp_path, schema={"b": pa.bool_()})
    assert sorted(read(spec)["b"].to_pylist()) == [False, True, True]


@pytest.mark.parametrize(
    ("text", "data_type", "count"),
    [
        ("2024-01-01 00:00:00.123456789", pa.timestamp("ns"), 1704067200123456789),
        ("2024-01-01 00:00:00.123456789Z", pa.timestamp("ns", "UTC"), 1704067200123456789),
        ("2024-01-01 00:00:00.000000000", pa.timestamp("ns"), 1704067200000000000),
        ("2024-01-01 00:00:00.123456", pa.timestamp("us"), 1704067200123456),
        ("2024-01-01 00:00:00", pa.timestamp("us"), 1704067200000000),
    ],
)
def test_times_have_nanoseconds_where_digits_ask_for_them(tmp_path, read, text, data_type, count):
    found = read(connectors.csv(write(tmp_path, f"t\n{text}\n")))["t"]
    assert found.type == data_type
    assert found.cast(pa.int64()).to_pylist() == [count]


def test_a_first_row_has_no_rows_before_it(tmp_path, read):
    for name, text in {"1.csv": "n\n1\n", "2.csv": "n\nx\n"}.items():
        write(tmp_path, text, name)
    with pytest.raises(SourceError, match=r"2.csv', line 2: column 'n' is int64 by the other rows, but has 'x'"):
        read(connectors.csv(tmp_path))


def test_files_without_a_header(tmp_path, read):
    (tmp_path / "a.csv").write_text('1,"x\ny",2024-01-02\n2,,\n')
    (tmp_path / "b.csv").write_text("\n3,z,2024-01-03\n")
    found = read(connectors.csv(tmp_path, has_header=False))
    assert found.schema == pa.schema({"column_1": pa.int64(), "column_2": pa.string(), "column_3": pa.date32()})
    assert sorted(map(tuple, (row.values() for row in found.to_pylist()))) == [
        (1, "x\ny", date(2024, 1, 2)),
        (2, None, None),
        (3, "z", date(2024, 1, 3)),
    ]
    declared = read(connectors.csv(tmp_path, has_header=False, schema={"column_1": pa.float32()}))
    assert sorted(declared["column_1"].to_pylist()) == [1.0, 2.0, 3.0]


def test_one_column_without_a_header_has_null_rows(tmp_path, read):
    (tmp_path / "a.csv").write_text("\n7\n\n8\n")
    assert read(connectors.csv(tmp_path, has_header=False)).to_pydict() == {"column_1": [None, 7, None, 8]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (["1,2\n", "1,2,3\n"], r"b\.csv' has 3 columns, and '.*a\.csv' has 2: read them as several streams"),
        (["1,2\n3\n"], r"a\.csv', line 2: 1 fields, but the first record has 2"),
        (["1;2\n3;4\n"], r"would be one column that begins with '1;2'.*Pass separator=';'"),
        (["1\n" * 200 + "x\n"], r"a\.csv', line 201: column 'column_1' is int64"),
    ],
)
def test_faults_without_a_header(tmp_path, read, content, message):
    for name, text in zip("ab", content, strict=False):
        (tmp_path / f"{name}.csv").write_text(text)
    with pytest.raises(SourceError, match=message):
        read(connectors.csv(tmp_path, has_header=False))


SPOKEN = "n,näme\n1,Zürich\n2,Åre\n"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ISO-8859-15", "mac_roman", "utf-8-sig", "UTF8"])
def test_encodings(tmp_path, read, encoding):
    (tmp_path / "a.csv").write_text(SPOKEN, encoding)
    (tmp_path / "b.csv").write_text("n,näme\n3,Ö\n", encoding)
    found = read(connectors.csv(tmp_path, encoding=encoding))
    assert sorted(found.to_pylist(), key=lambda row: row["n"]) == [
        {"n": 1, "näme": "Zürich"},
        {"n": 2, "näme": "Åre"},
        {"n": 3, "näme": "Ö"},
    ]


@pytest.mark.parametrize(
    ("encoding", "word"), [("shift_jis", "表示ソ"), ("gb18030", "汉字€"), ("cp1251", "Ж"), ("euc_kr", "한국")]
)
def test_sections_of_other_encodings(tmp_path, encoding, word):
    rows = [(number, word * (number % 50)) for number in range(2000)]
    (tmp_path / "a.csv").write_text("n,w\n" + "".join(f'{number},"{text}\n|"\n' for number, text in rows), encoding)
    connector = small_sections(connectors.csv(tmp_path, encoding=encoding))
    splits = connector.splits()
    assert len(splits) > 3
    found = pa.Table.from_batches([batch for split in splits for batch in connector.batches(split, 100)])
    assert found.to_pylist() == [{"n": number, "w": f"{text}\n|"} for number, text in rows]


def test_long_records_of_other_encodings(tmp_path, read):
    text = "€" * (READ_BLOCK // 2)  # one byte in the file, three as UTF-8
    (tmp_path / "a.csv").write_text(f"n,w\n1,{text}\n2,x\n", "cp1252")
    assert read(connectors.csv(tmp_path, encoding="cp1252"))["w"].to_pylist() == [text, "x"]


def test_encodings_and_a_predicate(tmp_path, read):
    (tmp_path / "a.csv").write_text("1;Zürich\n2;Åre\n", "latin-1")
    spec = connectors.csv(tmp_path, encoding="latin-1", has_header=False, separator=";")
    narrow = replace(spec, schema=pa.schema({"column_2": pa.string()}), predicate=col("column_1") > 1)
    assert read(narrow).to_pydict() == {"column_2": ["Åre"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": "latin_11"}, "encoding='latin_11' is not an encoding of text that Python knows: did you mean"),
        ({"encoding": "rot13"}, "encoding='rot13' is not an encoding of text that Python knows: Pass its name"),
        ({"encoding": "idna"}, "files in 'idna' cannot be read in parallel"),
        ({"encoding": "?"}, "Pass its name, such as 'utf-8', 'latin-1', 'cp1252' or 'shift_jis'"),
        ({"encoding": None}, "encoding=None is not an encoding"),
        ({"encoding": "utf-16"}, r"files in 'utf-16' cannot be read in parallel: save them as UTF-8"),
        ({"encoding": "cp037"}, "files in 'cp037' cannot be read in parallel"),
        ({"encoding": "base64"}, "encoding='base64' is not an encoding"),
        ({"has_header": "no"}, "has_header='no' is not a boolean"),
    ],
)
def test_arguments_that_are_not_valid(tmp_path, options, message):
    (tmp_path / "a.csv").write_text(SPOKEN)
    with pytest.raises(SourceError, match=message):
        connectors.csv(tmp_path, **options)


@pytest.mark.parametrize("rows", [0, 20_000])
def test_text_in_another_encoding_is_refused_with_its_line(tmp_path, read, rows):
    (tmp_path / "a.csv").write_bytes(b"n\n" + b"x\n" * rows + b"\x81\n")
    with pytest.raises(SourceError, match=rf"a\.csv', line {rows + 2}: this is not cp1252 text: pass the encoding"):
        read(connectors.csv(tmp_path, encoding="cp1252", first_block=100))


def test_followed_files_that_do_not_exist_yet_know_their_dialect(tmp_path):
    schema = pa.schema({"column_1": pa.string()})
    spec = connectors.awaited("csv", str(tmp_path), schema, has_header=False, encoding="latin-1")
    (tmp_path / "a.csv").write_text("Ö\n", "latin-1")
    connector = CsvFiles(spec)
    (split,) = connector.splits_of(str(tmp_path / "a.csv"))
    assert next(connector.batches(split, 10)).to_pydict() == {"column_1": ["Ö"]}
