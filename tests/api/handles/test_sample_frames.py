"""``job.samples()``: late and failing rows of a job on a cluster, also after its end."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

import sabotnb as sb
from sabotnb.errors import JobError, JobFailed, UserFunctionError

START = datetime(2024, 1, 1)


@pytest.fixture(scope="module")
def env() -> Iterator[sb.Env]:
    with sb.local(workers=1, slots=2, processes=False) as env:
        yield env


def odd(row):
    if row["x"] % 2 == 0:
        raise ValueError(f"even: {row['x']}")
    return row


class Last(sb.KeyedProcess):
    output = {"x": "int64"}

    def on_row(self, row, ctx):
        yield {"x": row["x"]}


def test_late_and_failing_rows_are_shown_with_their_reasons(env):
    rows = [{"x": x, "operator": "mine", "t": START + timedelta(minutes=m)} for x, m in enumerate([0, 30, 10, 40])]
    late = sb.Stream.from_rows(rows, event_time="t").group_by("x").process(Last)
    failing = sb.Stream.from_rows([{"x": 1}, {"x": 2}]).map_rows(odd, {"x": "int64"}, on_error="side")
    job = sb.run("samples", late.sink_live(), failing.sink_live())
    job.wait()
    found = job.samples().sort_values("kind").to_dict("records")
    assert [(row["operator"], row["kind"], row["reason"], row["x"]) for row in found] == [
        ("map_rows_0", "errors", "ValueError: even: 2", 2),
        ("process_0", "late", "late by 0:20:00", 2),
    ]
    assert list(job.samples("process")["operator_row"]) == ["mine"]
    assert list(job.samples("map").columns) == ["operator", "kind", "reason", "time", "x"]
    with pytest.raises(JobError, match="choose one of"):
        job.samples("nothing")


def test_late_rows_of_a_window_carry_its_name(env):
    minutes = [0, 30, 10, 40, 60 * 24 * 365 * 200, 41]
    rows = [{"x": x, "t": START + timedelta(minutes=m)} for x, m in enumerate(minutes)]
    stream = sb.Stream.from_rows(rows, event_time="t").group_by("x").window(sb.tumbling("5m")).agg(n=sb.count())
    job = sb.run("window_samples", stream.sink_live(), parallelism=2)
    job.wait()
    metrics = job.metrics("operator")
    assert {row.vertex: row.late for row in metrics.itertuples() if row.late} == {"window_0": 1}
    assert "window_0_partial" in " ".join(metrics["operators"])
    found = job.samples("window_0").to_dict("records")
    assert [(row["operator"], row["kind"], row["x"]) for row in found] == [("window_0", "late", 2)]
    assert job.metrics()["ahead"].sum() == 1


def test_the_row_that_ended_the_job_is_shown(env):
    job = sb.Stream.from_rows([{"x": 1}, {"x": 2}]).map_rows(odd, {"x": "int64"}).sink_live().run("fails")
    with pytest.raises((JobFailed, UserFunctionError)):
        job.wait()
    (row,) = job.samples().to_dict("records")
    assert (row["operator"], row["kind"]) == ("map_rows_0", "failed")
    assert "raised ValueError: even: 2" in row["reason"]
    assert "2" in row["row"]


def test_without_such_rows_the_frame_is_empty(env):
    job = sb.Stream.from_rows([{"x": 1}]).sink_live().run("nothing wrong")
    job.wait()
    assert list(job.samples().columns) == ["operator", "kind", "reason", "time"]
    assert len(job.samples()) == 0
