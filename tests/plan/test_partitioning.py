"""By which columns of its output the rows of an operator are divided over tasks."""

import pyarrow as pa
import pytest

from sabotnb.graph import Aggregate, AggregateColumn, Distinct, Join, Sort, Top, Union
from sabotnb.plan import keys_behind

SCHEMA = pa.schema([("k", pa.int64()), ("x", pa.int64())])


@pytest.mark.parametrize(
    ("spec", "keys"),
    [
        (Aggregate(("k",), (AggregateColumn("n", "count"),), SCHEMA), ("k",)),
        (Aggregate((), (AggregateColumn("n", "count"),), SCHEMA), ()),
        (Distinct(("k", "x")), ("k", "x")),
        (Top(("k",), 3, "x"), ("k",)),
        (Join(("k",), ("j",), "full"), ("k",)),
        (Sort(("x",), (False,)), ()),
        (Union(2), ()),
    ],
)
def test_the_keys_of_an_operator_divide_its_output(spec, keys):
    assert keys_behind(spec) == keys
