from dataclasses import replace

from figures import job, vertex

from sabotnb.api.handles.diagnosis import Why
from sabotnb.metrics import Finding


def test_a_finding_is_followed_by_what_the_job_lost_and_survived():
    again = job(vertex("read", "source sink"), restarts=1, lost="worker agent-2 was lost: it hung")
    on = "started again 1 time: worker agent-2 was lost: it hung; went on from checkpoint 4"
    assert Why.of(replace(again, goes_on_from="checkpoint 4")).note == on
    begun = "started again 1 time: worker agent-2 was lost: it hung; began at the beginning"
    assert repr(Why.of(again)) == f"no figures yet\n{begun}"
    resumed = Why.of(replace(again, lost="", goes_on_from="checkpoint 4"))
    assert resumed.note == "started again 1 time; went on from checkpoint 4"
    failing = Why.of(replace(again, checkpoint_failure="the last checkpoint failed: no room"))
    assert failing.note == f"{begun}\nthe last checkpoint failed: no room"
    assert failing._repr_html_().count("<div>") == 3
    found = job(vertex("read", "source sink"), finding=Finding("busy", "read", "It is busy.", "Wait."))
    assert repr(Why.of(found)) == "It is busy.\nWait."
