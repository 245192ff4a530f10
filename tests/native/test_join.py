"""Pairs of a join against two loops."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.native.join import Matches, Probe

MISSING = 0xFFFFFFFF
FIRST = np.array([0, 4, 4, 6], np.int64)
SLOTS = st.lists(st.sampled_from([0, 1, 2, 3, MISSING]), max_size=30)
KEYS = st.lists(st.sampled_from([(0, 0), (0, 3), (2, 0), (2, 1), (1, MISSING)]), max_size=30)


@given(built=SLOTS, probing=SLOTS, outer=st.booleans(), limit=st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_pieces_are_the_pairs_of_two_loops(built, probing, outer, limit):
    matches = Matches(np.array(built, np.uint32), np.array([0, 4]))
    known = [slot if slot in built else MISSING for slot in probing]
    probe = Probe(matches, np.array(known, np.uint32), outer)
    pieces = list(iter(lambda: probe.next(limit), None))
    expected = []
    for i, slot in enumerate(known):
        partners = [j for j, other in enumerate(built) if other == slot != MISSING]
        expected += [(i, j) for j in partners] or ([(i, -1)] if outer else [])
    assert [pair for left, right in pieces for pair in zip(left.tolist(), right.tolist(), strict=True)] == expected
    assert all(len(left) == limit for left, _ in pieces[:-1])
    met = {slot for slot in known if slot != MISSING}
    assert matches.unmatched().tolist() == [j for j, slot in enumerate(built) if slot not in met and slot != MISSING]


@given(built=KEYS, probing=KEYS, outer=st.booleans())
@settings(max_examples=50, deadline=None)
def test_keys_of_several_groups_are_apart(built, probing, outer):
    def columns(keys):
        return np.array([slot for _, slot in keys], np.uint32), np.array([group for group, _ in keys], np.uint16)

    def numbers(keys):
        return np.array([MISSING if slot == MISSING else FIRST[group] + slot for group, slot in keys], np.uint32)

    slots, groups = columns(built)
    matches, alike = Matches(slots, FIRST, groups), Matches(numbers(built), np.array([0, 6]))
    slots, groups = columns(probing)
    probe, other = Probe(matches, slots, outer, groups), Probe(alike, numbers(probing), outer)
    assert repr(probe.next(1000)) == repr(other.next(1000))
    assert matches.matched.tolist() == alike.matched.tolist()
    assert matches.unmatched().tolist() == alike.unmatched().tolist()
