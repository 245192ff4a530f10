import io
import json

import pytest
from rich.console import Console

from sabotnb.cli.bench.compare.suite import SUITES, load
from sabotnb.cli.bench.throughput import ThroughputPlan, joins, nexmark
from sabotnb.errors import EnvError

NAMES = ["q1", *(f"q{number}" for number in range(10, 20))]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Results, printed text and JSON lines of the queries whose name has "q1"."""
    folder = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        text, lines = io.StringIO(), folder / "lines.json"
        results = nexmark(ThroughputPlan(events=20_000, only="q1", repeat=1), lines, Console(file=text, width=200))
    return results, text.getvalue(), [json.loads(line) for line in lines.read_text().splitlines()]


@pytest.mark.cluster
@pytest.mark.timeout(300)
def test_joins_by_time_have_the_answers_of_polars_and_duckdb(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = io.StringIO()
    results = joins(ThroughputPlan(events=20_000, repeat=1), None, Console(file=text, width=250))
    found = {(case[engine].case.name, engine): case[engine].status for case in results for engine in case}
    names = ["until", "range", "filtered", "asof", "window", "sliding", "bounded"]
    expected = {(name, engine): "ok" for name in names for engine in ("sabotnb", "polars", "duckdb")}
    assert found == {**expected, ("sliding", "polars"): "not expressed"}
    assert "polars CPU s" in text.getvalue()


@pytest.mark.cluster
@pytest.mark.timeout(300)
def test_every_query_is_measured_once_its_answer_is_that_of_sql(run):
    results, text, lines = run
    found = {(case[engine].case.name, case[engine].status, case[engine].detail) for case in results for engine in case}
    assert found == {(name, "ok", "") for name in NAMES}
    table = text[text.index("per core") :]
    assert all(f" {name} " in table for name in NAMES)
    assert [(line["case"], line["engine"]) for line in lines] == [
        (name, engine) for name in NAMES for engine in ("sabotnb", "duckdb")
    ]
    for line in lines:
        assert line["rows"] == 18_400
        assert line["rows_per_s"] == pytest.approx(18_400 / line["seconds"])
        assert line["rows_per_core_s"] == pytest.approx(18_400 / line["cpu_seconds"])
        assert line["files"]["bids"]["rows"] == 18_400


def test_the_queries_are_not_a_suite_with_files_of_its_own():
    assert "nexmark-queries" not in SUITES
    with pytest.raises(EnvError, match="choose from nexmark, tpch, h2o"):
        load("nexmark-queries")
