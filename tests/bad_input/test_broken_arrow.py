"""Arrow data whose indexes lie outside of its buffers, from wherever users bring some: refused, by name."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb.errors import SabotnbError

ROWS = [{"x": 1}, {"x": 2}]
BROKEN = pa.DictionaryArray.from_arrays(pa.array([0, 1 << 20], pa.int32()), pa.array(["a", "b"]), safe=False)
TRUTH = pa.DictionaryArray.from_arrays(pa.array([0, 1 << 20], pa.int32()), pa.array([True, False]), safe=False)
SCHEMA = pa.schema({"x": BROKEN.type})


class Foreign:
    """Speaks the C stream interface, as frames of other libraries do."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return pa.table({"x": BROKEN}).__arrow_c_stream__(requested_schema)


@sb.udf(returns="string")
def broken(_: pa.Array) -> pa.Array:
    return BROKEN


def yielded():
    yield pa.record_batch({"x": BROKEN})


def rows() -> sb.Stream:
    return sb.Stream.from_rows(ROWS)


@pytest.mark.parametrize(
    "given",
    [
        lambda: sb.Stream.from_arrow(pa.table({"x": BROKEN})),
        lambda: sb.Stream.from_arrow(Foreign()),
        lambda: rows().map_batches(lambda _: pa.record_batch({"x": BROKEN}), schema=SCHEMA),
        lambda: rows().map_batches(lambda _: [pa.table({"x": BROKEN})], schema=SCHEMA),
        lambda: rows().map_batches(lambda _: {"x": BROKEN}, schema=SCHEMA),
        lambda: rows().map_batches(lambda _: Foreign(), schema=SCHEMA),
        lambda: rows().with_columns(y=broken(sb.col("x"))),
        lambda: rows().filter(lambda _: pa.chunked_array([TRUTH])),
        lambda: sb.Stream.from_generator(yielded, schema=SCHEMA),
    ],
)
def test_indexes_that_lead_nowhere(given: Callable[[], sb.Stream]):
    with pytest.raises(SabotnbError, match=r"broken .*1048576"):
        given().to_rows()
