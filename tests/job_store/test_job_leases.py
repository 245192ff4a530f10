"""One owner per job: among many processes, after kills, sleeps and jumps of clocks."""

import os
import signal
from dataclasses import replace

import pytest
from held_stores import set_renewed
from store_processes import store_processes
from stored_runs import RUN, checkpointed, cut

from sabotnb.errors import JobTakenOver
from sabotnb.job_store import Expired, Held, JobStore, Owned
from sabotnb.job_store.owner import new_owner
from sabotnb.protocol import JobState


@pytest.fixture
def store(url):
    """A store of this process."""
    opened = JobStore.open(url)
    yield opened
    opened.close()


@pytest.fixture
def other(url):
    """Another owner of the same store, on a machine that this one cannot look at."""
    opened = JobStore.open(url, replace(new_owner(), machine="elsewhere", host="far"))
    yield opened
    opened.close()


def test_of_fifty_processes_one_owns_the_job_also_after_each_kill(url):
    with store_processes(url, 50) as processes:
        while len(processes) > 46:
            for process in processes:
                process.tell("claim", "hours")
            claims = [process.answer() for process in processes]
            winners = [
                process for process, claimed in zip(processes, claims, strict=True) if isinstance(claimed, Owned)
            ]
            (winner,) = winners
            assert {claimed.owner.pid for claimed in claims if isinstance(claimed, Held)} == {winner.pid}
            winner.signal(signal.SIGKILL)
            processes.remove(winner)


def test_two_processes_open_a_new_store_at_once(url):
    with store_processes(url, 8) as processes:
        assert [process.ask("holder", "hours") for process in processes] == [None] * 8


def test_a_job_is_claimed_once_and_released(store, other):
    assert store.claim("hours") == store.claim("hours") == Owned(1)
    held = other.claim("hours")
    assert isinstance(held, Held)
    assert (held.owner.pid, held.owner.host) == (os.getpid(), store.owner.host)
    store.release("hours")
    assert other.claim("hours") == Owned(2)


def test_an_owner_that_has_closed_its_store_owns_nothing(url, store):
    with store_processes(url, 1) as (process,):
        assert process.ask("claim", "hours") == Owned(1)
    assert store.claim("hours") == Owned(2)


def test_an_owner_that_ended_in_this_process_without_closing_owns_nothing(url, store):
    lost = JobStore.open(url)
    lost.claim("hours")
    lost.owner.end()
    lost._engine.dispose()
    assert store.claim("hours") == Owned(2)


def test_a_lease_that_looks_expired_is_claimed_after_it_was_watched(url, store, other):
    other.claim("hours")
    set_renewed(url, 60)
    seen = store.claim("hours")
    assert isinstance(seen, Expired)
    assert store.claim("hours", seen) == Owned(2)
    assert other.renew() == ["hours"]


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_clock_that_jumps_takes_no_job_from_an_owner_that_renews_it(url, store, other, jump):
    other.claim("hours")
    set_renewed(url, jump)
    seen = store.claim("hours")
    assert isinstance(seen, Expired)
    assert other.renew() == []  # while it is watched
    assert isinstance(store.claim("hours", seen), Held)


def test_a_clock_that_jumps_while_a_lease_is_watched_changes_nothing(url, store, other):
    other.claim("hours")
    set_renewed(url, 60)
    seen = store.claim("hours")
    set_renewed(url, -3600)
    assert store.claim("hours", seen) == Owned(2)


def test_an_owner_may_renew_an_old_lease_that_no_one_has_claimed(url, store, other):
    other.claim("hours")
    set_renewed(url, 3600)
    assert other.renew() == []
    assert isinstance(store.claim("hours"), Held)


def test_of_two_that_watched_the_same_lease_one_claims_it(url, store, other):
    other.claim("hours")
    set_renewed(url, 60)
    third = JobStore.open(url, replace(new_owner(), machine="third"))
    seen = [store.claim("hours"), third.claim("hours")]
    assert store.claim("hours", seen[0]) == Owned(2)
    assert isinstance(third.claim("hours", seen[1]), Held)
    third.close()


def test_a_zombie_writes_nothing_after_its_job_was_claimed(url, store):
    with store_processes(url, 1) as (zombie,):
        zombie.ask("claim", "hours")
        zombie.ask("begin", RUN, checkpointed())
        zombie.ask("store_cut", cut(1))
        zombie.signal(signal.SIGSTOP)
        set_renewed(url, 60)
        assert store.claim("hours", store.claim("hours")) == Owned(2)
        store.grant(RUN, 2)
        store.record(RUN, JobState.RUNNING, 2)
        late = (
            ("claim", "hours"),
            ("grant", RUN, 2),
            ("store_cut", cut(2)),
            ("record", RUN, JobState.FINISHED, 1),
            ("drop_cuts", RUN, [1]),
        )
        for call in late:
            zombie.tell(*call)
        zombie.signal(signal.SIGCONT)
        for _ in late:
            with pytest.raises(
                JobTakenOver, match=f"'hours' has been run by process {os.getpid()} on {store.owner.host}"
            ):
                zombie.answer()
    assert [stored.cut for stored in store.cuts(RUN)] == [1]
    assert (store.last_run("hours").state, store.last_run("hours").epoch) == (JobState.RUNNING, 2)


def test_a_token_of_an_earlier_claim_of_the_same_owner_is_stale(store):
    store.claim("hours")
    stale = JobStore(store._url, store._engine, store.owner)
    stale._tokens = dict(store._tokens)
    store.begin(RUN, checkpointed())
    store.release("hours")
    store.claim("hours")
    with pytest.raises(JobTakenOver):
        stale.store_cut(cut(1))
    store.store_cut(cut(1))
