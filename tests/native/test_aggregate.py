"""Accumulator kernels against Python over lists; the state room tests them through whole aggregates."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.errors import TypeMismatch
from sabotnb.native.aggregate import FieldUpdates
from sabotnb.native.keyindex import KeyIndex
from sabotnb.native.rows import Rows

INTS = st.none() | st.integers(-(2**63), 2**63 - 1)
FLOATS = st.none() | st.floats(-1e6, 1e6)


def updated(kernel, keys, values, **options):
    """The bytes of each key's row after ``kernel`` has seen ``values``."""
    index, rows = KeyIndex([pa.int64()], 4), Rows(32, 4)
    slots = index.upsert([pa.array(keys, pa.int64())])
    rows.reserve(index.sizes())
    updates = FieldUpdates(rows, slots)
    kernel(updates, 8, values, **options)
    updates.run()
    return {
        key: rows.read(int(group), int(slot), int(slot) + 1)[0, 8:].tobytes()
        for key, group, slot in zip(keys, slots.groups, slots.slots, strict=True)
    }


def given_to(key, keys, values):
    return [value for other, value in zip(keys, values, strict=True) if other == key and value is not None]


@given(data=st.data(), keys=st.lists(st.integers(0, 5), max_size=40))
@settings(max_examples=40, deadline=None)
def test_integer_sums_have_room_for_any_total(data, keys):
    values = data.draw(st.lists(INTS, min_size=len(keys), max_size=len(keys)))
    for key, row in updated(FieldUpdates.sum_values, keys, pa.array(values, pa.int64())).items():
        seen = given_to(key, keys, values)
        assert int.from_bytes(row[:16], "little", signed=True) == sum(seen)
        assert row[16] == bool(seen)


@given(data=st.data(), keys=st.lists(st.integers(0, 5), max_size=40), largest=st.booleans())
@settings(max_examples=40, deadline=None)
def test_nan_is_the_largest(data, keys, largest):
    values = data.draw(st.lists(st.none() | st.floats(), min_size=len(keys), max_size=len(keys)))
    for key, row in updated(FieldUpdates.extreme, keys, pa.array(values, pa.float64()), largest=largest).items():
        seen = given_to(key, keys, values)
        found = np.frombuffer(row[:8], np.float64)[0]
        assert row[8] == bool(seen)
        if seen:
            numbers = [value for value in seen if not math.isnan(value)]
            nan_wins = len(numbers) < len(seen) if largest else not numbers
            assert math.isnan(found) if nan_wins else found == (max(numbers) if largest else min(numbers))


@given(data=st.data(), keys=st.lists(st.integers(0, 5), max_size=40))
@settings(max_examples=40, deadline=None)
def test_variance_is_numpys(data, keys):
    values = data.draw(st.lists(FLOATS, min_size=len(keys), max_size=len(keys)))
    for key, row in updated(FieldUpdates.variance, keys, pa.array(values, pa.float64())).items():
        seen = given_to(key, keys, values)
        assert np.frombuffer(row[:8], np.int64)[0] == len(seen)
        if seen:
            assert np.frombuffer(row[16:24], np.float64)[0] == pytest.approx(
                np.var(seen) * len(seen), rel=1e-9, abs=1e-3
            )


def test_a_sum_beyond_128_bits_is_refused():
    largest = pa.Array.from_buffers(pa.decimal128(38, 0), 2, [None, pa.py_buffer((b"\xff" * 15 + b"\x7f") * 2)])
    with pytest.raises(OverflowError, match="128 bits"):
        updated(FieldUpdates.sum_values, [1, 1], largest)


def test_other_types_are_refused():
    with pytest.raises(TypeMismatch, match="int64, uint64, double, decimal128, not string"):
        updated(FieldUpdates.sum_values, [1], pa.array(["a"]))
    with pytest.raises(TypeMismatch, match="takes double, not int64"):
        updated(FieldUpdates.variance, [1], pa.array([1]))


def test_blocks_of_rows_are_updated_alike():
    keys = np.random.default_rng(1).integers(0, 50, 2000)
    values = pa.array(np.arange(2000), mask=np.arange(2000) % 7 == 0)
    index, rows = KeyIndex([pa.int64()]), Rows(56)
    slots = index.upsert([pa.array(keys)])
    rows.reserve(index.sizes())
    updates = FieldUpdates(rows, slots)
    updates.count_rows(0)
    updates.sum_values(8, values)
    updates.count_valid(32, values)
    updates.extreme(40, values, largest=True)
    updates.run()
    found = rows.read(0, 0, index.size()).view(np.int64)
    for key, (count, total, _, _, valid, most, _) in zip(index.view().keys()[0].to_pylist(), found, strict=True):
        seen = [value.as_py() for value, other in zip(values, keys, strict=True) if other == key and value.is_valid]
        assert (count, total, valid, most) == ((keys == key).sum(), sum(seen), len(seen), max(seen))
