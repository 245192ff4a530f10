"""Pickling a function so that tracebacks of its copy say where each line was written, and show it."""

from __future__ import annotations

import io
from types import CodeType
from typing import Any

import cloudpickle
import pyarrow as pa

from sabotnb.blobs.travel import arrive, sources_of
from sabotnb.pickling import reduced_array


def dumps(what: Any) -> bytes:
    """Pickle a function or a value with the sources of all code that goes along; whatever refuses to travel raises."""
    file = io.BytesIO()
    pickler = _CodePickler(file)
    pickler.dump(_Travelling(what, pickler.files))
    return file.getvalue()


class _CodePickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """As cloudpickle, but code keeps the name of its file, which cloudpickle drops since 3.1.3.

    ``files`` has the names of all that have been met.
    """

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.files: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, pa.Array):  # those of tables and batches, too
            return reduced_array(obj)
        if not isinstance(obj, CodeType):
            return super().reducer_override(obj)
        self.files.add(obj.co_filename)
        _, parts = self.dispatch_table[CodeType](obj)
        return _code, (obj.co_filename, parts)


def _code(filename: str, parts: tuple[Any, ...]) -> CodeType:
    return CodeType(*parts).replace(co_filename=filename)


class _Travelling:
    """Pickles as a call of ``arrive``, so that unpickling gives what travels and makes its sources known."""

    def __init__(self, what: Any, files: set[str]) -> None:
        self._what = what
        self._files = files

    def __reduce__(self) -> tuple[Any, ...]:
        return arrive, (self._what, _Sources(self._files))


class _Sources:
    """Pickles as the sources of ``files``; comes after what travels, when all of its files have been met."""

    def __init__(self, files: set[str]) -> None:
        self._files = files

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (sources_of(self._files),)
