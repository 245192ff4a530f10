"""What is recorded of runs and cuts is there again, in another process too."""

import signal
from dataclasses import replace

import pyarrow as pa
import pytest
from cluster_jobs import endless, mapped
from simulator import request
from store_processes import store_processes
from stored_runs import RUN, checkpointed, cut

from sabotnb.errors import JobTakenOver, StoreError
from sabotnb.execution import job_request
from sabotnb.job_store import JobStore
from sabotnb.plan import physical
from sabotnb.protocol import CheckpointPolicy, JobState, RunId, Split


@pytest.fixture
def store(url):
    opened = JobStore.open(url)
    opened.claim("hours")
    yield opened
    opened.close()


def test_a_run_is_listed_as_it_was_recorded(url, store):
    store.begin(RUN, checkpointed())
    store.record(RUN, JobState.RUNNING, 1)
    store.record(RUN, JobState.RESTARTING, 1, "agent-1 was lost")
    store.grant(RUN, 2)
    store.record(RUN, JobState.RUNNING, 2)
    (record,) = store.runs()
    assert (record.run, record.state, record.epoch, record.session) == (RUN, JobState.RUNNING, 2, "me")
    assert (record.resumable, record.lost, record.holder.owner) == (False, False, store.owner)
    assert [(row["event"], row["epoch"], row["detail"]) for row in store.events(RUN)] == [
        ("PENDING", 1, ""),
        ("RUNNING", 1, ""),
        ("RESTARTING", 1, "agent-1 was lost"),
        ("RUNNING", 2, ""),
    ]


def test_the_newest_run_of_each_job_is_listed(store):
    store.claim("other")
    for run in (RUN, RunId("other", 2), RunId("hours", 3)):
        store.begin(run, request(run.job))
    assert [record.run for record in store.runs()] == [RunId("other", 2), RunId("hours", 3)]
    assert (store.last_run("hours").run, store.last_run("none")) == (RunId("hours", 3), None)


def test_a_run_whose_request_was_not_kept_cannot_be_resumed(store):
    store.begin(RUN, checkpointed())
    assert not store.last_run("hours").resumable
    with pytest.raises(StoreError, match=r"has no request of hours@1\. Run the job again: \.run\('hours'\)"):
        store.stored_run(store.last_run("hours"))


def test_a_request_comes_back_with_its_functions_and_tables(url, store):
    graph = endless(mapped(lambda batch: batch, pa.schema({"n": pa.int64()})))
    execution = physical(graph, 2)
    splits = {"forever": (Split("a", {"row": 3}, lower_bound=-5, rows=None),)}
    made, blobs = job_request("hours", execution, splits, owner="me", fingerprint="f")
    made = replace(made, checkpoint=CheckpointPolicy(1.5, "ckpt", pause=2.0), outputs={"/out": True})
    store.begin(RUN, made)
    store.keep_request(RUN, made, blobs)
    assert store.last_run("hours").resumable
    with store_processes(url, 1) as (process,):
        stored = process.ask("stored_run", store.last_run("hours"))
    assert (stored.request, stored.blobs) == (made, blobs)


def test_a_cut_exists_once_it_is_stored_and_is_dropped_by_number(store):
    store.begin(RUN, checkpointed())
    cuts = [cut(number, name=f"c{number}", at=1.5, seconds=0.25, nbytes=1 << 40) for number in range(1, 6)]
    for stored in cuts:
        store.store_cut(stored)
    assert store.cuts(RUN) == cuts
    store.drop_cuts(RUN, [1, 2])
    assert store.cuts(RUN) == cuts[2:]


def test_nothing_is_written_about_a_job_that_is_not_ours(store):
    store.begin(RUN, checkpointed())
    store.release("hours")
    with pytest.raises(JobTakenOver):
        store.store_cut(cut(1))
    with pytest.raises(JobTakenOver):
        store.record(RUN, JobState.FINISHED, 1)
    assert (store.cuts(RUN), store.last_run("hours").state) == ([], JobState.PENDING)


def test_a_run_whose_process_was_killed_is_lost(url, store):
    with store_processes(url, 1) as (process,):
        process.ask("claim", "nightly")
        process.ask("begin", RunId("nightly", 1), checkpointed("nightly"))
        process.ask("record", RunId("nightly", 1), JobState.RUNNING, 1)
        assert [record.lost for record in store.runs()] == [False]
        process.signal(signal.SIGKILL)
        (record,) = store.runs()
    assert (record.lost, record.state, record.next_epoch) == (True, JobState.RUNNING, 2)


def test_a_kill_amid_writes_leaves_each_of_them_whole_or_absent(url, store):
    with store_processes(url, 1) as (process,):
        process.ask("claim", "nightly")
        run = RunId("nightly", 1)
        process.ask("begin", run, checkpointed("nightly"))
        for number in range(1, 500):
            process.tell("store_cut", cut(number, run))
        for _ in range(20):
            process.answer()
        process.signal(signal.SIGKILL)
    stored = [row.cut for row in store.cuts(run)]
    assert len(stored) >= 20
    assert stored == list(range(1, len(stored) + 1))


def test_the_next_epoch_is_one_that_no_process_has_begun(store):
    store.begin(RUN, checkpointed())
    assert store.last_run("hours").next_epoch == 2
    store.grant(RUN, 2)
    store.grant(RUN, 2)  # once more: the answer was lost
    store.record(RUN, JobState.RESTARTING, 1)
    assert store.last_run("hours").next_epoch == 3
    with pytest.raises(StoreError, match=r"has no run hours@9. Run the job again"):
        store.grant(RunId("hours", 9), 2)


def test_runs_that_ended_long_ago_are_dropped_but_not_their_savepoints(store):
    runs = [RunId("hours", number) for number in range(1, 5)]
    for run in runs:
        store.begin(run, checkpointed())
        store.keep_request(run, checkpointed(), {"ab": b"c"})
        store.store_cut(cut(1, run))
    store.store_cut(replace(cut(2, runs[1]), kind="savepoint"))
    for run in runs[:3]:
        store.record(run, JobState.FINISHED, 1)
    assert store.drop_ended(3600) == []
    assert [dropped.run for dropped in store.drop_ended(0)] == [runs[0], runs[2]]
    assert [len(store.cuts(run)) for run in runs] == [0, 2, 0, 1]
    assert store.events(runs[0]) == []
