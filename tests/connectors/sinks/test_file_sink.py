import gc
import json
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from random import Random
from uuid import UUID

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb import connectors
from sabotnb.connectors.folders.paths import LONGEST_NAME
from sabotnb.connectors.formats import writers
from sabotnb.connectors.sinks import file_sink, folder_changes, hidden_file
from sabotnb.errors import SinkError, SourceError
from sabotnb.graph.specs import Sink
from sabotnb.protocol.ids import RunId
from sabotnb.protocol.operator import OperatorContext

FORMATS = ["parquet", "csv", "json", "ipc"]
DESCRIBE = {"parquet": connectors.parquet, "csv": connectors.csv, "json": connectors.json, "ipc": connectors.ipc}


def context(index=0, job="job", run=1, parallelism=2):
    return OperatorContext(RunId(job, run), "sink_0", index, parallelism, 128)


def write(spec, schema, batches, index=0, job="job", run=1):
    """What one task prepares for ``batches``."""
    sink = connectors.sink(spec, schema)
    sink.open(context(index, job, run))
    for batch in batches:
        assert list(sink.process(0, batch)) == []
    prepared = sink.roll(0).durable()
    sink.close()
    return prepared


def test_rows_that_were_written_are_counted(tmp_path):
    table = pa.table({"x": range(5)})
    sink, ctx = connectors.sink(Sink("parquet", {"path": str(tmp_path / "out")}), table.schema), context()
    sink.open(ctx)
    for batch in table.to_batches(max_chunksize=3):
        sink.process(0, batch)
    assert ctx.counters.rows_out == 5
    sink.close()


def store(spec, table, tasks=1, max_rows=1000, job="job", run=1):
    """Write ``table`` with several tasks and commit it."""
    batches = table.to_batches(max_chunksize=max_rows)
    prepared = [
        committable
        for index in range(tasks)
        for committable in write(spec, table.schema, batches[index::tasks], index, job, run)
    ]
    connectors.committer({"sink_0": spec}, RunId(job, run)).commit(prepared)


def visible(folder):
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file())


def in_order(table):
    """Rows in an order of their own; partition columns come last from files, wherever they were."""
    return sorted((dict(sorted(row.items())) for row in table.to_pylist()), key=repr)


floats = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
times = st.datetimes(datetime(1950, 1, 1), datetime(2200, 1, 1))
rows = st.lists(
    st.fixed_dictionaries(
        {
            "i": st.one_of(st.none(), st.integers(-(2**53), 2**53)),
            "f": st.one_of(st.none(), floats),
            "s": st.one_of(
                st.none(), st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=6)
            ),
            "b": st.one_of(st.none(), st.booleans()),
            "t": st.one_of(st.none(), times),
        }
    ),
    max_size=40,
)
SCHEMA = pa.schema({"i": pa.int64(), "f": pa.float64(), "s": pa.string(), "b": pa.bool_(), "t": pa.timestamp("us")})


@pytest.mark.parametrize("connector", FORMATS)
@settings(deadline=None, max_examples=25)
@given(rows=rows, tasks=st.integers(1, 3), max_rows=st.integers(1, 20))
def test_what_is_written_is_read_again(tmp_path_factory, read, connector, rows, tasks, max_rows):
    folder = tmp_path_factory.mktemp("out") / "deep" / "out"
    table = pa.Table.from_pylist(rows, SCHEMA)
    store(Sink(connector, {"path": str(folder), "mode": "error"}), table, tasks, max_rows)
    assert in_order(read(DESCRIBE[connector](folder, schema=SCHEMA))) == in_order(table)


@pytest.mark.parametrize("connector", ["parquet", "ipc"])
def test_types_stay_and_dictionaries_become_plain(tmp_path, read, connector):
    table = pa.table(
        {
            "d": pa.array(["a", "b", None, "a"]).dictionary_encode(),
            "l": [[1], None, [], [2, 3]],
            "o": [{"x": 1}, None, {"x": None}, {"x": 3}],
            "c": pa.array([Decimal("1.10"), None, Decimal("-3.00"), None]),
            "y": pa.array([date(2024, 1, 1), None, None, None]),
            "u": pa.array([1, 2, 3, None], pa.uint8()),
            "z": pa.array([None, 1, 2, 3]).cast(pa.timestamp("ms", "Europe/Berlin")),
        }
    )
    store(Sink(connector, {"path": str(tmp_path), "mode": "error"}), table)
    result = read(DESCRIBE[connector](tmp_path))
    assert result.schema == table.schema.set(0, pa.field("d", pa.string()))
    assert result.to_pylist() == table.to_pylist()


def test_json_writes_every_type_as_json(tmp_path):
    table = pa.table(
        {
            "f": [-0.0, 1.5],
            "t": pa.array([datetime(2024, 1, 2, 3, 4, 5, 6), None]),
            "y": pa.array([date(2024, 1, 1), None]),
            "h": pa.array([time(1, 2, 3), None], pa.time64("us")),
            "v": pa.array([1500, None], pa.duration("ms")),
            "c": pa.array([Decimal("1.10"), None]),
            "x": pa.array([b"\x00\xff", None]),
            "l": [[1.5, None], None],
            "o": [{"a": datetime(2024, 1, 1)}, None],
            "s": ['é"\n', None],
        }
    )
    store(Sink("json", {"path": str(tmp_path), "mode": "error"}), table)
    (file,) = tmp_path.glob("*.jsonl")
    first, second = map(json.loads, file.read_text().splitlines())
    assert first == {
        "f": -0.0,
        "t": "2024-01-02T03:04:05.000006",
        "y": "2024-01-01",
        "h": "01:02:03.000000",
        "v": 1.5,
        "c": "1.10",
        "x": "AP8=",
        "l": [1.5, None],
        "o": {"a": "2024-01-01T00:00:00"},
        "s": 'é"\n',
    }
    assert second == {name: 1.5 if name == "f" else None for name in table.column_names}


@pytest.mark.parametrize("seed", range(40))
def test_a_flipped_bit_in_a_page_of_our_parquet_files_is_never_a_value(tmp_path, read, seed):
    table = pa.table({"i": range(3000), "s": [f"w{n % 9}" if n % 5 else None for n in range(3000)]})
    table = table.append_column("l", pa.array([[n, n + 1] for n in range(3000)]))
    store(Sink("parquet", {"path": str(tmp_path), "mode": "error"}), table)
    (file,) = tmp_path.glob("*.parquet")
    data = bytearray(file.read_bytes())
    footer = 8 + int.from_bytes(data[-8:-4], "little")
    random = Random(seed)
    data[random.randrange(4, len(data) - footer)] ^= 1 << random.randrange(8)
    file.write_bytes(data)
    found, refused = None, ""
    try:
        found = read(connectors.parquet(file))
    except SourceError as error:
        refused = str(error)
    assert found == table or str(file) in refused  # equal: a bit that no reader looks at


def test_small_batches_become_row_groups_of_good_size(tmp_path, monkeypatch):
    monkeypatch.setattr(hidden_file, "FLUSH_ROWS", 1000)
    store(Sink("parquet", {"path": str(tmp_path), "mode": "error"}), pa.table({"n": range(4500)}), max_rows=10)
    (file,) = tmp_path.glob("*.parquet")
    metadata = pq.ParquetFile(file).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [1000] * 4 + [500]


@pytest.mark.parametrize("connector", FORMATS)
def test_an_empty_result_is_one_file_with_the_schema(tmp_path, read, connector):
    spec = Sink(connector, {"path": str(tmp_path), "mode": "error"})
    schema = pa.schema({"a": pa.int64(), "b": pa.string()})
    prepared = [one for index in range(3) for one in write(spec, schema, [], index)]
    connectors.committer({"sink_0": spec}, RunId("job", 1)).commit(prepared)
    (file,) = [name for name in visible(tmp_path) if name.startswith("part-")]
    assert file.startswith("part-00000-")
    if connector == "json":  # which has no place for it
        with pytest.raises(SourceError, match=r"is empty \(0 bytes\): remove it, or say which columns it"):
            connectors.json(tmp_path)
    table = read(DESCRIBE[connector](tmp_path, schema=schema))
    assert (table.num_rows, table.schema) == (0, schema)


@pytest.mark.parametrize("connector", ["csv", "json"])
def test_doubles_come_back_as_doubles(tmp_path, read, connector):
    values = [1.0, -0.0, 1e20, 1e-7, 123456789.0, None, 0.1]
    table = pa.table({"n": range(7), "f": values, "g": pa.array([float(n) for n in range(7)], pa.float32())})
    store(Sink(connector, {"path": str(tmp_path), "mode": "error"}), table)
    found = read(DESCRIBE[connector](tmp_path))
    assert found.schema == pa.schema({"n": pa.int64(), "f": pa.float64(), "g": pa.float64()})
    assert found.to_pylist() == table.to_pylist()


@pytest.mark.parametrize("connector", ["csv", "json"])
def test_columns_that_are_null_in_some_partitions_keep_their_type(tmp_path, read, connector):
    table = pa.table({"k": ["a", "b", "b"], "n": [None, 1, 2], "b": [None, True, None], "l": ["x", None, "y"]})
    store(Sink(connector, {"path": str(tmp_path), "mode": "error", "partition_by": ["k"]}), table)
    found = read(DESCRIBE[connector](tmp_path))
    assert in_order(found) == in_order(table)
    assert found.select(table.schema.names).schema == table.schema


def test_maps_and_ids_come_back_from_json(tmp_path, read):
    maps = pa.array([[("a", [1.5]), ("b", None)], None, []], pa.map_(pa.string(), pa.list_(pa.float64())))
    table = pa.table(
        {"m": maps, "s": pa.StructArray.from_arrays([maps], ["m"]), "u": pa.array([b"0" * 16] * 3, pa.uuid())}
    )
    store(Sink("json", {"path": str(tmp_path), "mode": "error"}), table)
    assert read(connectors.json(tmp_path, schema={"m": maps.type}))["m"].to_pylist() == maps.to_pylist()
    first = read(connectors.json(tmp_path)).to_pylist()[0]
    pairs = [{"key": "a", "value": [1.5]}, {"key": "b", "value": None}]
    assert first == {"m": pairs, "s": {"m": pairs}, "u": str(UUID(bytes=b"0" * 16))}


def test_an_empty_file_beside_full_ones_is_not_committed(tmp_path, read):
    spec = Sink("csv", {"path": str(tmp_path), "mode": "error"})
    batch = pa.RecordBatch.from_pydict({"a": [1]})
    prepared = write(spec, batch.schema, [], index=0) + write(spec, batch.schema, [batch], index=1)
    connectors.committer({"sink_0": spec}, RunId("job", 1)).commit(prepared)
    assert [name[:10] for name in visible(tmp_path)] == ["part-00001"]
    assert read(connectors.csv(tmp_path)).to_pylist() == [{"a": 1}]


def test_partitions_are_folders(tmp_path, read):
    table = pa.table(
        {
            "carrier": pa.array(["AA", "UA", "AA", None, "a/b"]).dictionary_encode(),
            "day": pa.array([date(2024, 1, 1)] * 4 + [None]),
            "n": range(5),
        }
    )
    spec = Sink("parquet", {"path": str(tmp_path), "mode": "error", "partition_by": ["carrier", "day"]})
    store(spec, table, max_rows=2)
    assert sorted({str(Path(name).parent) for name in visible(tmp_path) if "part-" in name}) == [
        "carrier=AA/day=2024-01-01",
        "carrier=UA/day=2024-01-01",
        "carrier=__HIVE_DEFAULT_PARTITION__/day=2024-01-01",
        "carrier=a%2Fb/day=__HIVE_DEFAULT_PARTITION__",
    ]
    assert in_order(read(connectors.parquet(tmp_path))) == in_order(table)
    aa = tmp_path / "carrier=AA" / "day=2024-01-01"
    assert read(connectors.parquet(aa))["n"].to_pylist() == [0, 2]


def test_more_partitions_than_open_files(tmp_path, read, monkeypatch):
    monkeypatch.setattr(file_sink, "MAX_OPEN_FILES", 3)
    table = pa.table({"k": [i % 10 for i in range(100)], "n": range(100)})
    spec = Sink("ipc", {"path": str(tmp_path), "mode": "error", "partition_by": ["k"]})
    store(spec, table, max_rows=25)
    assert in_order(read(connectors.ipc(tmp_path))) == in_order(table)


def test_rows_of_a_rare_partition_do_not_keep_whole_batches(tmp_path):
    spec = Sink("ipc", {"path": str(tmp_path), "partition_by": ["k"]})
    schema = pa.schema({"k": pa.bool_(), "n": pa.int64()})
    sink = connectors.sink(spec, schema)
    sink.open(context())
    gc.collect()
    before, most = pa.total_allocated_bytes(), 0
    for _ in range(60):
        sink.process(0, pa.record_batch([np.arange(65_536) == 0, np.arange(65_536)], schema=schema))
        most = max(most, pa.total_allocated_bytes() - before)
    sink.close()
    assert most < 10 << 20


def test_what_waits_in_all_files_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(file_sink, "FLUSH_BYTES", 1 << 20)
    spec = Sink("ipc", {"path": str(tmp_path), "partition_by": ["k"]})
    schema = pa.schema({"k": pa.int64(), "n": pa.int64()})
    sink = connectors.sink(spec, schema)
    sink.open(context())
    gc.collect()
    before, most = pa.total_allocated_bytes(), 0
    keys = np.minimum(np.arange(4000) % 64, 20)  # two thirds of the rows in one partition
    for _ in range(100):
        sink.process(0, pa.record_batch([keys, np.arange(4000)], schema=schema))
        most = max(most, pa.total_allocated_bytes() - before)
    (prepared,) = sink.roll(0).durable()
    sink.close()
    assert most < 3 << 20
    assert sum(file["rows"] for file in prepared.payload["files"]) == 400_000


@pytest.mark.parametrize("connector", FORMATS)
def test_nothing_is_visible_before_the_commit(tmp_path, connector):
    spec = Sink(connector, {"path": str(tmp_path / "out"), "mode": "error"})
    batch = pa.RecordBatch.from_pydict({"a": [1]})
    prepared = write(spec, batch.schema, [batch])
    assert list((tmp_path / "out").iterdir()) == []
    assert [path.name for path in tmp_path.glob(".*")] == [".sabotnb-out+job-1"]
    assert list(tmp_path.glob(f"**/*{prepared[0].payload['files'][0]['final'][-4:]}")) == []
    assert json.loads(json.dumps(prepared[0].payload)) == prepared[0].payload
    assert prepared[0].operator == "sink_0"


def test_a_task_that_ends_early_removes_what_it_wrote(tmp_path):
    for connector in FORMATS:
        sink = connectors.sink(Sink(connector, {"path": str(tmp_path / "a" / "b")}), pa.schema({"a": pa.int64()}))
        sink.open(context())
        sink.process(0, pa.RecordBatch.from_pydict({"a": [1]}))
        sink.close()
    assert list(tmp_path.iterdir()) == []


def test_each_cut_hands_over_what_came_since_the_last_one(tmp_path, read):
    spec = Sink("parquet", {"path": str(tmp_path), "mode": "append"})
    sink = connectors.sink(spec, pa.schema({"a": pa.int64()}))
    sink.open(context())
    committer = connectors.committer({"sink_0": spec}, RunId("job", 1))
    for number in range(3):
        sink.process(0, pa.RecordBatch.from_pydict({"a": [number]}))
        (committable,) = sink.roll(number + 1).durable()
        assert committable.payload["cut"] == number + 1
        assert len(committable.payload["files"]) == 1
        for file in committable.payload["files"]:
            assert Path(file["hidden"]).exists()
    assert sink.roll(4).durable() == []
    sink.close()
    committer.commit([])


@pytest.mark.parametrize(
    ("connector", "data_type", "message"),
    [
        (
            "csv",
            pa.list_(pa.int64()),
            "column 'a' is list<item: int64>, which csv files cannot hold: .*or write Parquet or Arrow IPC",
        ),
        ("csv", pa.duration("s"), r"column 'a' is duration\[s\], which csv"),
        ("csv", pa.binary(), "column 'a' is binary, which csv"),
        ("csv", pa.uuid(), "which csv files cannot hold"),
        ("json", pa.month_day_nano_interval(), "which json files cannot hold"),
        ("json", pa.list_(pa.sparse_union([pa.field("a", pa.int64())])), "which json files cannot hold"),
        ("parquet", pa.month_day_nano_interval(), "which parquet files cannot hold: .*or write Arrow IPC"),
        ("parquet", pa.struct([]), "which parquet files cannot hold"),
        ("kafka", pa.int64(), "there is no sink connector 'kafka'; there are parquet, csv, json, ipc"),
    ],
)
def test_what_cannot_be_written(tmp_path, connector, data_type, message):
    with pytest.raises(SinkError, match=message):
        connectors.sink(Sink(connector, {"path": str(tmp_path)}), pa.schema({"a": data_type}))


@contextmanager
def files_of_at_most(nbytes):
    """A disk that is full, as far as this process can see: larger files cannot be written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("connector", FORMATS)
def test_a_full_disk_names_the_folder_and_leaves_nothing(tmp_path, connector):
    spec = Sink(connector, {"path": str(tmp_path), "mode": "error"})
    batch = pa.RecordBatch.from_pydict({"a": [str(i) * 50 for i in range(20_000)]})
    sink = connectors.sink(spec, batch.schema)
    sink.open(context())
    sink.process(0, batch)
    says = rf"writing into '{tmp_path}' failed \(File too large\): make room there"
    with files_of_at_most(4096), pytest.raises(SinkError, match=says):
        sink.roll(0).durable()
    sink.close()
    connectors.committer({"sink_0": spec}, RunId("job", 1)).abort([])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("connector", FORMATS)
def test_a_full_disk_is_said_once(tmp_path, connector):
    """Closing raises nothing, also for the first file, which was complete when the second one failed."""
    spec = Sink(connector, {"path": str(tmp_path), "mode": "error", "partition_by": ["p"]})
    numbers = range(20_000)
    batch = pa.RecordBatch.from_pydict({"a": [str(i) * 50 for i in numbers], "p": [i > 0 for i in numbers]})
    sink = connectors.sink(spec, batch.schema)
    sink.open(context())
    sink.process(0, batch)
    with files_of_at_most(4096):
        with pytest.raises(SinkError, match="make room there"):
            sink.roll(0).durable()
        sink.close()
    connectors.committer({"sink_0": spec}, RunId("job", 1)).abort([])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    sink = connectors.sink(Sink("csv", {"path": str(tmp_path / "file" / "out")}), pa.schema({"a": pa.int64()}))
    with pytest.raises(SinkError, match=r"writing into '.*file/out' failed"):
        sink.open(context())


def open_files():
    return {str(handle.resolve()) for handle in Path("/proc/self/fd").iterdir()}


def test_a_file_that_cannot_be_begun_is_closed_and_removed(tmp_path):
    schema = pa.schema({"a": pa.struct([])})  # which Parquet has no place for
    with pytest.raises(pa.ArrowNotImplementedError, match="struct"):
        hidden_file.HiddenFile(tmp_path / "hidden", "", "part-0", writers.FORMATS["parquet"], schema)
    assert not [name for name in open_files() if name.startswith(str(tmp_path))]
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_is_too_long_for_a_folder_is_refused_before_anything_is_committed(tmp_path):
    sink = connectors.sink(
        Sink("csv", {"path": str(tmp_path), "partition_by": ["k"]}), pa.schema({"k": pa.string(), "x": pa.int64()})
    )
    sink.open(context())
    with pytest.raises(SinkError, match=r"'k' is too long for the name of a folder \('ééé.*str.slice"):
        sink.process(0, pa.RecordBatch.from_pydict({"k": ["é" * 50], "x": [1]}))


def test_an_operator_may_have_a_name_that_no_file_can_have():
    assert len(hidden_file.hidden_name("n" * 10_000, "part-00000-0.csv")) < LONGEST_NAME


PARTITIONS = {
    "integers": pa.array([1, None, -3, 2**40] * 2, pa.int64()),
    "unsigned": pa.array([1, None, 3, 2**64 - 1] * 2, pa.uint64()),
    "small": pa.array([1, None, 3, -4] * 2, pa.int8()),
    "digits": pa.array(["007", "7", None, ""] * 2),
    "days as text": pa.array(["2024-01-01", "x", None, "2024-01-01 00:00:00"] * 2),
    "text": pa.array(["a/b", "a=b", "100% ä", " x "] * 2),
    "names": pa.array([".", "..", "_", "\n\\"] * 2, pa.large_string()),
    "booleans": pa.array([True, False, None, True] * 2),
    "doubles": pa.array([0.1, 1.0, None, 1e-300] * 2),
    "zeros": pa.array([0.0, -0.0, 1e300, 1e20] * 2),
    "floats": pa.array([0.1, 1.0, None, 1e10] * 2, pa.float32()),
    "days": pa.array([date(2024, 1, 1), date(1, 1, 1), None, date(9999, 12, 31)] * 2),
    "times": pa.array([datetime(2024, 1, 1), datetime(1, 2, 3, 4, 5, 6, 7), None, datetime(2024, 1, 2)] * 2),
    "nanoseconds": pa.array([0, 1, None, 10**18 + 1] * 2, pa.timestamp("ns")),
    "zoned": pa.array([0, 1, None, 10**15] * 2, pa.timestamp("us", "Europe/Berlin")),
    "clock": pa.array([0, 1, None, 10**9] * 2, pa.time64("us")),
    "decimals": pa.array([Decimal("1.10"), Decimal("2.00"), None, Decimal("-0.01")] * 2),
    "nulls": pa.nulls(8),
    "dictionary": pa.array(["a", "b", None, "a"] * 2).dictionary_encode(),
}


def partitioned(folder, connector, values, key="k"):
    """A table of eight rows in folders of ``values``, as its sink writes it."""
    table = pa.table({key: values, "n": pa.array(range(8), pa.int64())})
    store(Sink(connector, {"path": str(folder), "mode": "error", "partition_by": [key]}), table, max_rows=3)
    return table


def as_text(table):
    """Rows by ``n``, comparable where values are NaN."""
    return sorted(zip(table["n"].to_pylist(), map(str, table["k"].combine_chunks()), strict=True))


@pytest.mark.parametrize("connector", FORMATS)
@pytest.mark.parametrize("values", PARTITIONS.values(), ids=PARTITIONS)
def test_partitions_of_every_type_come_back(tmp_path, read, connector, values):
    table = partitioned(tmp_path, connector, values)
    plain = table.schema.set(0, pa.field("k", writers.output_schema("ipc", table.schema).field("k").type))
    found = read(DESCRIBE[connector](tmp_path, schema=plain))
    assert found.schema == plain
    assert as_text(found) == as_text(table.cast(plain))


@pytest.mark.parametrize("connector", ["parquet", "ipc"])
@pytest.mark.parametrize("values", PARTITIONS.values(), ids=PARTITIONS)
def test_files_of_partitions_say_their_type(tmp_path, read, connector, values):
    table = partitioned(tmp_path, connector, values)
    expected = writers.output_schema("ipc", table.schema).field("k").type
    found = read(DESCRIBE[connector](tmp_path))
    assert found.schema == pa.schema({"n": pa.int64(), "k": expected})
    assert as_text(found) == as_text(table.cast(table.schema.set(0, pa.field("k", expected))))


@pytest.mark.parametrize("connector", ["csv", "json"])
@pytest.mark.parametrize("kind", ["integers", "unsigned", "booleans", "days", "times", "text", "nulls"])
def test_values_of_folders_say_their_type(tmp_path, read, connector, kind):
    table = partitioned(tmp_path, connector, PARTITIONS[kind])
    found = read(DESCRIBE[connector](tmp_path))
    assert found.schema.field("k").type == (pa.string() if kind == "nulls" else PARTITIONS[kind].type)
    assert as_text(found) == as_text(table)


WHOLE = {str(kind): pa.array([1, 2, 2, 100] * 2, kind) for kind in (pa.int8(), pa.int32(), pa.int64(), pa.uint16())}
FOREIGN = WHOLE | {
    "uint64": pa.array([1, 2, 3, 2**63 - 1] * 2, pa.uint64()),
    "text": pa.array(["a/b", "a=b", "100% ä", "x y"] * 2),
    "days": pa.array([date(2024, 1, 1), date(2024, 1, 2)] * 4),
    "times": pa.array([datetime(2024, 1, 1, 1), datetime(2024, 1, 2, 2, 3, 4)] * 4),
    "booleans": pa.array([True, False] * 4),
    "null": pa.array([1, None] * 4),
}
READERS = {
    "pandas": lambda folder: pa.Table.from_pandas(pd.read_parquet(folder)),
    "polars": lambda folder: pl.read_parquet(folder, hive_partitioning=True).to_arrow(),
    "pyarrow": lambda folder: ds.dataset(folder, partitioning="hive").to_table(),
    "duckdb": lambda folder: duckdb.sql(f"FROM read_parquet('{folder}/*/*.parquet', hive_partitioning=true)").arrow(),
}


CASES = [(reader, kind) for reader in READERS for kind in FOREIGN]
CASES.remove(("pandas", "null"))  # pandas cannot read null folders, not even its own


@pytest.mark.parametrize(("reader", "kind"), CASES)
def test_partitions_are_read_by_other_tools(tmp_path, reader, kind):
    """pandas refuses folders whose column is in the files too, unless both have one type."""
    values = FOREIGN[kind]
    partitioned(tmp_path, "parquet", values)
    found = READERS[reader](tmp_path)
    found = found if isinstance(found, pa.Table) else found.read_all()
    rows = sorted(zip(found["n"].to_pylist(), found["k"].to_pylist(), strict=True))
    expected = [None if value is None else str(value).lower() for value in values.to_pylist()]
    assert [None if value is None else str(value).lower() for _, value in rows] == expected


@pytest.mark.parametrize("connector", FORMATS)
def test_partitions_without_rows(tmp_path, read, connector):
    empty = pa.table({"k": pa.array([], pa.int8()), "n": pa.array([], pa.int64())})
    spec = Sink(connector, {"path": str(tmp_path), "mode": "append", "partition_by": ["k"]})
    store(spec, empty)
    found = read(DESCRIBE[connector](tmp_path, schema=empty.schema))
    assert (found.schema, found.num_rows) == (empty.schema, 0)
    full = pa.table({"k": pa.array([1, 2], pa.int8()), "n": [3, 4]})
    store(spec, full, run=2)
    assert in_order(read(DESCRIBE[connector](tmp_path))) == in_order(full)


@pytest.mark.parametrize("connector", ["parquet", "csv", "ipc"])  # JSON has no such numbers
def test_partitions_of_numbers_that_are_not_finite_come_back(tmp_path, read, connector):
    table = partitioned(tmp_path, connector, pa.array([float("inf"), float("nan"), None, float("-inf")] * 2))
    assert as_text(read(DESCRIBE[connector](tmp_path, schema={"k": pa.float64()}))) == as_text(table)


def test_a_text_that_is_the_name_for_null_is_none(tmp_path, read):
    table = partitioned(tmp_path, "parquet", pa.array(["__HIVE_DEFAULT_PARTITION__", None] * 4))
    assert in_order(read(connectors.parquet(tmp_path))) == in_order(table)


@pytest.mark.parametrize("key", [".k", "_k", "k=", "a/b", "ä %", "__k"])
@pytest.mark.parametrize("connector", FORMATS)
def test_columns_of_any_name_partition(tmp_path, read, connector, key):
    first = partitioned(tmp_path, connector, pa.array([1, 2] * 4), key)
    assert in_order(read(DESCRIBE[connector](tmp_path))) == in_order(first)
    spec = Sink(connector, {"path": str(tmp_path), "mode": "overwrite", "partition_by": [key]})
    store(spec, first.slice(0, 3), run=2)
    assert in_order(read(DESCRIBE[connector](tmp_path))) == in_order(first.slice(0, 3))


@pytest.mark.parametrize(
    "data_type",
    [pa.list_(pa.int64()), pa.struct({"x": pa.int64()}), pa.binary(), pa.duration("s"), pa.uuid()],
    ids=str,
)
def test_columns_that_cannot_name_folders_are_refused_before_anything_runs(tmp_path, data_type):
    schema = pa.schema({"k": data_type, "n": pa.int64()})
    spec = Sink("ipc", {"path": str(tmp_path), "partition_by": ["k"]})
    with pytest.raises(SinkError, match=r"partition_by: column 'k' is .*, which cannot be the name of a folder: part"):
        connectors.sink(spec, schema)


@pytest.mark.parametrize("connector", FORMATS)
def test_what_is_reported_for_a_commit_is_on_the_disk(tmp_path, connector, monkeypatch):
    synced = []

    def sync(handle, really=os.fsync):
        really(handle)
        path = Path(f"/proc/self/fd/{handle}").readlink()
        synced.append((path, path.stat().st_size if path.is_file() else {entry.name for entry in path.iterdir()}))

    monkeypatch.setattr(os, "fsync", sync)
    spec = Sink(connector, {"path": str(tmp_path), "mode": "error", "partition_by": ["p"]})
    batch = pa.RecordBatch.from_pydict({"a": [1, 2, 3], "p": [1, 2, 1]})
    (prepared,) = write(spec, batch.schema, [batch])
    files = [Path(file["hidden"]) for file in prepared.payload["files"]]
    assert len(files) == 2
    assert synced[-3:-1] == [(file, file.stat().st_size) for file in files]
    folder, names = synced[-1]
    assert folder == files[0].parent
    assert names >= {entry.name for entry in folder.iterdir()}


def test_a_file_that_is_large_or_old_gets_no_more_rows(tmp_path, monkeypatch):
    batch = pa.RecordBatch.from_pydict({"n": list(range(1000))})

    def files():
        prepared = write(Sink("csv", {"path": str(tmp_path / "out")}), batch.schema, [batch] * 6)
        return [file["rows"] for committable in prepared for file in committable.payload["files"]]

    assert files() == [6000]
    monkeypatch.setattr(hidden_file, "FLUSH_ROWS", 1000)
    monkeypatch.setattr(hidden_file, "ROLL_BYTES", 7000)  # a batch has about 3,900 bytes
    assert files() == [2000] * 3
    monkeypatch.setattr(hidden_file, "ROLL_SECONDS", 0.0)
    assert files() == [1000] * 6


def test_a_cut_leaves_the_writing_to_another_thread(tmp_path, read):
    spec = Sink("parquet", {"path": str(tmp_path / "out"), "mode": "append"})
    batch = pa.RecordBatch.from_pydict({"a": [1, 2]})
    sink = connectors.sink(spec, batch.schema)
    sink.open(context())
    sink.process(0, batch)
    changes = []
    with folder_changes.before_changes(changes.append):
        first = sink.roll(1)
        sink.process(0, batch)
        second = sink.roll(2)
        sink.close()
        assert changes == []
        with ThreadPoolExecutor(2) as pool:
            prepared = [one for done in pool.map(lambda rolled: rolled.durable(), (second, first)) for one in done]
        assert len([change for change in changes if change.startswith("sync")]) == 4
    assert [one.payload["cut"] for one in prepared] == [2, 1]
    connectors.committer({"sink_0": spec}, RunId("job", 1)).commit(prepared)
    assert read(connectors.parquet(tmp_path / "out"))["a"].to_pylist() == [1, 2, 1, 2]
