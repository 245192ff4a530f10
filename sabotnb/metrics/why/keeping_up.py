"""Rules for jobs that no operator holds up."""

from __future__ import annotations

from sabotnb.metrics.job_metrics import Finding, JobMetrics
from sabotnb.metrics.why.bottlenecks import busiest_operator
from sabotnb.metrics.why.vertex_loads import measured_sources, measured_vertices
from sabotnb.metrics.why.wording import listed, percent, rounded, row_count, short, written

WAITING = 0.7
"""A source that has no input for this share of its time is not limited by the job."""


def source(job: JobMetrics) -> Finding | None:
    """Report that the job waits for its sources."""
    sources = measured_sources(job)
    if not sources or any(source.load.idle < WAITING for source in sources):
        return None
    emits, waits = ("emits", "waits") if len(sources) == 1 else ("emit", "wait")
    rows = row_count(rounded(job.rows_in.rows_rate))
    sentence = (
        f"{listed(sources)} {emits} about {rows} per second and mostly {waits} for input; "
        "everything downstream keeps up."
    )
    return Finding("source", sources[0].id, sentence)


def even(job: JobMetrics) -> Finding | None:
    """Report that no operator is a bottleneck; this rule always applies."""
    busiest = max(measured_vertices(job), key=lambda vertex: vertex.busiest)
    name, share = written(busiest, busiest_operator(busiest)[0]), percent(busiest.busiest)
    return Finding("even", "", f"No bottleneck: the busiest operator, {short(name)}, is busy {share} of the time.")
