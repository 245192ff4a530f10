import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.errors import GraphError
from sabotnb.plan import balanced_table, moved_groups, rescale_table


def owned(table, tasks):
    return [table.count(task) for task in range(tasks)]


def test_a_new_table_has_a_range_for_each_task():
    assert balanced_table(8, 3) == (0, 0, 0, 1, 1, 1, 2, 2)


@pytest.mark.parametrize(
    ("before", "after", "moved", "shares"),
    [
        (4, 5, 25, [26, 26, 26, 25, 25]),  # a fifth; modulo would move four fifths
        (5, 4, 25, [32, 32, 32, 32]),
        (2, 4, 64, [32, 32, 32, 32]),
        (4, 2, 64, [64, 64]),
        (3, 3, 0, [43, 43, 42]),
        (1, 128, 127, [1] * 128),
    ],
)
def test_a_rescale_moves_the_minimum(before, after, moved, shares):
    old = balanced_table(128, before)
    new = rescale_table(old, after)
    assert len(moved_groups(old, new)) == moved
    assert sorted(owned(new, after), reverse=True) == shares


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.integers(1, 16), min_size=1, max_size=6))
def test_tables_stay_balanced_over_many_rescales(steps):
    table = balanced_table(64, 4)
    for tasks in steps:
        before, table = table, rescale_table(table, tasks)
        counts = owned(table, tasks)
        assert sum(counts) == 64
        assert max(counts) - min(counts) <= 1
        kept = sum(min(before.count(task), counts[task]) for task in range(tasks))
        assert len(moved_groups(before, table)) == 64 - kept


def test_more_tasks_than_groups_are_refused():
    with pytest.raises(GraphError, match="8 key groups cannot be divided among 9 tasks; set a parallelism from 1 to 8"):
        balanced_table(8, 9)
    with pytest.raises(GraphError, match="set a parallelism from 1 to 8"):
        rescale_table(balanced_table(8, 2), 0)
