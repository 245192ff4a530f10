import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from sabotnb.cli.bench.compare.command import Plan, compare
from sabotnb.cli.bench.compare.engines import ENGINES
from sabotnb.cli.bench.compare.suite import SUITES, load
from sabotnb.cli.bench.suites.tpch_suite import generator
from sabotnb.errors import EnvError

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

TINY = {"nexmark": 20_000, "tpch": 0.01, "h2o": 10_000}
COMPLETE = ("sabotnb", "polars", "duckdb")


@pytest.fixture(scope="module", params=SUITES)
def run(request, tmp_path_factory):
    """A suite at tiny size: its name, results, printed text and JSON lines."""
    if request.param == "tpch" and generator() is None:
        pytest.skip("tpchgen-cli is not installed")
    folder = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        text, lines = io.StringIO(), folder / "lines.json"
        plan = Plan(suites=[request.param], sizes=TINY, repeat=1)
        results = compare(plan, lines, Console(file=text, width=200))
    return request.param, results, text.getvalue(), [json.loads(line) for line in lines.read_text().splitlines()]


def test_every_installed_engine_gives_the_same_answer(run):
    name, results, _, _ = run
    assert [case["sabotnb"].case.name for case in results] == [case.name for case in load(name).cases]
    measured = {(engine, one.case.name): (one.status, one.detail) for case in results for engine, one in case.items()}
    assert {found[0] for found in measured.values()} <= {"ok", "not expressed", "not installed"}, measured
    assert all(case[engine].status == "ok" for case in results for engine in COMPLETE)


def test_the_table_has_every_case_and_engine(run):
    name, _, text, _ = run
    table = text[text.rindex("case ") :]
    assert all(f" {case.name} " in table for case in load(name).cases)
    assert all(f"{engine} {ENGINES[engine].version() or ''}" in text for engine in ENGINES)


def test_each_case_and_engine_is_one_json_object(run):
    name, _, _, lines = run
    assert [(line["case"], line["engine"]) for line in lines] == [
        (case.name, engine) for case in load(name).cases for engine in ENGINES
    ]
    for line in (line for line in lines if line["status"] == "ok"):
        assert line["seconds"] > 0
        assert line["cpu_seconds"] > 0
        assert len(line["runs"]) == 1
        assert line["version"]
        assert line["machine"]["cores"]
        assert all(facts["codec"] in {"snappy", "zstd"} and facts["files"] for facts in line["files"].values())
        assert (line["sabotnb_seconds_ratio"] is None) == (line["engine"] == "sabotnb")
    assert all(line["runs"] == [] for line in lines if line["status"] != "ok")


def test_what_fails_is_an_error_and_the_rest_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3] / "support"), prepend=":")
    text = io.StringIO()
    plan = Plan(suites=["failing_suite"], peers=["polars", "duckdb"], repeat=1, run_seconds=10)
    results = compare(plan, None, Console(file=text, width=200))
    found = {case["polars"].case.name: (case["polars"].status, case["polars"].detail) for case in results}
    assert found == {
        "right": ("ok", ""),
        "wrong": ("error", "wrong answer: column total is 3 instead of 6 in row (3,) (compared with duckdb)"),
        "raises": ("error", "ValueError: no such luck"),
        "dies": ("error", "the process ended with exit code 3"),
        "hangs": ("error", "no answer within 10 s"),
        "after": ("ok", ""),
    }
    assert [case["sabotnb"].status for case in results] == ["ok"] + ["not expressed"] * 5
    assert all(case["duckdb"].status == "ok" for case in results)
    assert "wrong answer" in text.getvalue()
    assert text.getvalue().count("ERROR") >= 4


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(suites=["tpcds"]), "'tpcds' is not a suite; choose from nexmark, tpch, h2o"),
        (Plan(kinds=["orc"]), "'orc' is not a kind of files; choose from duckdb-snappy, polars-zstd"),
        (Plan(peers=["spark"]), "'spark' is not an engine; choose from sabotnb, polars"),
    ],
)
def test_an_unknown_name_is_refused(plan, words):
    with pytest.raises(EnvError, match=words):
        compare(plan, None, Console(file=io.StringIO()))
