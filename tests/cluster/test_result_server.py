"""Many clients that wait for results of one agent."""

import asyncio
from threading import enumerate as threads

import pyarrow as pa
import pytest

from sabotnb.cluster.result_server import ENCODERS, ResultServer
from sabotnb.config import Config
from sabotnb.errors import StaleMessage
from sabotnb.protocol.elements import Batch
from sabotnb.protocol.ids import FIRST_EPOCH, RunId
from sabotnb.task.result_buffers import Results

ROW = pa.record_batch({"x": [1]})
WAITING = 100
RUN = RunId("job", 1)


class Agent:
    def __init__(self):
        self.results, self.pulls = Results(Config()), ResultServer()

    def open(self, index):
        return self.results.open(RUN, "sink", index, lambda: None)

    async def pull(self, index, seq=0, wait=60):
        answer = await self.pulls.answer(self.results, RUN, "sink", index, seq, FIRST_EPOCH, 1 << 20, FIRST_EPOCH, wait)
        following, payloads, ended, *_ = answer
        return following, [row for data in payloads for row in pa.ipc.open_stream(data).read_all().to_pylist()], ended


@pytest.fixture
def agent():
    agent = Agent()
    yield agent
    agent.pulls.close()


def test_waiting_takes_no_thread_and_keeps_nobody_from_being_answered(agent):
    async def run():
        quiet = [agent.open(index) for index in range(WAITING)]
        waiting = [asyncio.create_task(agent.pull(index)) for index in range(WAITING)]
        agent.open(WAITING).put(Batch(ROW, 8))
        assert await agent.pull(WAITING) == (1, [{"x": 1}], False)
        assert not any(task.done() for task in waiting)
        assert sum(thread.name.startswith("sabot-pull") for thread in threads()) <= ENCODERS
        for buffer in quiet:
            buffer.end()
        assert await asyncio.gather(*waiting) == [(0, [], True)] * WAITING

    asyncio.run(run())


def test_waits_for_rows_of_a_task_that_is_not_deployed_yet(agent):
    async def run():
        waiting = asyncio.create_task(agent.pull(0))
        assert await agent.pull(1, wait=0) == (0, [], False)
        await asyncio.to_thread(lambda: agent.open(0).put(Batch(ROW, 8)))
        assert await waiting == (1, [{"x": 1}], False)

    asyncio.run(run())


def test_a_release_ends_the_waiting(agent):
    async def run():
        waiting = asyncio.create_task(agent.pull(0))
        assert await agent.pull(1, wait=0) == (0, [], False)
        agent.results.release(RUN)
        assert await waiting == (0, [], False)
        with pytest.raises(StaleMessage, match="released"):
            await agent.pull(0)

    asyncio.run(run())


def test_a_closed_agent_gives_nothing(agent):
    async def run():
        agent.open(0).put(Batch(ROW, 8))
        agent.pulls.close()
        assert await agent.pull(0) == (0, [], False)

    asyncio.run(run())
