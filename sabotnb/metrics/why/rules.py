"""What holds a job up, in a sentence: rules over its metrics, of which the first that applies speaks.

Backpressure has its root where it ends: at an operator that is busy itself while what is upstream waits for it.
A rule that cannot tell keeps silent, and when none can, the finding says so. All thresholds are far from each other,
so that figures that wobble do not make the sentence jump.
"""

from __future__ import annotations

from collections.abc import Callable

from sabotnb.metrics.job_metrics import Finding, JobMetrics
from sabotnb.metrics.why.bottlenecks import busiest, held_up
from sabotnb.metrics.why.job_stages import ended, failed, paused, starting, stopping, waiting
from sabotnb.metrics.why.keeping_up import even, source
from sabotnb.metrics.why.no_output import nothing_yet
from sabotnb.metrics.why.silent_sources import idle, watermark

Rule = Callable[[JobMetrics], Finding | None]
_RULES: tuple[Rule, ...] = (
    ended,
    failed,
    waiting,
    paused,
    stopping,
    starting,
    held_up,
    busiest,
    watermark,
    nothing_yet,
    idle,
    source,
    even,
)


def why(metrics: JobMetrics) -> Finding:
    """Say how the job goes, which operator decides that, and what to do about it."""
    return next(finding for rule in _RULES if (finding := rule(metrics)) is not None)
