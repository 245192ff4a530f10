"""Aggregates that users write as classes (``sb.aggregate``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import pyarrow as pa

from sabotnb.blobs import Function, user_error
from sabotnb.errors import UserFunctionError
from sabotnb.expr import Misfit, exact_array


class UserClass:
    """One instance of the user's class per key; its exceptions are raised as UserFunctionError."""

    def __init__(self, function: Function, gives: pa.DataType) -> None:
        self._function = function
        self._class = function.load()
        self._gives = gives

    def make(self) -> Any:
        return self._asked(self._class)

    def copy(self, target: Any) -> Any:
        return self._asked(deepcopy, target)

    def add(self, target: Any, values: pa.Array) -> None:
        self._asked(target.update, values)

    def merge(self, target: Any, other: Any) -> Any:
        self._asked(target.merge, other)
        return target

    def dump(self, target: Any) -> bytes:
        """Pickle the object without its class: the job has its code, which is far larger than the state of a key."""
        from sabotnb.state.class_pickler import dumps

        data: bytes = self._asked(dumps, target, self._class)
        return data

    def restore(self, data: bytes) -> Any:
        from sabotnb.state.class_pickler import loads

        return self._asked(loads, data, self._class)

    def results(self, targets: Sequence[Any]) -> pa.Array:
        values = [self._asked(target.result) for target in targets]
        try:
            return exact_array(values, self._gives)
        except Misfit as misfit:
            raise UserFunctionError(
                f"{self._function.name} ({self._function.origin}): result() returned {misfit.what}, not "
                f"{self._gives}, which it declares: return that, or declare another type: returns = 'double'"
            ) from misfit

    def _asked(self, call: Callable[..., Any], *args: Any) -> Any:
        try:
            return call(*args)
        except Exception as error:
            raise user_error(self._function, error) from error
