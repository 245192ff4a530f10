"""What a job promises about its rows when a worker, or the whole cluster, is lost."""

from __future__ import annotations

from dataclasses import dataclass

from sabotnb.graph import JobGraph, Sink, Source

EXACTLY_ONCE = "exactly once"
AT_LEAST_ONCE = "at least once"
FAILS = "the job fails if a worker is lost"


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What a job promises about one kind of its output, and what a failure does to it; as text, a sentence of both."""

    promise: str
    failure: str = ""

    def __str__(self) -> str:
        return "; ".join(filter(None, (self.promise, self.failure)))


def can_resume(graph: JobGraph) -> bool:
    """True if every source can go on at a position, so that checkpoints have a use."""
    return not read_once(graph)


def guarantees(graph: JobGraph, *, checkpoints: bool = True) -> list[Guarantee]:
    """Return the guarantee of each kind of output of ``graph``: how often its rows are there after a failure.

    ``checkpoints``: the run takes them. Rows that are only collected need none.
    """
    takes = checkpoints and can_resume(graph)
    sinks = [sink.spec for sink in graph.get_sinks() if isinstance(sink.spec, Sink)]
    kinds = {_kind(sink): None for sink in sinks if sink.connector != "collect"}
    ends = any(passes_on(sink, checkpoints=takes) for sink in sinks)
    return [_of_kind(kind, graph, checkpoints=takes, ends=ends) for kind in kinds]


def passes_on(sink: Sink, *, checkpoints: bool) -> bool:
    """True if a client takes rows of ``sink`` for good, so that a job does not start again after a failure.

    Checkpoints tell what live rows and callbacks have to take back; who collects rows runs the job again instead.
    """
    return sink.pulled and (not checkpoints or sink.connector == "collect")


def _kind(sink: Sink) -> str:
    return "callback" if sink.connector == "callback" else "live rows" if sink.pulled else "files"


def _of_kind(kind: str, graph: JobGraph, *, checkpoints: bool, ends: bool) -> Guarantee:
    if kind == "files":
        return _of_files(graph, checkpoints=checkpoints, ends=ends)
    if kind == "callback":
        if checkpoints:
            again = "rows after the last checkpoint may come again after a failure"
            return Guarantee(f"callback: {AT_LEAST_ONCE}", again)
        return Guarantee("callback: each batch once", FAILS)
    if checkpoints:
        return Guarantee("live rows: those after the last checkpoint are taken back after a failure")
    return Guarantee(f"live rows: {FAILS}")


def _of_files(graph: JobGraph, *, checkpoints: bool, ends: bool) -> Guarantee:
    again = "fails" if ends else "goes on from the last checkpoint" if checkpoints else "begins again"
    after = f"a lost worker: the job {again}"
    once = read_once(graph)
    if _is_bounded(graph) and once:
        lost = "" if ends else f", and rows that {', '.join(once)} does not read again are lost"
        return Guarantee("files: whole or not at all, all of them at the end", after + lost)
    if _is_bounded(graph):
        return Guarantee(f"files: {EXACTLY_ONCE}, all of them at the end", after)
    if checkpoints:
        return Guarantee(f"files: {EXACTLY_ONCE}, new ones with every checkpoint", after)
    why = f" ({', '.join(once)} can be read only once)" if once else " (no checkpoints)"
    return Guarantee("files: whole or not at all, when the job is stopped", f"rows are lost with a worker{why}")


def _is_bounded(graph: JobGraph) -> bool:
    return all(source.spec.bounded for source in graph.get_sources() if isinstance(source.spec, Source))


def read_once(graph: JobGraph) -> list[str]:
    """Return the ids of the sources that cannot go on at a position: a job with one of them takes no checkpoints."""
    return [
        source.id for source in graph.get_sources() if isinstance(source.spec, Source) and not source.spec.reopenable
    ]
