import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabotnb.native.rows_by_key import rows_by_key


@given(st.lists(st.tuples(st.sampled_from([0, 1, 127, 65_535]), st.integers(0, 9))))
def test_rows_are_sorted_by_group_and_slot_and_then_stay_in_order(keys):
    groups, slots = (np.array([key[i] for key in keys], kind) for i, kind in enumerate((np.uint16, np.uint32)))
    assert rows_by_key(groups, slots).tolist() == sorted(range(len(keys)), key=keys.__getitem__)


def test_each_row_has_both():
    with pytest.raises(ValueError, match="0 groups for 1 slots"):
        rows_by_key(np.zeros(0, np.uint16), np.zeros(1, np.uint32))
