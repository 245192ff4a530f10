import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.connectors.formats.byte_ranges import ByteRange, cut_lines, cut_records, record_end

values = st.text(alphabet='ab,"\n\r é😀', max_size=8)
tables = st.lists(st.lists(values, min_size=2, max_size=2), min_size=1, max_size=40)


def pieces(path, bounds):
    data = path.read_bytes()
    return [data[start:stop] for start, stop in bounds]


def records(data):
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


@settings(deadline=None, max_examples=150)
@given(rows=tables, section=st.integers(1, 60), window=st.integers(2, 16), end=st.sampled_from(["\r\n", "\n", "\r"]))
def test_sections_of_records_add_up_to_the_file(tmp_path_factory, rows, section, window, end):
    text = io.StringIO(newline="")
    quoting = csv.QUOTE_MINIMAL if end == "\r\n" else csv.QUOTE_ALL  # else it leaves the other line ends without quotes
    csv.writer(text, lineterminator=end, quoting=quoting).writerows(rows)
    path = tmp_path_factory.mktemp("s") / "a.csv"
    path.write_text(text.getvalue(), newline="")
    bounds = cut_records(str(path), 0, section, window)
    assert b"".join(pieces(path, bounds)) == path.read_bytes()
    assert [record for piece in pieces(path, bounds) for record in records(piece)] == rows


def test_long_files_are_cut_near_the_wanted_size(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('1,"x\ny"\n' * 1000)
    bounds = cut_records(str(path), 8, 1000, 100)
    assert all(890 < stop - start < 1110 for start, stop in bounds[:-1])
    assert all(start % 8 == 0 for start, _ in bounds)


def test_a_quote_where_none_belongs_keeps_the_file_whole(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('1,5" pipe\n' * 1000)
    assert cut_records(str(path), 0, 100, 64) == [(0, 10_000)]


@settings(deadline=None, max_examples=60)
@given(
    lines=st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=30),
    size=st.integers(1, 50),
)
def test_sections_of_lines_add_up_to_the_file(tmp_path_factory, lines, size):
    path = tmp_path_factory.mktemp("s") / "a.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    bounds = cut_lines(str(path), 0, size)
    assert [line for piece in pieces(path, bounds) for line in piece.split(b"\n")[:-1]] == lines


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"", None),
        (b"a,b", None),
        (b"a\nb\n", 2),
        (b"a\r\nb\n", 3),
        (b"a\rb\n", 2),
        (b"a\r", None),  # an LF may follow
        (b'"a\n"\nb', 5),
        (b'"a\r"\rb', 5),
        (b'"a""\n"\nb', 7),
        (b'a,"b', None),
    ],
)
def test_record_end(data, end):
    assert record_end(data) == end


def test_record_end_inside_quotes():
    assert record_end(b'x\n",1\nb\n', inside=True) == 6


def test_a_section_is_a_file_of_its_own(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    with ByteRange(str(path), 2, 7) as section:
        assert section.read(3) == b"234"
        assert section.read() == b"56"
        assert section.read(1) == b""
