"""Rules for sources that emit no rows."""

from __future__ import annotations

from sabotnb.metrics.job_metrics import Finding, JobMetrics
from sabotnb.metrics.why.vertex_loads import measured_sources, measured_vertices
from sabotnb.metrics.why.wording import duration, listed, short

WATERMARK_GAP = 5_000_000
"""Microseconds of event time by which a silent source must be behind to be reported."""


def watermark(job: JobMetrics) -> Finding | None:
    """Report a silent source that holds the watermark back, so that no window ends."""
    timed = [(source.watermark, source) for source in measured_sources(job) if source.watermark is not None]
    if len(timed) < 2:
        return None
    (held, silent), (ahead, _) = min(timed, key=lambda pair: pair[0]), max(timed, key=lambda pair: pair[0])
    others = (vertex for vertex in measured_vertices(job) if vertex.role != "source")
    below = [vertex.watermark for vertex in others if vertex.watermark is not None]
    advances = bool(below) and max(below) > held  # downstream has passed the silent source
    if silent.idle_since is None or ahead - held < WATERMARK_GAP or advances:
        return None
    silence, gap = duration(job.at - silent.idle_since), duration((ahead - held) / 1e6)
    sentence = (
        f"The watermark is held back by {short(silent.id)}, which has emitted no rows for {silence} "
        f"and is {gap} of event time behind."
    )
    return Finding("watermark", silent.id, sentence, 'idle="5s" on its source lets the watermark advance without it')


def idle(job: JobMetrics) -> Finding | None:
    """Report that no source emits rows."""
    sources = measured_sources(job)
    if not sources or any(source.idle_since is None for source in sources):
        return None
    since = max(source.idle_since for source in sources if source.idle_since is not None)
    silence = duration(job.at - since)
    sentence = f"No rows from {listed(sources)} for {silence}; everything read so far is processed."
    return Finding("idle", sources[0].id, sentence)
