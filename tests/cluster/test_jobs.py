"""What happens to jobs of a running cluster: canceled, failed, replaced, refused, many at once."""

import os
import signal

import pyarrow as pa
import pytest
from cluster_jobs import collected, endless, line, mapped, numbers, once_waited_for, submit, waiting_results

from sabotnb import connectors
from sabotnb.cluster import connect
from sabotnb.errors import InsufficientSlots, JobCanceled, JobError, JobFailed, JobNameTaken
from sabotnb.graph import JobGraph, Join, Operator

pytestmark = pytest.mark.cluster

N = pa.schema({"n": pa.int64()})


def backpressured(status):
    return any(row.counters.backpressured > 0 for row in status.tasks)


def free_slots(cluster):
    return sum(row["free"] for row in cluster.slots())


def test_cancel_ends_a_job_under_backpressure(cluster):
    free = free_slots(cluster)
    run = submit(cluster, "unread", endless())
    run.wait_until(backpressured)
    run.cancel()
    assert run.wait_over(10).state == "CANCELED"
    assert free_slots(cluster) == free


def test_cancel_ends_a_join_that_explodes(cluster):
    ones = pa.table({"k": pa.array([1] * 100_000, pa.int64())})
    graph = JobGraph()
    for name in ("left", "right"):
        graph = graph.add_operator(Operator(name, connectors.table(ones)))
    graph = (
        graph.add_operator(Operator("both", Join(("k",), ("k",), strategy="hash")))
        .add_operator(collected())
        .connect("left", "both", port=0)
        .connect("right", "both", port=1)
        .connect("both", "collected")
    )
    run = submit(cluster, "explosion", graph)
    run.wait_until(lambda status: any(row.counters.rows_out for row in status.tasks if row.vertex == "both"))
    run.cancel()
    assert run.wait_over(10).state == "CANCELED"


def divide(batch):
    return pa.record_batch({"n": [1 // n for n in batch["n"].to_pylist()]}, N)


def test_a_task_that_raises_fails_its_job_and_no_other(cluster):
    other = submit(cluster, "other", endless())
    run = submit(cluster, "divide", line(numbers(10), mapped(divide, N), collected()))
    with pytest.raises(JobFailed) as failed:
        run.wait()
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    assert "1 // n for n in batch" in str(failed.value)
    assert "test_jobs.py" in str(failed.value)
    assert "rows it was given:\nn\n0\n" in str(failed.value)
    assert other.status().state in ("DEPLOYING", "RUNNING")
    other.cancel()
    assert other.wait_over().state == "CANCELED"


def test_reading_the_results_of_a_failing_job_raises_its_failure(cluster):
    run = submit(cluster, "divide-read", line(numbers(10), mapped(divide, N), collected()))
    with pytest.raises(JobFailed, match="ZeroDivisionError"):
        run.table()


def test_many_jobs_run_at_once(cluster):
    runs = [
        submit(cluster, f"many-{number}", line(numbers(number + 1), collected()), parallelism=1) for number in range(20)
    ]
    assert [run.table().num_rows for run in runs] == list(range(1, 21))
    assert {run.wait().state for run in runs} == {"FINISHED"}


def test_a_job_waits_for_slots_and_says_who_holds_them(cluster):
    holders = [submit(cluster, f"holder-{number}", endless(), parallelism=4) for number in range(2)]
    waiting = submit(cluster, "waiting", line(numbers(3), collected()))
    status = waiting.status()
    assert status.state == "PENDING"
    assert status.waits == "needs 2 slots, 0 free (job 'holder-0' holds 4, job 'holder-1' holds 4)"
    for holder in holders:
        holder.cancel()
    assert waiting.table().num_rows == 3


def test_parallelism_above_all_slots_is_refused(cluster):
    with pytest.raises(InsufficientSlots, match=r"needs 99 slots.*env.scale\(25\)"):
        submit(cluster, "wide", line(numbers(3), collected()), parallelism=99)


def test_the_same_job_again_is_attached_to(cluster):
    first = submit(cluster, "same", endless())
    again = submit(cluster, "same", endless())
    assert (again.how, again.id) == ("attached", first.id)
    first.cancel()
    first.wait_over()


def test_a_changed_job_replaces_the_running_one(cluster):
    old = submit(cluster, "changed", endless())
    new = submit(cluster, "changed", line(numbers(5), collected()))
    assert new.how == "replaced"
    with pytest.raises(JobCanceled, match="replaced by a newer run"):
        old.wait()
    assert new.table()["n"].to_pylist() == [0, 1, 2, 3, 4]


def test_a_finished_job_starts_anew(cluster):
    graph = line(numbers(5), collected())
    first = submit(cluster, "twice", graph)
    first.wait()
    second = submit(cluster, "twice", graph)
    assert second.how == "started"
    assert second.table().num_rows == 5
    assert first.wait().state == "FINISHED"


def test_a_name_is_held_by_another_session_while_that_is_connected(cluster):
    other = connect(cluster.address)
    theirs = submit(other, "theirs", endless(), owner="somebody else")
    with pytest.raises(JobNameTaken, match=r"sb.attach\('theirs'\)"):
        submit(cluster, "theirs", endless())
    other.close()
    while (mine := attached(cluster, "theirs")) is None:
        continue  # the scheduler has not noticed yet
    assert mine.id == theirs.id
    mine.cancel()
    mine.wait_over()


def attached(cluster, name):
    try:
        return submit(cluster, name, endless())
    except JobNameTaken:
        return None


def test_an_unknown_job_is_named_with_those_there_are(cluster):
    with pytest.raises(JobError, match="no job 'nope' on this cluster"):
        cluster.jobs.status("nope")
    with pytest.raises(JobError, match="no job 'nope' on this cluster"):
        cluster.jobs.cancel("nope")


def test_stop_drains_an_endless_job(cluster):
    run = submit(cluster, "stopped", endless())
    taken = 0
    for batch in cluster.jobs.batches(run.id, run.vertex, "collected"):
        taken += batch.num_rows
        cluster.jobs.stop("stopped")
    assert run.wait().state == "FINISHED"
    assert taken > 0


def test_results_that_were_read_to_their_end_do_not_stay_on_the_agents(cluster):
    run = submit(cluster, "read", line(numbers(70_000), collected()))
    assert run.table().num_rows == 70_000
    assert waiting_results(cluster, "read") == [0, 0]


@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_ends_the_waiting_and_not_the_job(cluster):
    run = submit(cluster, "interrupted", endless())
    with (
        pytest.raises(KeyboardInterrupt),
        once_waited_for(cluster, "interrupted", lambda: os.kill(os.getpid(), signal.SIGINT)),
    ):
        run.wait()
    assert run.status().state in ("DEPLOYING", "RUNNING")
    run.cancel()
    run.wait_over()


def test_metrics_count_tasks_and_rows(cluster):
    run = submit(cluster, "counted", line(numbers(70_000), collected()))
    run.table()
    run.wait()
    summary = cluster.jobs.get_metrics_summary("counted")
    assert summary["jobs"] == {"FINISHED": 1}
    assert summary["tasks"] == {"FINISHED": 2}
    assert summary["uptime"] > 0


def test_a_module_that_agents_lack_is_named(cluster, tmp_path, monkeypatch):
    (tmp_path / "geo_of_mine.py").write_text("def same(batch):\n    return batch\n")
    monkeypatch.syspath_prepend(tmp_path)
    import geo_of_mine

    run = submit(cluster, "module", line(numbers(3), mapped(geo_of_mine.same, N), collected()))
    with pytest.raises(JobFailed, match=r"agent-\d+ has no module geo_of_mine .*env\.upload\('.*/geo_of_mine\.py'\)"):
        run.wait()
    cluster.upload(tmp_path / "geo_of_mine.py")
    again = submit(cluster, "module", line(numbers(3), mapped(geo_of_mine.same, N), collected()))
    assert again.table().num_rows == 3
