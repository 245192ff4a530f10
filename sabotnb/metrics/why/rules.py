"""The rules that explain a job: the first rule that applies to its metrics returns the finding.

Theory of operation. A rule returns a finding, or None if it does not apply or cannot tell. The order matters: a rule
relies on the rules before it having returned None.

1. Rules about the state of the job: ended, failed, waiting, restarting, paused, stopping, starting. After them, at
   least one vertex runs and has a measured load.
2. The window that an endless job without output waits for: that is what its user asks, however busy the job is.
3. Backpressure. A backpressured vertex is not the cause: it waits for a downstream vertex. The rule follows the fullest
   vertex downstream until a vertex works more than it waits, see ``bottlenecks``.
4. Without backpressure, a vertex that is busy nearly all the time.
5. Windows that wait for their end, and rows that are late.
6. Sources that hold the watermark back or emit no rows, and rows that end before a sink.
7. Jobs that are limited by their sources only, or by nothing. The last rule always applies.

Measured shares vary from report to report. So thresholds are far apart from each other and numbers are rounded: a
sentence that changes with each report cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable

from sabotnb.metrics.job_metrics import Finding, JobMetrics
from sabotnb.metrics.why.awaited_windows import first_window, late, window
from sabotnb.metrics.why.bottlenecks import busiest, held_up
from sabotnb.metrics.why.job_stages import ended, failed, paused, restarting, starting, stopping, waiting
from sabotnb.metrics.why.keeping_up import even, source
from sabotnb.metrics.why.no_output import nothing_yet
from sabotnb.metrics.why.silent_sources import idle, watermark

Rule = Callable[[JobMetrics], Finding | None]
_RULES: tuple[Rule, ...] = (
    ended,
    failed,
    waiting,
    restarting,
    paused,
    stopping,
    starting,
    first_window,
    held_up,
    busiest,
    window,
    late,
    watermark,
    nothing_yet,
    idle,
    source,
    even,
)


def why(metrics: JobMetrics) -> Finding:
    """Return the state of the job in a sentence, the operator that determines it, and advice."""
    return next(finding for rule in _RULES if (finding := rule(metrics)) is not None)
