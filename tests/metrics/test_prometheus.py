"""The metrics in the text format of Prometheus."""

from dataclasses import replace

import pytest
from figures import edge, job, vertex
from prometheus_client.parser import text_string_to_metric_families

from sabotnb.metrics import Latency, Load, TaskMetrics, Throughput
from sabotnb.metrics.prometheus import prometheus_text

TASK = TaskMetrics(
    "by",
    1,
    0,
    "agent-2",
    0,
    "RUNNING",
    Throughput(10, 2, 80),
    Throughput(5),
    Load(0.5, 0.5),
    latency=Latency(0.25, 1.5),
)


def samples(*jobs):
    """Return the values by name and labels."""
    families = text_string_to_metric_families(prometheus_text(jobs).decode())
    parsed = (sample for family in families for sample in family.samples)
    return {(sample.name, *sorted(sample.labels.items())): sample.value for sample in parsed}


def running(**more):
    return replace(job(vertex("source_0", "source"), vertex("by", "aggregate")), tasks=(TASK,), **more)


OF_TASK = (("agent", "agent-2"), ("job", "late"), ("task", "1"), ("vertex", "by"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rows_in_total", 10),
        ("batches_in_total", 2),
        ("bytes_in_total", 80),
        ("rows_out_total", 5),
        ("busy_ratio", 0.5),
        ("backpressured_ratio", 0),
        ("latency_p50_seconds", 0.25),
        ("latency_p99_seconds", 1.5),
    ],
)
def test_tasks_have_counters_and_gauges(name, value):
    assert samples(running(job="late"))[f"sabotnb_task_{name}", *OF_TASK] == value


def test_jobs_have_a_state_and_metrics():
    values = samples(running(job="late", paused=True, lag=None, progress=0.25, rows_in=Throughput(7)))
    assert values["sabotnb_job_state", ("job", "late"), ("state", "RUNNING")] == 1
    assert values["sabotnb_job_paused", ("job", "late")] == 1
    assert values["sabotnb_job_rows_in_total", ("job", "late")] == 7
    assert values["sabotnb_job_progress_ratio", ("job", "late")] == 0.25
    assert ("sabotnb_job_watermark_lag_seconds", ("job", "late")) not in values


def test_edges_have_rows_and_bytes_sent():
    sent = replace(edge("source_0", "by"), sent=Throughput(3, 0, 24), fill=0.5, queue_seconds=0.2)
    values = samples(running(job="late", edges=(sent,)))
    assert values["sabotnb_edge_bytes_total", ("edge", "source_0->by:0"), ("job", "late")] == 24
    assert values["sabotnb_edge_queue_fill_ratio", ("edge", "source_0->by:0"), ("job", "late")] == 0.5
    assert values["sabotnb_edge_queue_seconds", ("edge", "source_0->by:0"), ("job", "late")] == 0.2


def test_event_time_has_watermarks_and_late_rows_per_operator():
    by = vertex("by", "window")
    timed = replace(by, operators=(replace(by.operators[0], late=3, watermark=1_500_000),))
    sent = replace(edge("source_0", "by"), watermark=2_000_000)
    values = samples(replace(running(job="late"), vertices=(timed,), edges=(sent,)))
    of_operator = ("job", "late"), ("operator", "by")
    assert values["sabotnb_operator_late_rows_total", *of_operator] == 3
    assert values["sabotnb_operator_watermark_seconds", *of_operator] == 1.5
    assert values["sabotnb_edge_watermark_seconds", ("edge", "source_0->by:0"), ("job", "late")] == 2


def test_ended_jobs_have_no_task_metrics():
    assert {key[0].split("_")[1] for key in samples(running(state="FINISHED"))} == {"job"}


def test_names_are_escaped():
    name = 'a "quoted"\nname \\'
    assert ("sabotnb_job_paused", ("job", name)) in samples(running(job=name))


def test_without_jobs_there_are_no_samples():
    assert samples() == {}
