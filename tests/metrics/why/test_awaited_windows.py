"""What a window waits for, and what holds the watermark back, in sentences."""

from dataclasses import replace
from datetime import datetime

import pytest
from figures import NOW, edge, job, vertex

from sabotnb.metrics import TaskMetrics, Throughput, WatermarkHolder
from sabotnb.metrics.why import why
from sabotnb.metrics.why.moment_text import moments

IDLE = 'idle="5s" on its source lets the watermark advance without it'
EARLY = '.window(..., early="5s") returns results so far'


def us(text):
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp() * 1_000_000)


NOTHING = Throughput()
AT = us("1970-01-12T10:43:00") / 1e6
TEN = us("1970-01-12T10:42:00")
ELEVEN = us("1970-01-12T11:00:00")


def source(name, busy=0.1):
    return vertex(name, "source", busy=busy)


def window(awaited=ELEVEN, watermark=TEN, rows=0, **more):
    made = vertex("window_0", "window", busy=0.1)
    (operator,) = made.operators
    timed = replace(operator, rows=rows, rows_rate=0.0, awaited=awaited, watermark=watermark, **more)
    return replace(made, operators=(timed,))


def waiting(*sources, holders, window_=None, rows_out=NOTHING, **more):
    """A job of sources, a window and a sink, whose tasks report these holders by vertex."""
    edges = [replace(edge(one.id, "window_0"), port=port) for port, one in enumerate(sources)]
    made = job(*sources, window_ or window(), vertex("sink_0", "sink"), *edges, edge("window_0", "sink_0"))
    tasks = tuple(replace(task, holder=holders.get(task.vertex)) for task in made.tasks)
    at = {"at": AT, "started": AT - 9, "rows_out": rows_out, "tasks": tasks, "bounded": False}
    return replace(made, **{**at, **more})


def finding_of(metrics):
    finding = why(metrics)
    return finding.kind, finding.operator, finding.sentence, finding.advice


@pytest.mark.parametrize(
    ("metrics", "sentence", "advice"),
    [
        (
            waiting(
                source("flights"),
                source("weather"),
                holders={
                    "window_0": WatermarkHolder(1, 0, us=TEN),
                    "weather": WatermarkHolder(split="data/weather.parquet:4", us=TEN, quiet=12.0),
                    "flights": WatermarkHolder(split="data/flights.parquet:0", us=ELEVEN),
                },
            ),
            "No rows yet: window_0 waits for 11:00; the watermark is 10:42, held by weather.parquet (idle 12 s).",
            IDLE,
        ),
        (
            waiting(
                source("rate_0"),
                holders={"window_0": WatermarkHolder(0, 0, us=TEN), "rate_0": WatermarkHolder(split="rate", us=TEN)},
            ),
            "No rows yet: window_0 waits for 11:00; the watermark is 10:42.",
            EARLY,
        ),
        (
            waiting(
                source("rate_0"),
                window_=window(watermark=None),
                holders={"window_0": WatermarkHolder(0, 0), "rate_0": WatermarkHolder(split="day=1/part.csv")},
            ),
            "No rows yet: window_0 waits for 11:00; there is no watermark yet: part.csv has none.",
            EARLY,
        ),
        (
            waiting(source("rate_0"), holders={}),
            "No rows yet: window_0 waits for 11:00; the watermark is 10:42, and stands still as no input has rows.",
            EARLY,
        ),
        (
            waiting(source("rate_0", busy=0.99), holders={"window_0": WatermarkHolder(0, 0), "rate_0": None}),
            "No rows yet: window_0 waits for 11:00; the watermark is 10:42, and stands still as no input has rows.",
            EARLY,
        ),
        (
            waiting(source("rate_0"), holders={}, window_=window(rows=3), rows_out=Throughput(3)),
            "No new rows: window_0 waits for 11:00; the watermark is 10:42, and stands still as no input has rows.",
            EARLY,
        ),
    ],
)
def test_a_window_without_results_says_what_it_waits_for(metrics, sentence, advice):
    assert finding_of(metrics) == ("waiting", "window_0", sentence, advice)


@pytest.mark.parametrize(
    "metrics",
    [
        waiting(source("rate_0"), holders={}, started=AT - 4),  # has just started
        waiting(source("rate_0"), holders={}, window_=window(rows=3), rows_out=Throughput(3, rows_rate=1.0)),
        waiting(source("rate_0"), holders={}, window_=window(awaited=TEN + 9_000_000), rows_out=Throughput(3)),
        waiting(source("read", busy=0.99), holders={}, bounded=True),  # the bottleneck matters more
    ],
)
def test_a_window_that_ends_soon_is_not_reported(metrics):
    assert why(metrics).kind != "waiting"


def test_the_task_with_the_smallest_watermark_is_followed():
    made = waiting(source("read"), holders={})
    tasks = (
        TaskMetrics("window_0", 0, 0, "agent-1", 0, "RUNNING", watermark=ELEVEN, holder=WatermarkHolder(0, 0)),
        TaskMetrics("window_0", 1, 1, "agent-1", 1, "RUNNING", watermark=TEN, holder=WatermarkHolder(0, 1)),
        TaskMetrics("read", 0, 2, "agent-1", 2, "RUNNING", holder=WatermarkHolder(split="a/fast.csv")),
        TaskMetrics("read", 1, 3, "agent-1", 3, "RUNNING", holder=WatermarkHolder(split="a/slow.csv")),
    )
    assert "held by slow.csv" in why(replace(made, tasks=tasks)).sentence


@pytest.mark.parametrize(
    ("windows", "rows", "dropped"),
    [
        (0, 0, ""),
        (3, 0, "; dropped: 3 results of windows that were open"),
        (0, 1, "; dropped: 1 row of joins that waited for a partner"),
        (3, 2, "; dropped: 3 results of windows that were open and 2 rows of joins that waited for a partner"),
    ],
)
def test_a_stop_says_what_it_has_dropped(windows, rows, dropped):
    counted = {"open_windows": windows, "waiting_rows": rows}
    stopped = job(source("rate_0"), state="FINISHED", stopping=True, bounded=False, **counted)
    assert why(stopped).sentence == f"The job was stopped: 336,776 rows in, 16 rows out{dropped}."


@pytest.mark.parametrize(("share", "kind"), [(0.05, "source"), (0.07, "late")])
def test_many_late_rows_are_a_fault(share, kind):
    late = window(awaited=None, rows=5, late=7, late_share=share)
    finding = why(waiting(source("read"), holders={}, window_=late, rows_out=Throughput(5, rows_rate=1.0)))
    assert finding.kind == kind
    if kind == "late":
        assert finding.sentence == "7 % of the rows into window_0 come too late: their windows have ended."


@pytest.mark.parametrize(
    ("awaited", "watermark", "texts"),
    [
        ("1970-01-12T11:00:00", "1970-01-12T10:42:59", ("11:00", "10:42")),
        ("1970-01-12T11:00:30", "1970-01-12T10:42:59", ("11:00:30", "10:42")),
        ("1970-01-12T11:00:00", "1970-01-12T10:59:07.5", ("11:00:00", "10:59:07")),
        ("1970-01-12T11:00:00", "1970-01-12T10:59:59.25", ("11:00:00.000", "10:59:59.250")),
        ("2013-01-02T00:00:00", "2013-01-01T22:10:00", ("2013-01-02 00:00", "2013-01-01 22:10")),
        ("2013-01-01T11:00:00", "2013-01-01T08:10:00", ("2013-01-01 11:00", "08:10")),
        ("2013-01-01T11:00:00", None, ("2013-01-01 11:00", "")),
    ],
)
def test_moments_are_as_exact_as_their_distance_needs(awaited, watermark, texts):
    assert moments(us(awaited), None if watermark is None else us(watermark), NOW) == texts
