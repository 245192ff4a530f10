"""Windows over a long event time: what they store depends on the open windows, not on those that have ended."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from sabotnb.graph import Aggregate, AggregateColumn, SessionWindow, SlidingWindow, TumblingWindow, Window, WindowShape
from sabotnb.operators import create
from sabotnb.protocol import OperatorContext, RunId

SECOND = 1_000_000
HOUR = 3_600
SCHEMA = pa.schema({"t": pa.timestamp("us"), "k": pa.int64(), "v": pa.int64()})
COLUMNS = (AggregateColumn("n", "count"), AggregateColumn("most", "max", "v"))
SHAPES: dict[str, WindowShape] = {
    "tumbling": TumblingWindow(10 * SECOND),
    "sliding": SlidingWindow(60 * SECOND, 10 * SECOND),
    "session": SessionWindow(2 * SECOND),
}
PER_SECOND = 20


def minute(second: int) -> pa.RecordBatch:
    """The rows of a minute: new keys each second, and 5 % behind the others."""
    numbers = np.arange(second * PER_SECOND, (second + 60) * PER_SECOND)
    times = numbers * SECOND // PER_SECOND - np.where(numbers % 20 == 0, 3 * SECOND, 0)
    return pa.record_batch(
        [pa.array(times).cast(SCHEMA.field(0).type), pa.array(numbers // 7), pa.array(numbers % 101)], schema=SCHEMA
    )


def measured(shape: WindowShape, hours: int) -> tuple[list[tuple[int, int]], int]:
    """The size of the state and the memory in use at the end of each hour, and the number of rows in results."""
    context = OperatorContext(RunId("job", 1), "window_0", 0, 1, 128)
    operator = create(Window(Aggregate(("k",), COLUMNS, SCHEMA), shape, "t"), [SCHEMA])
    operator.open(context)
    sizes, results = [], 0
    for start, stop in pairwise(range(0, (hours + 1) * HOUR, HOUR)):
        for second in range(start, stop, 60):
            assert not list(operator.process(0, minute(second)))
            results += sum(batch.num_rows for batch in operator.on_watermark((second + 55) * SECOND))
        (state,) = context.states.values()
        sizes.append((state.size()[1], tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes()))
    return sizes, results


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("hours", [2, pytest.param(24, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_event_time(name: str, hours: int) -> None:
    tracemalloc.start()
    try:
        sizes, results = measured(SHAPES[name], hours)
    finally:
        tracemalloc.stop()
    assert results > (hours * HOUR - 60) * PER_SECOND // 7
    (state, memory), (state_at_end, memory_at_end) = sizes[0], sizes[-1]
    assert state_at_end <= 1.2 * state + 10_000
    assert memory_at_end <= 1.2 * memory + 200_000
