import warnings
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sabotnb as sb
from sabotnb import col

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


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_that_do_not_say_their_earliest_time_are_named(folder: Path, suffix: str) -> None:
    for day in range(2):
        (folder / f"{day}.csv").write_text("at\n2024-01-01 00:00:00\n")
    stream = (sb.Stream.from_csv if suffix == "csv" else sb.Stream.from_parquet)(folder, event_time="at")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        stream.to_rows()
    message = (
        f"'{folder / '0.csv'}' does not say its earliest 'at': a task holds the rows of windows until it has opened "
        "the last of its files. Write Parquet files with statistics instead"
    )
    assert [str(one.message) for one in said] == ([message] if suffix == "csv" else [])


def test_a_preview_has_the_event_time_of_the_source(folder: Path) -> None:
    hours = sb.Stream.from_parquet(folder, event_time="at", max_delay="1d").window(sb.tumbling("1h")).agg(n=sb.count())
    assert hours.head(9).table["n"].to_pylist() == [5, 2, 5, 2]
