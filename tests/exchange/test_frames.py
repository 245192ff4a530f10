import pyarrow as pa
import pytest
from exchanges import rows

from sabotnb.errors import ProtocolError
from sabotnb.eventtime import with_clock
from sabotnb.exchange.channel import EncodedBatch
from sabotnb.exchange.frames import HEADER, Decoder, Encoder, Frame, FrameKind
from sabotnb.native.frames import HEADER_BYTES
from sabotnb.protocol.elements import Batch, Cut, CutKind, End, EndReason, Leave, Marker, Status, Watermark


class Wire:
    """An encoder and a decoder, and the kinds of the frames between them."""

    def __init__(self):
        self.encoder, self.decoder = Encoder(7), Decoder()

    def send(self, *elements):
        kinds, decoded = [], []
        for element in elements:
            for frame in self.encoder.encode(element):
                kinds.append(frame.kind.name)
                decoded.append(self.decoder.decode(frame.kind, frame.value, pa.py_buffer(frame.payload)))
        elements = (element for element in decoded if element is not None)
        return kinds, [element.decode() if isinstance(element, EncodedBatch) else element for element in elements]


def batch(**columns):
    data = pa.record_batch(columns)
    return Batch(data, data.nbytes)


def same(received, sent):
    return [left.data.equals(right.data, check_metadata=True) for left, right in zip(received, sent, strict=True)]


CONTROL = [
    Watermark(-5),
    Status(idle=True),
    Marker("latency", '{"t": 1}'),
    Cut(3, CutKind.RESCALE, 2, 99, {"k": 4}),
    End(EndReason.STOPPED),
    Leave(),
]


def test_control_elements_come_back_equal():
    assert Wire().send(*CONTROL) == (["ELEMENT"] * len(CONTROL), CONTROL)


def test_the_schema_is_sent_once_and_slices_without_their_parent():
    wire = Wire()
    kinds, (first,) = wire.send(rows(0, 3))
    assert (kinds, first.data.num_rows) == (["SCHEMA", "BATCH"], 3)
    kinds, (second,) = wire.send(Batch(rows(0, 100_000).data.slice(5, 2), 50))
    assert (kinds, second.data.column("s").to_pylist()) == (["BATCH"], ["row 5", "row 6"])
    assert second.nbytes < 1000


def test_a_new_schema_is_sent_again():
    sent = [batch(x=pa.array([1])), batch(x=pa.array(["a"])), batch(x=pa.array(["b"]))]
    kinds, received = Wire().send(*sent)
    assert kinds == ["SCHEMA", "BATCH", "SCHEMA", "BATCH", "BATCH"]
    assert same(received, sent) == [True] * 3


def test_an_unchanged_dictionary_is_sent_once():
    column = pa.array(["a", None, "b", "a"]).dictionary_encode()
    other = pa.array(["c", "a"]).dictionary_encode()
    sent = [batch(d=column, x=pa.array([1, 2, 3, 4])), batch(d=column.slice(1, 2), x=pa.array([5, 6]))]
    sent += [batch(d=other, x=pa.array([7, 8])), batch(d=column, x=pa.array([9, 9, 9, 9]))]
    kinds, received = Wire().send(*sent)
    assert kinds == ["SCHEMA", "DICTIONARY", "BATCH", "BATCH", "DICTIONARY", "BATCH", "DICTIONARY", "BATCH"]
    assert same(received, sent) == [True] * 4


def test_an_ordered_dictionary_stays_ordered():
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array(["low", "high"]), ordered=True)
    _, received = Wire().send(batch(d=column))
    assert received[0].data.column(0).type == column.type


def test_the_credit_of_a_batch_includes_its_dictionaries():
    column = pa.array(["a", "b"]).dictionary_encode()
    schema, dictionary, first = Encoder(1).encode(batch(d=column))
    assert first.value == len(first.payload) + len(dictionary.payload) + len(schema.payload)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([["x", "y"], None], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
        pa.array([{"d": "x"}], pa.struct([("d", pa.dictionary(pa.int32(), pa.string()))])),
    ],
    ids=["list", "struct"],
)
def test_nested_dictionaries_are_sent_as_streams(column):
    sent = batch(d=column)
    kinds, received = Wire().send(sent)
    assert (kinds, same(received, [sent])) == (["SCHEMA", "STREAM"], [True])


def delayed(sent, *clocks):
    data = with_clock(sent.data, pa.array(clocks))
    return Batch(data, data.nbytes)


def test_delayed_rows_use_the_schema_and_the_dictionaries_of_the_others():
    column = pa.array(["a", None, "b"]).dictionary_encode()
    whole = batch(d=column, x=pa.array([1, 2, 3]))
    sent = [whole, delayed(whole, 7, 5, 7), whole, delayed(Batch(whole.data.slice(1, 1), 8), 9)]
    kinds, received = Wire().send(*sent)
    assert kinds == ["SCHEMA", "DICTIONARY", "BATCH", "CLOCK", "BATCH", "BATCH", "CLOCK", "BATCH"]
    assert same(received, sent) == [True] * 4


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"v": pa.array(["p", "q"], pa.string_view())},
        {"d": pa.array([["x"], []], pa.list_(pa.dictionary(pa.int8(), pa.string())))},
    ],
    ids=["none", "view", "nested dictionary"],
)
def test_delayed_rows_of_any_columns_are_sent_unchanged(columns):
    rows = pa.record_batch({"x": [1, 2], **columns}).select(list(columns))
    sent = [delayed(Batch(rows, 8), 7, -5), Batch(rows, 8)]
    assert same(Wire().send(*sent)[1], sent) == [True] * 2


def test_the_credit_of_delayed_rows_includes_their_clocks():
    frames = Encoder(1).encode(delayed(batch(x=pa.array([1])), 5))
    assert [frame.kind for frame in frames] == [FrameKind.SCHEMA, FrameKind.CLOCK, FrameKind.BATCH]
    assert frames[-1].value == sum(len(frame.payload) for frame in frames)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1, 2], None, []]),
        pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": None}]),
        pa.array(["a view that is longer than twelve bytes", None, "short"], pa.string_view()),
        pa.array([b"1" * 16, None, b"2" * 16], pa.uuid()),
        pa.nulls(3),
    ],
    ids=["list", "struct", "view", "uuid", "null"],
)
def test_other_types_are_sent_unchanged(column):
    sent = batch(c=column, x=pa.array([1, 2, 3]))
    assert same(Wire().send(sent)[1], [sent]) == [True]


def test_the_metadata_of_the_schema_is_sent():
    data = pa.record_batch({"x": [1]}).replace_schema_metadata({"made": "here"})
    assert Wire().send(Batch(data, 8))[1][0].data.schema.metadata == {b"made": b"here"}


@pytest.mark.parametrize(
    ("kind", "payload", "message"),
    [
        (FrameKind.BATCH, b"x", "before the channel's schema"),
        (99, b"x", "before the channel's schema"),
        (FrameKind.ELEMENT, b'{"element": "Bang"}', "unknown kind 'Bang'"),
    ],
)
def test_rejects_unknown_frames(kind, payload, message):
    with pytest.raises(ProtocolError, match=message):
        Decoder().decode(kind, 0, pa.py_buffer(payload))


def test_the_header_is_the_kernel_s():
    header, payload = Frame(FrameKind.CREDIT, 3, b"", 5).buffers()
    assert (len(header), HEADER.size, HEADER.unpack(header), payload) == (
        HEADER_BYTES,
        HEADER_BYTES,
        (10, 3, 0, 5),
        b"",
    )
