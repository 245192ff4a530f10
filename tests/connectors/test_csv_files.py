import csv as text_csv
import io
from dataclasses import replace
from datetime import datetime
from functools import partial

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb import connectors
from sabotnb.connectors.csv_files import CsvFiles
from sabotnb.connectors.reading import BatchSource
from sabotnb.connectors.sections import cut_records
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
    assert connectors.estimate(spec) == connectors.Estimate(None, path.stat().st_size)


def test_reading_goes_on_at_a_position(tmp_path):
    path = write(tmp_path, "n\n" + "".join(f"{i}\n" for i in range(100)))
    source = connectors.source(connectors.csv(path))
    (split,) = source.splits()
    _, position = source.open(split).poll(30)
    rest, _ = source.open(replace(split, position=position)).poll(1000)
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
    with pytest.raises(SourceError, match=r"a\.csv', line 3: this is not UTF-8 text: save the file as UTF-8"):
        connectors.csv(path)
    with pytest.raises(SourceError, match=r"a\.csv', line 3: this is not UTF-8 text: save the file as UTF-8"):
        read(connectors.csv(path, schema={"b": pa.string()}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,a\n1,2\n", "has several columns named 'a': rename all but one"),
        (b"\xff\xfe,b\n1,2\n", "the header of .* is not UTF-8"),
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
    with pytest.raises(SourceError, match=r"another header than .*lacks \['b'\], has \['c'\] instead.*sb.union"):
        connectors.csv(tmp_path)


def test_a_type_that_csv_cannot_hold(tmp_path, read):
    path = write(tmp_path, "a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"a\.csv' cannot be read"):
        read(connectors.csv(path, schema={"a": pa.list_(pa.int64())}))


def test_a_type_that_the_user_declared_is_not_called_that_of_the_rows_before(tmp_path, read):
    (tmp_path / "a.csv").write_text("a\n2024-05-06\n01/02/2024\n")
    with pytest.raises(
        SourceError, match=r"line 3: .* is timestamp.* by schema=, .*: declare what it is, schema={'a': pa"
    ):
        read(connectors.csv(tmp_path, schema={"a": pa.timestamp("us")}))
