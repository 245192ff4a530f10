"""The rule for jobs whose rows end before a sink."""

from __future__ import annotations

from sabotnb.metrics.job_metrics import Finding, JobMetrics
from sabotnb.metrics.why.awaited_windows import PATIENCE
from sabotnb.metrics.why.vertex_loads import edges_into
from sabotnb.metrics.why.wording import row_count, short

NOTHING = "returns nothing for"
AT_THE_END = ("aggregate", "reduce", "top", "sort")
"""Kinds of operators that emit the result of bounded input when it has ended."""


def nothing_yet(job: JobMetrics) -> Finding | None:
    """Report the operator at which rows end if rows come in and none goes out."""
    if job.rows_out.rows or not job.rows_in.rows or job.started is None or job.at - job.started < PATIENCE:
        return None
    last = {vertex.id: vertex.operators[-1].id for vertex in job.vertices if vertex.operators}
    for vertex in job.vertices:  # from the sources to the sinks
        rows, upstream = vertex.into.rows, next((last.get(edge.up, "") for edge in edges_into(job, vertex)), "")
        for operator, kind in zip(vertex.operators, vertex.kinds, strict=False):
            if rows and not operator.rows:
                return _ends_at(job, operator.part_of or operator.id, kind, rows, upstream)
            rows, upstream = operator.rows, operator.id
    return None


def _ends_at(job: JobMetrics, operator: str, kind: str, rows: int, upstream: str) -> Finding | None:
    if kind in AT_THE_END and job.bounded:
        sentence = f"No rows yet: {short(operator)} emits its result when the input ends."
        return Finding("waiting", operator, sentence, "job.progress() shows how much is left")
    verb = {"filter": "lets through none of", "join": "matches none of", "map": NOTHING, "map_rows": NOTHING}.get(kind)
    if verb is None:
        return None
    sentence = f"No rows yet: {short(operator)} {verb} the {row_count(rows)} that came in."
    return Finding("waiting", operator, sentence, f"job.probe({upstream!r}) shows them" if upstream else "")
