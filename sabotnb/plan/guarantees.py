"""What a job promises about its rows when a worker, or the whole cluster, is lost."""

from __future__ import annotations

from sabotnb.graph import JobGraph, Operator, Sink, Source

EXACTLY_ONCE = "exactly once"
AT_LEAST_ONCE = "at least once"


def can_resume(graph: JobGraph) -> bool:
    """True if every source can go on at a position, so that checkpoints have a use."""
    return not read_once(graph)


def guarantees(graph: JobGraph, *, checkpoints: bool = True) -> list[str]:
    """Return a sentence about each kind of output of ``graph``: how often its rows are there after a failure.

    ``checkpoints``: the run takes them. Rows that are only collected need no sentence.
    """
    sinks = [sink for sink in graph.get_sinks() if isinstance(sink.spec, Sink) and sink.spec.connector != "collect"]
    kinds = {_kind(sink): None for sink in sinks}
    return [_sentence(kind, graph, checkpoints=checkpoints and can_resume(graph)) for kind in kinds]


def _kind(sink: Operator) -> str:
    assert isinstance(sink.spec, Sink)
    return "callback" if sink.spec.connector == "callback" else "live rows" if sink.spec.pulled else "files"


def _sentence(kind: str, graph: JobGraph, *, checkpoints: bool) -> str:
    bounded = all(source.spec.bounded for source in graph.get_sources() if isinstance(source.spec, Source))
    if kind == "files":
        return _of_files(graph, bounded=bounded, checkpoints=checkpoints)
    if kind == "callback":
        if checkpoints:
            return f"callback: {AT_LEAST_ONCE}; rows after the last checkpoint may come again after a failure"
        return "callback: each batch once; the job fails if a worker is lost"
    if checkpoints:
        return "live rows: those after the last checkpoint are taken back after a failure"
    return "live rows: the job fails if a worker is lost"


def _of_files(graph: JobGraph, *, bounded: bool, checkpoints: bool) -> str:
    again = "goes on from the last checkpoint" if checkpoints else "begins again"
    once = read_once(graph)
    if bounded and once:
        return (
            f"files: whole or not at all, all of them at the end; a lost worker: the job {again}, and rows that "
            f"{', '.join(once)} does not read again are lost"
        )
    if bounded:
        return f"files: {EXACTLY_ONCE}, all of them at the end; a lost worker: the job {again}"
    if checkpoints:
        return f"files: {EXACTLY_ONCE}, new ones with every checkpoint; a lost worker: the job {again}"
    why = f" ({', '.join(once)} can be read only once)" if once else " (no checkpoints)"
    return f"files: whole or not at all, when the job is stopped; rows are lost with a worker{why}"


def read_once(graph: JobGraph) -> list[str]:
    """Return the ids of the sources that cannot go on at a position: a job with one of them takes no checkpoints."""
    return [
        source.id for source in graph.get_sources() if isinstance(source.spec, Source) and not source.spec.reopenable
    ]
