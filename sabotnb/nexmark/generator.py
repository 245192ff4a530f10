"""Generate the events of the Nexmark auction site as record batches.

Of 50 events, 1 is a new person, 3 are new auctions and 46 are bids. Proportions, hot keys and the distribution of
prices are those of the reference generator (Apache Beam's ``nexmark``): half of the bids go to a hot auction, three
quarters of them come from a hot bidder, and three quarters of the auctions from a hot seller; the hot ones change as
the site grows. Texts come from pools of fixed size, and there is no padding column ``extra``. Every row depends only on
``seed`` and its event number, never on the division into batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.nexmark.draws import Bits, Ints, below, draw, low

EPOCH_EVENTS = 50
AUCTIONS_PER_EPOCH = 3
BIDS_PER_EPOCH = 46
EVENT_MICROSECONDS = 100  # 10,000 events per second of event time
START = 1_436_918_400_000_000  # 2015-07-15T00:00:00Z, where the reference generator starts
FIRST_ID = 1000
ACTIVE_PEOPLE = 1000
ACTIVE_AUCTIONS = 100
ID_LEAD = 10  # some bids and auctions refer to people and auctions of later events
HOT_STRIDE = 100  # every hundredth person or auction becomes the hot one
COLD_CHANNELS = 10_000
HOT_CHANNELS = ("Google", "Facebook", "Baidu", "Apple")
CATEGORIES = 5
POOL = 10_000
STATES = ("AZ", "CA", "ID", "OR", "WA", "WY")
CITIES = (
    "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland",
    "Bend", "Redmond", "Seattle", "Kent", "Cheyenne",
)  # fmt: skip
FIRST_NAMES = (
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter",
)  # fmt: skip
LAST_NAMES = ("Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris")

TIME = pa.timestamp("us")
TEXT = pa.dictionary(pa.int32(), pa.string())
BIDS = pa.schema(
    {"auction": pa.int64(), "bidder": pa.int64(), "price": pa.int64(), "channel": TEXT, "url": TEXT, "date_time": TIME}
)
AUCTIONS = pa.schema(
    {
        "id": pa.int64(),
        "item_name": TEXT,
        "description": TEXT,
        "initial_bid": pa.int64(),
        "reserve": pa.int64(),
        "date_time": TIME,
        "expires": TIME,
        "seller": pa.int64(),
        "category": pa.int64(),
    }
)
PERSONS = pa.schema(
    {
        "id": pa.int64(),
        "name": TEXT,
        "email_address": pa.string(),
        "credit_card": pa.string(),
        "city": TEXT,
        "state": TEXT,
        "date_time": TIME,
    }
)


class Events(NamedTuple):
    """The three streams of one site, each in order of event time."""

    bids: Iterator[pa.RecordBatch]
    auctions: Iterator[pa.RecordBatch]
    persons: Iterator[pa.RecordBatch]


def generate(events: int, seed: int = 0, batch_rows: int = 65_536) -> Events:
    """Return the first ``events`` events for ``seed``, in batches of ``batch_rows`` rows of BIDS, AUCTIONS, PERSONS."""
    bids, auctions, persons = counts(events)
    return Events(
        _batches(bid_rows, bids, seed, batch_rows),
        _batches(auction_rows, auctions, seed, batch_rows),
        _batches(person_rows, persons, seed, batch_rows),
    )


def counts(events: int) -> tuple[int, int, int]:
    """Return how many of the first ``events`` events are bids, auctions and persons."""
    if events < 0:
        raise ValueError(f"events is {events}; pass a number of events, 0 or more")
    epochs, rest = divmod(events, EPOCH_EVENTS)
    persons = min(rest, 1)
    auctions = min(max(rest - 1, 0), AUCTIONS_PER_EPOCH)
    bids = max(rest - 1 - AUCTIONS_PER_EPOCH, 0)
    return epochs * BIDS_PER_EPOCH + bids, epochs * AUCTIONS_PER_EPOCH + auctions, epochs + persons


def bid_rows(start: int, stop: int, seed: int) -> pa.RecordBatch:
    """Return bids number ``start`` to ``stop`` (exclusive)."""
    epoch, offset = np.divmod(np.arange(start, stop, dtype=np.int64), BIDS_PER_EPOCH)
    event = epoch * EPOCH_EVENTS + offset + (1 + AUCTIONS_PER_EPOCH)
    who = draw(event, seed, 1)
    what = draw(event, seed, 2)
    newest = epoch * AUCTIONS_PER_EPOCH + (AUCTIONS_PER_EPOCH - 1)
    hot_auction = low(who, 1) > 0
    auction = np.where(hot_auction, newest // HOT_STRIDE * HOT_STRIDE, _any_auction(newest, who))
    hot_bidder = low(who, 2) > 0
    bidder = np.where(hot_bidder, epoch // HOT_STRIDE * HOT_STRIDE + 1, _any_person(epoch, who))
    price = _prices()[low(what, 16).view(np.int64)]
    hot_channel = low(what, 1) > 0
    cold = below(what, COLD_CHANNELS) + len(HOT_CHANNELS)
    channel = pa.array(np.where(hot_channel, low(what, 2).view(np.int64), cold).astype(np.int32))
    names, urls = _channels()
    return pa.RecordBatch.from_arrays(
        [
            pa.array(auction + FIRST_ID),
            pa.array(bidder + FIRST_ID),
            pa.array(price),
            pa.DictionaryArray.from_arrays(channel, names),
            pa.DictionaryArray.from_arrays(channel, urls),
            _times(event),
        ],
        schema=BIDS,
    )


def auction_rows(start: int, stop: int, seed: int) -> pa.RecordBatch:
    """Return auctions number ``start`` to ``stop`` (exclusive)."""
    number = np.arange(start, stop, dtype=np.int64)
    epoch, offset = np.divmod(number, AUCTIONS_PER_EPOCH)
    event = epoch * EPOCH_EVENTS + offset + 1
    who = draw(event, seed, 3)
    what = draw(event, seed, 4)
    hot_seller = low(who, 2) > 0
    seller = np.where(hot_seller, epoch // HOT_STRIDE * HOT_STRIDE, _any_person(epoch, who))
    initial = _prices()[low(what, 16).view(np.int64)]
    reserve = initial + _prices()[low(what, 16).view(np.int64)]
    # On average an auction stays open until ACTIVE_AUCTIONS more have opened, so about that many are open at a time.
    horizon = ACTIVE_AUCTIONS * EPOCH_EVENTS // AUCTIONS_PER_EPOCH * EVENT_MICROSECONDS
    length = 1000 + below(what, 2 * horizon)
    return pa.RecordBatch.from_arrays(
        [
            pa.array(number + FIRST_ID),
            _pick(draw(event, seed, 5), _item_names()),
            _pick(draw(event, seed, 6), _descriptions()),
            pa.array(initial),
            pa.array(reserve),
            _times(event),
            pa.array(START + event * EVENT_MICROSECONDS + length).cast(TIME),
            pa.array(seller + FIRST_ID),
            pa.array(10 + below(who, CATEGORIES)),
        ],
        schema=AUCTIONS,
    )


def person_rows(start: int, stop: int, seed: int) -> pa.RecordBatch:
    """Return persons number ``start`` to ``stop`` (exclusive)."""
    number = np.arange(start, stop, dtype=np.int64)
    event = number * EPOCH_EVENTS
    bits = draw(event, seed, 7)
    card = draw(event, seed, 8)
    name = _pick(bits, _person_names())
    digits = [pc.take(_four_digits(), pa.array(below(card, 10_000, 16))) for _ in range(4)]
    mailbox = pc.replace_substring(pc.ascii_lower(name.dictionary_decode()), " ", ".")
    return pa.RecordBatch.from_arrays(
        [
            pa.array(number + FIRST_ID),
            name,
            pc.binary_join_element_wise(mailbox, pa.array(number).cast(pa.string()), "@example.com", ""),
            pc.binary_join_element_wise(*digits, " "),
            _pick(bits, pa.array(CITIES)),
            _pick(bits, pa.array(STATES)),
            _times(event),
        ],
        schema=PERSONS,
    )


def _batches(
    rows: Callable[[int, int, int], pa.RecordBatch], count: int, seed: int, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    return (rows(start, min(start + batch_rows, count), seed) for start in range(0, count, batch_rows))


def _any_person(newest: Ints, bits: Bits) -> Ints:
    """Draw from the last thousand people and the next ten."""
    people = newest + 1
    active = np.minimum(people, ACTIVE_PEOPLE)
    return people - active + below(bits, active + ID_LEAD)


def _any_auction(newest: Ints, bits: Bits) -> Ints:
    """Draw from the last hundred auctions and the next ten."""
    oldest = np.maximum(newest - ACTIVE_AUCTIONS, 0)
    return oldest + below(bits, newest - oldest + (1 + ID_LEAD))


def _times(event: Ints) -> pa.Array:
    return pa.array(START + event * EVENT_MICROSECONDS).cast(TIME)


def _pick(bits: Bits, texts: pa.StringArray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(below(bits, len(texts), 20).astype(np.int32)), texts)


@cache
def _prices() -> Ints:
    """Return log-uniform prices from 1 to a million, in cents; a table, because ``exp`` differs between machines."""
    return np.array([round(10 ** ((i + 0.5) / 65_536 * 6) * 100) for i in range(65_536)], dtype=np.int64)


@cache
def _channels() -> tuple[pa.StringArray, pa.StringArray]:
    """Return names and addresses of all channels, hot ones first; each channel has one address."""
    names = [*HOT_CHANNELS, *(f"channel-{i}" for i in range(COLD_CHANNELS))]
    paths = [_word(i, 5) + "/" + _word(i + 1, 5) + "/" + _word(i + 2, 5) for i in range(len(names))]
    return pa.array(names), pa.array(
        f"https://www.nexmark.com/{path}/item.htm?query=1" + (f"&channel_id={i}" if i % 10 else "")
        for i, path in enumerate(paths)
    )


@cache
def _item_names() -> pa.StringArray:
    return pa.array(f"{_word(3 * i, 6)} {_word(3 * i + 1, 8)}" for i in range(POOL))


@cache
def _descriptions() -> pa.StringArray:
    return pa.array(" ".join(_word(12 * i + j, 4 + j % 7) for j in range(12)) for i in range(POOL))


@cache
def _person_names() -> pa.StringArray:
    return pa.array(f"{first} {last}" for first in FIRST_NAMES for last in LAST_NAMES)


@cache
def _four_digits() -> pa.StringArray:
    return pa.array(f"{i:04}" for i in range(10_000))


def _word(number: int, length: int) -> str:
    """Return a pronounceable word of ``length`` letters, determined by ``number``."""
    state = (number + 1) * 0x9E3779B97F4A7C15 % 2**64
    letters = []
    for i in range(length):
        state = (state ^ state >> 29) * 0xBF58476D1CE4E5B9 % 2**64
        letters.append(("aeiou" if i % 2 else "bcdfghklmnprstvw")[(state >> 33) % (5 if i % 2 else 16)])
    return "".join(letters)
