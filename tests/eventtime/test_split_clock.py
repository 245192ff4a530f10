import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabotnb.eventtime import LATEST, SplitClock

SECOND = 1_000_000


def array(*times):
    return np.array(times, np.int64)


def read(clock, batches, limit=LATEST):
    """The rows that are delayed, as (number of the row, its clock)."""
    found, number = [], 0
    for batch in batches:
        delayed = clock.advance(array(*batch), limit)
        if delayed is not None:
            found += [(number + int(row), int(delayed.clocks[row])) for row in np.flatnonzero(delayed.mask)]
        number += len(batch)
    return found


def delayed_rows(times, max_delay, limit=LATEST, floor=None):
    """What the definition says, row by row."""
    found, maximum = [], None if floor is None else floor + max_delay
    for number, time in enumerate(times):
        if maximum is not None and time < maximum - max_delay:
            found.append((number, maximum - max_delay))
        if time <= limit:
            maximum = time if maximum is None else max(time, maximum)
    return found


def cut(times, places):
    edges = [0, *sorted(place % (len(times) + 1) for place in places), len(times)]
    return [times[start:stop] for start, stop in pairwise(edges)]


@given(
    st.lists(st.integers(-50, 50) | st.integers(-(2**62), 2**62)),
    st.lists(st.integers(0, 100)),
    st.integers(0, 60) | st.just(2**63),
    st.sampled_from([LATEST, 40, 0]),
    st.none() | st.integers(-40, 40),
)
def test_delayed_rows_are_those_of_the_definition_whatever_the_batches(times, places, max_delay, limit, floor):
    clock = SplitClock(max_delay)
    if floor is not None and max_delay < 2**62:
        clock.raise_floor(floor)
    else:
        floor = None
    assert read(clock, cut(times, places), limit) == delayed_rows(times, min(max_delay, 2**62), limit, floor)
    counted = [time for time in times if time <= limit]
    moved = max([*counted, *([] if floor is None else [floor + max_delay])], default=-(2**62))
    assert clock.us == (None if moved == -(2**62) else moved - min(max_delay, 2**62))
    assert clock.ahead == len(times) - len(counted)


@given(st.lists(st.integers(-50, 50), min_size=1), st.integers(0, 100), st.integers(0, 60))
def test_a_clock_continues_from_its_state(times, place, max_delay):
    first, rest = cut(times, [place])
    clock = SplitClock(max_delay)
    clock.raise_floor(-20)
    read(clock, [first])
    restored = SplitClock(max_delay, json.loads(json.dumps(clock.state())))
    assert read(restored, [rest]) == read(clock, [rest])
    assert restored.state() == clock.state()


def test_only_rows_behind_the_largest_time_before_them_are_delayed():
    clock = SplitClock(2)
    assert read(clock, [[5, 3], [9, 7, 6], [6]]) == [(4, 7), (5, 7)]
    assert clock.us == 7


def test_a_clock_without_rows_has_no_time():
    assert SplitClock(2).us is None


def test_a_split_that_comes_back_behind_the_watermark_starts_there():
    clock = SplitClock(2)
    read(clock, [[5]])
    clock.raise_floor(10)
    assert clock.us == 10
    assert read(clock, [[9, 10, 13, 10]]) == [(0, 10), (3, 11)]
    clock.raise_floor(3)
    assert clock.us == 11


def test_a_row_of_the_far_future_is_counted_and_does_not_move_the_clock():
    clock = SplitClock(0)
    assert read(clock, [[5, 1000, 6, 4]], limit=100) == [(3, 6)]
    assert (clock.us, clock.ahead) == (6, 1)


def test_rows_that_are_not_read_move_the_clock():
    clock = SplitClock(1)
    clock.pass_over(8)
    assert read(clock, [[6, 7]]) == [(0, 7)]


@pytest.mark.parametrize(
    ("max_delay", "times", "delayed"),
    [
        (0, [100, 99, 40, 39], (3, 61)),
        (70, [200, 130, 129, 60, 59], (3, 141)),
        (0, [100, 100, 101], (0, 0)),
    ],
)
def test_rows_that_are_delayed_are_counted(max_delay, times, delayed):
    clock = SplitClock(max_delay * SECOND)
    read(clock, [[time * SECOND for time in times]])
    assert (clock.delayed, clock.most_delayed) == (delayed[0], delayed[1] * SECOND)


def test_rows_behind_a_floor_are_not_counted_as_delayed():
    clock = SplitClock(0)
    clock.raise_floor(1_000 * SECOND)
    assert len(read(clock, [[1, 2]])) == 2
    assert clock.delayed == 0


@pytest.mark.parametrize("far", [[], [0], [63], [64], [999], [0, 500, 501]], ids=str)
@pytest.mark.parametrize("max_delay", [0, 300, 1000])
def test_rows_that_are_far_behind_are_found_among_many_in_disorder(max_delay, far):
    random = np.random.default_rng(len(far))
    times = np.arange(1000) * 10 - random.integers(0, max_delay + 1, 1000)
    times[far] -= 2 * max_delay + 40
    expected = delayed_rows(times.tolist(), max_delay)
    assert {row for row, _ in expected} == {row for row in far if row}
    for batches in ([times], np.split(times, [65, 501])):
        assert read(SplitClock(max_delay), batches) == expected
