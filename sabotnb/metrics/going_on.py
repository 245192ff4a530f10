"""Says from where a job goes on after a failure."""

from __future__ import annotations

from sabotnb.metrics.why.wording import duration


def going_on(checkpoint: str, seconds: float | None) -> str:
    """Return ``checkpoint 7, 2.1 s before the failure``; without the time if it is not known.

    Empty without a checkpoint: the job begins at the beginning.
    """
    if not checkpoint or seconds is None:
        return checkpoint
    return f"{checkpoint}, {f'{seconds:.1f} s' if seconds < 10 else duration(seconds)} before the failure"
