"""Memory of the pages of keyed state, which is taken again when states come and go."""

import resource
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from sabotnb.native import KeyIndex

KEYS = pa.array(np.arange(3000))
"""Enough for a page that is cut from a chunk of 2 MB."""


def page_faults() -> Iterator[int]:
    """How many pages the system has filled with zeros for each of many states that live one after the other."""
    for _ in range(50):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        KeyIndex([pa.int64()], 1).upsert([KEYS])
        yield resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_a_state_takes_the_memory_of_the_one_that_was_dropped_before() -> None:
    assert min(page_faults()) == 0
