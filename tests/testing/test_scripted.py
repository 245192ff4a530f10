import threading

import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb.errors import UserFunctionError
from sabotnb.protocol.source import Finished, Split
from sabotnb.testing import Crash, Hold, InjectedFault, Pause, ScriptedSource, assert_rows, script

X = pa.schema({"x": pa.int64()})


def drain(reader, polls):
    seen = []
    for _ in range(polls):
        polled = reader.poll(100)
        seen.append(polled if polled is None or isinstance(polled, Finished) else (polled[0].to_pylist(), polled[1]))
    return seen


def test_each_step_is_one_poll():
    source = ScriptedSource(X, [[{"x": 1}], Pause(2), [{"x": 2}, {"x": 3}]])
    (split,) = source.splits()
    assert drain(source.open(split), 5) == [
        ([{"x": 1}], {"step": 1}),
        None,
        None,
        ([{"x": 2}, {"x": 3}], {"step": 3}),
        Finished(),
    ]


def test_a_hold_waits_for_the_test():
    released = threading.Event()
    source = ScriptedSource(X, [Hold(released), [{"x": 1}]])
    reader = source.open(source.splits()[0])
    assert drain(reader, 2) == [None, None]
    released.set()
    assert drain(reader, 3) == [None, ([{"x": 1}], {"step": 2}), Finished()]


def test_a_crash_happens_once_and_a_restarted_reader_continues_at_its_position():
    source = ScriptedSource(X, [[{"x": 1}], Crash("power cut"), [{"x": 2}]])
    reader = source.open(source.splits()[0])
    _, position, *_ = reader.poll(100)
    with pytest.raises(InjectedFault, match="power cut"):
        reader.poll(100)
    reader.close()
    restarted = source.open(Split("script-0", position))
    assert drain(restarted, 3) == [None, ([{"x": 2}], {"step": 3}), Finished()]
    assert (source.opened, source.closed, source.polls) == (2, 1, 5)


def test_every_script_is_a_split():
    source = ScriptedSource(X, [[{"x": 1}]], [], [[{"x": 3}]])
    assert [drain(source.open(split), 1) for split in source.splits()] == [
        [([{"x": 1}], {"step": 1})],
        [Finished()],
        [([{"x": 3}], {"step": 1})],
    ]


def test_a_script_is_a_generator_source():
    assert_rows(sb.Stream.from_generator(script([{"x": 1}], [{"x": 2}]), schema=X), [{"x": 1}, {"x": 2}])
    with pytest.raises(UserFunctionError, match="InjectedFault: power cut"):
        sb.Stream.from_generator(script([{"x": 1}], Crash("power cut")), schema=X).to_rows()
