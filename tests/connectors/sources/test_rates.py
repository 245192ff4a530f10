from dataclasses import replace

import pytest

from sabotnb import connectors
from sabotnb.errors import SourceError
from sabotnb.protocol.source import Finished


def test_row_i_appears_i_over_rate_seconds_after_the_first(clock):
    spec = connectors.rate(10, n=25)
    assert spec.bounded
    source = connectors.source(spec, clock)
    (split,) = source.splits()
    reader = source.open(split)
    batch, *_ = reader.poll(100)
    assert batch["value"].to_pylist() == [0]
    assert reader.poll(100) is None
    clock.now += 1
    batch, position, *_ = reader.poll(4)
    assert batch["value"].to_pylist() == [1, 2, 3, 4]
    assert batch["time"].cast("int64").to_pylist() == [1_000_000_000 + 100_000 * i for i in (1, 2, 3, 4)]
    clock.now += 100
    assert source.open(replace(split, position=position)).poll(3)[0]["value"][0].as_py() == 5
    rest = [reader.poll(100)[0]["value"].to_pylist() for _ in range(2)]
    assert rest == [list(range(5, 11)), list(range(11, 25))]
    assert isinstance(reader.poll(100), Finished)


@pytest.mark.parametrize(
    ("per_second", "passed", "due"),
    [(0.1, 0.0, 10.0), (0.1, 9.25, 0.75), (30, 0.0, 0.04), (10, 0.03, 0.07), (1000, 0.0, 0.01), (50, 0.0199999, 0.001)],
)
def test_a_reader_knows_when_the_next_row_is_due(clock, per_second, passed, due):
    source = connectors.source(connectors.rate(per_second), clock)
    reader = source.open(source.splits()[0])
    assert reader.poll(100)[0].num_rows == 1
    clock.now += passed
    assert reader.poll(100) is None
    assert reader.due() == pytest.approx(due)
    clock.now += reader.due()
    assert reader.poll(100)[0].num_rows >= 1


def test_without_n_it_has_no_end(clock):
    spec = connectors.rate(1000)
    assert not spec.bounded
    assert connectors.estimate(spec).rows is None
    source = connectors.source(spec, clock)
    reader = source.open(source.splits()[0])
    clock.now += 3
    assert reader.poll(10_000)[0].num_rows == 3001


@pytest.mark.parametrize(("rate", "n"), [(0, None), (-1, None), (5, -1)])
def test_numbers_that_make_no_sense(rate, n):
    with pytest.raises(SourceError, match="give a number of rows"):
        connectors.rate(rate, n)
