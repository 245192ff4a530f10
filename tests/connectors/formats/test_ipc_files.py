import subprocess
import sys
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb import connectors
from sabotnb.connectors.formats import ipc_files
from sabotnb.errors import SourceError
from sabotnb.expr import col


def write(path, table, opener=pa.ipc.new_file, rows=100):
    with opener(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return path


TABLE = pa.table({"n": range(1000), "s": [f"w{i % 5}" for i in range(1000)]})


@pytest.mark.parametrize("opener", [pa.ipc.new_file, pa.ipc.new_stream])
@pytest.mark.parametrize("max_rows", [17, 100_000])
def test_both_formats_are_read(tmp_path, read, opener, max_rows):
    spec = connectors.ipc(write(tmp_path / "a.arrow", TABLE, opener))
    assert spec.schema == TABLE.schema
    assert read(spec, max_rows) == TABLE
    narrow = replace(spec, schema=pa.schema({"s": pa.string()}), predicate=col("n") > 997)
    assert read(narrow)["s"].to_pylist() == ["w3", "w4"]
    assert connectors.estimate(spec).nbytes == (tmp_path / "a.arrow").stat().st_size


@settings(deadline=None, max_examples=30)
@given(rows=st.integers(0, 200), chunk=st.integers(1, 50), split_bytes=st.integers(1, 5000))
def test_splits_add_up_to_the_whole(tmp_path_factory, read, rows, chunk, split_bytes):
    path = write(tmp_path_factory.mktemp("i") / "a.arrow", TABLE.slice(0, rows), rows=chunk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ipc_files, "SPLIT_BYTES", split_bytes)
        assert read(connectors.ipc(path), 13) == TABLE.slice(0, rows)


def test_dictionaries_stay(tmp_path, read):
    table = pa.table({"s": pa.array(["a", "b", "a"]).dictionary_encode()})
    assert read(connectors.ipc(write(tmp_path / "a.arrow", table))) == table


@pytest.mark.parametrize("opener", [pa.ipc.new_file, pa.ipc.new_stream])
def test_truncated_files(tmp_path, read, opener):
    path = write(tmp_path / "a.arrow", TABLE, opener)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(SourceError, match=r"a\.arrow' cannot be read .*truncated"):
        read(connectors.ipc(path))


def test_files_of_different_schemas(tmp_path):
    write(tmp_path / "a.arrow", TABLE)
    write(tmp_path / "b.arrow", TABLE.rename_columns(["n", "t"]))
    with pytest.raises(SourceError, match=r"column 's' only in .*"):
        connectors.ipc(tmp_path)


def test_a_column_that_went_away_meanwhile(tmp_path):
    source = connectors.source(connectors.ipc(write(tmp_path / "a.arrow", TABLE)))
    write(tmp_path / "a.arrow", TABLE.select(["n"]))
    (split,) = source.splits()
    with pytest.raises(SourceError, match="no longer has column 's'"):
        source.open(split).poll(10)


DAMAGED = """
import random, sys
from pathlib import Path
import sabotnb as sb
from sabotnb.errors import SabotnbError, SourceError

whole, path, seeds = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), range(int(sys.argv[3]))
for seed in seeds:
    draw = random.Random(seed)
    data = bytearray(whole)
    for _ in range(draw.choice([1, 2, 20])):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)
    print(seed, flush=True)
    try:
        stream = sb.Stream.from_ipc(path)
        stream.to_arrow()
        stream.sort(stream.schema.names[0]).to_arrow()
        stream.group_by(stream.schema.names[0]).agg(n=sb.count()).to_arrow()
    except SourceError as error:
        assert path.name in str(error), (seed, error)
    except SabotnbError as error:
        print(type(error).__name__, error)
print("survived")
"""

DICTIONARY = pa.array(["alpha", "beta", None, "gamma"] * 50).dictionary_encode()
KINDS = {
    "dictionaries": pa.table({"d": DICTIONARY, "n": range(200)}),
    "texts": pa.table({"s": ["a text", "and another one", None, ""] * 50, "b": [b"1", b"22", None, b""] * 50}),
    "views": pa.table({"v": pa.array(["short", "one that is not held inside the view"] * 100, pa.string_view())}),
    "lists": pa.table({"n": range(200), "l": [[1, 2], None, [], [3]] * 50}),
    "nested": pa.table({"n": range(200), "s": pa.StructArray.from_arrays([DICTIONARY, DICTIONARY], ["d", "e"])}),
    "runs": pa.table({"n": range(200), "r": pc.run_end_encode(pa.array(["a", "b"] * 100))}),
}


@pytest.mark.parametrize("compression", [None, "zstd"])
@pytest.mark.parametrize("opener", [pa.ipc.new_file, pa.ipc.new_stream])
@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits_never_end_the_process(tmp_path, kind, opener, compression):
    whole = tmp_path / "whole.arrow"
    with opener(str(whole), KINDS[kind].schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(KINDS[kind], max_chunksize=100)
    child = [sys.executable, "-c", DAMAGED, str(whole), str(tmp_path / "damaged.arrow"), "40"]
    done = subprocess.run(child, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout.split()[-1:]) == (0, ["survived"]), done.stdout[-300:] + done.stderr[-2000:]


NOT_UTF_8 = {
    "column": pa.field("é", pa.int8()),
    "field of a struct": pa.field("a", pa.struct({"é": pa.int8()})),
    "field of a list of structs": pa.field("a", pa.list_(pa.struct({"é": pa.int8()}))),
    "values of a map": pa.field("a", pa.map_(pa.string(), pa.struct({"é": pa.int8()}))),
    "time zone": pa.field("a", pa.timestamp("us", "é")),
    "time zone in a list": pa.field("a", pa.list_(pa.timestamp("us", "é"))),
    "time zone in a dictionary": pa.field("a", pa.dictionary(pa.int8(), pa.timestamp("us", "é"))),
}


@pytest.mark.parametrize("opener", [pa.ipc.new_file, pa.ipc.new_stream])
@pytest.mark.parametrize("field", NOT_UTF_8.values(), ids=NOT_UTF_8)
def test_names_that_are_not_utf_8_are_refused(tmp_path, opener, field):
    path = write(tmp_path / "a.arrow", pa.schema([field]).empty_table(), opener)
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xe9a"))
    with pytest.raises(SourceError, match=r"a\.arrow' cannot be read \(the name of a column, field or time zone is"):
        connectors.ipc(path)


@pytest.mark.parametrize("opener", [pa.ipc.new_file, pa.ipc.new_stream])
def test_metadata_that_is_not_utf_8_is_left_alone(tmp_path, read, opener):
    field = pa.field("n", pa.int64(), metadata={"é": "é"})
    path = write(tmp_path / "a.arrow", pa.table({"n": [1]}, pa.schema([field], {"é": "é"})), opener)
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xe9a"))
    assert read(connectors.ipc(path))["n"].to_pylist() == [1]
