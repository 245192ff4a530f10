import threading
from dataclasses import replace

import pyarrow as pa
import pytest

from sabotnb import connectors
from sabotnb.connectors.sources import generators
from sabotnb.errors import UserFunctionError
from sabotnb.expr import col
from sabotnb.protocol.source import Finished

SCHEMA = pa.schema({"n": pa.int64(), "s": pa.string()})


def numbers():
    for i in range(1000):
        yield {"n": i, "s": f"w{i}"}


def test_dicts_become_rows(read):
    spec = connectors.generator(numbers, SCHEMA)
    assert (spec.bounded, spec.replayable, spec.schema) == (True, False, SCHEMA)
    assert read(spec, max_rows=37).to_pylist() == list(numbers())
    narrow = replace(spec, schema=pa.schema({"s": pa.string()}), predicate=col("n") >= 998)
    assert read(narrow)["s"].to_pylist() == ["w998", "w999"]


def test_a_mapping_is_a_schema_and_missing_keys_are_null(read):
    spec = connectors.generator(lambda: [{"n": 1}, {}], {"n": pa.int64(), "s": pa.string()})
    assert read(spec).to_pylist() == [{"n": 1, "s": None}, {"n": None, "s": None}]


def test_batches_and_tables_keep_their_place_between_dicts(read):
    def mixed():
        yield {"n": 0, "s": "a"}
        yield pa.RecordBatch.from_pylist([{"n": 1, "s": "b"}, {"n": 2, "s": "c"}], SCHEMA)
        yield {"n": 3, "s": "d"}
        yield pa.table({"n": [4, 5], "s": ["e", "f"]})

    assert read(connectors.generator(mixed, SCHEMA))["n"].to_pylist() == [0, 1, 2, 3, 4, 5]


def test_a_replayable_generator_goes_on_at_a_position():
    spec = connectors.generator(numbers, SCHEMA, replayable=True)
    assert spec.replayable
    source = connectors.source(spec)
    (split,) = source.splits()
    reader = source.open(replace(split, position={"rows": 990}))
    seen = []
    while not isinstance(polled := reader.poll(100), Finished):
        seen += polled[0]["n"].to_pylist() if polled else []
    assert seen == list(range(990, 1000))


def test_a_generator_that_waits_does_not_block_its_reader():
    # Made in this process only, so that test and generator share the events.
    generators_go_on, yielded = threading.Event(), threading.Event()

    class Waiting:
        name, origin = "waiting", "here"

        def load(self):
            def rows():
                yield {"n": 1, "s": "a"}
                yielded.set()
                generators_go_on.wait()

            return rows

    spec = replace(connectors.generator(numbers, SCHEMA), function=Waiting())
    source = connectors.source(spec)
    reader = source.open(source.splits()[0])
    first = None
    while first is None:
        first = reader.poll(10)
        yielded.wait()
    assert first[0].num_rows == 1
    assert reader.poll(10) is None
    reader.close()
    generators_go_on.set()


def test_an_endless_generator_stays_a_bounded_number_of_rows_ahead(monkeypatch):
    monkeypatch.setattr(generators, "_AHEAD_ROWS", 100)

    def endless():
        n = 0
        while True:
            yield {"n": n, "s": None}
            n += 1

    spec = connectors.generator(endless, SCHEMA, bounded=False)
    assert not spec.bounded
    source = connectors.source(spec)
    reader = source.open(source.splits()[0])
    taken = []
    while len(taken) < 1000:
        polled = reader.poll(1000)
        if polled is not None:
            assert polled[0].num_rows <= 100
            taken += polled[0]["n"].to_pylist()
    assert taken == list(range(len(taken)))
    reader.close()


@pytest.mark.parametrize(
    ("rows", "width", "ahead"), [(10_000, 8, 65_536), (1000, 80_000, (64 << 20) // 80_000)], ids=["rows", "bytes"]
)
def test_a_generator_of_batches_stays_a_bounded_number_of_rows_and_bytes_ahead(rows, width, ahead):
    made = 0
    batch = pa.record_batch([pa.array([b"x" * width]).take(pa.array([0] * rows))], ["x"])

    def batches():
        nonlocal made
        for _ in range(100):
            made += rows
            yield batch

    class Counting:
        name, origin = "counting", "here"

        def load(self):
            return batches

    spec = replace(connectors.generator(numbers, {"x": pa.binary()}), function=Counting())
    source = connectors.source(spec)
    reader = source.open(source.splits()[0])
    taken = 0
    while not isinstance(polled := reader.poll(500), Finished):
        if polled is not None:
            taken += polled[0].num_rows
            # One batch that reaches the limit, one that is being made, and one that the reader cuts to size.
            assert made - taken <= ahead + 3 * rows
    assert taken == made == 100 * rows


def fails():
    yield {"n": 1, "s": "a"}
    raise ValueError("no more data")


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (fails, r"(?s)fails .* raised ValueError: no more data"),
        (lambda: [5], "yielded 5 .int. after 0 rows: yield dicts, record batches or Arrow tables"),
        (lambda: [{"n": 1, "x": 2}], "yielded: row 0 has 'x', but the columns are n, s"),
        (lambda: [{"n": 1}, {"n": "one"}], r"yielded: row 1: 'one' \(str\) is not of type int64 for column 'n'"),
        (
            lambda: [pa.table({"n": [1]})],
            "of another schema than it declared: it has n: int64, schema= says n: int64, s: string",
        ),
        (lambda: 7, "raised TypeError"),
    ],
)
def test_what_goes_wrong_names_the_function(read, fn, message):
    with pytest.raises(UserFunctionError, match=message):
        read(connectors.generator(fn, SCHEMA))
