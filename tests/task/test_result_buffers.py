import threading

import pyarrow as pa
import pytest

from sabotnb.config import Config
from sabotnb.errors import StaleMessage
from sabotnb.protocol.elements import Batch, End, Watermark
from sabotnb.protocol.ids import FIRST_EPOCH, RunId
from sabotnb.task.result_buffers import MESSAGE_SECONDS, Pulled, ResultBuffer, ResultOutput, Results, Unread
from sabotnb.testing import ManualClock

EVERYTHING = 1 << 30
RUN = RunId("job", 1)


def batch(*values):
    data = pa.record_batch({"x": pa.array(values, pa.int64())})
    return Batch(data, data.nbytes)


def read(payloads):
    return [value for payload in payloads for value in pa.ipc.open_stream(payload).read_all()["x"].to_pylist()]


@pytest.fixture
def results():
    return Results(Config(collect_bytes=100))


@pytest.fixture
def woken():
    return threading.Event()


def open_buffer(results, woken, keep=None, index=0):
    return results.open(RUN, "sink", index, woken.set, keep)


def pull(results, seq, max_bytes=EVERYTHING, index=0):
    pulled, payloads = results.pull_nowait(RUN, "sink", index, seq, FIRST_EPOCH, max_bytes)
    return pulled.next, read(payloads), pulled.ended


def test_batches_are_pulled_in_order_and_the_end_with_the_last(results, woken):
    buffer = open_buffer(results, woken)
    buffer.put(batch(1, 2))
    assert pull(results, 0) == (1, [1, 2], False)
    buffer.put(batch(3))
    buffer.end()
    assert pull(results, 1) == (2, [3], True)
    assert pull(results, 2) == (2, [], True)


def test_rows_are_unread_until_the_next_pull(results, woken):
    buffer = open_buffer(results, woken)
    assert not buffer.unread()
    buffer.put(batch(1))
    buffer.end()
    assert pull(results, 0) == (1, [1], True)
    assert buffer.unread()
    woken.clear()
    assert pull(results, 1) == (1, [], True)
    assert woken.is_set()
    assert not buffer.unread()


def test_rows_are_awaited_while_a_reader_asks_for_them():
    clock = ManualClock()
    buffer = ResultBuffer(threading.Condition(), lambda: None, 100, lambda: None, clock=clock)
    buffer.put(batch(1))
    assert buffer.is_awaited(60)
    clock.advance(60)
    assert not buffer.is_awaited(60)
    buffer.take_nowait(0, EVERYTHING)
    clock.advance(59)
    assert buffer.is_awaited(60)
    buffer.take_nowait(1, EVERYTHING)
    assert not buffer.is_awaited(60)


def test_a_repeated_pull_returns_the_same_batches(results, woken):
    buffer = open_buffer(results, woken)
    buffer.put(batch(1))
    buffer.put(batch(2))
    assert pull(results, 0) == pull(results, 0) == (2, [1, 2], False)
    buffer.put(batch(3))
    assert pull(results, 1) == (3, [2, 3], False)


def test_a_pull_returns_at_least_one_batch_of_any_size(results, woken):
    buffer = open_buffer(results, woken)
    for value in range(3):
        buffer.put(batch(value))
    assert pull(results, 0, max_bytes=1) == (1, [0], False)
    assert pull(results, 1, max_bytes=16) == (3, [1, 2], False)


def test_unread_rows_are_bounded_and_an_acknowledgement_wakes_the_task(results, woken):
    buffer = open_buffer(results, woken)
    while buffer.writable():
        buffer.put(batch(*range(5)))
    assert pull(results, 0)[0] == 3
    assert not buffer.writable()
    assert not woken.is_set()
    pull(results, 3)
    assert buffer.writable()
    assert woken.is_set()


def test_a_window_of_the_last_rows_is_always_writable(results, woken):
    buffer = open_buffer(results, woken, keep=3)
    for value in range(0, 100, 2):
        buffer.put(batch(value, value + 1))
        assert buffer.writable()
    assert pull(results, 0) == (50, [96, 97, 98, 99], False)


def test_a_pull_before_the_first_batch_returns_no_rows(results, woken):
    assert pull(results, 0) == (0, [], False)
    open_buffer(results, woken)
    assert pull(results, 0) == (0, [], False)


def test_a_take_waits_for_the_task_to_be_deployed(results, woken):
    answers = []
    waiting = threading.Thread(
        target=lambda: answers.append(results.take(RUN, {("sink", 0): 0}, EVERYTHING, timeout=60))
    )
    waiting.start()
    open_buffer(results, woken).put(batch(7))
    waiting.join()
    assert [answer["sink", 0].next for answer in answers] == [1]
    assert results.take(RUN, {("sink", 0): 1}, EVERYTHING, timeout=0) == {}


def test_a_listener_is_called_for_each_change_of_its_task(results, woken):
    called = []
    with results.listening(RUN, "sink", 0, lambda: called.append(1)):
        buffer, other = open_buffer(results, woken), open_buffer(results, woken, index=1)
        assert len(called) == 1
        for change in (lambda: other.put(batch(1)), lambda: buffer.put(batch(1)), buffer.end):
            change()
        assert len(called) == 3
        results.release(RUN)
        assert len(called) == 4
    buffer.put(batch(2))
    assert len(called) == 4
    with pytest.raises(StaleMessage, match="released"), results.listening(RUN, "sink", 0, lambda: None):
        pass


def test_released_results_are_refused_and_those_of_a_later_run_are_not(results, woken):
    open_buffer(results, woken).put(batch(1))
    results.release(RUN)
    with pytest.raises(StaleMessage, match="job@1 have been released"):
        pull(results, 0)
    results.open(RunId("job", 2), "sink", 0, woken.set).put(batch(2))
    assert results.pull_nowait(RunId("job", 2), "sink", 0, 0, FIRST_EPOCH, EVERYTHING)[0].next == 1


def test_a_take_waits_for_several_buffers(results, woken):
    first, second = open_buffer(results, woken), open_buffer(results, woken, index=1)
    second.put(batch(1))
    wanted = {("sink", 0): 0, ("sink", 1): 0}
    assert list(results.take(RUN, wanted, EVERYTHING)) == [("sink", 1)]
    first.end()
    assert results.take(RUN, {("sink", 0): 0}, EVERYTHING)["sink", 0].ended
    assert results.take(RUN, {("sink", 1): 1}, EVERYTHING, unless=lambda: True) == {}


def test_an_output_stores_only_rows_and_the_end(results, woken):
    output = ResultOutput(open_buffer(results, woken), Config())
    for element in (batch(1), Watermark(5), End()):
        output.emit(element)
    output.flush()
    output.close()
    assert pull(results, 0) == (1, [1], True)


def test_an_output_stores_old_batches_without_another_batch(results, woken):
    clock = ManualClock()
    output = ResultOutput(open_buffer(results, woken), Config(), clock)
    output.emit(batch(1))
    output.send_aged()
    assert pull(results, 0) == (0, [], False)
    clock.advance(MESSAGE_SECONDS)
    output.send_aged()
    assert pull(results, 0) == (1, [1], False)


@pytest.mark.parametrize(
    ("seconds", "stored"),
    [([0, 0, 0, 0], [[1, 1, 2, 3]]), ([0, 0, 9, 9], [[1, 1, 2], [3]])],
)
def test_an_output_merges_small_batches_unless_they_are_old(results, woken, seconds, stored):
    clock = iter(seconds)
    output = ResultOutput(open_buffer(results, woken), Config(), lambda: next(clock))
    for element in (batch(1), batch(1), batch(2), batch(3)):
        output.emit(element)
    output.flush()
    payloads = results.pull_nowait(RUN, "sink", 0, 0, FIRST_EPOCH, EVERYTHING)[1]
    assert [read([payload]) for payload in payloads] == stored


def restored(results, woken, unread, epoch=2):
    buffer = results.open(RUN, "sink", 0, woken.set, None, epoch, restoring=True)
    buffer.restore(unread)
    return buffer


def answer(results, seq, epoch):
    pulled, payloads = results.pull_nowait(RUN, "sink", 0, seq, epoch, EVERYTHING)
    return pulled, read(payloads)


def test_what_was_unread_at_a_cut_is_read_after_a_restore(results, woken):
    buffer = open_buffer(results, woken)
    for value in (1, 2, 3):
        buffer.put(batch(value))
    assert pull(results, 1, max_bytes=1) == (2, [2], False)
    again = restored(results, woken, buffer.at_cut())
    again.put(batch(4))
    assert answer(results, 1, epoch=2) == (Pulled(4, (), ended=False, epoch=2), [2, 3, 4])


@pytest.mark.parametrize(("seq", "goes_on_at"), [(0, 0), (2, 2), (5, 2)])
def test_a_reader_of_an_earlier_epoch_is_told_where_to_go_on(results, woken, seq, goes_on_at):
    restored(results, woken, Unread(next=2))
    assert answer(results, seq, epoch=1) == (Pulled(goes_on_at, (), ended=False, epoch=2), [])


def test_a_buffer_of_an_earlier_epoch_has_nothing_for_its_reader(results, woken):
    open_buffer(results, woken).put(batch(1))
    assert answer(results, 7, epoch=2) == (Pulled(7, (), ended=False, epoch=2), [])


def test_a_buffer_of_an_earlier_epoch_is_not_over_for_who_knows_that_its_task_comes_back(results, woken):
    buffer = open_buffer(results, woken)
    buffer.put(batch(1))
    buffer.abandon()
    nothing = Pulled(3, (), ended=False, epoch=1)
    assert results.pull_nowait(RUN, "sink", 0, 3, 1, EVERYTHING, since=2) == (nothing, [])
    restored(results, woken, Unread(next=3)).put(batch(4))
    assert results.pull_nowait(RUN, "sink", 0, 3, 1, EVERYTHING, since=2)[0] == Pulled(3, (), ended=False, epoch=2)


def test_a_task_that_ends_before_its_stream_is_over_once_its_rows_are_read(results, woken):
    output = ResultOutput(open_buffer(results, woken), Config())
    output.emit(batch(1))
    output.flush()
    output.close()
    assert answer(results, 0, epoch=1) == (Pulled(1, (), ended=False, over=True), [1])


def test_a_task_at_the_end_of_its_stream_is_not_over(results, woken):
    output = ResultOutput(open_buffer(results, woken), Config())
    output.emit(End())
    output.close()
    assert answer(results, 0, epoch=1) == (Pulled(0, (), ended=True), [])


def test_readers_wait_until_a_buffer_is_restored(results, woken):
    buffer = results.open(RUN, "sink", 0, woken.set, None, 2, restoring=True)
    assert answer(results, 5, epoch=1) == (Pulled(5, (), ended=False, epoch=1), [])
    buffer.restore(Unread(next=3))
    assert answer(results, 5, epoch=1) == (Pulled(3, (), ended=False, epoch=2), [])


def test_nothing_is_taken_back_of_a_task_that_had_ended_at_the_cut(results, woken):
    buffer = results.open(RUN, "sink", 0, woken.set, None, 2)
    buffer.go_on_anywhere()
    buffer.end()
    assert answer(results, 5, epoch=1) == (Pulled(5, (), ended=False, epoch=2), [])
    assert answer(results, 5, epoch=2)[0].ended
