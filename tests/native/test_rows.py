"""Rows of accumulators against a dict, through growing, freezes, drops and clearing."""

import queue
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.native.aggregate import FieldUpdates
from sabotnb.native.keyindex import Slots
from sabotnb.native.row_image import read_images
from sabotnb.native.rows import Rows

GROUPS = 3
KEYS = st.tuples(st.integers(0, GROUPS - 1), st.integers(0, 70))
STEPS = st.lists(
    st.tuples(st.just("count"), st.lists(KEYS, min_size=1, max_size=10))
    | st.tuples(st.sampled_from(["freeze", "read", "release", "drop", "clear"]), st.integers(0, GROUPS - 1)),
    max_size=25,
)


def count(rows, slots):
    updates = FieldUpdates(rows, slots)
    updates.count_rows(rows.width - 8)
    updates.run()


def counts_of(read):
    """{slot: count} of rows that were read."""
    found = read[:, -8:].copy().view(np.int64)[:, 0].tolist()
    return {slot: count for slot, count in enumerate(found) if count}


def of_group(counts, group):
    return {slot: count for (at, slot), count in counts.items() if at == group}


class CountedRows:
    """Rows beside a dict of what they should have, and images beside such dicts."""

    def __init__(self, width):
        self.rows, self.counts, self.frozen = Rows(width, GROUPS), {}, []
        self.sizes = np.zeros(GROUPS, np.uint32)

    def count(self, keys):
        groups, slots = (np.array(column) for column in zip(*keys, strict=True))
        np.maximum.at(self.sizes, groups, (slots + 1).astype(np.uint32))
        self.rows.reserve(self.sizes)
        count(self.rows, Slots(slots.astype(np.uint32), groups.astype(np.uint16)))
        for key in keys:
            self.counts[key] = self.counts.get(key, 0) + 1

    def freeze(self, group):
        self.frozen.append((self.rows.freeze(group, int(self.sizes[group])), of_group(self.counts, group)))

    def read(self, number):
        start = number * 20
        for image, expected in self.frozen:
            some = {slot - start: count for slot, count in expected.items() if start <= slot < start + 30}
            assert counts_of(image.read(start, start + 30)) == some
        images = [image for image, _ in self.frozen]
        together = read_images(images).tobytes()
        assert together == b"".join(image.read(0, len(image)).tobytes() for image in images)

    def release(self, number):
        self.frozen = self.frozen[number:]

    def drop(self, group):
        self.rows.drop(group)
        assert self.rows.nbytes(group) == 0
        self._lose(group)

    def clear(self, group):
        self.rows.clear(np.where(np.arange(GROUPS) == group, self.sizes, 0).astype(np.uint32))
        self._lose(group)

    def _lose(self, group):
        self.counts = {key: count for key, count in self.counts.items() if key[0] != group}


@given(STEPS, st.sampled_from([16, 8192]))
@settings(max_examples=200, deadline=None)
def test_each_row_counts_for_itself(steps, width):
    state = CountedRows(width)
    for step, what in steps:
        getattr(state, step)(what)
    for group in range(GROUPS):
        assert counts_of(state.rows.read(group, 0, 100)) == of_group(state.counts, group)
    for image, expected in state.frozen:
        assert counts_of(image.read(0, 100)) == expected


def test_a_batch_after_a_freeze_saves_its_own_rows_only_and_each_once():
    rows, keys = Rows(16), 100_000
    rows.reserve(np.array([keys], np.uint32))
    image = rows.freeze(0, keys)
    drawn = np.random.default_rng(1).integers(0, keys, (3, 1000)).astype(np.uint32)
    for number, slots in enumerate(drawn):
        count(rows, Slots(slots))
        assert image.saved == len(np.unique(drawn[: number + 1]))
    count(rows, Slots(drawn[0]))
    assert image.saved == len(np.unique(drawn))
    later = rows.freeze(0, keys)
    count(rows, Slots(drawn[0]))
    assert image.saved == len(np.unique(drawn))
    assert later.saved == len(np.unique(drawn[0]))


def test_nothing_is_saved_for_an_image_that_nobody_has():
    rows = Rows(16)
    rows.reserve(np.array([10], np.uint32))
    older = rows.freeze(0, 10)
    rows.freeze(0, 10)
    count(rows, Slots(np.arange(10, dtype=np.uint32)))  # for the older one, through the later
    assert older.saved == 0
    assert counts_of(older.read(0, 10)) == {}
    del older
    image = rows.freeze(0, 10)
    count(rows, Slots(np.zeros(1, np.uint32)))
    assert image.saved == 1


def test_an_image_stays_as_it_was_after_a_freeze_of_fewer_rows():
    rows = Rows(16)
    rows.reserve(np.array([10], np.uint32))
    image, smaller = rows.freeze(0, 10), rows.freeze(0, 5)
    count(rows, Slots(np.arange(10, dtype=np.uint32)))
    assert counts_of(image.read(0, 10)) == {}
    assert len(smaller) == 5
    assert counts_of(smaller.read(0, 10)) == {}


@pytest.mark.parametrize("freezes", [1, 3])
def test_another_thread_reads_images_while_rows_change(freezes):
    rows, keys = Rows(64), 20_000
    rows.reserve(np.array([keys], np.uint32))
    everything = Slots(np.arange(keys, dtype=np.uint32))
    wrong = []

    def read(image, expected):
        for start in range(0, keys, 1000):
            found = image.read(start, start + 1000).view(np.int64)
            if (found[:, -1] != expected).any() or found[:, :-1].any():
                wrong.append(start)

    threads = []
    for number in range(freezes):
        threads.append(threading.Thread(target=read, args=(rows.freeze(0, keys), number)))
        threads[-1].start()
        count(rows, everything)
    while any(thread.is_alive() for thread in threads):
        count(rows, everything)
    assert wrong == []


def test_groups_of_one_freeze_are_read_and_released_while_all_of_them_change():
    groups, keys, random = 4, 2_000, np.random.default_rng(5)
    rows = Rows(48, groups)
    rows.reserve(np.full(groups, keys, np.uint32))
    counts = np.zeros((groups, keys), np.int64)
    frozen, wrong = queue.SimpleQueue(), []

    def read():
        while (images := frozen.get()) is not None:
            for group in range(2):
                image, expected = images.pop(group)
                for start in range(0, keys, 500):
                    found = image.read(start, start + 500).view(np.int64)[:, -1]
                    if (found != expected[start : start + 500]).any():
                        wrong.append((group, start))
                del image
            together = read_images([image for image, _ in images.values()]).view(np.int64)[:, -1]
            if (together != np.concatenate([expected for _, expected in images.values()])).any():
                wrong.append("together")

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(300):
        frozen.put({group: (rows.freeze(group, keys), counts[group].copy()) for group in range(groups)})
        of, slots = random.integers(0, groups, 5_000), random.integers(0, keys, 5_000)
        count(rows, Slots(slots.astype(np.uint32), of.astype(np.uint16)))
        np.add.at(counts, (of, slots), 1)
    frozen.put(None)
    reader.join()
    assert wrong == []


@pytest.mark.parametrize("held", [1, 3])
def test_two_threads_read_images_while_freezes_follow_each_other(held):
    rows, keys, random = Rows(16), 2_000, np.random.default_rng(3)
    rows.reserve(np.array([keys], np.uint32))
    counts = np.zeros(keys, np.int64)
    frozen, wrong = [(rows.freeze(0, keys), counts.copy())], []

    def read():
        for number in range(15_000):
            image, expected = frozen[number % len(frozen)]
            if (image.read(0, keys).view(np.int64)[:, -1] != expected).any():
                wrong.append(number)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    while any(reader.is_alive() for reader in readers):
        slots = random.integers(0, keys, 1_000).astype(np.uint32)
        count(rows, Slots(slots))
        np.add.at(counts, slots, 1)
        frozen[:] = [*frozen, (rows.freeze(0, keys), counts.copy())][-held:]
    assert wrong == []
