import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabotnb.protocol.elements import MIN_WATERMARK
from sabotnb.task.watermarks import Watermarks

A, B = (0, 0), (0, 1)


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([("advance", A, 5)], [None]),
        ([("advance", A, 5), ("advance", B, 3)], [None, 3]),
        ([("advance", A, 5), ("advance", B, 9), ("advance", A, 7)], [None, 5, 7]),
        ([("advance", A, 5), ("advance", B, 5), ("advance", B, 4)], [None, 5, None]),
        ([("advance", A, 5), ("idle", B)], [None, 5]),
        ([("advance", A, 5), ("end", B)], [None, 5]),
        ([("advance", A, 5), ("idle", B), ("active", B), ("advance", A, 9)], [None, 5, None, None]),
        ([("advance", A, 5), ("idle", B), ("advance", B, 2), ("advance", B, 8)], [None, 5, None, None]),
        ([("advance", A, 5), ("advance", B, 7), ("idle", A), ("idle", B)], [None, 5, 7, None]),
        ([("advance", A, 5), ("advance", B, 7), ("end", A), ("end", B)], [None, 5, 7, None]),
    ],
)
def test_the_minimum_rises(reports, expected):
    watermarks = Watermarks([A, B])
    steps = {
        "advance": watermarks.advance,
        "end": watermarks.end,
        "idle": lambda channel: watermarks.set_idle(channel, idle=True),
        "active": lambda channel: watermarks.set_idle(channel, idle=False),
    }
    assert [steps[name](*args) for name, *args in reports] == expected


def test_idle_means_that_every_open_channel_is_idle():
    watermarks = Watermarks([A, B])
    seen = [watermarks.idle]
    for step in (
        lambda: watermarks.set_idle(A, idle=True),
        lambda: watermarks.end(B),
        lambda: watermarks.advance(A, 1),
        lambda: watermarks.end(A),
    ):
        step()
        seen.append(watermarks.idle)
    assert seen == [False, False, True, False, False]


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.integers(1, 20))))
def test_without_idleness_it_is_the_minimum_of_each_channels_maximum(reports):
    watermarks = Watermarks([A, B])
    highest = {A: MIN_WATERMARK, B: MIN_WATERMARK}
    last = MIN_WATERMARK
    for channel, us in reports:
        last = watermarks.advance(channel, us) or last
        highest[channel] = max(highest[channel], us)
    assert last == min(highest.values())


def test_the_slowest_channel_is_the_active_one_with_the_smallest_watermark():
    watermarks = Watermarks([A, B])
    watermarks.advance(A, 5)
    found = [watermarks.slowest()]
    watermarks.advance(B, 9)
    found.append(watermarks.slowest())
    watermarks.set_idle(A, idle=True)
    found.append(watermarks.slowest())
    watermarks.end(B)
    assert [*found, watermarks.slowest()] == [(B, MIN_WATERMARK), (A, 5), (B, 9), None]


class Plain:
    """Computes the same as ``Watermarks`` by visiting every channel."""

    def __init__(self, channels):
        self.highest, self.idle_channels, self.last = dict.fromkeys(channels, MIN_WATERMARK), set(), MIN_WATERMARK

    def take(self, name, channel, us):
        match name:
            case "advance":
                self.highest[channel] = max(us, self.highest[channel])
                self.idle_channels.discard(channel)
            case "idle":
                self.idle_channels.add(channel)
            case "active":
                self.idle_channels.discard(channel)
            case "end":
                del self.highest[channel]
                self.idle_channels.discard(channel)
            case "add":
                self.highest[channel] = MIN_WATERMARK
        lowest = min(
            (us for channel, us in self.highest.items() if channel not in self.idle_channels), default=self.last
        )
        risen, self.last = lowest > self.last, max(lowest, self.last)
        return lowest if risen else None

    @property
    def idle(self):
        return bool(self.highest) and self.idle_channels == self.highest.keys()


CHANNELS = [(0, 0), (0, 1), (1, 0), (1, 1)]
NAMES = ["advance", "advance", "idle", "active", "end", "add"]
STEP = st.tuples(st.sampled_from(NAMES), st.sampled_from(CHANNELS), st.integers(1, 9))


@given(st.lists(STEP, max_size=40))
def test_it_is_the_minimum_over_the_active_channels(steps):
    watermarks, plain = Watermarks(CHANNELS[:2]), Plain(CHANNELS[:2])
    call = {
        "advance": watermarks.advance,
        "idle": lambda channel, us: watermarks.set_idle(channel, idle=True),
        "active": lambda channel, us: watermarks.set_idle(channel, idle=False),
        "end": lambda channel, us: watermarks.end(channel),
        "add": lambda channel, us: watermarks.add(channel),
    }
    for name, channel, us in steps:
        if (channel in plain.highest) is not (name == "add"):
            assert (call[name](channel, us), watermarks.idle) == (plain.take(name, channel, us), plain.idle)
