import pytest

from sabotnb.protocol import MAX_WATERMARK, AssignSplits, Split, SplitsLeft
from sabotnb.protocol.ids import Attempt, RunId, TaskId
from sabotnb.task.split_supply import AHEAD_SECONDS, SplitSupply

ATTEMPT = Attempt(TaskId(RunId("job", 1), "files", 0), 0, 1)
MORE = SplitsLeft(50, "later")
MB = 1_000_000


class Task:
    """Reads the splits of a supply, each in a number of seconds, and notes what it asks for."""

    def __init__(self, splits=1, left=MORE, nbytes=MB):
        self.now, self.asked, self.nbytes = 0.0, [], nbytes
        self.supply = SplitSupply([self.split()] * splits, left, self.asked.append, lambda: self.now)

    def split(self, bound=50):
        return Split("split", {}, bound, self.nbytes)

    def answer(self, splits, left=MORE):
        self.supply.add(AssignSplits(ATTEMPT, (self.split(),) * splits, left))

    def read(self, seconds):
        split = self.supply.begin()
        self.now += seconds
        self.supply.finish(split)


def test_a_task_that_has_read_none_asks_for_none():
    task = Task()
    task.supply.begin()
    assert task.asked == []


@pytest.mark.parametrize("seconds", [10.0, 1.0, AHEAD_SECONDS])
def test_a_slow_task_asks_when_it_has_read_its_last_split(seconds):
    task = Task()
    for times in range(1, 4):
        split = task.supply.begin()
        assert len(task.asked) == times - 1
        task.now += seconds
        task.supply.finish(split)
        assert len(task.asked) == times
        task.answer(1)
    assert max(task.asked) <= MB


def test_a_fast_task_asks_before_it_has_read_all_and_for_a_quarter_of_a_second():
    task = Task()
    task.read(0.01)
    assert task.asked == [25 * MB]
    task.answer(25)
    for _ in range(12):
        task.read(0.01)
    assert len(task.asked) == 1
    task.read(0.01)  # and has less than half of a quarter left
    assert task.asked == [25 * MB, 13 * MB]


def test_nothing_is_asked_for_twice_or_when_nothing_is_left():
    task = Task(splits=3)
    for _ in range(3):
        task.read(0.01)
    assert len(task.asked) == 1
    task.answer(2, SplitsLeft())
    task.read(0.01)
    task.read(0.01)
    assert (len(task.asked), task.supply.exhausted) == (1, True)


def test_splits_of_unknown_size_count_the_same():
    task = Task(nbytes=0)
    task.read(0.01)
    assert task.asked == [25]


def test_the_speed_of_the_latest_splits_counts_most():
    task = Task(splits=19, left=SplitsLeft())
    for seconds in [0.001] * 10 + [1.0] * 9:
        task.read(seconds)
    task.answer(1)
    task.read(1.0)
    assert task.asked == [pytest.approx(MB / 4, rel=0.01)]


def test_the_bound_is_that_of_the_next_split_or_of_those_left():
    task = Task(splits=0)
    assert (task.supply.bound, task.supply.following, task.supply.exhausted) == (50, "later", False)
    task.supply.raise_bound(SplitsLeft(70, "last"))
    task.supply.add(AssignSplits(ATTEMPT, (Split("own", {}, 60),), SplitsLeft(70, "last")))
    assert (task.supply.bound, task.supply.following) == (60, "own")
    task.supply.begin()
    assert (task.supply.bound, task.supply.following) == (70, "last")
    task.supply.clear()
    assert (task.supply.bound, task.supply.following, task.supply.exhausted) == (MAX_WATERMARK, "", True)
