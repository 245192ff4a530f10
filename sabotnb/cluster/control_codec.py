"""Control messages as bytes: pickled, but readable only as plain data of the protocol room.

Functions and exceptions of users travel inside as opaque bytes (blobs, ``Failure.pickled``). Reading a message calls
nothing but dataclasses, enums, tuples and histograms that the protocol and metrics rooms define, so neither the
scheduler nor an agent's loop can run into a module that it does not have, or into code that somebody else wrote.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

from sabotnb.errors import ProtocolError
from sabotnb.metrics import Histogram

ROOMS = ("sabotnb.protocol.", "sabotnb.metrics.")


class _PlainData(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.startswith(ROOMS) and "." not in name:  # with dots it may lead out of the module
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module and _is_plain(found):
                return found
        raise ProtocolError(f"a control message holds a {module}.{name}; only plain data may travel")


def _is_plain(kind: type) -> bool:
    return is_dataclass(kind) or issubclass(kind, Enum | tuple | Histogram)


def dumps(message: Any) -> bytes:
    """The bytes of a protocol object. What is not plain data fails in ``loads``, on the other side."""
    return pickle.dumps(message, protocol=5)


def loads(data: bytes) -> Any:
    """The object that ``dumps`` was given; ProtocolError if it holds anything but plain data."""
    return _PlainData(io.BytesIO(data)).load()
