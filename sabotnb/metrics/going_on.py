"""Says from where a job goes on after a failure, and how much of its input it reads again."""

from __future__ import annotations

from sabotnb.metrics.why.wording import duration, rounded, row_count


def going_on(checkpoint: str, seconds: float | None, rows: int | None) -> str:
    """Return ``checkpoint 7, 2.1 s and about 210,000 rows before the failure``, with the numbers that are known.

    Empty without a checkpoint: the job begins at the beginning.
    """
    if not checkpoint or seconds is None:
        return checkpoint
    time = f"{seconds:.1f} s" if seconds < 10 else duration(seconds)
    read = f" and about {row_count(rounded(rows))}" if rows else ""
    return f"{checkpoint}, {time}{read} before the failure"
