from dataclasses import replace
from datetime import date

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from job_graphs import make_job
from pyarrow import csv, feather

from sabotnb import connectors
from sabotnb.errors import SourceError
from sabotnb.expr import col, evaluate, lit
from sabotnb.graph.specs import Filter, Sink
from sabotnb.plan import optimize

DESCRIBE = {"parquet": connectors.parquet, "csv": connectors.csv, "json": connectors.json, "ipc": connectors.ipc}
WRITE = {
    "parquet": pq.write_table,
    "csv": csv.write_csv,
    "json": lambda table, path: pl.from_arrow(table).write_ndjson(path),
    "ipc": feather.write_feather,
}
FORMATS = [*DESCRIBE]


def lay(folder, file_format, tables):
    """Write a table for each path of folders."""
    for path, table in tables.items():
        (folder / path).mkdir(parents=True, exist_ok=True)
        WRITE[file_format](table, folder / path / f"part.{file_format}")
    return folder


def numbered(count, start=0):
    return pa.table({"n": pa.array(range(start, start + count), pa.int64())})


@pytest.fixture(params=FORMATS)
def years(request, tmp_path):
    """Three years of two rows, in two levels of folders."""
    tables = {f"y={2022 + at}/tag=a%2F{at}": numbered(2, 2 * at) for at in range(3)}
    return DESCRIBE[request.param], lay(tmp_path / "d", request.param, tables)


def test_columns_of_folders_are_columns_of_the_stream(years, read):
    describe, folder = years
    spec = describe(folder)
    assert spec.schema == pa.schema({"n": pa.int64(), "y": pa.int64(), "tag": pa.string()})
    assert read(spec).to_pylist() == [{"n": n, "y": 2022 + n // 2, "tag": f"a/{n // 2}"} for n in range(6)]
    assert read(spec, max_rows=1).num_rows == 6


@pytest.mark.parametrize("columns", [["y"], ["tag", "y"], ["n"], ["y", "n"]])
def test_columns_of_folders_alone_or_beside_others(years, read, columns):
    describe, folder = years
    spec = describe(folder)
    table = read(replace(spec, schema=pa.schema([spec.schema.field(name) for name in columns])))
    assert table.equals(read(spec).select(columns))
    assert table.num_rows == 6


@pytest.mark.parametrize(
    ("predicate", "rows"),
    [
        (col("y") == 2023, [2, 3]),
        ((col("y") >= 2023) & (col("n") > 2), [3, 4, 5]),
        ((col("y") == 2022) | (col("tag") == "a/2"), [0, 1, 4, 5]),
        ((col("y") == 2022) | (col("n") == 5), [0, 1, 5]),
        (~(col("y") == 2022), [2, 3, 4, 5]),
        (col("y").is_null(), []),
        (col("y") + col("n") == 2025, [2]),
        (lit(value=True), [0, 1, 2, 3, 4, 5]),
        ((col("n") == 0).alias("x"), [0]),
    ],
    ids=str,
)
def test_predicates_over_columns_of_folders_and_of_files(years, read, predicate, rows):
    describe, folder = years
    assert read(replace(describe(folder), predicate=predicate))["n"].to_pylist() == rows


def test_files_that_their_folders_rule_out_are_not_opened(years, read):
    describe, folder = years
    spec = describe(folder)
    everything = connectors.estimate(spec)
    for file in folder.glob("y=202[24]/*/*"):
        file.write_bytes(b"this is not data")
    some = replace(spec, predicate=(col("y") == 2023) & (col("n") >= 0))
    assert read(some)["n"].to_pylist() == [2, 3]
    assert connectors.estimate(some).nbytes < everything.nbytes
    none = replace(spec, predicate=col("y") == 1999)
    assert read(none).num_rows == 0
    assert connectors.estimate(none).nbytes == 0


CONDITIONS = st.recursive(
    st.builds(
        lambda name, fn, limit: getattr(col(name), fn)(limit),
        st.sampled_from(["y", "n"]),
        st.sampled_from(["__lt__", "__ge__", "__eq__", "__ne__"]),
        st.integers(0, 4),
    )
    | st.sampled_from([col("y").is_null(), col("y").is_not_null(), col("y") + col("n") == 3]),
    lambda inner: st.one_of(
        st.builds(lambda one, other: one & other, inner, inner),
        st.builds(lambda one, other: one | other, inner, inner),
        inner.map(lambda one: ~one),
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=60)
@given(predicate=CONDITIONS)
def test_the_predicate_keeps_what_it_would_keep_of_all_rows(tmp_path_factory, read, predicate):
    folder = tmp_path_factory.mktemp("d")
    names = ["0", "1", "2", "__HIVE_DEFAULT_PARTITION__"]
    spec = connectors.parquet(lay(folder, "parquet", {f"y={name}": numbered(4) for name in names}))
    everything = read(spec).combine_chunks().to_batches()[0]
    wanted = everything.filter(evaluate(predicate, everything))
    assert read(replace(spec, predicate=predicate)).to_pylist() == wanted.to_pylist()


def test_filters_over_folders_go_into_files_of_any_format(years):
    describe, folder = years
    graph = make_job(
        {"files": describe(folder), "f": Filter(col("y") == 2023), "out": Sink("collect")}, "files > f > out"
    )
    optimized = optimize(graph).graph
    assert "f" not in optimized.operators
    assert connectors.estimate(optimized.operators["files"].spec).nbytes < connectors.estimate(describe(folder)).nbytes


def test_types_of_columns_of_folders_are_declared(years, read):
    describe, folder = years
    spec = describe(folder, schema={"y": pa.string()})
    assert spec.schema.field("y").type == pa.string()
    assert read(spec)["y"].to_pylist() == ["2022", "2022", "2023", "2023", "2024", "2024"]
    whole = describe(folder, schema=pa.schema({"y": pa.int16(), "n": pa.int32()}))
    assert read(whole).schema == pa.schema({"y": pa.int16(), "n": pa.int32()})


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("{}/**/*.*", ["n", "y", "tag"]),
        ("{}/**", ["n", "y", "tag"]),
        ("{}/*/*/part*", ["n", "y", "tag"]),
        ("{}/y=202[23]/tag=*/*", ["n", "y", "tag"]),
        ("{}/y=2022/**/*.*", ["n", "tag"]),
        ("{}/y=2022", ["n", "tag"]),
        (["{}/y=2022", "{}/y=2023"], ["n", "y", "tag"]),
    ],
    ids=str,
)
def test_what_is_below_the_given_path_counts(years, given, names):
    describe, folder = years
    several = [given] if isinstance(given, str) else given
    assert describe([one.format(folder) for one in several]).schema.names == names


def test_files_of_several_folders_have_their_columns(years, read):
    describe, folder = years
    files = sorted(folder.glob("*/*/*"))
    assert read(describe(files))["y"].to_pylist() == [2022, 2022, 2023, 2023, 2024, 2024]
    assert describe(files[0]).schema.names == ["n"]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_column_in_the_file_and_in_its_folder_has_the_value_of_the_file(tmp_path, read, file_format):
    tables = {f"k=0{n}": pa.table({"k": pa.array([n, n], pa.int64()), "n": [1, 2]}) for n in (1, 2)}
    spec = DESCRIBE[file_format](lay(tmp_path, file_format, tables))
    assert spec.schema == pa.schema({"k": pa.int64(), "n": pa.int64()})
    assert read(spec)["k"].to_pylist() == [1, 1, 2, 2]
    (tmp_path / "k=01" / f"part.{file_format}").write_bytes(b"this is not data")
    assert read(replace(spec, predicate=col("k") == 2))["n"].to_pylist() == [1, 2]


@pytest.mark.parametrize("values", [[1, 2], [1, None], [2, 2], [None, None]], ids=str)
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_whose_folder_says_something_else_is_refused(tmp_path, read, file_format, values):
    tables = {"k=1": pa.table({"k": pa.array(values, pa.int64()), "n": [1, 2]})}
    spec = DESCRIBE[file_format](lay(tmp_path, file_format, tables), schema={"k": pa.int64()})
    with pytest.raises(SourceError, match=r"column 'k' of '.*k=1.part.*' has other values than its folder .*\(k=1\)"):
        read(spec)


@pytest.mark.parametrize("file_format", FORMATS)
def test_files_that_come_later_have_the_columns_of_their_folders(tmp_path, clock, file_format):
    spec = DESCRIBE[file_format](lay(tmp_path, file_format, {"y=1": numbered(1)}), follow=True)
    source = connectors.source(spec, clock)
    reader = source.open(source.splits()[0])
    assert reader.poll(9)[0].to_pylist() == [{"n": 0, "y": 1}]
    assert reader.poll(9) is None
    lay(tmp_path, file_format, {"y=2": numbered(1)})
    clock.now += 1
    assert reader.poll(9) is None
    clock.now += 1
    assert reader.poll(9)[0].to_pylist() == [{"n": 0, "y": 2}]
    lay(tmp_path, file_format, {"z=3": numbered(1)})
    clock.now += 1
    assert reader.poll(9) is None
    clock.now += 1
    with pytest.raises(SourceError, match=r"z=3/part.*' is in no folder 'y=\.\.\.', as the others are"):
        reader.poll(9)


@pytest.mark.parametrize("file_format", FORMATS)
def test_folders_of_different_depth_are_refused(tmp_path, file_format):
    lay(tmp_path, file_format, {"y=1": numbered(1), "y=2/m=3": numbered(1)})
    with pytest.raises(SourceError, match=r"y=2/m=3/part.*' is in a folder 'm=\.\.\.', and '.*y=1/part.*' is not"):
        DESCRIBE[file_format](tmp_path)


TABLE = pa.table(
    {
        "n": pa.array(range(8), pa.int64()),
        "y": pa.array([2023, 2024] * 4, pa.int32()),
        "d": [date(2024, 1, 1), date(2024, 2, 2), None, None] * 2,
        "s": ["a/b", "a=b", "100% ä", "", None, " x ", "q'\"?", "x.y"],
        "_k": ["p", "q"] * 4,
    }
)


def in_order(table):
    return sorted(table.to_pylist(), key=lambda row: row["n"])


def by_duckdb(folder):
    duckdb.from_arrow(TABLE).create_view("rows")
    duckdb.sql(f"COPY (FROM rows) TO '{folder}' (FORMAT parquet, PARTITION_BY (y, d, s, _k))")


def by_polars(folder, *, include_key):
    pl.from_arrow(TABLE).write_parquet(
        pl.PartitionBy(folder, key=["y", "d", "s", "_k"], include_key=include_key), mkdir=True
    )


def by_pandas(folder):
    TABLE.to_pandas(types_mapper=pd.ArrowDtype).to_parquet(folder, partition_cols=["y", "d", "s", "_k"])


def by_arrow(folder):
    schema = pa.schema([TABLE.schema.field(name) for name in ("y", "d", "s", "_k")])
    ds.write_dataset(TABLE, folder, format="parquet", partitioning=ds.partitioning(schema, flavor="hive"))


@pytest.mark.parametrize(
    "write",
    [
        by_duckdb,
        by_pandas,
        by_arrow,
        lambda folder: by_polars(folder, include_key=True),
        lambda folder: by_polars(folder, include_key=False),
    ],
    ids=["duckdb", "pandas", "arrow", "polars with keys", "polars without keys"],
)
def test_folders_of_other_tools_are_read(tmp_path, read, write):
    write(tmp_path / "d")
    spec = connectors.parquet(tmp_path / "d")
    assert spec.schema.field("y").type in (pa.int32(), pa.int64())
    assert spec.schema.field("d").type == pa.date32()
    found = read(spec).select(TABLE.column_names)
    assert in_order(found) == in_order(TABLE)
    some = replace(spec, predicate=(col("y") == 2024) & (col("d") == date(2024, 2, 2)))
    assert sorted(read(some)["n"].to_pylist()) == [1, 5]


DICTIONARY = pa.dictionary(pa.int32(), pa.string())


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("declared", [pa.list_(pa.int8()), pa.struct({"a": pa.int8()}), pa.duration("us")])
def test_a_type_that_no_folder_has_is_refused_alike(tmp_path, file_format, declared):
    folder = lay(tmp_path, file_format, {"y=01": numbered(1)})
    with pytest.raises(SourceError) as refused:
        DESCRIBE[file_format](folder, schema={"y": declared})
    file = folder / "y=01" / f"part.{file_format}"
    assert str(refused.value) == (
        f"the folder 'y=01' of '{file}' has no {declared}: "
        "correct schema=, or read it as text: schema={'y': pa.string()}"
    )


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("declared", [DICTIONARY, pa.string(), pa.large_string()])
def test_text_of_a_number_in_a_file_and_its_folder_has_to_be_the_same(tmp_path, file_format, declared, read):
    table = pa.table({"n": [1], "y": [2]})
    folder = lay(tmp_path, file_format, {"y=02": table})
    with pytest.raises(SourceError, match=r"column 'y' of '.*' has other values than its folder says \(y=02\)"):
        read(DESCRIBE[file_format](folder, schema={"y": declared}))


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("declared", [pa.int16(), pa.dictionary(pa.int32(), pa.int64()), pa.float64()])
def test_a_number_in_a_file_and_its_folder_may_be_written_in_two_ways(tmp_path, file_format, declared, read):
    folder = lay(tmp_path, file_format, {"y=02": pa.table({"n": [1], "y": [2]})})
    assert read(DESCRIBE[file_format](folder, schema={"y": declared}))["y"].to_pylist() == [2]


def test_filters_that_loops_write_are_of_any_depth(years, read):
    describe, folder = years
    condition = col("y") > 2022
    for number in range(2000):
        condition = (condition & (col("y") < 2024 + number)) | (col("y") == 2024)
    assert read(replace(describe(folder), predicate=condition))["y"].to_pylist() == [2023, 2023, 2024, 2024]


def test_a_split_is_opened_without_a_look_at_all_folders(tmp_path):
    folder = lay(tmp_path, "ipc", {f"y={year}": numbered(1) for year in range(3)})
    spec = replace(connectors.ipc(folder), predicate=col("y") == 1)
    (split,) = connectors.source(spec).splits()
    # A file in two folders of one name is refused when its folders are looked at.
    moved = {**spec.options, "files": [str(folder / "nowhere" / "y=1" / "y=2" / "part.ipc")]}
    reader = connectors.source(replace(spec, options=moved)).open(split)
    assert reader.poll(10)[0].num_rows == 1
