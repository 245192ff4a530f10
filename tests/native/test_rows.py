"""Rows of accumulators against a dict, through growing, views, drops and clearing."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.native import aggregate
from sabotnb.native.keyindex import Slots
from sabotnb.native.rows import Rows

GROUPS = 3
KEYS = st.tuples(st.integers(0, GROUPS - 1), st.integers(0, 40))
STEPS = st.lists(
    st.tuples(st.just("count"), st.lists(KEYS, min_size=1, max_size=10))
    | st.tuples(st.sampled_from(["detach", "drop", "clear"]), st.integers(0, GROUPS - 1)),
    max_size=15,
)


@given(STEPS)
@settings(max_examples=100, deadline=None)
def test_each_row_counts_for_itself(steps):
    rows, counts, frozen = Rows(16, GROUPS), {}, []
    sizes = np.zeros(GROUPS, np.uint32)
    for step, what in steps:
        if step == "count":
            groups, slots = (np.array(column) for column in zip(*what, strict=True))
            np.maximum.at(sizes, groups, (slots + 1).astype(np.uint32))
            rows.reserve(sizes)
            aggregate.count_rows(rows, 8, Slots(slots.astype(np.uint32), groups.astype(np.uint16)))
            for key in what:
                counts[key] = counts.get(key, 0) + 1
            continue
        if step == "detach":
            buffer = rows.buffer(what)
            frozen.append((buffer, None if buffer is None else buffer.copy()))
            rows.detach(what)
            continue
        if step == "drop":
            rows.drop(what)
            assert rows.nbytes(what) == 0
        else:
            rows.clear(np.where(np.arange(GROUPS) == what, sizes, 0).astype(np.uint32))
        counts = {key: count for key, count in counts.items() if key[0] != what}
    for group in range(GROUPS):
        buffer = rows.buffer(group)
        found = [] if buffer is None else buffer[:, 8:].copy().view(np.int64)[:, 0].tolist()
        expected = {slot: count for (at, slot), count in counts.items() if at == group}
        assert {slot: count for slot, count in enumerate(found) if count} == expected
    assert all(buffer is None or (buffer == copy).all() for buffer, copy in frozen)
