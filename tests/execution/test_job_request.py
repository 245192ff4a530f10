"""What the control plane is told about the sinks of a job."""

import pytest
from cluster_jobs import line, numbers

from sabotnb.execution.job_request import job_request
from sabotnb.graph import Operator, Sink
from sabotnb.plan import physical


@pytest.mark.parametrize(
    ("connectors", "passed_on", "restarts"),
    [(("parquet",), (), True), (("parquet", "live"), ("to_live",), False), (("live",), ("to_live",), False)],
)
def test_only_jobs_whose_rows_are_not_passed_on_restart(connectors, passed_on, restarts):
    graph = line(numbers(5))
    for connector in connectors:
        graph = graph.add_operator(Operator(f"to_{connector}", Sink(connector))).connect("numbers", f"to_{connector}")
    request, _ = job_request("job", physical(graph, 2), {}, owner="me", fingerprint="f")
    assert (request.passed_on, request.restarts) == (passed_on, restarts)
