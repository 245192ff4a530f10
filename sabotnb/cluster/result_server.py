"""Answers clients that pull results from an agent; they wait for rows on the event loop, without a thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from sabotnb.errors import StaleMessage
from sabotnb.protocol import RunId
from sabotnb.task import Results

ENCODERS = 4
"""Threads that make messages of batches, which takes too long for the loop."""


Answer = tuple[int, list[bytes], bool, int, bool]
"""Of a pull: the number of the next batch, Arrow IPC streams, if no batch follows, the epoch, and if it is over."""


class ResultServer:
    """Serves any number of waiting clients."""

    def __init__(self) -> None:
        self._encoders = ThreadPoolExecutor(ENCODERS, "sabot-pull")
        self._closed = False

    async def answer(
        self,
        results: Results,
        run: RunId,
        operator: str,
        index: int,
        seq: int,
        epoch: int,
        max_bytes: int,
        since: int,
        wait: float,
    ) -> Answer:
        """Pull as ``Results.pull_nowait`` does; waits up to ``wait`` seconds for a batch or the end.

        The task need not be deployed yet. StaleMessage if the results are released; nothing if that happens while it
        waits, or the agent ends: then there may be no client left to answer.
        """
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(changed.set)

        deadline = loop.time() + wait
        with results.listening(run, operator, index, tell):
            while not self._closed:
                changed.clear()
                look = partial(results.pull_nowait, run, operator, index, seq, epoch, max_bytes, since)
                try:
                    pulled, batches = await loop.run_in_executor(self._encoders, look)
                except StaleMessage:
                    break
                left = deadline - loop.time()
                if batches or pulled.ended or pulled.over or pulled.epoch != epoch or left <= 0:
                    return pulled.next, batches, pulled.ended, pulled.epoch, pulled.over
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), left)
        return seq, [], False, epoch, False

    def close(self) -> None:
        """Answer no further requests; call it on the loop."""
        self._closed = True
        self._encoders.shutdown(wait=False)
