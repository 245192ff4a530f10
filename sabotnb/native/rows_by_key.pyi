import numpy as np

def rows_by_key(groups: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """Row numbers (int64) by the group (uint16) and then the slot (uint32) of each row's key; equal ones stay in order.

    Takes memory for every slot up to the largest of each group. The GIL is released.
    """
