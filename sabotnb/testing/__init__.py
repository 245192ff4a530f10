"""What tests of pipelines use: one operator by itself, scripted sources, a clock, faults, comparison of rows.

>>> from sabotnb.testing import assert_rows
>>> assert_rows(sb.Stream.from_rows([{"x": 1}, {"x": 2}]).filter(col("x") > 1), [{"x": 2}])
"""

from sabotnb.testing.clock import ManualClock
from sabotnb.testing.faults import FailAt, Faulty, FaultySink, InjectedFault
from sabotnb.testing.harness import Harness
from sabotnb.testing.row_comparison import assert_rows
from sabotnb.testing.scripted import Crash, Hold, Pause, ScriptedSource, script

__all__ = [
    "Crash",
    "FailAt",
    "Faulty",
    "FaultySink",
    "Harness",
    "Hold",
    "InjectedFault",
    "ManualClock",
    "Pause",
    "ScriptedSource",
    "assert_rows",
    "script",
]


def __dir__() -> list[str]:
    return __all__
