"""Filters that are pushed into files: the files return the rows that the filter would keep."""

from collections import Counter
from itertools import count

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_expressions import FLOATS, NAN, SCHEMA, conditions, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from job_graphs import make_job

from sabotnb import connectors
from sabotnb.expr import Expr, evaluate, is_total
from sabotnb.graph import Filter, Sink
from sabotnb.plan import optimize, physical
from sabotnb.task import run_local


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A path of a file that does not exist yet."""
    folder, numbers = tmp_path_factory.mktemp("files"), count()
    return lambda: str(folder / f"{next(numbers)}.parquet")


@settings(max_examples=150, deadline=None)
@given(predicate=conditions(2), batch=rows_of([*FLOATS, NAN]), group_rows=st.integers(1, 4))
def test_files_return_the_rows_that_a_filter_keeps(fresh, predicate: Expr, batch: pa.RecordBatch, group_rows: int):
    path = fresh()
    # Small row groups, so that some are skipped.
    pq.write_table(pa.Table.from_batches([batch]), path, row_group_size=group_rows)
    source = connectors.parquet(path)
    graph = make_job({"files": source, "f": Filter(predicate), "out": Sink("collect")}, "files > f > out")
    optimized = optimize(graph).graph
    assert ("f" in optimized.operators) == (not is_total(predicate, SCHEMA))
    splits = {"files": tuple(connectors.source(optimized.operators["files"].spec).splits())}
    read = [row for part in run_local(physical(optimized, 1), splits) for row in part.to_pylist()]
    wanted = batch.filter(evaluate(predicate, batch)).to_pylist()
    assert Counter(map(str, read)) == Counter(map(str, wanted))
