"""Tools for tests of pipelines and their parts: a harness, scripted sources, a clock, faults, conformance suites.

>>> from sabotnb.testing import assert_rows
>>> assert_rows(sb.Stream.from_rows([{"x": 1}, {"x": 2}]).filter(col("x") > 1), [{"x": 2}])

The suites (``KeyedStateSuite``, ``RecoverySuite``, ``SourceSuite``, ``TransportSuite``) are loaded when they are first
used: they need pytest and hypothesis (``pip install 'sabotnb[test]'``), which nothing else here does.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sabotnb.testing.checkpointed_run import CheckpointedRun
from sabotnb.testing.clock import ManualClock
from sabotnb.testing.faults import FailAt, Faulty, FaultySink, InjectedFault, SignalAt
from sabotnb.testing.harness import Harness
from sabotnb.testing.recovery import Advance, EndPort, Push, Recovery, Wait
from sabotnb.testing.row_comparison import assert_rows
from sabotnb.testing.scripted import Crash, Hold, Pause, ScriptedSource, script

if TYPE_CHECKING:
    from sabotnb.testing.keyed_state_suite import KeyedStateSuite
    from sabotnb.testing.recovery_suite import RecoverySuite
    from sabotnb.testing.source_suite import SourceSuite
    from sabotnb.testing.transport_suite import TransportSuite

__all__ = [
    "Advance",
    "CheckpointedRun",
    "Crash",
    "EndPort",
    "FailAt",
    "Faulty",
    "FaultySink",
    "Harness",
    "Hold",
    "InjectedFault",
    "KeyedStateSuite",
    "ManualClock",
    "Pause",
    "Push",
    "Recovery",
    "RecoverySuite",
    "ScriptedSource",
    "SignalAt",
    "SourceSuite",
    "TransportSuite",
    "Wait",
    "assert_rows",
    "script",
]

_SUITES = {
    "KeyedStateSuite": "sabotnb.testing.keyed_state_suite",
    "RecoverySuite": "sabotnb.testing.recovery_suite",
    "SourceSuite": "sabotnb.testing.source_suite",
    "TransportSuite": "sabotnb.testing.transport_suite",
}

if "pytest" in sys.modules:  # a failing assert of a suite then shows its values; must come before the suite's import
    sys.modules["pytest"].register_assert_rewrite(*_SUITES.values())


def __getattr__(name: str) -> Any:
    if name not in _SUITES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_SUITES[name]), name)


def __dir__() -> list[str]:
    return __all__
