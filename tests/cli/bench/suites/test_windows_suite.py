"""The window queries of all engines over the same files."""

import duckdb
import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb.api.running.compiling import compile_graph
from sabotnb.api.running.sampled_run import collected
from sabotnb.cli.bench.compare.engines import OpenTables
from sabotnb.cli.bench.compare.equality import difference
from sabotnb.cli.bench.compare.suite import FILE_KINDS
from sabotnb.cli.bench.suites import windows_polars, windows_sql, windows_streams
from sabotnb.cli.bench.suites.windows_suite import SUITE
from sabotnb.task import run_local

pl = pytest.importorskip("polars")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("windows")
    SUITE.write(folder, 60_000, FILE_KINDS["polars-zstd"])
    return {path.name: str(path / "*.parquet") for path in folder.iterdir()}


@pytest.mark.parametrize("case", [case.name for case in SUITE.cases])
def test_engines_agree(paths: dict[str, str], case: str) -> None:
    tables = {name: f"read_parquet('{path}')" for name, path in paths.items()}
    expected = duckdb.sql(windows_sql.QUERIES[case].format(**tables)).to_arrow_table()
    assert expected.num_rows > 100
    lazy = windows_polars.QUERIES[case](OpenTables(paths, pl.scan_parquet))
    stream = windows_streams.QUERIES[case](OpenTables(paths, sb.Stream.from_parquet))
    compiled = compile_graph(collected(stream.flow), 2)
    ours = pa.Table.from_batches(list(run_local(compiled.execution, compiled.splits)))
    for answer in (lazy.collect().to_arrow(), ours):
        assert not difference(expected, answer)
