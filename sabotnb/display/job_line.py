"""Renders a job as one line: its name, its state and its row counts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from sabotnb import text_limits
from sabotnb.display import theme

COLOURS = {"RUNNING": "#3b82f6", "FINISHED": "#14a394", "FAILED": "#dc4c4c", "PENDING": "#d97706"}
PASSING = "#7a8798"
"""The colour of transient states and of canceled jobs."""


def html(name: str, state: str, facts: Sequence[str], more: str) -> str:
    """Return the line as HTML, and below it ``more``: why the job waits, or why it failed."""
    title = f"<strong>{escape(text_limits.cut(name, text_limits.JOB))}</strong>"
    head = f"{title} {theme.badge(state, COLOURS.get(state, PASSING))} "
    return theme.panel(f"<div>{head}{theme.faint(' · '.join(facts))}</div>" + (theme.verbatim(more) if more else ""))
