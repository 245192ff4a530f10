"""Sort rows by key group and slot with a counting sort."""

import numpy as np

def rows_by_key(groups: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """Row numbers (int64) sorted by the group (uint16) and the slot (uint32) of each row's key; the sort is stable.

    Takes memory for every slot up to the largest of each group. The GIL is released.
    """
