from sabotnb.metrics import TaskCounters
from sabotnb.protocol import Watermark
from sabotnb.task.cut_pause import timed_cut
from sabotnb.testing import ManualClock


def test_only_the_time_of_the_cut_itself_counts_and_the_longest_is_kept():
    clock, counters = ManualClock(), TaskCounters()

    def cut(*seconds):
        for number, spent in enumerate(seconds):
            clock.advance(spent)
            yield Watermark(number)

    pauses = []
    for seconds in [(1, 2), (4,), (1, 1)]:
        for _ in timed_cut(cut(*seconds), counters, clock):
            clock.advance(10)  # the outputs wait for credit
        pauses.append(counters.cut_pause)
    assert pauses == [3, 4, 4]
