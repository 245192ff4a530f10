"""Read the frames of the exchange protocol from a socket without the GIL."""

import pyarrow as pa

HEADER_BYTES: int
"""Size of a frame's header: kind and channel as uint32, length and value as uint64, little-endian."""

class FrameReader:
    """Reads frames from the file descriptor of a blocking stream socket; used by one thread.

    The socket must stay open while ``read`` runs; shutting it down ends a blocked ``read``.
    """

    def __init__(self, fd: int) -> None: ...
    def read(self, limit: int) -> tuple[int, int, int, pa.Buffer | None] | None:
        """Wait for the next frame; return its kind, channel, value and payload (None if empty). None: the peer closed.

        The GIL is released until the frame is complete. Payloads are aligned to 64 bytes.

        Raises:
            ProtocolError: a payload of more than ``limit`` bytes.
            TimeoutError: the socket has a receive timeout, and it passed.
            OSError: the connection broke.
        """
