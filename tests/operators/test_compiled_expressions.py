"""Expressions over wide schemas."""

import pyarrow as pa

from sabotnb.expr import col
from sabotnb.expr.compiler import _known_of_equal
from sabotnb.operators.compiled_expressions import CompiledExpressions


def test_a_wide_schema_is_looked_up_once_for_all_its_expressions():
    names = [f"wide{number}" for number in range(300)]
    schema = pa.schema([(name, pa.int64()) for name in names])
    before = _known_of_equal.cache_info()
    found = CompiledExpressions([col(name) + 1 for name in names], schema)
    after = _known_of_equal.cache_info()
    assert (after.hits + after.misses) - (before.hits + before.misses) == 1
    batch = pa.record_batch([pa.array([number]) for number in range(300)], schema=schema)
    assert [column.to_pylist() for column in found(batch)] == [[number + 1] for number in range(300)]
