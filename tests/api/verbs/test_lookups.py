"""Lookups in tables and files of all formats."""

import json

import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

import sabotnb as sb
from sabotnb.errors import InvalidUse, SabotnbError, SchemaError
from sabotnb.graph import JobGraph, TimeColumn

NAMES = pa.table({"id": [1, 2, 2, 7], "name": ["a", "b", "c", "d"]})
EXPECTED = [(0, None), (1, "a"), (2, "b"), (2, "c"), (3, None)]


def files(folder):
    pq.write_table(NAMES, folder / "names.parquet")
    pa_csv.write_csv(NAMES, folder / "names.csv")
    feather.write_feather(NAMES, folder / "names.arrow")
    (folder / "names.jsonl").write_text(pl.from_arrow(NAMES).write_ndjson())


def ticks():
    return sb.Stream.from_rate(1000, n=4, event_time="time")


def found(stream):
    return sorted((row["value"], row["name"]) for row in stream.to_rows())


@pytest.mark.parametrize("table", [NAMES, NAMES.to_batches()[0], pl.from_arrow(NAMES), NAMES.to_pandas()])
def test_tables_are_looked_up(table):
    assert found(ticks().lookup_join(table, left_on="value", right_on="id")) == EXPECTED


@pytest.mark.parametrize("name", ["names.parquet", "names.csv", "names.arrow", "names.jsonl"])
def test_files_are_looked_up(name, tmp_path):
    files(tmp_path)
    assert found(ticks().lookup_join(tmp_path / name, left_on="value", right_on="id")) == EXPECTED
    assert found(ticks().lookup_join(str(tmp_path / name), left_on="value", right_on="id")) == EXPECTED


def test_a_preview_looks_up_in_the_whole_table(tmp_path):
    files(tmp_path)
    for name in ("names.parquet", "names.csv"):
        stream = sb.Stream.from_rows([{"value": value} for value in range(4)])
        joined = stream.lookup_join(tmp_path / name, left_on="value", right_on="id", refresh="1h")
        preview = joined.head(9).to_pandas().astype(object)
        rows = preview.where(preview.notna(), None).to_dict("records")
        assert sorted(((row["value"], row["name"]) for row in rows), key=str) == sorted(EXPECTED, key=str)


def test_an_endless_stream_keeps_its_event_time():
    endless = sb.Stream.from_rate(10, event_time="time").lookup_join(NAMES, left_on="value", right_on="id")
    assert endless.flow.event_time == TimeColumn("time")
    endless.check()


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ("names.xlsx", SchemaError, "does not say its format"),
        ("missing.parquet", SabotnbError, "missing.parquet"),
        (5, SchemaError, "int is not Arrow data"),
    ],
)
def test_what_is_no_table_is_refused(table, error, message):
    with pytest.raises(error, match=message):
        ticks().lookup_join(table, left_on="value", right_on="id")


def test_a_stream_is_joined_instead():
    with pytest.raises(InvalidUse, match="how='left'"):
        ticks().lookup_join(ticks(), on="value")


@pytest.mark.parametrize(
    ("refresh", "message"), [("0s", "more than '0s'"), ("1m", "a table in memory"), (5, "no unit")]
)
def test_an_interval_that_makes_no_sense_is_refused(refresh, message):
    with pytest.raises(SabotnbError, match=message):
        ticks().lookup_join(NAMES, left_on="value", right_on="id", refresh=refresh)


def test_a_refreshed_lookup_is_read_back_from_json(tmp_path):
    files(tmp_path)
    graph = ticks().lookup_join(tmp_path / "names.csv", left_on="value", right_on="id", refresh="1m").to_job_graph()
    assert JobGraph.from_dict(json.loads(json.dumps(graph.to_dict())), graph.blobs()) == graph
