"""Joins with the real operators, in tasks whose channels have credit for one batch."""

from contextlib import closing

import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.testing import assert_rows


@pytest.fixture(autouse=True)
def one_batch_of_credit(monkeypatch):
    for name in ("GATE_BYTES", "COLLECT_BYTES", "COALESCE_ROWS"):
        monkeypatch.setenv(f"SABOTNB_{name}", "1")
    monkeypatch.setenv("SABOTNB_BATCH_ROWS", "7")


def numbers(n, key):
    return sb.Stream.from_rows([{"k": x % key, "x": x} for x in range(n)])


@pytest.mark.parametrize("strategy", ["hash", "broadcast"])
def test_a_self_join_finishes(strategy):
    stream = numbers(60, key=60)
    expected = [{"k": x, "x": x, "x_right": x} for x in range(60)]
    assert_rows(stream.join(stream, on="k", strategy=strategy), expected)


def test_a_diamond_finishes():
    stream = numbers(60, key=5)
    counts = stream.group_by("k").agg(n=sb.count())
    joined = stream.filter(col("x") < 10).join(counts, on="k", strategy="hash")
    assert_rows(joined, [{"k": x % 5, "x": x, "n": 12} for x in range(10)])


def test_an_exploding_join_ends_when_its_iterator_is_closed():
    stream = numbers(5000, key=1)
    with closing(iter(stream.join(stream, on="k", strategy="hash"))) as batches:
        assert next(batches).num_rows > 0
