import itertools

import pyarrow as pa
import pytest

from sabotnb.protocol.operator import Delayed, Operator
from sabotnb.testing import FailAt, Faulty, InjectedFault


def test_a_loop_over_the_steps_tries_each_of_them():
    tried = []
    for step in itertools.count(1):
        fault = FailAt(step)
        try:
            for name in ("open", "process", "close"):
                fault(name)
        except InjectedFault:
            tried.append(fault.fired)
        if fault.fired is None:
            break
    assert tried == ["open", "process", "close"]


def test_a_fault_fires_once():
    fault = FailAt(1)
    with pytest.raises(InjectedFault, match="step 1: open"):
        fault("open")
    fault("open")


class Waits(Operator):
    """Holds one microsecond back, and returns a batch when it is woken."""

    delayed = Delayed.TAKE

    def process(self, port, batch):
        return ()

    def output_watermark(self, us):
        return us - 1

    def on_wake(self):
        return (pa.record_batch({"x": [1]}),)


def test_a_faulty_operator_does_what_it_wraps():
    faulty = Faulty(Waits(), FailAt(2))
    assert (faulty.delayed, faulty.output_watermark(5)) == (Delayed.TAKE, 4)
    woken = faulty.on_wake()
    assert next(woken)["x"].to_pylist() == [1]
    with pytest.raises(InjectedFault, match="step 2: on_wake, after an output"):
        next(woken)
