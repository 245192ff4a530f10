import pytest

from sabotnb.plan import SplitQueue
from sabotnb.protocol import MAX_WATERMARK, Split, SplitsLeft


def queue(*bounds, tasks=2, nbytes=0):
    return SplitQueue([Split(f"{bound}", {}, bound, nbytes) for bound in bounds], tasks)


def ids(splits):
    return [split.id for split in splits]


def test_splits_leave_in_the_order_of_their_lower_bounds():
    left = queue(30, 10, 20)
    assert left.left() == SplitsLeft(10, "10")
    assert [ids(left.take(0)) for _ in range(4)] == [["10"], ["20"], ["30"], []]
    assert left.left() == SplitsLeft(MAX_WATERMARK, None)
    assert not left.left().more


def test_each_task_begins_with_one_split_of_many_and_none_if_there_are_few():
    assert [ids(of_task) for of_task in queue(1, 2, 3, 4).deal(whole=False)] == [["1"], ["2"]]
    few = queue(1, tasks=3)
    assert [ids(of_task) for of_task in few.deal(whole=False)] == [["1"], [], []]
    assert not few.left().more


def test_splits_that_are_dealt_go_to_the_tasks_in_turn():
    whole = queue(1, 2, 3, 4, 5)
    assert [ids(of_task) for of_task in whole.deal(whole=True)] == [["1", "3", "5"], ["2", "4"]]
    assert (ids(whole.take(100)), whole.left().more) == ([], False)


@pytest.mark.parametrize(("nbytes", "taken"), [(0, 1), (10, 1), (25, 2), (30, 3), (10_000, 25)])
def test_a_task_gets_what_it_asks_for_and_at_most_half_of_its_share(nbytes, taken):
    assert len(queue(*range(100), nbytes=10).take(nbytes)) == taken


def test_every_split_is_handed_out_once_however_much_is_asked_for():
    left = queue(*range(100))
    taken = []
    for nbytes in [7, 0, 1000, 1, 30] * 20:
        taken += ids(left.take(nbytes))
    assert taken == [str(number) for number in range(100)]
