import pyarrow as pa
import pytest

from sabotnb.expr import col
from sabotnb.graph import Aggregate, AggregateColumn, Filter, Operator, Sink, Source
from sabotnb.graph.specs import Phase
from sabotnb.plan.execution_graph import Vertex
from sabotnb.task.source_input import rows_to_read

SCHEMA = pa.schema([("k", pa.int64())])
READ = Source("parquet", SCHEMA)
POSITIVE = Filter(col("k") > 0)
PARTIAL, FULL = (
    Aggregate(("k",), (AggregateColumn("n", "count"),), SCHEMA, phase) for phase in (Phase.PARTIAL, Phase.FULL)
)


@pytest.mark.parametrize(
    ("specs", "rows"),
    [
        ((READ,), 10),
        ((READ, POSITIVE), 10),
        ((READ, POSITIVE, PARTIAL), 40),
        ((READ, FULL), 10),
        ((READ, PARTIAL, Sink("parquet")), 10),
    ],
)
def test_more_rows_are_read_at_once_where_the_task_aggregates_them(specs, rows):
    operators = tuple(Operator(f"operator.{number}", spec) for number, spec in enumerate(specs))
    vertex = Vertex("operator.0", operators, (), (SCHEMA,) * len(specs), 1)
    assert rows_to_read(vertex, batch_rows=10) == rows
