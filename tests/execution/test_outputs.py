"""Jobs of one cluster that would write into the same folder at once: the later one is refused when it is submitted."""

import pytest
from simulator import Simulator, request


def submitted(cluster, name, outputs, **more):
    return cluster.submit(request(name, vertices=(("work", 1),), outputs=outputs, **more))


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
    assert submitted(cluster, "b", second)["how"] == "started"


def test_the_folder_is_free_when_its_job_is_over():
    cluster = Simulator()
    submitted(cluster, "a", {"/d": False})
    cluster.command("cancel", "a")
    assert submitted(cluster, "b", {"/d": False})["how"] == "started"
