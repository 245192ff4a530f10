"""Merge two adjacent projections, and remove a projection that changes nothing."""

from __future__ import annotations

from sabotnb.expr import column_name, substitute
from sabotnb.graph import Project
from sabotnb.plan.expressions import column_uses, is_cheap, is_renaming
from sabotnb.plan.graph_draft import GraphDraft
from sabotnb.plan.graph_rewrite import Known, OperatorRule, RewriteStep, keeps_hint, sole_reader


def _merge(graph: GraphDraft, name: str, _: Known) -> RewriteStep | None:
    """Substitute the expressions of the upper projection into the lower one, unless that computes one of them twice."""
    upper = graph.operators[name]
    edge = sole_reader(graph, upper.id)
    lower = graph.operators[edge.down] if edge else None
    if lower is None or (upper.placed and lower.placed):
        return None
    if not isinstance(upper.spec, Project) or not isinstance(lower.spec, Project):
        return None
    computed = dict(upper.spec.columns)
    uses = column_uses(expr for _, expr in lower.spec.columns)
    if any(uses[name] > 1 and not is_cheap(expr) for name, expr in computed.items()):
        return None
    merged = Project(tuple((name, substitute(expr, computed)) for name, expr in lower.spec.columns))
    kept, gone = (upper, lower) if upper.placed else (lower, upper)
    if gone is upper and not keeps_hint(graph, upper.id):
        return None
    graph.set_spec(kept.id, merged)
    graph.remove(gone.id)
    return RewriteStep("merge projections", kept.id, f"{gone.id} joined {kept.id}", 2, 1, (gone.id,))


merge_projects = OperatorRule(_merge)


def _merge_renamings(graph: GraphDraft, name: str, known: Known) -> RewriteStep | None:
    """Merge projections that only rename before filters pass them; the result is that of merging them afterwards."""
    edge = sole_reader(graph, name)
    if edge is None or not is_renaming(graph.operators[name].spec):
        return None
    return _merge(graph, name, known) if is_renaming(graph.operators[edge.down].spec) else None


merge_renamings = OperatorRule(_merge_renamings)


def _drop(graph: GraphDraft, name: str, _: Known) -> RewriteStep | None:
    """Remove a projection that returns the columns of its input in their order."""
    operator = graph.operators[name]
    if not isinstance(operator.spec, Project) or operator.placed:
        return None
    above = graph.inputs(operator.id)[0]
    if above.side is not None or not keeps_hint(graph, operator.id):
        return None
    same = [column_name(expr) == name for name, expr in operator.spec.columns]
    if all(same) and graph.schemas()[above.up].names == [name for name, _ in operator.spec.columns]:
        graph.remove(operator.id)
        return RewriteStep("drop identity", operator.id, f"{operator.id} changed nothing", 1, 0, (operator.id,))
    return None


drop_identity = OperatorRule(_drop)
