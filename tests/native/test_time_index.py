"""Rows in ranges of time, against a loop over all rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabotnb.native import TimeIndex, TimeProbe

MISSING = 2**32 - 1
SLOTS = st.integers(0, 5) | st.sampled_from([70, 5000, 2**31 - 1])
TIMES = st.integers(-20, 20) | st.sampled_from([-(2**62), 2**62])
ROWS = st.lists(st.tuples(SLOTS, TIMES), min_size=1, max_size=80)
PROBES = st.lists(st.tuples(SLOTS | st.just(MISSING), TIMES, st.integers(0, 12)), max_size=150)


def columns(rows, *types):
    values = list(zip(*rows, strict=True)) or [()] * len(types)
    return [np.array(column, kind) for column, kind in zip(values, types, strict=True)]


def index_of(rows):
    slots, times = columns(rows, np.uint32, np.int64)
    return TimeIndex(slots, times)


def pairs_of(probe, limit):
    found = []
    while (pairs := probe.next(limit)) is not None:
        assert 0 < len(pairs[0]) <= limit
        found += zip(*(numbers.tolist() for numbers in pairs), strict=True)
    assert probe.next(limit) is None
    return found


def inside(rows, slot, low, high):
    """The rows of a slot in a range, in the order of time."""
    found = [(at, row) for row, (other, at) in enumerate(rows) if other == slot and low <= at <= high]
    return [row for _, row in sorted(found)]


@given(ROWS)
def test_entries_are_in_the_order_of_slot_and_time_and_stable(rows):
    order = sorted(range(len(rows)), key=rows.__getitem__)
    entries = index_of(rows).entries
    assert entries["row"].tolist() == order
    assert list(zip(entries["slot"].tolist(), entries["time"].tolist(), strict=True)) == [rows[row] for row in order]


@given(ROWS, PROBES, st.integers(1, 7))
def test_pairs_are_all_rows_of_the_slot_in_the_range(rows, probes, limit):
    slots, low, length = columns(probes, np.uint32, np.int64, np.int64)
    expected = [
        (number, row) for number, (slot, at, more) in enumerate(probes) for row in inside(rows, slot, at, at + more)
    ]
    index = index_of(rows)
    assert pairs_of(TimeProbe(index, slots, low, low + length), limit) == expected
    met = {number for number, _ in expected}
    assert index.any(slots, low, low + length).tolist() == [number in met for number in range(len(probes))]
    for last in (True, False):
        nearest = dict(expected if last else reversed(expected))
        found, times = index.nearest(slots, low, low + length, last=last)
        at = [rows[row][1] if row >= 0 else 0 for row in found]
        assert times.tolist() == at
        assert at == [rows[nearest[number]][1] if number in nearest else 0 for number in range(len(probes))]
        assert [row >= 0 for row in found] == [number in nearest for number in range(len(probes))]


@given(ROWS, PROBES, st.integers(1, 7))
def test_bounds_of_the_rows_of_the_index_count_as_well(rows, probes, limit):
    slots, at, more = columns(probes, np.uint32, np.int64, np.int64)
    since = np.array([time - slot % 4 for slot, time in rows])
    until = np.array([time + slot % 3 for slot, time in rows])
    low, high = np.full(len(at), -(2**62)), at + more
    expected = [
        (number, row)
        for number, (slot, time, more) in enumerate(probes)
        for row in inside(rows, slot, -(2**62), time + more)
        if since[row] <= time <= until[row]
    ]
    index = index_of(rows)
    assert pairs_of(TimeProbe(index, slots, low, high, at, since, until), limit) == expected
    settled = np.array([row % 3 == 0 for row in range(len(rows))])
    fresh = TimeProbe(index, slots, low, high, at, since, until).settle(settled.view(np.uint8))
    met = {row for _, row in expected}
    assert fresh.tolist() == sorted(row for row in met if row % 3)
    assert settled.tolist() == [row % 3 == 0 or row in met for row in range(len(rows))]


def test_a_key_with_many_rows_among_many_keys():
    random = np.random.default_rng(0)
    slots = np.where(random.integers(0, 2, 20_000) == 0, 7, random.integers(0, 10**6, 20_000)).astype(np.uint32)
    times = random.integers(0, 10**9, 20_000)
    probes = [(7, int(at), 10**6) for at in random.integers(0, 10**9, 100)]
    found = pairs_of(TimeProbe(TimeIndex(slots, times), *_ranges(probes)), 1000)
    hot = [(row, int(at)) for row, at in enumerate(times) if slots[row] == 7]
    assert sorted(found) == sorted(
        (number, row) for number, (_, low, more) in enumerate(probes) for row, at in hot if low <= at <= low + more
    )


def _ranges(probes):
    slots, low, more = columns(probes, np.uint32, np.int64, np.int64)
    return slots, low, low + more


@pytest.mark.parametrize(("slots", "times"), [([], []), ([1], [1, 2])])
def test_an_index_needs_rows_and_a_time_for_each(slots, times):
    with pytest.raises(ValueError, match="as many, and at least one"):
        TimeIndex(np.array(slots, np.uint32), np.array(times, np.int64))
