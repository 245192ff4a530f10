"""Encodes control messages as pickles that can only be decoded to plain data of the protocol package.

User functions and exceptions travel inside as opaque bytes (blobs, ``Failure.pickled``). Decoding calls only
dataclasses, enums, tuples and histograms that the protocol and metrics packages define. So neither the scheduler nor an
agent's event loop imports a module that it does not have, or runs foreign code.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

from sabotnb.errors import ProtocolError
from sabotnb.metrics import Histogram

PACKAGES = ("sabotnb.protocol.", "sabotnb.metrics.")


class _PlainData(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.startswith(PACKAGES) and "." not in name:  # a dotted name could lead out of the module
            kind = super().find_class(module, name)
            if isinstance(kind, type) and kind.__module__ == module and _is_plain(kind):
                return kind
        raise ProtocolError(f"a control message holds a {module}.{name}; only plain data may travel")


def _is_plain(kind: type) -> bool:
    return is_dataclass(kind) or issubclass(kind, Enum | tuple | Histogram)


def dumps(message: Any) -> bytes:
    """Encode a protocol object. Anything but plain data fails on the receiving side, in ``loads``."""
    return pickle.dumps(message, protocol=5)


def loads(data: bytes) -> Any:
    """Decode the result of ``dumps``; ProtocolError if it holds anything but plain data."""
    return _PlainData(io.BytesIO(data)).load()
