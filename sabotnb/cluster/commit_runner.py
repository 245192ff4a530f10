"""Commits or aborts the prepared output of a job's sinks on an agent."""

from __future__ import annotations

from collections.abc import Mapping

from sabotnb import connectors
from sabotnb.errors import SabotnbError, SinkError
from sabotnb.graph import Sink
from sabotnb.plan import execution_graph_codec
from sabotnb.protocol import Commit, Committer, Failure


def commit_or_abort(instruction: Commit, blobs: Mapping[str, bytes]) -> str:
    """Run the committer of the job's sinks; idempotent, may block on I/O. Raises what the committer raises.

    Returns where an abort has saved output that could not be committed; empty if there is none.
    """
    graph = execution_graph_codec.load(instruction.execution, blobs)
    specs = {
        operator.id: operator.spec
        for vertex in graph.vertices.values()
        for operator in vertex.operators
        if isinstance(operator.spec, Sink) and not operator.spec.pulled
    }
    committer = connectors.committer(specs, instruction.run, instruction.epoch, instruction.lineage)
    if instruction.action == "check":
        committer.check(instruction.committables)
        return ""
    if instruction.action == "abort":
        saved = _saved(committer, instruction) if instruction.saves and instruction.committables else ""
        committer.abort(instruction.committables, instruction.kept)
        return saved
    if instruction.cut is not None:
        # The run goes on, and so do the prepared files: another commit of the cut finishes one that raised.
        committer.commit_cut(instruction.cut, instruction.committables)
        return ""
    try:
        committer.commit(instruction.committables)
    except Exception as error:
        # An abort follows. The rows are complete and may not be reproducible, so save them, whatever was raised. Those
        # up to a savepoint stay prepared instead: a run that goes on from it commits them.
        saved = "" if instruction.kept else _saved(committer, instruction)
        known = isinstance(error, SabotnbError | OSError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        raise SinkError(f"{reason}. {saved}" if saved else reason) from error
    return ""


_DOING = {"check": "checking", "commit": "committing", "abort": "removing"}


def _saved(committer: Committer, instruction: Commit) -> str:
    try:
        return committer.keep(instruction.committables)
    except (SabotnbError, OSError) as error:
        return f"The rows could not be saved either ({error})"


def commit_failure(instruction: Commit, error: BaseException) -> Failure:
    """The failure to report for a commit or an abort that raised ``error``."""
    about = f"{_DOING[instruction.action]} the output of job {instruction.run.job!r}"
    if isinstance(error, SabotnbError):
        return Failure(type(error).__name__, f"{about}: {error}")
    return Failure(SinkError.__name__, f"{about} raised {type(error).__name__}: {error}: run it again")
