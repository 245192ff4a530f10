import os
import pickle

import pytest

from sabotnb.cluster import control_codec
from sabotnb.errors import ProtocolError
from sabotnb.metrics import TaskCounters
from sabotnb.metrics.histogram import merged
from sabotnb.pickling import quickly_pickled
from sabotnb.protocol import AgentInfo, MetricsReported, TaskChanged, TaskState
from sabotnb.protocol.failure import Failure
from sabotnb.protocol.ids import Attempt, RunId, TaskId

ATTEMPT = Attempt(TaskId(RunId("late", 7), "filter_0", 1), number=3, epoch=2)


@pytest.mark.parametrize(
    "message",
    [
        None,
        {"rows": 3, "tags": frozenset({"gpu"}), "nested": ({"a": [1.5, None, b"\0"]},)},
        AgentInfo("agent-1", "tcp://127.0.0.1:1", "127.0.0.1", 4, slots=4, endpoints={"unix": "/tmp/x"}),
        TaskChanged("agent-1", ATTEMPT, TaskState.FAILED, Failure("SinkError", "disk full", pickled=b"opaque")),
        MetricsReported("agent-2", {ATTEMPT: TaskCounters(rows_in=5)}, {(ATTEMPT, 0): (5, 40)}),
    ],
)
def test_protocol_objects_come_through_as_they_were(message):
    assert control_codec.loads(control_codec.dumps(message)) == message


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


DOTTED = b"\x80\x04csabotnb.protocol.events\ndataclass.__builtins__.get\n(\x8c\x04evaltR."
"""Calls a function that a dotted name leads to from a module that may be named."""


@pytest.mark.parametrize(
    "payload",
    [Evil(), os.getcwd, pickle.Pickler, quickly_pickled, merged, {"views": [ValueError("no")]}],
)
def test_nothing_but_plain_data_is_unpickled(payload):
    with pytest.raises(ProtocolError, match="only plain data"):
        control_codec.loads(pickle.dumps(payload))


def test_no_name_leads_out_of_its_module():
    assert pickle.loads(DOTTED) is eval
    with pytest.raises(ProtocolError, match="only plain data"):
        control_codec.loads(DOTTED)
