"""How many rows a call of a user's function gets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.task.call_sizes import CALL_SECONDS, FIRST_ROWS, CallSize, MeasuredCall, rows_per_call


@pytest.mark.parametrize(
    ("last", "other", "rows"),
    [
        ((128, 0.0), None, 1024),  # too fast to measure: grow
        ((1000, 1.0), None, 100),
        ((1000, 0.01), None, 8000),  # it would take 80 ms
        ((1000, 0.02), None, 5000),
        ((10, 60.0), None, 1),  # one row takes more: there is nothing smaller
        ((2000, 0.07), (1000, 0.06), 5000),  # 50 ms and 10 us for a row
        ((2000, 0.16), (1000, 0.15), 14_000),  # fixed cost of 140 ms: as much again for rows
        ((2000, 0.15), (1000, 0.15), 4000),  # larger calls cost nothing
        ((2000, 0.1), (1000, 0.15), 4000),
        ((1000, 0.1), (2000, 0.4), 1000),  # a cost that is not linear: no fixed cost below zero
    ],
)
def test_a_call_gets_about_100_ms_of_rows(last, other, rows):
    assert rows_per_call(MeasuredCall(*last), other and MeasuredCall(*other)) == pytest.approx(rows, rel=0.01)


def calls(fixed, per_row, batch, count=30, first=0.0):
    """Give batches to a function in slices; returns the rows and seconds of each call."""
    size, made = CallSize(), []
    for _ in range(count):
        left = batch
        while left:
            rows = min(left, size.rows)
            seconds = fixed + per_row * rows + (first if not made else 0.0)
            size.note(rows, seconds)
            made.append((rows, seconds))
            left -= rows
    return made


def test_a_fast_function_gets_whole_batches_after_a_few_calls():
    made = calls(1e-4, 1e-8, 65_536)
    assert [rows for rows, _ in made[:5]] == [FIRST_ROWS, 1024, 8192, 65_536 - FIRST_ROWS - 1024 - 8192, 65_536]
    assert {rows for rows, _ in made[5:]} == {65_536}


def test_calls_of_one_size_tell_no_costs_apart():
    assert rows_per_call(MeasuredCall(120, 0.2), MeasuredCall(120, 0.1)) == 60


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 300), st.floats(0, 1)), min_size=1, max_size=60))
def test_whatever_calls_take_the_next_one_gets_rows(made):
    size = CallSize()
    for rows, seconds in made:
        size.note(rows, seconds)
        assert size.rows >= 1


def test_small_batches_change_nothing():
    size = CallSize()
    for rows in (FIRST_ROWS, 10, 10, 1000, 1024, 3):
        size.note(rows, 1e-6 * rows)
    assert size.rows == 8192


@settings(deadline=None)
@given(st.floats(1e-6, 0.5), st.floats(0, 0.05))
def test_after_a_few_calls_of_a_slow_function_each_takes_100_ms(per_row, fixed):
    made = calls(fixed, per_row, 1000, count=3)
    for rows, seconds in made[8:]:
        assert seconds <= 1.01 * max(CALL_SECONDS, per_row + fixed) or rows == 1


def test_a_function_with_a_large_fixed_cost_is_not_called_with_single_rows():
    made = calls(0.3, 1e-6, 65_536)
    assert made[-1][0] == 65_536
    assert len(made) < 2 * 30


def test_a_slow_first_call_does_not_keep_calls_small():
    made = calls(0.0, 1e-6, 65_536, first=1.0)
    assert made[-1][0] == 65_536
