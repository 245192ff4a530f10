import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sabotnb as sb
from sabotnb import col, connectors
from sabotnb.api.running.compiling import compile_graph
from sabotnb.api.running.sampled_run import collected
from sabotnb.errors import SabotnbError
from sabotnb.native import empty_batch
from sabotnb.protocol import Reader, Source, Split
from sabotnb.task import Makers

START = datetime(2024, 1, 1)
MINUTES = [0, 30, 10, 60, 20, 61, 5]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two daily files whose rows are out of order."""
    for day in range(2):
        at = [START + timedelta(days=day, minutes=minute) for minute in MINUTES]
        pq.write_table(pa.table({"day": [day] * len(at), "at": at}), tmp_path / f"{day}.parquet")
    return tmp_path


@pytest.mark.parametrize("max_delay", ["0s", "30m", "1d"])
def test_delayed_rows_are_among_the_results(folder: Path, max_delay: str) -> None:
    stream = sb.Stream.from_parquet(folder, event_time="at", max_delay=max_delay)
    expected = sb.Stream.from_parquet(folder)
    for verbs in (
        lambda s: s,
        lambda s: s.select("day"),
        lambda s: s.filter(col("day") == 1, col("at").dt.minute() < 30),
        lambda s: s.with_columns(minute=col("at").dt.minute()).group_by("minute").agg(n=sb.count()),
        lambda s: s.map_batches(lambda batch: batch.slice(0, batch.num_rows)),
        lambda s: s.map_rows(lambda row: {"day": row["day"]}),
        lambda s: s.distinct("day").select("day"),
        lambda s: s.sort("at", "day"),
    ):
        assert sorted(map(str, verbs(stream).to_rows())) == sorted(map(str, verbs(expected).to_rows()))


@dataclass
class HeldFile(Source):
    """A source that returns no rows of the files of ``name`` until ``free`` is set."""

    source: Any
    name: str
    free: threading.Event

    def open(self, split: Split) -> Reader:
        reader = self.source.open(split)
        poll = reader.poll
        if Path(split.position["file"]).name == self.name:
            reader.poll = lambda most: poll(most) if self.free.is_set() else None
        return reader


@pytest.mark.parametrize("tasks", [1, 2, 3])
def test_windows_of_a_hundred_daily_files_close_while_later_files_are_read(tmp_path: Path, tasks: int) -> None:
    for day in range(100):
        at = [START + timedelta(days=day), START + timedelta(days=day, hours=23)]
        pq.write_table(pa.table({"at": pa.array(at, pa.timestamp("us"))}), tmp_path / f"{99 - day:03}.parquet")
    stream = sb.Stream.from_parquet(tmp_path, event_time="at").window(sb.tumbling("1d")).agg(n=sb.count())
    compiled = compile_graph(collected(stream.flow), tasks)
    free = threading.Event()
    days: list[int] = []
    makers = Makers(source=lambda spec: HeldFile(connectors.source(spec), "049.parquet", free))
    for batch in compiled.run_here(makers):
        days += [(start - START).days for start in batch["window_start"].to_pylist()]
        if len(days) == 50:  # all that end before the file begins that is held
            free.set()
    assert days == list(range(100))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_that_do_not_say_their_earliest_time_are_named(folder: Path, suffix: str) -> None:
    for day in range(2):
        (folder / f"{day}.csv").write_text("at\n2024-01-01 00:00:00\n")
    stream = (sb.Stream.from_csv if suffix == "csv" else sb.Stream.from_parquet)(folder, event_time="at")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        stream.to_rows()
    message = (
        f"'{folder / '0.csv'}' does not say its earliest 'at': the job holds the rows of windows until it has opened "
        "the last of its files. Write Parquet files with statistics instead"
    )
    assert [str(one.message) for one in said] == ([message] if suffix == "csv" else [])


TIMED = pa.table({"at": pa.array([1, 2, 3], pa.timestamp("us")), "n": [1, 2, 3]})


def parquet_groups(file: Path, tables: list[pa.Table]) -> None:
    with pq.ParquetWriter(file, TIMED.schema) as writer:
        for table in tables:
            writer.write_table(table)


def ipc_batches(file: Path, tables: list[pa.Table], *, stream: bool) -> None:
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(file, TIMED.schema) as writer:
        for table in tables:
            writer.write_batch(table.combine_chunks().to_batches()[0] if len(table) else empty_batch(TIMED.schema))


def text_lines(file: Path, tables: list[pa.Table], header: str, line: str) -> None:
    lines = [line.format(at=row["at"], n=row["n"]) for table in tables for row in table.to_pylist()]
    file.write_text(header + "".join(lines) + "\n")


WRITERS: dict[str, tuple[str, str, Callable[[Path, list[pa.Table]], None]]] = {
    "parquet": ("parquet", "parquet", parquet_groups),
    "ipc": ("ipc", "arrow", partial(ipc_batches, stream=False)),
    "ipc stream": ("ipc", "arrow", partial(ipc_batches, stream=True)),
    "csv": ("csv", "csv", partial(text_lines, header="at,n\n", line="{at},{n}\n")),
    "json": ("json", "jsonl", partial(text_lines, header="", line='{{"at": "{at}", "n": {n}}}\n')),
}
NO_ROWS = TIMED.slice(0, 0)


def warnings_of(folder: Path, kind: str, files: list[list[pa.Table]]) -> list[str]:
    connector, suffix, write = WRITERS[kind]
    for number, tables in enumerate(files):
        write(folder / f"{number}.{suffix}", tables)
    types = {"schema": {"at": "timestamp[us]", "n": "int64"}} if connector in ("csv", "json") else {}
    read = getattr(sb.Stream, f"from_{connector}")(folder, event_time="at", **types)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert read.agg(n=sb.count()).to_rows() == [{"n": sum(map(len, [table for file in files for table in file]))}]
    return [Path(str(one.message).split("'")[1]).stem for one in said]


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind != "json"])
def test_files_without_rows_need_not_say_their_earliest_time(tmp_path: Path, kind: str) -> None:
    says = kind == "parquet"
    for name, files, expected in [
        ("first", [[NO_ROWS], [TIMED]], []),
        ("last", [[TIMED], [NO_ROWS]], []),
        ("between", [[NO_ROWS], [TIMED], [NO_ROWS, NO_ROWS]], []),
        ("all", [[NO_ROWS], [NO_ROWS]], []),
        ("inside", [[NO_ROWS, TIMED], [TIMED, NO_ROWS, TIMED]], [] if says else ["0"]),
        ("two of three", [[NO_ROWS], [TIMED], [TIMED]], [] if says else ["1"]),
    ]:
        (tmp_path / name).mkdir()
        assert warnings_of(tmp_path / name, kind, files) == expected, name


def test_json_files_of_blank_lines_need_not_say_their_earliest_time(tmp_path: Path) -> None:
    for name, files, expected in [("last", [[TIMED], [NO_ROWS]], []), ("two", [[TIMED], [NO_ROWS], [TIMED]], ["0"])]:
        (tmp_path / name).mkdir()
        assert warnings_of(tmp_path / name, "json", files) == expected


def test_parquet_files_of_nulls_alone_do_not_say_their_earliest_time(tmp_path: Path) -> None:
    nulls = pa.table({"at": pa.nulls(2, pa.timestamp("us")), "n": [1, 2]})
    pq.write_table(nulls, tmp_path / "a.parquet")
    pq.write_table(TIMED, tmp_path / "b.parquet")
    read = sb.Stream.from_parquet(tmp_path, event_time="at")
    with (
        pytest.warns(UserWarning, match=r"a\.parquet' does not say its earliest 'at'"),
        pytest.raises(SabotnbError, match=r"a\.parquet"),
    ):
        read.to_rows()


def test_a_preview_has_the_event_time_of_the_source(folder: Path) -> None:
    hours = sb.Stream.from_parquet(folder, event_time="at", max_delay="1d").window(sb.tumbling("1h")).agg(n=sb.count())
    assert hours.head(9).table["n"].to_pylist() == [5, 2, 5, 2]
