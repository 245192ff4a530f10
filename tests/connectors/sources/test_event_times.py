import json
import logging
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv, feather

from sabotnb import connectors
from sabotnb.connectors.formats import csv_files, json_files
from sabotnb.connectors.formats.byte_ranges import cut_records
from sabotnb.errors import SourceError
from sabotnb.eventtime import microseconds
from sabotnb.expr import col
from sabotnb.graph.specs import EventTime
from sabotnb.protocol import CLOCK, MIN_WATERMARK, Finished

SECOND = 1_000_000
TIMED = EventTime("t", max_delay=10 * SECOND)
SECONDS = [10, 20, 5, 30, 8, 31]
DELAYED = [(2, 10), (4, 20)]
"""Of SECONDS: the number of each delayed row, and the clock before it."""


MICROS = pa.timestamp("us")


def table(seconds, data_type=MICROS):
    micros = pa.array([None if second is None else second * SECOND for second in seconds], pa.int64())
    return pa.table({"n": pa.array(range(len(seconds)), pa.int64()), "t": micros.cast(MICROS).cast(data_type)})


def write_json(rows, path):
    lines = [{"n": row["n"], "t": row["t"] and row["t"].isoformat()} for row in rows.to_pylist()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


WRITERS = {
    "parquet": pq.write_table,
    "csv": csv.write_csv,
    "json": write_json,
    "ipc": feather.write_feather,
}


def described(kind, rows, folder, **options):
    """The source of ``rows`` as a file of some format, or as a table."""
    if kind == "table":
        return connectors.table(rows)
    if kind == "generator":
        return connectors.generator(lambda: iter(rows.to_batches(max_chunksize=2)), rows.schema)
    path = folder / f"a.{kind}"
    WRITERS[kind](rows, path)
    if kind == "json":
        options["schema"] = {"t": MICROS}
    return getattr(connectors, kind)(path, **options)


def polls(reader, max_rows=65_536):
    found = []
    while not isinstance(polled := reader.poll(max_rows), Finished):
        if polled is not None:
            found.append(polled)
    reader.close()
    return found


def told_apart(polled):
    """The numbers of the rows that are not delayed; those of delayed ones with their clocks in seconds."""
    rows = [n for each in polled for n in each.rows["n"].to_pylist()]
    late = [
        (n, clock // SECOND)
        for each in polled
        if each.delayed is not None
        for n, clock in zip(each.delayed["n"].to_pylist(), each.delayed[CLOCK].to_pylist(), strict=True)
    ]
    return rows, late


def read(spec, max_rows=65_536, clock=time.time):
    source = connectors.source(spec, clock)
    return told_apart([polled for split in source.splits() for polled in polls(source.open(split), max_rows)])


@pytest.mark.parametrize("max_rows", [1, 2, 100])
@pytest.mark.parametrize("kind", [*WRITERS, "table", "generator"])
def test_delayed_rows_leave_in_batches_of_their_own(tmp_path, kind, max_rows):
    spec = replace(described(kind, table(SECONDS), tmp_path), event_time=TIMED)
    assert read(spec, max_rows) == ([0, 1, 3, 5], DELAYED)


@pytest.mark.parametrize("kind", [*WRITERS, "table", "generator"])
def test_the_clock_runs_over_rows_and_columns_that_do_not_leave(tmp_path, kind):
    spec = replace(described(kind, table(SECONDS), tmp_path), event_time=TIMED)
    narrow = replace(spec, schema=pa.schema([spec.schema.field("n")]), predicate=(col("n") > 1) & (col("n") != 3))
    assert read(narrow) == ([5], DELAYED)


@pytest.mark.parametrize("max_rows", [1, 100])
@pytest.mark.parametrize("kind", [*WRITERS, "table", "generator"])
def test_rows_that_a_filter_drops_before_event_time_is_declared_have_none(tmp_path, kind, max_rows):
    spec = described(kind, table([10, 99, 20, None, 5, 30, 8]), tmp_path)
    timed = replace(spec, event_time=replace(TIMED, predicate=col("t").is_not_null() & (col("n") != 1)))
    narrow = replace(timed, schema=pa.schema([spec.schema.field("n")]))
    for read_spec in (timed, narrow):
        assert read(read_spec, max_rows) == ([0, 1, 2, 3, 5], [(4, 10), (6, 20)])
    assert read(replace(timed, predicate=col("n") != 4), max_rows) == ([0, 1, 2, 3, 5], [(6, 20)])


def test_a_null_among_the_rows_that_pass_the_filter_is_refused():
    timed = replace(TIMED, predicate=col("n") > 0)
    with pytest.raises(SourceError, match="event time 't' is null in a row of table that passes the filter"):
        read(replace(connectors.table(table([None, 1, None])), event_time=timed))


def test_conditions_are_evaluated_for_rows_that_pass_those_before():
    rows = pa.table({"n": [0, 1, 0], "s": ["x", "1", "y"], "t": table([1, 2, 3])["t"]})
    timed = replace(TIMED, predicate=(col("n") != 0) & (col("s").cast("int64") > 0))
    assert read(replace(connectors.table(rows), event_time=timed)) == ([0, 1, 0], [])


def test_delayed_rows_have_the_clock_as_their_last_column():
    source = connectors.source(replace(connectors.table(table(SECONDS)), event_time=TIMED))
    (polled,) = polls(source.open(source.splits()[0]))
    assert polled.delayed.schema == polled.rows.schema.append(pa.field(CLOCK, pa.int64(), nullable=False))


@pytest.mark.parametrize(
    "data_type",
    [pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "America/New_York")],
    ids=str,
)
@pytest.mark.parametrize("kind", ["parquet", "ipc", "table"])
def test_times_have_any_unit_and_zone(tmp_path, kind, data_type):
    spec = replace(described(kind, table(SECONDS, data_type), tmp_path), event_time=TIMED)
    assert read(spec) == ([0, 1, 3, 5], DELAYED)
    assert connectors.source(spec).splits()[0].lower_bound == (MIN_WATERMARK if kind == "ipc" else 5 * SECOND)


@pytest.mark.parametrize("data_type", [pa.date32(), pa.date64()])
@pytest.mark.parametrize("kind", ["parquet", "ipc", "table"])
def test_times_may_be_dates(tmp_path, kind, data_type):
    days = table([day * 86_400 for day in (1, 2, 1)], pa.date32())
    days = days.set_column(1, "t", days["t"].cast(data_type))
    spec = replace(described(kind, days, tmp_path), event_time=EventTime("t"))
    assert read(spec) == ([0, 1], [(2, 2 * 86_400)])


@pytest.mark.parametrize("kind", [*WRITERS, "table", "generator"])
def test_a_null_event_time_is_refused_with_what_to_write(tmp_path, kind):
    spec = described(kind, table([10, None, 5]), tmp_path)
    name = f"a.{kind}" if kind in WRITERS else kind
    with pytest.raises(SourceError) as raised:
        read(replace(spec, event_time=TIMED))
    assert str(raised.value) == (
        f"event time 't' is null in row 2 of {name}. Declare event time behind a filter: "
        ".filter(col('t').is_not_null()).with_event_time('t')"
    )


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 40), max_size=20), st.integers(1, 7), st.data())
def test_reading_goes_on_at_any_position_with_the_same_clock(seconds, max_rows, data):
    spec = replace(connectors.table(table(seconds)), event_time=TIMED, predicate=col("n") % 3 != 0)
    source = connectors.source(spec)
    for split in source.splits():
        first = source.open(split)
        whole = polls(first, max_rows)
        done = data.draw(st.integers(0, len(whole)))
        position = json.loads(json.dumps(whole[done - 1].position)) if done else split.position
        rest = source.open(replace(split, position=position))
        assert told_apart(polls(rest, 5)) == told_apart(whole[done:])
        assert rest.watermark() == first.watermark()


def test_the_watermark_follows_the_clock_and_begins_at_the_lower_bound():
    source = connectors.source(replace(connectors.table(table([10, 30, 20, 50])), event_time=TIMED))
    reader = source.open(source.splits()[0])
    found = [reader.watermark()]
    while not isinstance(reader.poll(1), Finished):
        found.append(reader.watermark())
    assert [us // SECOND for us in found] == [0, 0, 20, 20, 40]


def test_rows_that_the_predicate_drops_advance_the_watermark():
    spec = replace(connectors.table(table([10, 30])), event_time=TIMED, predicate=col("n") < 0)
    source = connectors.source(spec)
    reader = source.open(source.splits()[0])
    assert isinstance(reader.poll(1), Finished)
    assert reader.watermark() == 20 * SECOND


def test_a_slice_of_a_table_is_a_split_only_if_the_slices_follow_each_other_in_time(monkeypatch):
    monkeypatch.setattr("sabotnb.connectors.sources.memory_tables.SPLIT_ROWS", 2)
    for seconds, bounds in (([2, 1, 2, 3, 5], [1, 2, 5]), ([1, 2, 1, 3, 5], [1])):
        spec = replace(connectors.table(table(seconds)), event_time=EventTime("t"))
        assert [split.lower_bound // SECOND for split in connectors.source(spec).splits()] == bounds
    assert len(connectors.source(connectors.table(table([2, 1, 2, 1]))).splits()) == 2


@pytest.mark.parametrize("kind", ["csv", "json", "ipc"])
def test_a_file_is_one_split_with_event_time(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("sabotnb.connectors.formats.ipc_files.SPLIT_BYTES", 500)
    monkeypatch.setattr(json_files.JsonFiles.__init__, "__defaults__", (500,))
    monkeypatch.setattr(csv_files.CsvFiles.__init__, "__defaults__", (partial(cut_records, section_bytes=500),))
    rows = table([*range(100), 1])
    WRITERS[kind](rows, tmp_path / f"a.{kind}", **({"chunksize": 10} if kind == "ipc" else {}))
    spec = getattr(connectors, kind)(tmp_path / f"a.{kind}", **({"schema": {"t": MICROS}} if kind == "json" else {}))
    assert len(connectors.source(spec).splits()) > 1
    assert len(connectors.source(replace(spec, event_time=EventTime("t"))).splits()) == 1
    assert read(replace(spec, event_time=EventTime("t"))) == ([*range(100)], [(100, 99)])


# row groups

GROUPS = [[10, 50], [70, 60], [40, 80], [90, 100]]


def grouped(tmp_path, groups=GROUPS, **options):
    pq.write_table(table([s for group in groups for s in group]), tmp_path / "a.parquet", row_group_size=2, **options)
    return replace(connectors.parquet(tmp_path / "a.parquet"), event_time=EventTime("t"))


@pytest.mark.parametrize("wanted", [{0, 1, 4, 5}, {4, 5}, {0, 1, 6, 7}, {2, 3, 6, 7}, {0, 4}, set(range(8)), set()])
def test_row_groups_that_are_not_read_advance_the_clock(tmp_path, wanted):
    spec = grouped(tmp_path)
    rows, late = read(spec)
    assert late == [(3, 70), (4, 70)]
    predicate = (
        col("n").is_in([*wanted]) & (col("n") >= min(wanted, default=99)) & (col("n") <= max(wanted, default=-1))
    )
    assert read(replace(spec, predicate=predicate)) == (
        [n for n in rows if n in wanted],
        [pair for pair in late if pair[0] in wanted],
    )


def splits(spec, predicate):
    return [
        (split.position["groups"], split.position.get("skipped", []))
        for split in connectors.source(replace(spec, predicate=predicate)).splits()
    ]


def test_a_row_group_without_rows_for_the_predicate_is_skipped(tmp_path):
    assert splits(grouped(tmp_path), col("n") >= 4) == [([2, 3], [[0, 50 * SECOND], [1, 70 * SECOND]])]
    assert splits(grouped(tmp_path, [[1, 2], [2, 4], [5, 6]]), col("n") >= 4) == [([2], [])]
    assert splits(grouped(tmp_path), col("n") > 8) == []


def test_a_row_group_is_read_if_nothing_says_what_the_clock_is_behind_it(tmp_path):
    everything = [([0, 1, 2, 3], [])]
    assert splits(grouped(tmp_path, write_statistics=["n"]), col("n") >= 4) == everything
    future = int(time.time()) + 3 * 86_400
    assert splits(grouped(tmp_path, [[future, 1], *GROUPS[1:]]), col("n") >= 4)[0][0] == [0, 2, 3]
    assert splits(grouped(tmp_path, [[None, 1], *GROUPS[1:]]), col("n") >= 4)[0][0] == [0, 2, 3]


def test_rows_without_event_time_do_not_advance_the_clock_from_a_row_group_that_is_skipped(tmp_path):
    spec = grouped(tmp_path)
    spec = replace(spec, event_time=replace(spec.event_time, predicate=col("n") >= 2))
    assert splits(spec, col("n") >= 4) == [([1, 2, 3], [])]
    assert read(replace(spec, predicate=col("n") >= 4)) == ([5, 6, 7], [(4, 70)])


def test_a_folder_may_have_the_event_time(tmp_path):
    for day, rows in ((2, [0, 1]), (1, [2])):
        (tmp_path / f"day=2024-01-0{day}").mkdir()
        pq.write_table(pa.table({"n": rows}), tmp_path / f"day=2024-01-0{day}" / "a.parquet")
    spec = connectors.parquet(tmp_path)
    recent = (col("day") > date(2000, 1, 1)) & (col("n") >= 0)
    for event_time in (EventTime("day"), EventTime("day", predicate=recent)):
        timed = replace(spec, event_time=event_time)
        bounds = [split.lower_bound for split in connectors.source(timed).splits()]
        assert bounds == [19_723 * 86_400 * SECOND, 19_724 * 86_400 * SECOND]
        assert read(timed) == ([2, 0, 1], [])


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_bounds_are_rounded_down_and_may_be_in_any_year(tmp_path, unit):
    per_second = {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    low = {"ns": -(2**62), "us": -(10**6) * 86_400 * 366 * 5000, "ms": -(10**3) * 86_400 * 366 * 5000}[unit] - 1
    stored = pa.array([low], pa.int64()).cast(pa.timestamp(unit))
    pq.write_table(pa.table({"t": stored}), tmp_path / "a.parquet")
    spec = replace(connectors.parquet(tmp_path / "a.parquet"), event_time=EventTime("t"))
    assert connectors.source(spec).splits()[0].lower_bound == low * SECOND // per_second


# several files in one split


def test_a_paced_source_has_a_clock_for_each_file(tmp_path, clock):
    for name, seconds in (("a", [10, 50]), ("b", [20, 15, 60]), ("c", [40])):
        pq.write_table(table(seconds), tmp_path / f"{name}.parquet")
    spec = replace(connectors.parquet(tmp_path, rate=1000.0), event_time=EventTime("t"))
    source = connectors.source(spec, clock)
    reader = source.open(source.splits()[0])
    found = []
    while not isinstance(polled := reader.poll(1), Finished):
        clock.now += 1
        found.append((*told_apart([polled]), reader.watermark() // SECOND))
    assert found == [
        ([0], [], 10),
        ([1], [], 15),  # a row of the next file may be that early
        ([0], [], 20),
        ([], [(1, 20)], 20),
        ([2], [], 40),
        ([0], [], 40),
    ]


def test_a_file_that_is_found_later_begins_at_the_watermark(tmp_path, clock):
    pq.write_table(table([10, 50]), tmp_path / "a.parquet")
    spec = replace(connectors.parquet(tmp_path, follow=True), event_time=TIMED)
    source = connectors.source(spec, clock)
    reader = source.open(source.splits()[0])
    assert told_apart([reader.poll(10)]) == ([0, 1], [])
    assert reader.poll(10) is None
    pq.write_table(table([30, 40, 60, 49]), tmp_path / "b.parquet")
    clock.now += 1
    assert reader.poll(10) is None
    clock.now += 1
    assert told_apart([reader.poll(10)]) == ([1, 2], [(0, 40), (3, 50)])
    assert reader.watermark() == 50 * SECOND


# warnings


def test_times_far_ahead_do_not_advance_the_clock_and_are_said_once(tmp_path, caplog):
    now = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
    ahead = now + timedelta(days=2).total_seconds()
    rows = table([int(now) - 100, int(ahead), int(now) - 50, int(now) - 200, int(ahead)])
    spec = replace(described("parquet", rows, tmp_path), event_time=TIMED)
    assert read(spec, max_rows=1, clock=lambda: now) == ([0, 1, 2, 4], [(3, int(now) - 60)])
    (record,) = caplog.records
    assert record.getMessage() == (
        "t has times more than a day ahead of their arrival in a.parquet; they do not advance event time. Correct "
        "them, or drop them with a filter before .with_event_time"
    )
    source = connectors.source(spec, lambda: now)
    assert [polled.ahead for polled in polls(source.open(source.splits()[0]), 2)] == [1, 0, 1]


DAY = 86_400


@pytest.mark.parametrize(
    ("share", "rows", "message"),
    [
        (0.5, 20_000, True),
        (0.5, 9_998, False),
        (0.04, 20_000, False),
    ],
)
def test_a_file_that_is_not_in_order_is_said(tmp_path, caplog, share, rows, message):
    late = int(rows * share)
    seconds = [334 * DAY] * (rows - late) + [DAY] * late
    spec = replace(described("parquet", table(seconds), tmp_path), event_time=EventTime("t", 3600 * SECOND))
    with caplog.at_level(logging.WARNING):
        read(spec, max_rows=1000)
        read(spec)
    said = [record.getMessage() for record in caplog.records]
    assert (said[:1] != []) is message
    if message:
        assert said[-1] == (
            "t runs backwards by up to 333 days in a.parquet; with max_delay='1h' 50 % of rows would be late. "
            "Sort the file, split it into sorted runs, or raise max_delay."
        )
        assert len(said) == 2


def minute(first_tenth):
    """200,000 rows over a minute, in order but for the last tenth, which may come first."""
    us = np.linspace(0, 60 * SECOND, 200_000).astype("int64")
    times = pa.array(np.roll(us, 20_000) if first_tenth else us).cast(MICROS)
    return pa.table({"n": pa.array(range(200_000)), "t": times})


SAID = (
    "t runs backwards by up to 60 s in {}; with max_delay='0s' 90 % of {} would be late. "
    "Sort the file, split it into sorted runs, or raise max_delay."
)


@pytest.mark.parametrize("max_rows", [1_000, 150_000])
@pytest.mark.parametrize("backwards", [False, True])
def test_the_share_of_delayed_rows_is_that_of_the_whole_file(tmp_path, caplog, backwards, max_rows):
    spec = replace(described("parquet", minute(backwards), tmp_path), event_time=EventTime("t"))
    read(spec, max_rows=max_rows)
    assert [record.getMessage() for record in caplog.records] == [SAID.format("a.parquet", "rows")] * backwards


def test_several_files_that_are_not_in_order_are_said_once(tmp_path, caplog):
    for number in range(10):
        pq.write_table(minute(first_tenth=True), tmp_path / f"{number}.parquet")
    source = connectors.source(replace(connectors.parquet(tmp_path), event_time=EventTime("t")))
    for split in source.splits():
        polls(source.open(split))
    assert [record.getMessage() for record in caplog.records] == [SAID.format("0.parquet", "rows")]


@pytest.mark.parametrize("follow", [False, True])
def test_a_file_that_is_left_or_never_ends_is_said_of_its_rows_so_far(tmp_path, caplog, follow):
    pq.write_table(minute(first_tenth=True), tmp_path / "a.parquet")
    source = connectors.source(replace(connectors.parquet(tmp_path, follow=follow), event_time=EventTime("t")))
    reader = source.open(source.splits()[0])
    while reader.poll(10_000).position["rows"] < 190_000:
        pass
    reader.close()
    (record,) = caplog.records
    said = "33 % of the first 30,000 rows" if follow else "89 % of the first 190,000 rows"
    assert said in record.getMessage()


def test_views_of_text_beside_delayed_rows(tmp_path):
    rows = table(SECONDS).append_column("text", pa.array(list("abcdef"), pa.string_view()))
    time = replace(TIMED, predicate=col("text") != "a")
    with pa.ipc.new_file(tmp_path / "a.ipc", rows.schema) as file:
        file.write_table(rows)
    for timed, delayed in ((TIMED, ["c", "e"]), (time, ["c", "e"])):
        source = connectors.source(replace(connectors.ipc(tmp_path / "a.ipc"), event_time=timed))
        (split,) = source.splits()
        found = polls(source.open(split))
        assert [text for polled in found if polled.delayed for text in polled.delayed["text"].to_pylist()] == delayed


def test_a_floor_that_is_raised_before_the_first_row_holds_behind_a_position(tmp_path):
    spec = replace(connectors.table(table(SECONDS)), event_time=TIMED)
    source = connectors.source(spec)
    (split,) = source.splits()
    position = source.open(split).poll(2).position
    reader = source.open(replace(split, position=position))
    reader.raise_floor(26 * SECOND)
    polled = reader.poll(10)
    assert polled.rows["n"].to_pylist() == [3, 5]
    assert (polled.delayed["n"].to_pylist(), polled.delayed[CLOCK].to_pylist()) == ([2, 4], [26 * SECOND] * 2)


@pytest.mark.parametrize("again", [False, True])
def test_a_floor_holds_for_all_files_of_a_split(tmp_path, again):
    for number in range(2):
        csv.write_csv(table(SECONDS), tmp_path / f"{number}.csv")
    source = connectors.source(replace(connectors.csv(tmp_path, follow=True), event_time=TIMED))
    (split,) = source.splits()
    reader = source.open(split)
    reader.raise_floor(26 * SECOND)
    first = reader.poll(10)
    if again:
        reader = source.open(replace(split, position=json.loads(json.dumps(first.position))))
    second = reader.poll(10)
    for polled in (first, second):
        assert polled.rows["n"].to_pylist() == [3, 5]
        assert polled.delayed["n"].to_pylist() == [0, 1, 2, 4]


@pytest.mark.parametrize("rows", range(1, len(SECONDS)))
def test_a_position_has_the_clock_of_times_that_are_computed_behind_the_source(rows):
    source = connectors.source(replace(connectors.table(table(SECONDS)), computed_time=TIMED))
    (split,) = source.splits()
    reader = source.open(split)
    polled = reader.poll(rows)
    reader.advance_clock(microseconds(polled.rows["t"]))
    position = json.loads(json.dumps(reader.processed(polled.position)))
    again = source.open(replace(split, position=position))
    assert again.watermark() == reader.watermark()
    times = microseconds(again.poll(10).rows["t"])
    found = again.advance_clock(times)
    delayed = [] if found is None else [(rows + n, int(found.clocks[n]) // SECOND) for n in found.mask.nonzero()[0]]
    assert delayed == [(number, clock) for number, clock in DELAYED if number >= rows]
