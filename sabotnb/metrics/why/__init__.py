"""Explains in a sentence what limits a job, and what to do about it."""

from sabotnb.metrics.why.job_stages import stopped_early
from sabotnb.metrics.why.rules import why

__all__ = ["stopped_early", "why"]
