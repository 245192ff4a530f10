"""Creates the operators that a task runs from the nodes of its vertex."""

from __future__ import annotations

import pyarrow as pa

from sabotnb.graph import Operator as Node
from sabotnb.graph import specs
from sabotnb.plan import Vertex, keys_behind
from sabotnb.protocol import Operator
from sabotnb.task.host import Makers
from sabotnb.task.pulled_rows import PulledRows
from sabotnb.task.result_buffers import ResultOutput
from sabotnb.task.stage import PassThrough, Stage
from sabotnb.task.steps import Steps


def is_pulled(node: Node) -> bool:
    """True for a sink whose rows wait in ``Results`` until the client pulls them."""
    return isinstance(node.spec, specs.Sink) and node.spec.pulled


def make_stages(vertex: Vertex, makers: Makers, steps: Steps, pulled: ResultOutput | None) -> list[Stage]:
    """Create the operators of ``vertex``, of which a sink may have ``pulled`` rows.

    StepFailed if one cannot be created.
    """
    inputs = [vertex.inputs, *((schema,) for schema in vertex.schemas)]
    return [
        Stage(
            node,
            steps.run(node, "open", lambda: _make(node, schemas, makers, pulled)),  # noqa: B023 - called at once
            timed=node.id not in vertex.untimed,
            keys=keys_behind(node.spec),
            returns=returns,
        )
        for node, schemas, returns in zip(vertex.operators, inputs, [*vertex.schemas, None], strict=False)
    ]


def _make(node: Node, inputs: tuple[pa.Schema, ...], makers: Makers, pulled: ResultOutput | None) -> Operator:
    if isinstance(node.spec, specs.Source):
        return PassThrough()
    if is_pulled(node):
        return PulledRows(inputs[0], pulled)
    if isinstance(node.spec, specs.Sink):
        return makers.sink(node.spec, inputs[0])
    if isinstance(node.spec, specs.LookupJoin):
        return _lookup_join(node.spec, inputs, makers)
    return makers.operator(node.spec, inputs)


def _lookup_join(spec: specs.LookupJoin, inputs: tuple[pa.Schema, ...], makers: Makers) -> Operator:
    from sabotnb.operators.lookup_join import LookupJoinOperator  # loads the kernels of joins

    return LookupJoinOperator(spec, inputs, makers.source)
