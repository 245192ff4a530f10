"""Faster pickling of small dataclasses, and pickling of Arrow slices without the rest of their buffers."""

from __future__ import annotations

import copyreg
from operator import attrgetter
from typing import Any, TypeVar

import pyarrow as pa

T = TypeVar("T")


def quickly_pickled(kind: type[T]) -> type[T]:
    """Make instances of a dataclass with slots pickle as a call of the class with its fields.

    The default of frozen dataclasses sets each field in Python, which takes five times as long. The class needs two
    fields or more: ``attrgetter`` of one returns no tuple.
    """
    values = attrgetter(*vars(kind)["__slots__"])

    def reduced(instance: T) -> tuple[type[T], tuple[Any, ...]]:
        return kind, values(instance)

    copyreg.pickle(kind, reduced)
    return kind


def reduced_array(array: pa.Array) -> Any:
    """Return ``array.__reduce__()``, of a copy if it is a slice: Arrow would pickle the whole buffers behind it."""
    is_slice = array.get_total_buffer_size() > 2 * array.nbytes
    return (pa.concat_arrays([array]) if is_slice else array).__reduce__()
