"""Messages as plain data."""

import json
from dataclasses import asdict

from figures import failure, job, vertex

from sabotnb.widgets.messages import ColumnMessage, HotKey, Live, SampleMessage
from sabotnb.widgets.plain import plain

METRICS = job(vertex("source_0", "source sink", tasks=3, history=(1.0, 2.0)), error=failure("no"))
SAMPLE = SampleMessage(
    "a", (ColumnMessage("x", "int64", numeric=True),), (("1",), (None,)), 2, 1.0, ("x",), (HotKey("1", 0.5),), None, ""
)


def test_plain_equals_asdict():
    for message in (Live(1, METRICS, "", ""), Live(2, None, "gone", ""), SAMPLE):
        assert json.loads(json.dumps(plain(message))) == json.loads(json.dumps(asdict(message)))
