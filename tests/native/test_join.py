"""Pairs of a join against two loops."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.native.join import Matches, Probe

MISSING = 0xFFFFFFFF
SLOTS = st.lists(st.sampled_from([0, 1, 2, 3, MISSING]), max_size=30)


@given(built=SLOTS, probing=SLOTS, outer=st.booleans(), limit=st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_pieces_are_the_pairs_of_two_loops(built, probing, outer, limit):
    matches = Matches(np.array(built, np.uint32), 4)
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
