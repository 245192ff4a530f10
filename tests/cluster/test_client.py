"""A running job watched and steered by a client: metrics, pause, resume, and what is said."""

from dataclasses import replace

import pyarrow as pa
import pytest
from cluster_jobs import collected, endless, line, mapped, numbers, once_waited_for, submit

from sabotnb import connectors
from sabotnb.errors import ClusterTimeout, JobError
from sabotnb.graph import Operator, Sink
from sabotnb.metrics import JobMetrics, Load
from sabotnb.protocol import RunId

pytestmark = pytest.mark.cluster

N = pa.schema({"n": pa.int64()})


def metrics_of(run) -> JobMetrics:
    return run.cluster.jobs.metrics(run.id)


@pytest.fixture
def flowing(cluster):
    """Rows come in at some hundred a second, and nothing holds them up."""
    source = Operator("ticks", connectors.rate(500), parallelism=1)
    return submit(cluster, "flowing", line(source, Operator("kept", Sink("live", {"keep": 10}))))


def test_rates_and_shares_of_a_running_job(flowing):
    metrics = flowing.wait_metrics(
        lambda it: it.rows_in.rows_rate > 100 and all(task.load != Load() for task in it.tasks)
    )
    for task in metrics.tasks:
        load = task.load
        assert load.busy + load.idle + load.backpressured == pytest.approx(1)
    assert metrics.finding is not None


def test_a_paused_job_reads_nothing_and_goes_on_where_it_was(flowing):
    jobs = flowing.cluster.jobs
    flowing.wait_metrics(lambda it: it.rows_in.rows > 0)
    assert jobs.pause(flowing.id) == "flowing is paused"
    still = flowing.wait_metrics(lambda it: it.paused and it.rows_in.rows_rate == 0)
    assert jobs.resume(flowing.id) == "flowing resumed"
    flowing.wait_metrics(lambda it: it.rows_in.rows > still.rows_in.rows and not it.paused)


@pytest.mark.parametrize(("end", "state"), [("stop", "FINISHED"), ("cancel", "CANCELED")])
def test_a_paused_job_can_be_ended(flowing, end, state):
    jobs = flowing.cluster.jobs
    jobs.pause(flowing.id)
    getattr(jobs, end)(flowing.id)
    assert flowing.wait_over(20).state == state
    assert ": nothing to pause" in jobs.pause(flowing.id)


def test_a_keyed_job_that_was_paused_has_the_whole_result(cluster):
    run = submit(cluster, "interrupted", line(numbers(300_000), mapped(_same, N), collected()))
    for kind in ("pause", "resume") * 5:
        getattr(cluster.jobs, kind)(run.id)
    assert sorted(run.table()["n"].to_pylist()) == list(range(300_000))


def _same(batch):
    return batch


def test_watching_ends_with_a_change_and_tells_of_every_run(cluster):
    first, second = (submit(cluster, name, endless(), parallelism=1) for name in ("first", "second"))
    for run in (first, second):
        run.wait_metrics(lambda it: it.state == "RUNNING")
    with once_waited_for(cluster, "second", second.cancel):
        seen = cluster.jobs.watch([first.id, second.id, RunId("unknown", 1)], 60)
    assert [one and one.state for one in seen] in (["RUNNING", end, None] for end in ("CANCELING", "CANCELED"))


def test_watching_brings_no_tasks_until_the_run_is_over(flowing):
    jobs, run = flowing.cluster.jobs, flowing.id
    flowing.wait_metrics(lambda it: it.tasks)
    assert jobs.watch([run], 0)[0].tasks == ()
    flowing.cancel()
    flowing.wait_over(20)
    assert len(jobs.watch([run], 0)[0].tasks) == len(metrics_of(flowing).tasks) > 0


def test_what_is_known_and_still_true_does_not_travel_again(flowing):
    jobs, run = flowing.cluster.jobs, flowing.id
    flowing.cancel()
    flowing.wait_over(20)
    (first,) = jobs.watch([run], 0)
    (again,) = jobs.watch([run], 0, {run: first})
    (other,) = jobs.watch([run], 0, {run: replace(first, version=first.version - 1)})
    assert again is first
    assert (other is not first, other) == (True, first)


def test_a_question_that_is_not_answered_in_time_does_not_mean_that_the_cluster_is_gone(cluster, monkeypatch):
    run = submit(cluster, "asked", endless(), parallelism=1)
    run.wait_metrics(lambda it: it.state == "RUNNING")
    with monkeypatch.context() as patience:
        patience.setattr("sabotnb.cluster.client.ANSWER_SECONDS", -59.99)
        with pytest.raises(ClusterTimeout, match=r"does not answer \(TimeoutError[^)]*\)$"):
            cluster.jobs.watch([run.id], 60)
    assert cluster.jobs.watch([run.id], 0)[0].state == "RUNNING"


def test_metrics_of_a_replaced_run_stay(cluster):
    old = submit(cluster, "changed", endless())
    old.wait_metrics(lambda it: it.rows_in.rows > 0)
    submit(cluster, "changed", line(numbers(5), collected())).table()
    metrics = metrics_of(old)
    assert (metrics.state, metrics.error.kind) == ("CANCELED", "JobReplaced")
    assert metrics.rows_in.rows > 0


def test_metrics_of_an_unknown_job_say_which_there_are(cluster):
    with pytest.raises(JobError, match="no job 'nope' on this cluster"):
        cluster.jobs.metrics("nope")


def divide(batch):
    return pa.record_batch({"n": [1 // n for n in batch["n"].to_pylist()]}, N)


def test_a_failed_job_says_where_and_with_which_rows(cluster):
    run = submit(cluster, "divide", line(numbers(10), mapped(divide, N), collected()))
    run.wait_over()
    error = metrics_of(run).error
    assert (error.kind, error.operator, error.vertex) == ("UserFunctionError", "mapped", "numbers")
    assert "1 // n for n in batch" in error.traceback
    assert error.sample == "n\n0\n1\n2\n3\n4"
    assert "sabotnb/task" in error.everything


def test_final_figures_are_exact(cluster):
    run = submit(cluster, "exact", line(numbers(1000), mapped(_same, N), collected()))
    run.table()
    run.wait()
    metrics = metrics_of(run)
    assert (metrics.rows_in.rows, metrics.rows_out.rows, metrics.progress) == (1000, 1000, 1.0)
    assert {one.id: one.rows for one in metrics.vertices[0].operators} == {
        "numbers": 1000,
        "mapped": 1000,
        "collected": 1000,
    }
