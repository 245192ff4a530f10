"""Counters that a task keeps about itself."""

from sabotnb.metrics.counters import TaskCounters

__all__ = ["TaskCounters"]
