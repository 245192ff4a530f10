"""Jobs of one cluster that would write into the same folder at once: the later one is refused when it is submitted."""

from dataclasses import replace

import pytest
from simulator import Simulator, request

from sabotnb.protocol import CutKind, JobVertex, LineageCut, RunId, SessionChanged, StoredCut


def submitted(cluster, name, outputs, bounded=True, **more):
    return cluster.submit(request(name, vertices=(JobVertex("work", 1, bounded=bounded),), outputs=outputs, **more))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"/d": False}, {"/d": False}),
        ({"/d": False}, {"/d": True}),
        ({"/d": True}, {"/d": False}),
        ({"/d": False}, {"/d/sub": True}),
        ({"/x": True, "/d/sub": False}, {"/y": False, "/d": False}),
    ],
)
def test_a_folder_that_a_running_job_needs_for_itself_is_refused(first, second):
    cluster = Simulator()
    submitted(cluster, "a", first)
    refused = submitted(cluster, "b", second)
    assert refused.error == "SinkError"
    assert refused.message.startswith("job 'a' is writing into '/d")
    assert list(cluster.machine.jobs) == ["a"]


@pytest.mark.parametrize(
    ("first", "second"), [({"/d": True}, {"/d": True}), ({"/d": False}, {"/dd": False}), ({}, {"/d": False})]
)
def test_folders_that_can_be_shared_or_differ_are_let_in(first, second):
    cluster = Simulator()
    submitted(cluster, "a", first)
    assert submitted(cluster, "b", second).how == "started"


def test_the_folder_is_free_when_its_job_is_over():
    cluster = Simulator()
    submitted(cluster, "a", {"/d": False})
    cluster.command("cancel", "a")
    assert submitted(cluster, "b", {"/d": False}).how == "started"


def replaced(first, second, **more):
    """How a changed job takes over from a run, and the state that the run is in then."""
    cluster = Simulator()
    submitted(cluster, "a", first, **more)
    previous = cluster.machine.jobs["a"]
    how = submitted(cluster, "a", second, fingerprint="changed").how
    return how, previous.stopping, previous.state.value


@pytest.mark.parametrize(
    ("first", "second", "bounded", "expected"),
    [
        ({"/d": False}, {"/d": False}, False, ("stopped, then replaces", True, "RUNNING")),
        ({"/d": True}, {"/d": False}, False, ("stopped, then replaces", True, "RUNNING")),
        ({"/d": True}, {"/d": True}, False, ("stopped", True, "RUNNING")),
        ({"/d": False}, {"/e": False}, False, ("stopped", True, "RUNNING")),
        ({}, {"/d": False}, False, ("replaced", False, "CANCELED")),
        ({"/d": False}, {"/d": False}, True, ("replaced", False, "CANCELED")),
    ],
)
def test_an_endless_run_that_writes_files_is_stopped_when_it_is_replaced(first, second, bounded, expected):
    assert replaced(first, second, bounded=bounded) == expected


def test_a_run_that_is_stopped_commits_before_the_next_begins():
    cluster = Simulator()
    submitted(cluster, "a", {"/d": False}, bounded=False)
    submitted(cluster, "a", {"/d": False}, bounded=False, fingerprint="changed")
    previous = cluster.machine.jobs["a"]
    assert submitted(cluster, "a", {"/d": False}, fingerprint="again").how == "stopped, then replaces"
    cluster.finish("a")
    assert previous.state.value == "FINISHED"
    assert previous.failure is None
    assert cluster.machine.jobs["a"].request.fingerprint == "again"
    assert cluster.state("a") == "RUNNING"


STORED = StoredCut(RunId("a", 1), 1, 3, CutKind.SAVEPOINT, 0, {}, {}, {})
FORKED = replace(STORED, run=RunId("b", 9))
LED = replace(FORKED, lineage=(LineageCut(RunId("a", 1), 1, 3),))


@pytest.mark.parametrize(("cut", "how"), [(STORED, "stopped"), (LED, "stopped"), (FORKED, "stopped, then replaces")])
def test_a_run_that_goes_on_from_the_stopped_one_replaces_none_of_its_rows(cut, how):
    cluster = Simulator()
    submitted(cluster, "a", {"/d": False}, bounded=False)
    later = submitted(cluster, "a", {"/d": False}, bounded=False, fingerprint="changed", start_from=cut)
    assert later.how == how


def test_a_run_whose_rows_no_session_takes_is_canceled():
    cluster = Simulator()
    submitted(cluster, "a", {"/d": False}, bounded=False, pulled=True, owner="gone")
    previous = cluster.machine.jobs["a"]
    cluster.feed(SessionChanged("gone", connected=False))
    submitted(cluster, "a", {"/d": False}, fingerprint="changed")
    assert previous.state.value == "CANCELED"
