import pytest

from sabotnb.api.handles.status import JobStatus

LOST = "worker agent-2 was lost: it hung"


@pytest.mark.parametrize(
    ("state", "restarts", "more", "lines"),
    [
        ("RUNNING", 0, {}, []),
        ("RUNNING", 1, {"lost": LOST}, [f"started again 1 time: {LOST}; began at the beginning"]),
        (
            "RUNNING",
            1,
            {"lost": LOST, "restored": "checkpoint 4"},
            [f"started again 1 time: {LOST}; went on from checkpoint 4"],
        ),
        ("RUNNING", 0, {"checkpoint_failure": "the last checkpoint failed: no"}, ["the last checkpoint failed: no"]),
        (
            "FAILED",
            2,
            {"lost": LOST, "failure": "no"},
            ["no", f"started again 2 times: {LOST}; began at the beginning"],
        ),
        ("RESTARTING", 0, {"lost": LOST}, [f"starts again from the beginning: {LOST}"]),
        ("RESTARTING", 0, {"lost": LOST, "restored": "checkpoint 4"}, [f"starts again from checkpoint 4: {LOST}"]),
        (
            "RESTARTING",
            0,
            {"lost": LOST, "restored": "checkpoint 4", "replayed": 2.14, "replayed_rows": 208_313},
            [f"starts again from checkpoint 4, 2.1 s and about 210,000 rows before the failure: {LOST}"],
        ),
        (
            "RUNNING",
            1,
            {"lost": LOST, "restored": "checkpoint 4", "replayed": 75.0, "replayed_rows": 0},
            [f"started again 1 time: {LOST}; went on from checkpoint 4, 75 s before the failure"],
        ),
        (
            "RESTARTING",
            1,
            {"lost": LOST, "waits": "needs 2 slots"},
            ["needs 2 slots", f"starts again from the beginning: {LOST}"],
        ),
    ],
)
def test_a_status_says_what_the_job_lost_and_survived(state, restarts, more, lines):
    status = JobStatus("job", state, {state: 2}, 3, 4, restarts=restarts, **more)
    assert repr(status).splitlines()[1:] == lines
    assert all(line in status._repr_html_() for line in lines)
