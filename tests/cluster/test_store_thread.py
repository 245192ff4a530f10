"""What is handed over to the job store is written in order, once it answers."""

import asyncio
import logging
import shutil

import pytest
from held_stores import locked_store, seize
from stored_runs import RUN, checkpointed, cut

from sabotnb.cluster.store_thread import StoreThread
from sabotnb.errors import JobTakenOver, StoreUnavailable
from sabotnb.protocol import JobState


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/store/jobs.sqlite"


def with_store(url, act):
    """Run ``act`` with a thread that owns the job of ``RUN``; returns the jobs that it was told to be lost."""
    lost = []

    async def run():
        thread = StoreThread(url, lost.append)
        await thread.call(lambda store: store.claim(RUN.job))
        try:
            await act(thread)
        finally:
            await thread.close(10.0)

    asyncio.run(run())
    return lost


def test_what_a_store_that_does_not_answer_missed_is_written_before_the_next_call(url, caplog, impatient):
    async def act(thread):
        locked = locked_store(url)
        thread.write(RUN.job, lambda store: store.begin(RUN, checkpointed()))
        thread.write(RUN.job, lambda store: store.record(RUN, JobState.RUNNING, 1))
        with pytest.raises(StoreUnavailable, match="locked by another process"):
            await thread.call(lambda store: store.store_cut(cut(1)), RUN.job)
        locked.close()
        await thread.call(lambda store: store.store_cut(cut(2)), RUN.job)
        recorded.append(await thread.call(lambda store: (store.last_run(RUN.job).state, store.cuts(RUN))))

    recorded = []
    with caplog.at_level(logging.WARNING):
        assert with_store(url, act) == []
    assert recorded == [(JobState.RUNNING, [cut(2)])]
    assert "a change of job 'hours' is recorded later: the job store" in caplog.text


def test_a_write_that_is_wrong_does_not_keep_others_waiting(url, caplog):
    async def act(thread):
        thread.write(RUN.job, lambda store: store.record(RUN, JobState.RUNNING, 1))  # a run that did not begin
        thread.write(RUN.job, lambda store: store.unknown())
        thread.write(RUN.job, lambda store: store.begin(RUN, checkpointed()))
        thread.write(RUN.job, lambda store: store.begin(RUN, checkpointed()))
        assert (await thread.call(lambda store: store.last_run(RUN.job))).run == RUN

    assert with_store(url, act) == []
    assert "has no run hours@1" in caplog.text


def test_a_job_is_lost_by_whatever_write_another_owner_refuses(url):
    for write in (
        lambda thread: thread.write(RUN.job, lambda store: store.record(RUN, JobState.RUNNING, 1)),
        lambda thread: thread.call(lambda store: store.grant(RUN, 2), RUN.job),
        lambda thread: thread.call(lambda store: store.claim(RUN.job), RUN.job),
    ):

        async def act(thread, write=write):
            thread.write(RUN.job, lambda store: store.begin(RUN, checkpointed()))
            await thread.location()
            other = seize(url, RUN.job)
            if (answer := write(thread)) is not None:
                with pytest.raises(JobTakenOver):
                    await answer
            await thread.call(lambda store: store.runs())
            other.close()

        assert with_store(url, act) == [RUN.job]
        shutil.rmtree(url.removeprefix("sqlite:///").removesuffix("/jobs.sqlite"))
