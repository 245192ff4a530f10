"""Formats names and numbers for the sentences that explain the state of a job."""

from __future__ import annotations

from sabotnb.metrics.job_metrics import VertexMetrics
from sabotnb.text_limits import FINDING_NAME, cut


def listed(vertices: list[VertexMetrics]) -> str:
    """Join the names of vertices."""
    names = [short(written(vertex)) for vertex in vertices]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def written(vertex: VertexMetrics, operator: str = "") -> str:
    """Return the name that the user knows of an operator, by default the first of ``vertex``.

    The optimizer adds first phases, whose names the user did not write.
    """
    name = operator or vertex.id
    return next((operator.part_of for operator in vertex.operators if operator.id == name and operator.part_of), name)


def short(name: str) -> str:
    """Shorten a long name."""
    return cut(name, FINDING_NAME)


def row_count(count: float) -> str:
    """Format a number of rows."""
    return "1 row" if round(count) == 1 else f"{count:,.0f} rows"


def rounded(count: float) -> float:
    """Round to two digits, so that a sentence does not change with each report."""
    return float(f"{count:.1e}")


def percent(share: float) -> str:
    """Format a share in steps of five percent, so that a sentence does not change with each report."""
    return f"{round(share * 20) * 5} %"


def exact_percent(share: float) -> str:
    """Format a share in steps of one percent."""
    return "less than 1 %" if share < 0.01 else f"{share * 100:.0f} %"


def megabytes(nbytes: int) -> str:
    """Format bytes in MB with two digits."""
    return f"{float(f'{nbytes / (1 << 20):.1e}'):,g} MB"


def duration(seconds: float) -> str:
    """Format seconds in the largest fitting unit."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"
