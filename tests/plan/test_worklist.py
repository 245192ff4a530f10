"""The worklist does the same rewritings, in the same order, as a loop that searches the whole graph each time."""

import pyarrow as pa
import pytest

from sabotnb.config import Config
from sabotnb.expr import col
from sabotnb.graph import Distinct, Filter, JobGraph, Project, Sink, Sort, Source, Union
from sabotnb.plan import optimize
from sabotnb.plan.graph_draft import GraphDraft
from sabotnb.plan.graph_rewrite import Known, OperatorRule, Rewrite
from sabotnb.plan.optimize import PHASES
from sabotnb.plan.worklist import Worklist

SCHEMA = pa.schema([("k", pa.int64()), ("x", pa.float64()), ("s", pa.string()), ("big", pa.int64())])
SOURCE, FILES, SINK = Source("rows", SCHEMA), Source("parquet", SCHEMA), Sink("collect")


def keep(*names, **named):
    return Project((*((name, col(name)) for name in names), *named.items()))


def plainly(graph: JobGraph):
    """Return the steps and the graph of a loop that searches the whole graph each time."""
    known, steps = Known({}, Config()), []
    for rules in PHASES:
        while rewrite := next(filter(None, (applied(rule, graph, known) for rule in rules)), None):
            graph = rewrite.graph
            steps.extend(rewrite.steps)
    return graph, tuple(steps)


def applied(rule, graph, known):
    if not isinstance(rule, OperatorRule):
        return rule(graph, known)
    draft = GraphDraft(graph)
    names = reversed(graph.topological_sort()) if rule.upwards else list(graph.operators)
    step = next(filter(None, (rule.at(draft, name, known) for name in names)), None)
    return Rewrite(draft.frozen(), (step,)) if step else None


def chain_of(job, source, *specs):
    names = [f"o{number}" for number in range(len(specs))]
    return job({"s": source, **dict(zip(names, specs, strict=True)), "out": SINK}, " > ".join(["s", *names, "out"]))


PROJECT = keep("k", "s", "big", x=col("x") * 2.0)
FILTERS = [Filter(col("k") > 3), Filter(10 // col("k") > 1), Filter(col("x") < 2.0), Filter(col("s") == "a")]
SHAPES = {
    "filters and projections": [spec for filtered in FILTERS * 3 for spec in (PROJECT, filtered)],
    "identities": [keep(*SCHEMA.names), FILTERS[0], keep(*SCHEMA.names), PROJECT, keep(*SCHEMA.names), FILTERS[3]],
    "operators that hold rows": [
        PROJECT,
        Distinct(("k",)),
        FILTERS[0],
        Sort(("k",), (False,)),
        FILTERS[3],
        keep("k"),
        FILTERS[0],
    ],
    "narrow": [PROJECT, keep("k", "x"), FILTERS[0], keep("k", y=col("k") + 1), keep("y"), Filter(col("y") > 0)],
}


@pytest.mark.parametrize("source", [SOURCE, FILES], ids=["rows", "files"])
@pytest.mark.parametrize("shape", SHAPES)
def test_of_a_chain(job, shape, source):
    graph = chain_of(job, source, *SHAPES[shape])
    optimized = optimize(graph, config=Config())
    plain, steps = plainly(graph)
    assert optimized.steps == steps
    assert optimized.graph.to_dict() == plain.to_dict()


def test_of_branches_that_meet(job):
    graph = job(
        {
            "s": SOURCE, "t": FILES, "p": PROJECT, "q": PROJECT, "f": FILTERS[0], "g": FILTERS[2], "u": Union(3),
            "n": keep("k", "s", "big", "x"), "h": FILTERS[3], "r": keep("k", "s"),
            "i": FILTERS[0], "out": SINK, "other": Sink("callback"),
        },
        "s > p > f > u:0", "t > q > g > u:1", "s > n > u:2", "u > h > r > i > out", "q > other",
    )  # fmt: skip
    optimized = optimize(graph, config=Config())
    plain, steps = plainly(graph)
    assert optimized.steps == steps
    assert optimized.graph.to_dict() == plain.to_dict()


def test_unions_of_a_loop_are_merged(job):
    graph = job(
        {"a": SOURCE, "b": SOURCE, "c": SOURCE, "d": FILES, "u": Union(2), "v": Union(2), "w": Union(2), "out": SINK},
        "a > u:0", "b > u:1", "u > v:1", "c > v:0", "v > w:0", "d > w:1", "w > out",
    )  # fmt: skip
    optimized = optimize(graph)
    assert [edge.up for edge in optimized.graph.inputs("w")] == ["c", "a", "b", "d"]
    assert optimized.graph.operators["w"].spec == Union(4)
    assert [(step.rule, step.gone) for step in optimized.steps] == [("merge unions", ("v", "u"))]


def test_a_union_with_other_readers_or_a_name_is_not_merged(job):
    unions = {"u": Union(2), "v": Union(2)}
    paths = ("a > u:0", "b > u:1", "u > v:0", "c > v:1", "v > out")
    sources = {"a": SOURCE, "b": SOURCE, "c": SOURCE, "out": SINK}
    shared = job({**sources, **unions, "other": Sink("callback")}, *paths, "u > other")
    assert optimize(shared).steps == ()


@pytest.mark.parametrize(
    "spec", [Filter(col("k") != 7), keep("s", "big", "x", k=col("k") + 1)], ids=["filter", "select"]
)
def test_a_rule_that_was_tried_in_vain_is_tried_again_only_near_a_change(job, spec):
    """Each rule tries each operator once, and again near each rewriting: not n times for n rewritings."""
    tried = []
    known = Known({}, Config())
    rules = [
        OperatorRule(lambda draft, name, known, at=rule.at: tried.append(name) or at(draft, name, known), rule.upwards)
        if isinstance(rule, OperatorRule)
        else rule
        for rule in PHASES[2]
    ]
    count = 200
    worklist = Worklist(rules, chain_of(job, SOURCE, *[spec] * count), known)
    while worklist.apply_next():
        pass
    assert len(worklist.graph().operators) == 3
    assert len(tried) < 40 * count
