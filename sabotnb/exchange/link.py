"""A connection between two agents: a queue with a thread that writes it, and a thread that reads."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from threading import Condition, Lock, Thread

from sabotnb.exchange.channel import NO_LIMIT
from sabotnb.exchange.frames import Frame, FrameKind
from sabotnb.exchange.streams import ByteStream, Received

MOST_FRAMES = 64
"""Frames written at once; their memory is freed when the write returns."""


class PeerLink:
    """Frames to and from a peer. ``send`` never blocks; the credit of its channels bounds the queue.

    ``connect`` is called in the writing thread. ``on_frame`` is called in the reading thread and must not block; what
    it raises ends the connection. ``on_end(lost)`` is called once when the connection is over, ``lost`` being the
    reason if that was before one side said BYE, else None.
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
        self._parted = False
        self._gone: str | None = None
        self._stream: ByteStream | None = None
        self._users = 1
        self._reader = Thread(target=self._read, name=f"{name}-read", daemon=True)
        self._writer = Thread(target=self._write, name=f"{name}-write", daemon=True)
        self.frames = 0
        self.nbytes = 0

    def start(self) -> None:
        """Connect, write and read in the background."""
        self._writer.start()

    @property
    def gone(self) -> str | None:
        """Why the connection is over; None while it is not."""
        return self._gone

    def send(self, frames: Iterable[Frame]) -> None:
        """Queue frames; never blocks. What is sent after the end of the connection is dropped."""
        with self._changed:
            if self._gone is None:
                self._queue.extend(frames)
                self._changed.notify()

    def part(self) -> None:
        """The peer said BYE: the end of the stream is no loss."""
        self._parted = True

    def say_bye(self) -> None:
        """Send nothing more but what is queued and BYE; then ``stop``. Does not wait."""
        with self._changed:
            self._queue.append(Frame(FrameKind.BYE))
            self._stopping = self._parted = True
            self._changed.notify()

    def stop(self, deadline: float) -> None:
        """Close; waits for what is queued, at most until ``deadline`` (of ``time.monotonic``)."""
        self._writer.join(max(0.0, deadline - time.monotonic()))
        self._end("this agent stopped")
        if self._reader.ident is not None:
            self._reader.join(max(0.0, deadline - time.monotonic()))

    def _write(self) -> None:
        try:
            self._stream = stream = self._connect()
            self._users = 2
            self._reader.start()
            if self._gone is not None:  # meanwhile: nobody has seen the stream to shut it down
                stream.shutdown()
            while frames := self._next():
                stream.write([buffer for frame in frames for buffer in frame.buffers()])
                self.frames += len(frames)
                self.nbytes += sum(len(frame.payload) for frame in frames)
        except Exception as error:  # noqa: BLE001 - whatever it is ends the connection, and is told to who uses it
            self._end(f"{type(error).__name__}: {error}")
        self._leave()

    def _next(self) -> list[Frame]:
        """Frames to write; none when there is nothing more to do."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping or self._gone is not None)
            if self._gone is not None:
                return []
            return [self._queue.popleft() for _ in range(min(len(self._queue), MOST_FRAMES))]

    def _read(self) -> None:
        assert self._stream is not None
        try:
            while (received := self._stream.read(NO_LIMIT)) is not None:
                self._on_frame(received)
            self._end("the peer stopped" if self._parted else "the peer closed the connection")
        except Exception as error:  # noqa: BLE001 - as in _write
            self._end(f"{type(error).__name__}: {error}")
        self._leave()

    def _leave(self) -> None:
        """The last of the two threads releases the socket."""
        with self._changed:
            self._users -= 1
            last = self._users == 0
        if last and self._stream is not None:
            self._stream.close()

    def _end(self, reason: str) -> None:
        with self._changed:
            if self._gone is not None:
                return
            self._gone = reason
            self._queue.clear()
            self._changed.notify()
        if self._stream is not None:
            self._stream.shutdown()
        self._on_end(None if self._parted else reason)
