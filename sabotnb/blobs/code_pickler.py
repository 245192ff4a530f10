"""Pickle functions with their sources, so that tracebacks of a copy name and show the lines that the user wrote."""

from __future__ import annotations

import io
from types import CodeType
from typing import Any

import cloudpickle
import pyarrow as pa

from sabotnb.blobs.travel import arrive, sources_of
from sabotnb.pickling import reduced_array


def dumps(content: Any) -> bytes:
    """Pickle a function or a value with the sources of all code in it; raises what pickling it raises."""
    file = io.BytesIO()
    pickler = _CodePickler(file)
    pickler.dump(_WithSources(content, pickler.files))
    return file.getvalue()


class _CodePickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """cloudpickle, except that code keeps the name of its file, which cloudpickle drops since 3.1.3.

    ``files`` collects the names of these files.
    """

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.files: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, pa.Array):  # also inside tables and batches
            return reduced_array(obj)
        if not isinstance(obj, CodeType):
            return super().reducer_override(obj)
        self.files.add(obj.co_filename)
        _, parts = self.dispatch_table[CodeType](obj)
        return _code, (obj.co_filename, parts)


def _code(filename: str, parts: tuple[Any, ...]) -> CodeType:
    return CodeType(*parts).replace(co_filename=filename)


class _WithSources:
    """Pickles as a call of ``arrive``, so that unpickling returns the content and registers its sources."""

    def __init__(self, content: Any, files: set[str]) -> None:
        self._content = content
        self._files = files

    def __reduce__(self) -> tuple[Any, ...]:
        return arrive, (self._content, _Sources(self._files))


class _Sources:
    """Pickles as the sources of ``files``. It must come after the content: only then are all files collected."""

    def __init__(self, files: set[str]) -> None:
        self._files = files

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (sources_of(self._files),)
