"""A connection between two agents: a queue of frames with a thread that writes it, and a thread that reads frames.

Theory of operation. Tasks and readers only append to the queue, so no task waits for a socket. The queue needs no
limit of its own: the credit of the channels bounds the batches in it.

States: connecting (only the writer runs) -> open (both threads run) -> ended (``end_reason`` is set). A link ends once,
with the first reason: a failure to connect, an error of either thread, the end of the stream, or ``stop``. ``_end``
sets the reason under the lock, drops the queue, and shuts the socket down so that the other thread returns from its
call.

- The end is a loss unless one side has said BYE before: ``send_bye`` and ``expect_end`` set ``_bye``.
- ``_end`` may run while the writer is still connecting and there is no stream to shut down; the writer therefore looks
  at ``end_reason`` again when it has the stream.
- The socket is closed by the last of the two threads that use it. Closed earlier, its descriptor could be given to
  another socket while the other thread still reads from or writes to that number.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from threading import Condition, Lock, Thread

from sabotnb.exchange.channel import NO_LIMIT
from sabotnb.exchange.frames import Frame, FrameKind
from sabotnb.exchange.streams import ByteStream, Received

MAX_FRAMES_PER_WRITE = 64
"""More frames per write save system calls; fewer free memory sooner, as frames are freed when their write returns."""


class PeerLink:
    """Sends frames to a peer and receives frames from it; ``send`` never blocks.

    ``connect`` is called in the writing thread. ``on_frame`` is called in the reading thread and must not block; an
    exception from it ends the connection. ``on_end(lost)`` is called once when the connection has ended: ``lost`` is
    the reason, or None if one side said BYE before.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], ByteStream],
        on_frame: Callable[[Received], None],
        on_end: Callable[[str | None], None],
    ) -> None:
        self._connect = connect
        self._on_frame = on_frame
        self._on_end = on_end
        self._queue: deque[Frame] = deque()
        self._changed = Condition(Lock())
        self._stopping = False
        self._bye = False
        self._end_reason: str | None = None
        self._stream: ByteStream | None = None
        self._stream_users = 1
        self._reader = Thread(target=self._read, name=f"{name}-read", daemon=True)
        self._writer = Thread(target=self._write, name=f"{name}-write", daemon=True)
        self.frames = 0
        self.nbytes = 0

    def start(self) -> None:
        """Connect, write and read in the background."""
        self._writer.start()

    @property
    def end_reason(self) -> str | None:
        """Why the connection has ended; None while it has not."""
        return self._end_reason

    def send(self, frames: Iterable[Frame]) -> None:
        """Queue frames; never blocks. After the end of the connection they are dropped."""
        with self._changed:
            if self._end_reason is None:
                self._queue.extend(frames)
                self._changed.notify()

    def expect_end(self) -> None:
        """Note that the peer said BYE: the end of the stream is not a loss."""
        self._bye = True

    def send_bye(self) -> None:
        """Let the writer end after the queued frames and BYE; call ``stop`` after it. Does not wait."""
        with self._changed:
            self._queue.append(Frame(FrameKind.BYE))
            self._stopping = self._bye = True
            self._changed.notify()

    def stop(self, deadline: float) -> None:
        """Close; waits for queued frames until ``deadline`` (of ``time.monotonic``) at most."""
        self._writer.join(max(0.0, deadline - time.monotonic()))
        self._end("this agent stopped")
        if self._reader.ident is not None:
            self._reader.join(max(0.0, deadline - time.monotonic()))

    def _write(self) -> None:
        try:
            self._stream = stream = self._connect()
            self._stream_users = 2
            self._reader.start()
            if self._end_reason is not None:  # ended while connecting: ``_end`` had no stream to shut down
                stream.shutdown()
            while frames := self._next():
                stream.write([buffer for frame in frames for buffer in frame.buffers()])
                self.frames += len(frames)
                self.nbytes += sum(len(frame.payload) for frame in frames)
        except Exception as error:  # noqa: BLE001 - any error ends the connection; ``on_end`` passes it on
            self._end(f"{type(error).__name__}: {error}")
        self._release_stream()

    def _next(self) -> list[Frame]:
        """Return the next frames to write; an empty list when the thread has to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping or self._end_reason is not None)
            if self._end_reason is not None:
                return []
            return [self._queue.popleft() for _ in range(min(len(self._queue), MAX_FRAMES_PER_WRITE))]

    def _read(self) -> None:
        assert self._stream is not None
        try:
            while (received := self._stream.read(NO_LIMIT)) is not None:
                self._on_frame(received)
            self._end("the peer stopped" if self._bye else "the peer closed the connection")
        except Exception as error:  # noqa: BLE001 - as in _write
            self._end(f"{type(error).__name__}: {error}")
        self._release_stream()

    def _release_stream(self) -> None:
        """Close the socket if the calling thread is the last that uses it."""
        with self._changed:
            self._stream_users -= 1
            last = self._stream_users == 0
        if last and self._stream is not None:
            self._stream.close()

    def _end(self, reason: str) -> None:
        with self._changed:
            if self._end_reason is not None:
                return
            self._end_reason = reason
            self._queue.clear()
            self._changed.notify()
        if self._stream is not None:
            self._stream.shutdown()
        self._on_end(None if self._bye else reason)
