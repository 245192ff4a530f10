import itertools

import pytest

from sabotnb.testing import FailAt, InjectedFault


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
