"""Control messages as bytes: pickled, but readable only as plain data of the protocol room.

Functions and exceptions of users travel inside as opaque bytes (blobs, ``Failure.pickled``). Reading a message never
imports or calls anything outside the classes listed here, so neither the scheduler nor an agent's loop can run into a
module that it does not have.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from sabotnb.errors import ProtocolError

ROOMS = ("sabotnb.protocol.", "sabotnb.metrics.")


class _PlainData(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.startswith(ROOMS):
            return super().find_class(module, name)
        raise ProtocolError(f"a control message holds a {module}.{name}; only plain data may travel")


def dumps(message: Any) -> bytes:
    """The bytes of a protocol object. What is not plain data fails in ``loads``, on the other side."""
    return pickle.dumps(message, protocol=5)


def loads(data: bytes) -> Any:
    """The object that ``dumps`` was given; ProtocolError if it holds anything but plain data."""
    return _PlainData(io.BytesIO(data)).load()
