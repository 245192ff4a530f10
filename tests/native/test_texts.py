"""Texts by slot against a dict, through replacing, compaction, views and drops."""

import threading

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.native.keyindex import Slots
from sabotnb.native.texts import Texts

GROUPS, SLOTS = 3, 5
ROWS = st.lists(
    st.tuples(st.integers(0, GROUPS - 1), st.integers(0, SLOTS - 1), st.binary(max_size=400), st.integers(0, 9)),
    max_size=40,
)


def update(texts, rows, *, ordered, last):
    groups, slots, values, order = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [], [])
    where = Slots(np.array(slots, np.uint32), np.array(groups, np.uint16))
    texts.rows.reserve(np.full(GROUPS, SLOTS, np.uint32))
    texts.update(where, pa.array(values, pa.binary()), pa.array(order, pa.int64()) if ordered else None, last)


def expected(known, rows, *, ordered, last):
    """{(group, slot): (order, text)} after ``rows``."""
    for group, slot, text, order in rows:
        new = (order if ordered else 0, text)
        old = known.get((group, slot))
        if old is None:
            better = True
        elif ordered and new[0] != old[0]:
            better = (new[0] > old[0]) == last
        elif ordered:
            better = text < old[1]
        else:
            better = text > old[1] if last else text < old[1]
        if better:
            known = {**known, (group, slot): new}
    return known


def content(texts, group):
    return texts.texts(group, 0, SLOTS).to_pylist()


def of_group(known, group):
    return [known.get((group, slot), (0, None))[1] for slot in range(SLOTS)]


@given(lots=st.lists(ROWS, max_size=6), ordered=st.booleans(), last=st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_best_text_of_each_slot_is_kept(lots, ordered, last):
    texts, known = Texts(GROUPS), {}
    for rows in lots:
        update(texts, rows, ordered=ordered, last=last)
        known = expected(known, rows, ordered=ordered, last=last)
    for group in range(GROUPS):
        assert content(texts, group) == of_group(known, group)
        if ordered:
            orders = [known.get((group, slot), (None, None))[0] for slot in range(SLOTS)]
            assert texts.orders(group, 0, SLOTS).to_pylist() == orders


@given(before=ROWS, lots=st.lists(ROWS, min_size=1, max_size=4), last=st.booleans(), dropped=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_view_stays_as_it_was(before, lots, last, dropped):
    texts = Texts(GROUPS)
    update(texts, before, ordered=True, last=last)
    was = expected({}, before, ordered=True, last=last)
    views = [texts.view(group) for group in range(GROUPS)]
    known = was
    for rows in lots:
        update(texts, rows, ordered=True, last=last)
        known = expected(known, rows, ordered=True, last=last)
    if dropped:
        texts.drop(0)
    for group, view in enumerate(views):
        assert view.texts(0, SLOTS).to_pylist() == of_group(was, group)
        assert dropped or content(texts, group) == of_group(known, group)
    del texts
    assert [view.texts(0, SLOTS).to_pylist() for view in views] == [of_group(was, group) for group in range(GROUPS)]


def test_two_threads_read_views_while_views_follow_each_other():
    texts, keys = Texts(), 1_000
    slots = Slots(np.arange(keys, dtype=np.uint32))
    texts.rows.reserve(np.array([keys], np.uint32))
    latest, wrong = [(texts.view(), pa.nulls(keys, pa.large_binary()))], []

    def read():
        for number in range(20_000):
            view, expected = latest[0]
            if not view.texts(0, keys).equals(expected):
                wrong.append(number)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    number = 0
    while any(reader.is_alive() for reader in readers):
        number += 1
        values = pa.repeat(pa.scalar(number.to_bytes(4, "big"), pa.large_binary()), keys)
        texts.update(slots, values, order=None, last=True)
        latest[0] = (texts.view(), values)
    assert wrong == []
