"""Every source goes on at its positions: what a checkpoint stores of a split is complete and exact."""

import json
from dataclasses import replace
from functools import partial
from itertools import product

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv, feather

from sabotnb import connectors
from sabotnb.connectors.file_sources import file_connector
from sabotnb.connectors.formats import csv_files, json_files
from sabotnb.connectors.formats.byte_ranges import cut_records
from sabotnb.connectors.sources import memory_tables
from sabotnb.connectors.sources.task_calls import TaskCall, tasks
from sabotnb.expr import col
from sabotnb.graph import EventTime
from sabotnb.protocol import Finished
from sabotnb.testing import ManualClock, Pause, ScriptedSource, SourceSuite

ROWS = 120
SECOND = 1_000_000
TIMED = EventTime("t", max_delay=20 * SECOND)
FILTER = col("n") % 3 != 1
VARIANTS = {
    "whole": {},
    "filtered": {"predicate": FILTER},
    "timed": {"event_time": TIMED},
    "timed and filtered": {"event_time": TIMED, "predicate": FILTER},
    "behind a filter": {"event_time": replace(TIMED, predicate=col("n") % 5 != 0)},
}


def rows(start=0, stop=ROWS):
    """Rows whose times run backwards now and then, by more than ``max_delay``."""
    seconds = [number - 50 * (number % 7 == 3) for number in range(start, stop)]
    times = pa.array([second * SECOND for second in seconds], pa.int64()).cast(pa.timestamp("us"))
    return pa.table(
        {"n": pa.array(range(start, stop)), "t": times, "s": [f"a{number % 9}" for number in range(start, stop)]}
    )


def write_parquet(table, path):
    pq.write_table(table, path, row_group_size=17)


def write_json(table, path):
    lines = [json.dumps({**row, "t": row["t"].isoformat()}) for row in table.to_pylist()]
    path.write_text("\n".join(lines) + "\n")


def write_ipc(table, path):
    feather.write_feather(table, path, chunksize=19)


def write_stream(table, path):
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=19)


WRITERS = {
    "parquet": (write_parquet, "parquet"),
    "csv": (csv.write_csv, "csv"),
    "json": (write_json, "jsonl"),
    "ipc": (write_ipc, "arrow"),
    "stream": (write_stream, "arrows"),
}


def describe(kind, path, **options):
    if kind == "json":
        options["schema"] = {"t": pa.timestamp("us")}
    return getattr(connectors, "ipc" if kind == "stream" else kind)(path, **options)


def write(kind, path, table):
    writer, suffix = WRITERS[kind]
    writer(table, path.with_suffix(f".{suffix}"))


BOTH = [*product([kind for kind in WRITERS if kind != "parquet"], ["filtered", "timed and filtered"])]


@pytest.fixture(autouse=True, scope="module")
def short_parts():
    """Sections of text and slices of tables have a few rows."""
    patched = pytest.MonkeyPatch()
    patched.setattr(json_files.JsonFiles.__init__, "__defaults__", (900,))
    cut = partial(cut_records, section_bytes=500, scan_bytes=200)
    patched.setattr(csv_files.CsvFiles.__init__, "__defaults__", (cut,))
    patched.setattr(memory_tables, "SPLIT_ROWS", 100)
    yield
    patched.undo()


def varied(spec, variant):
    """``spec`` with the predicate and the event time of a variant; no data of a test is in the far future."""
    return replace(spec, **VARIANTS[variant])


class Described(SourceSuite):
    """A source that a fixture describes once for each parameter: ``spec``, and ``clock`` if it follows one."""

    spec = clock = None

    def make(self):
        return connectors.source(self.spec) if self.clock is None else connectors.source(self.spec, self.clock)

    def pass_time(self):
        if self.clock is not None:
            self.clock.advance(0.5)


class TestFiles(Described):
    @pytest.fixture(autouse=True, scope="class", params=[*BOTH, *product(["parquet"], VARIANTS)], ids="-".join)
    @staticmethod
    def described(request, tmp_path_factory):
        kind, variant = request.param
        folder = tmp_path_factory.mktemp("files")
        write(kind, folder / "b", rows(stop=50))
        write(kind, folder / "a", rows(50))
        request.cls.spec = varied(describe(kind, folder), variant)


class TestFolders(Described):
    @pytest.fixture(autouse=True, scope="class", params=["parquet", "csv", "json"])
    @staticmethod
    def described(request, tmp_path_factory):
        folder = tmp_path_factory.mktemp("folders")
        for part in range(2):
            (folder / f"p={part}").mkdir()
            write(request.param, folder / f"p={part}" / "a", rows(60 * part, 60 * part + 60))
        spec = describe(request.param, folder)
        request.cls.spec = replace(spec, event_time=TIMED, predicate=(col("p") == 1) | FILTER)


class TestPaced(Described):
    @pytest.fixture(autouse=True, scope="class", params=[*product(WRITERS, ["rate"]), ("csv", "speed")])
    @staticmethod
    def described(request, tmp_path_factory):
        kind, how = request.param
        folder = tmp_path_factory.mktemp("paced")
        for number in range(3):
            write(kind, folder / f"{number}", rows(40 * number, 40 * number + 40))
        pace = {"rate": 50} if how == "rate" else {"speed": "20s/s"}
        request.cls.spec = replace(describe(kind, folder, **pace), event_time=TIMED)
        request.cls.clock = ManualClock(1e9)


class TestFollowed(Described):
    @pytest.fixture(autouse=True, scope="class", params=[*product(WRITERS, ["timed"]), ("csv", "whole")])
    @staticmethod
    def described(request, tmp_path_factory):
        kind, variant = request.param
        folder = tmp_path_factory.mktemp("followed")
        write(kind, folder / "b", rows(stop=40))
        request.cls.spec = varied(describe(kind, folder, follow=True), variant)
        write(kind, folder / "a", rows(40, 80))
        write(kind, folder / "c", rows(80))
        request.cls.clock = ManualClock(1e9)
        request.cls.most_rows = ROWS


class TestTables(Described):
    @pytest.fixture(autouse=True, scope="class", params=VARIANTS)
    @staticmethod
    def described(request):
        request.cls.spec = varied(connectors.table(rows()), request.param)


class TestGenerators(Described):
    most_empty_polls = 10**9  # the thread that calls the function is as fast as the machine lets it be

    @pytest.fixture(autouse=True, scope="class", params=VARIANTS)
    @staticmethod
    def described(request):
        table = rows()
        spec = connectors.generator(lambda: iter(table.to_batches(max_chunksize=23)), table.schema, replayable=True)
        request.cls.spec = varied(spec, request.param)


class TestRates(Described):
    @pytest.fixture(autouse=True, scope="class", params=["whole", "timed", "filtered"])
    @staticmethod
    def described(request):
        spec = connectors.rate(40, ROWS)
        if request.param == "timed":
            spec = replace(spec, event_time=EventTime("time", SECOND))
        if request.param == "filtered":
            spec = replace(spec, predicate=col("value") % 3 == 1)
        request.cls.spec, request.cls.clock = spec, ManualClock(1000.0)


class TestCalls(Described):
    spec = tasks(["a", "b"], [TaskCall("python", "math:factorial", {}, number) for number in (3, 4)])


class TestScripts(SourceSuite):
    def make(self):
        schema = pa.schema({"n": pa.int64()})
        return ScriptedSource(schema, [[{"n": 1}, {"n": 2}], Pause(3), [{"n": 3}]], [[{"n": 4}]])


def at_row(source, split, rows):
    """The position behind at least ``rows`` rows."""
    reader = source.open(split)
    position = {"rows": 0}
    while position["rows"] < rows:
        position = next_rows(reader).position
    reader.close()
    return position


def next_rows(reader):
    """Poll until rows are due."""
    while (polled := reader.poll(10)) is None:
        pass
    return polled


def decoded(connector, split):
    """The number of rows that a connector decodes when a reader is opened at a position."""
    done = split.position["rows"] - split.position.get("before", 0)
    items = connector.batches(split, 10, done)
    return sum(item.num_rows for item in items if isinstance(item, pa.RecordBatch))


@pytest.mark.parametrize(
    ("kind", "variant", "most"),
    [
        ("parquet", "filtered", 17 + 20),
        ("parquet", "timed", 17 + 20),
        ("ipc", "whole", 19 + 20),
        ("ipc", "timed", 19 + 20),
        ("csv", "timed", 25 + 20),
        ("json", "timed", 25 + 20),
        ("stream", "whole", ROWS),
    ],
)
def test_files_are_not_decoded_before_the_part_in_which_a_reader_begins(tmp_path, kind, variant, most):
    write(kind, tmp_path / "a", rows())
    spec = varied(describe(kind, tmp_path), variant)
    connector = file_connector(spec, ManualClock())
    (split,) = connector.splits()
    position = at_row(connectors.source(spec), split, 100)
    left = decoded(connector, replace(split, position=position))
    assert ROWS - position["rows"] <= left <= most


@pytest.mark.parametrize("how", ["paced", "followed"])
def test_files_that_were_read_before_are_not_opened_again(tmp_path, how):
    for number in range(3):
        write("parquet", tmp_path / str(number), rows(40 * number, 40 * number + 40))
    options = {"follow": True} if how == "followed" else {"rate": 1e9}
    spec = connectors.parquet(tmp_path, **options)
    source = connectors.source(spec)
    (split,) = source.splits()
    position = json.loads(json.dumps(at_row(source, split, 81)))
    for number in range(2):
        (tmp_path / f"{number}.parquet").write_bytes(b"lost")
    reader = connectors.source(spec).open(replace(split, position=position))
    assert next_rows(reader).rows["n"].to_pylist()[0] == position["rows"]


@pytest.mark.parametrize(("spec", "column"), [(connectors.table(rows()), "n"), (connectors.rate(1e9, ROWS), "value")])
def test_sources_in_memory_begin_at_the_row(spec, column):
    source = connectors.source(spec)
    split = source.splits()[-1]
    again = replace(split, position={**split.position, "rows": 7})
    first = next(item for item in source._connector.batches(again, 10, 7) if isinstance(item, pa.RecordBatch))
    assert first[column][0].as_py() == ROWS - (split.rows or ROWS) + 7


def test_a_call_whose_result_was_read_is_not_called_again():
    calls = tasks(["a"], [TaskCall("python", "math:factorial", {}, -1)])  # it would raise
    source = connectors.source(calls)
    (split,) = source.splits()
    assert isinstance(source.open(replace(split, position={**split.position, "rows": 1})).poll(10), Finished)


def test_a_task_reads_its_mailbox_while_rows_are_passed_over():
    table = pa.table({"n": range(1000)})
    spec = connectors.generator(lambda: iter(table.to_batches(max_chunksize=1)), table.schema, replayable=True)
    source = connectors.source(spec)
    (split,) = source.splits()
    reader = source.open(replace(split, position={"rows": 999}))
    found = [reader.poll(10) for _ in range(3)]
    assert found == [None, None, None]  # at most 200 batches each
    assert next_rows(reader).rows["n"].to_pylist() == [999]
