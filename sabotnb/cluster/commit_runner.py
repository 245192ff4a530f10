"""Commits or aborts the prepared output of a job's sinks on an agent."""

from __future__ import annotations

from collections.abc import Mapping

from sabotnb import connectors
from sabotnb.errors import SabotnbError, SinkError
from sabotnb.graph import Sink
from sabotnb.plan import execution_graph_codec
from sabotnb.protocol import Commit, Committer, Failure


def publish(order: Commit, blobs: Mapping[str, bytes]) -> None:
    """Run the committer of the job's sinks; idempotent, may block on I/O. Raises what the committer raises."""
    graph = execution_graph_codec.load(order.execution, blobs)
    specs = {
        operator.id: operator.spec
        for vertex in graph.vertices.values()
        for operator in vertex.operators
        if isinstance(operator.spec, Sink) and not operator.spec.pulled
    }
    committer = connectors.committer(specs, order.run, order.epoch)
    if order.action == "abort":
        committer.abort(order.committables)
        return
    try:
        committer.commit(order.committables)
    except Exception as error:
        # An abort follows. The rows are complete and may not be reproducible, so save them, whatever was raised.
        kept = _kept(committer, order)
        known = isinstance(error, SabotnbError | OSError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        raise SinkError(f"{reason}. {kept}" if kept else reason) from error


def _kept(committer: Committer, order: Commit) -> str:
    try:
        return committer.keep(order.committables)
    except (SabotnbError, OSError) as error:
        return f"The rows could not be saved either ({error})"


def publishing_failure(order: Commit, error: BaseException) -> Failure:
    """The failure to report for a commit or an abort that raised ``error``."""
    doing = "committing" if order.action == "commit" else "removing"
    about = f"{doing} the output of job {order.run.job!r}"
    if isinstance(error, SabotnbError):
        return Failure(type(error).__name__, f"{about}: {error}")
    return Failure(SinkError.__name__, f"{about} raised {type(error).__name__}: {error}: run it again")
