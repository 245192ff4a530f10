"""The answer of each query equals that of its SQL."""

import duckdb
import pytest
from pyarrow import parquet

import sabotnb as sb
from sabotnb import nexmark
from sabotnb.cli.bench.compare.equality import difference
from sabotnb.nexmark.queries import QUERIES

EVENTS = 150_000
"""15 seconds of event time: windows of ten seconds end within it."""
SEEDS = (1, 2, 3)
ON_A_CLUSTER = ("q4", "q5", "q6", "q8", "q11", "q16")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def expected(name, seed):
    files = nexmark.cached_parquet(EVENTS, seed)._asdict()
    tables = {table: f"read_parquet('{path}')" for table, path in files.items()}
    with duckdb.connect() as connection:
        return connection.sql(QUERIES[name].sql.format(**tables)).to_arrow_table()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", QUERIES)
def test_the_answer_is_that_of_sql(name, seed):
    answer = QUERIES[name].comparable(nexmark.streams(EVENTS, seed)).to_arrow()
    wanted = expected(name, seed)
    assert wanted.num_rows
    assert not difference(wanted, answer)


@pytest.mark.cluster
@pytest.mark.timeout(120)
def test_the_answer_is_the_same_on_two_tasks(tmp_path):
    with sb.local(workers=2):
        jobs = {
            name: QUERIES[name]
            .comparable(nexmark.streams(EVENTS, 1))
            .sink_parquet(tmp_path / name)
            .run(name, parallelism=2)
            for name in ON_A_CLUSTER
        }
        for name, job in jobs.items():
            job.wait(timeout="60s")
            assert not difference(expected(name, 1), parquet.read_table(tmp_path / name)), name


@pytest.mark.cluster
@pytest.mark.timeout(120)
def test_q10_writes_a_folder_for_each_day_and_minute(tmp_path):
    query = QUERIES["q10"]
    with sb.local(workers=2):
        query.write(query(nexmark.streams(EVENTS, 1)), str(tmp_path / "log")).run("q10").wait(timeout="60s")
    files = sorted((tmp_path / "log").rglob("*.parquet"))
    assert {str(file.parent.relative_to(tmp_path / "log")) for file in files} == {"day=2015-07-15/minute=00-00"}
    with duckdb.connect() as connection:
        written = connection.sql(
            f"SELECT * REPLACE (strftime(day::DATE, '%Y-%m-%d') AS day, minute::VARCHAR AS minute) "
            f"FROM read_parquet('{tmp_path}/log/*/*/*.parquet', hive_partitioning = true)"
        ).to_arrow_table()
    assert not difference(expected("q10", 1), written)


def test_every_query_says_what_it_asks():
    assert list(QUERIES) == [f"q{number}" for number in range(23)]
    for name, query in QUERIES.items():
        assert query.name == name
        assert query.says.endswith(".")
        assert query.reads
