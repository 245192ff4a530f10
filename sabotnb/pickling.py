"""Pickling of plain data that travels often, and of Arrow data that users put into what travels."""

from __future__ import annotations

import copyreg
from operator import attrgetter
from typing import Any, TypeVar

import pyarrow as pa

T = TypeVar("T")


def quickly_pickled(kind: type[T]) -> type[T]:
    """Pickle instances of a dataclass with slots as a call of the class with its fields, two or more of them.

    What frozen dataclasses do by themselves, in Python and field by field, takes five times as long.
    """
    values = attrgetter(*vars(kind)["__slots__"])

    def reduced(one: T) -> tuple[type[T], tuple[Any, ...]]:
        return kind, values(one)

    copyreg.pickle(kind, reduced)
    return kind


def reduced_array(array: pa.Array) -> Any:
    """What ``array`` pickles as; of a slice only its own values, where Arrow pickles the buffers that it is part of."""
    is_part = array.get_total_buffer_size() > 2 * array.nbytes
    return (pa.concat_arrays([array]) if is_part else array).__reduce__()
