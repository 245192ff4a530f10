"""The wire format, version 3: the frames of all channels between two agents, in sequence on one connection.

A frame is a header (``struct`` format ``<IIQQ``: kind, channel, payload length, value) and its payload. The sending
agent numbers the channels of its connection. The meaning of the value depends on the kind:

========== =========================================== ======================================
kind       payload                                     value
========== =========================================== ======================================
HELLO      JSON: version, agent, to, token             0; the first frame of the connecting agent
WELCOME    empty                                       0; the answer; any other frame is a refusal
REFUSED    reason as UTF-8                             0; refuses the connection, or the channel
OPEN       JSON: run, epoch, edge, index and attempt   0; the first frame of a channel
           of both tasks, budget
SCHEMA     Arrow IPC schema                            0; sent again whenever it changes
DICTIONARY Arrow IPC record batch of one column        the column; sent again whenever it changes
BATCH      Arrow IPC record batch, dictionaries as     bytes to be credited: this payload and the
           their indices                               schema, dictionaries and clocks before it
STREAM     Arrow IPC stream of one batch               bytes to be credited; used for dictionaries
                                                       nested in other types
CLOCK      Arrow IPC record batch of one column        0; the clocks of the next batch, whose rows are
                                                       delayed
ELEMENT    JSON: a control element                     0
CREDIT     empty                                       bytes that the receiver has read
BYE        empty                                       0; the agent stops on purpose
========== =========================================== ======================================
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import IntEnum
from functools import partial
from typing import Any

import pyarrow as pa

from sabotnb.errors import ProtocolError
from sabotnb.eventtime import CLOCK, clocks, delayed_schema, is_delayed, with_clock, without_clock
from sabotnb.exchange.channel import ChannelKey, EncodedBatch
from sabotnb.exchange.coalescing import same_values
from sabotnb.protocol import (
    Batch,
    ChannelEnd,
    Cut,
    CutKind,
    Element,
    End,
    EndReason,
    Leave,
    Marker,
    RunId,
    Status,
    Watermark,
)

WIRE_VERSION = 3
HEADER = struct.Struct("<IIQQ")


class FrameKind(IntEnum):
    """The kinds of frames; see the table above."""

    HELLO = 1
    WELCOME = 2
    REFUSED = 3
    OPEN = 4
    SCHEMA = 5
    DICTIONARY = 6
    BATCH = 7
    STREAM = 8
    ELEMENT = 9
    CREDIT = 10
    BYE = 11
    CLOCK = 12


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; ``payload`` is bytes or a pyarrow buffer."""

    kind: FrameKind
    channel: int = 0
    payload: Any = b""
    value: int = 0

    def buffers(self) -> tuple[bytes, Any]:
        """Return header and payload, to be written in this order."""
        return HEADER.pack(self.kind, self.channel, len(self.payload), self.value), self.payload


class Encoder:
    """Encodes the elements of one channel as frames; only the sending task uses it."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._schema: pa.Schema | None = None
        self._wire: pa.Schema | None = None
        self._columns: tuple[int, ...] = ()
        self._nested = False
        self._dictionaries: dict[int, pa.Array] = {}

    def encode(self, element: Element) -> list[Frame]:
        """Return the frames of ``element``; the last one carries the element itself."""
        if not isinstance(element, Batch):
            return [Frame(FrameKind.ELEMENT, self._channel, dump_element(element))]
        batch = without_clock(element.data)
        frames = self._schema_frames(batch.schema)
        if self._nested:
            kind, payload = FrameKind.STREAM, _stream(batch)
        else:
            frames += self._dictionary_frames(batch)
            kind = FrameKind.BATCH
            payload = (_with_indices(batch, self._columns, self._wire) if self._columns else batch).serialize()
        if is_delayed(element.data):  # apart: another schema would send the dictionaries again with each change
            column = pa.record_batch([clocks(element.data)], names=[CLOCK]).serialize()
            frames.append(Frame(FrameKind.CLOCK, self._channel, column))
        charge = len(payload) + sum(len(frame.payload) for frame in frames)
        return [*frames, Frame(kind, self._channel, payload, max(1, charge))]

    def _schema_frames(self, schema: pa.Schema) -> list[Frame]:
        if self._schema is not None and schema.equals(self._schema, check_metadata=True):
            return []
        self._schema, self._wire = schema, _wire_schema(schema)
        self._columns = dictionary_columns(schema)
        self._nested = any(_nests_dictionary(data_type) for data_type in schema.types)
        self._dictionaries = {}
        return [Frame(FrameKind.SCHEMA, self._channel, schema.serialize())]

    def _dictionary_frames(self, batch: pa.RecordBatch) -> list[Frame]:
        frames = []
        for column in self._columns:
            dictionary = batch.column(column).dictionary
            known = self._dictionaries.get(column)
            if known is None or not same_values(known, dictionary):
                self._dictionaries[column] = dictionary
                values = pa.record_batch([dictionary], names=["values"]).serialize()
                frames.append(Frame(FrameKind.DICTIONARY, self._channel, values, column))
        return frames


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """The schemas and dictionaries that the next batches of a channel are decoded with.

    It is replaced, never changed: batches that wait in the gate keep the layout that was valid when they arrived.
    """

    schema: pa.Schema
    wire: pa.Schema
    dictionaries: Mapping[int, pa.Array]


class Decoder:
    """Decodes the frames of one channel, in order; only the connection's reading thread uses it."""

    def __init__(self) -> None:
        self._layout: FrameLayout | None = None
        self._clock: pa.Buffer | None = None

    def decode(self, kind: int, value: int, payload: pa.Buffer) -> Element | EncodedBatch | None:
        """Return the element, or None if the frame only prepares one; ProtocolError if its kind is unknown.

        Batches stay encoded until the task polls them, so that decoding takes the task's time, not the connection's.
        """
        if kind == FrameKind.ELEMENT:
            return load_element(payload.to_pybytes())
        if kind == FrameKind.SCHEMA:
            schema = pa.ipc.read_schema(payload)
            self._layout = FrameLayout(schema, _wire_schema(schema), {})
            return None
        layout = self._layout
        if layout is None:
            raise ProtocolError(f"frame of kind {kind} before the channel's schema")
        if kind == FrameKind.DICTIONARY:
            values = pa.schema([("values", layout.schema.field(value).type.value_type)])
            dictionary = pa.ipc.read_record_batch(payload, values).column(0)
            self._layout = replace(layout, dictionaries={**layout.dictionaries, value: dictionary})
            return None
        if kind == FrameKind.CLOCK:
            self._clock = payload
            return None
        if kind == FrameKind.BATCH:
            decode = partial(_decode_batch, payload, layout)
        elif kind == FrameKind.STREAM:
            decode = partial(_decode_stream, payload)
        else:
            raise ProtocolError(f"frame of unknown kind {kind}")
        clock, self._clock = self._clock, None
        return EncodedBatch(decode if clock is None else partial(_decode_delayed, decode, clock))


def dictionary_columns(schema: pa.Schema) -> tuple[int, ...]:
    """Return the positions of the dictionary columns."""
    return tuple(i for i, data_type in enumerate(schema.types) if isinstance(data_type, pa.DictionaryType))


def _nests_dictionary(data_type: pa.DataType) -> bool:
    if isinstance(data_type, pa.BaseExtensionType):
        return _holds_dictionary(data_type.storage_type)
    inner = [data_type.value_type] if isinstance(data_type, pa.DictionaryType) else _children(data_type)
    return any(_holds_dictionary(child) for child in inner)


def _holds_dictionary(data_type: pa.DataType) -> bool:
    return isinstance(data_type, pa.DictionaryType) or _nests_dictionary(data_type)


def _children(data_type: pa.DataType) -> list[pa.DataType]:
    return [data_type.field(i).type for i in range(data_type.num_fields)]


def _wire_schema(schema: pa.Schema) -> pa.Schema:
    """Return ``schema`` with the types of the indices in place of dictionary types."""
    fields = [
        field.with_type(field.type.index_type) if isinstance(field.type, pa.DictionaryType) else field
        for field in schema
    ]
    return pa.schema(fields, metadata=schema.metadata)


def _with_indices(batch: pa.RecordBatch, columns: tuple[int, ...], wire: pa.Schema | None) -> pa.RecordBatch:
    """Return ``batch`` with the indices in place of its dictionary columns."""
    arrays = [array.indices if i in columns else array for i, array in enumerate(batch.columns)]
    return pa.RecordBatch.from_arrays(arrays, schema=wire)


def _decode_batch(payload: pa.Buffer, layout: FrameLayout) -> Batch:
    batch = pa.ipc.read_record_batch(payload, layout.wire)
    if not layout.dictionaries:
        return Batch(batch, len(payload))
    arrays = batch.columns
    for column, dictionary in layout.dictionaries.items():
        ordered = layout.schema.field(column).type.ordered
        arrays[column] = pa.DictionaryArray.from_arrays(arrays[column], dictionary, ordered=ordered, safe=False)
    return Batch(pa.RecordBatch.from_arrays(arrays, schema=layout.schema), len(payload))


def _stream(batch: pa.RecordBatch) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def _decode_stream(payload: pa.Buffer) -> Batch:
    with pa.ipc.open_stream(payload) as reader:
        return Batch(reader.read_next_batch(), len(payload))


def _decode_delayed(decode: Callable[[], Batch], clock: pa.Buffer) -> Batch:
    batch = decode()
    column = pa.ipc.read_record_batch(clock, delayed_schema(pa.schema([]))).column(0)
    return Batch(with_clock(batch.data, column), batch.nbytes + len(clock))


def dump_opening(key: ChannelKey, budget: int) -> bytes:
    """Encode the payload of an OPEN frame: the key and the budget of a channel."""
    return json.dumps([str(key.run), key.epoch, key.edge, *key.up, *key.down, budget]).encode()


def load_opening(payload: bytes) -> tuple[ChannelKey, int]:
    """Decode the payload of an OPEN frame."""
    run, epoch, edge, up, up_attempt, down, down_attempt, budget = json.loads(payload)
    ends = ChannelEnd(up, up_attempt), ChannelEnd(down, down_attempt)
    return ChannelKey(RunId.parse(run), epoch, edge, *ends), budget


def dump_element(element: Element) -> bytes:
    """Encode a control element as JSON."""
    return json.dumps({"element": type(element).__name__, **asdict(element)}).encode()


_LOADERS: Mapping[str, Callable[..., Element]] = {
    "Watermark": Watermark,
    "Status": Status,
    "Marker": Marker,
    "Leave": Leave,
    "Cut": lambda kind, **rest: Cut(kind=CutKind(kind), **rest),
    "End": lambda reason: End(EndReason(reason)),
}


def load_element(payload: bytes) -> Element:
    """Decode a control element; ProtocolError if its type is unknown."""
    fields = json.loads(payload)
    name = fields.pop("element")
    if name not in _LOADERS:
        raise ProtocolError(f"element of unknown kind {name!r}")
    return _LOADERS[name](**fields)
