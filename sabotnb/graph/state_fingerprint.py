"""What the state of an operator depends on, so that an operator of another graph can be compared with it."""

from __future__ import annotations

import json
from typing import Any

from sabotnb.blobs import Function, Value
from sabotnb.graph.dataclass_codec import JsonEncoder
from sabotnb.graph.specs import Aggregate, MapAsync, Process, Reduce, Sink, Source, Spec, Top, Window

_STATE: dict[type[Any], tuple[str, ...]] = {
    Source: ("connector", "options", "table", "function"),
    Window: ("verb", "shape", "time", "shift"),
    Aggregate: ("keys", "columns"),
    Reduce: ("keys",),
    Top: ("keys", "n", "by", "reverse", "ties"),
    Process: ("keys", "time", "shift", "side_input"),
    MapAsync: (),
    Sink: ("connector",),
}
"""The fields that state depends on. Functions are not among them: users change their code and keep the state."""


def state_fingerprint(spec: Spec) -> str:
    """Return a text that is equal for operators of the same kind whose states mean the same: keys, window, aggregates.

    Of a source, what it reads; its event time may change. Other kinds are compared as a whole.
    """
    writer = JsonEncoder()
    text = json.dumps([type(spec).__name__, _written(spec, writer)], sort_keys=True)
    pickled: list[Function | Value] = [*writer.functions.values(), *writer.values.values()]
    for blob in pickled:
        text = text.replace(blob.sha256, blob.fingerprint)
    return text


def _written(spec: Any, writer: JsonEncoder) -> Any:
    if type(spec) not in _STATE:
        return writer.write(spec)
    return {
        name: [type(value).__name__, _written(value, writer)] if type(value) in _STATE else writer.write(value)
        for name in _STATE[type(spec)]
        for value in [getattr(spec, name)]
    }
