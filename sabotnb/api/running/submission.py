"""Submit jobs: compile them here, run them on a cluster, and pull the rows of local sinks in threads."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import pyarrow as pa

from sabotnb import connectors, plan, text_limits
from sabotnb.api import job_naming
from sabotnb.api.handles.job import Job
from sabotnb.api.handles.savepoints import StartFrom, check_dropped, cut_to_start_from
from sabotnb.api.running.bounds import compile_bounded
from sabotnb.api.running.checkpointing import ALWAYS, Checkpointing, checkpointing_of, policy_of
from sabotnb.api.running.compiling import CompiledJob, check_outputs, sources
from sabotnb.api.running.kept_state import KeptState, kept_of_running
from sabotnb.api.running.late_files import warn_of_late_files
from sabotnb.api.running.left_state import refuse_rows_twice
from sabotnb.api.running.lowering import lower
from sabotnb.api.running.pulling import Callback, LiveRows, Puller, Take
from sabotnb.api.verbs.targets import Target
from sabotnb.api.verbs.verb_options import Duration
from sabotnb.errors import CheckpointError, GraphError
from sabotnb.execution import job_request, strategy
from sabotnb.graph import JobGraph, Operator, Sink
from sabotnb.protocol import CheckpointPolicy, RunId, StoredCut, Submitted

if TYPE_CHECKING:  # only for annotations: runs in this process need no Dask
    from sabotnb.cluster import Cluster, ClusterClient, Read


ROUND_ROBIN = "round_robin"

REPLACES = "stopped, then replaces"
_USERS_LINE = 6
"""Frames from ``warn`` to the line that called ``run``, past the two wrappers of a public method."""

NOTES = {
    "attached": "attached to the run already in progress",
    "replaced": "replaced the previous run (the graph or an option changed)",
    "stopped": "starts when the previous run is stopped and has committed its rows",
    REPLACES: "starts when the previous run is stopped and has committed its rows, "
    "which this run's output replaces when it ends: mode='append' keeps both",
    "queued": "starts when the previous run has ended",
}
"""How the header describes a run that did not simply start."""

LONGEST_NAME = 150
"""Letters of a job's name as a part of file names, where each that is not ASCII takes several."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a run; see ``Sink.run``."""

    parallelism: int | None = None
    placement: str = ROUND_ROBIN
    optimize: bool = True
    checkpoint: Checkpointing | Duration | None = ALWAYS
    start_from: StartFrom = None
    drop_state: tuple[str, ...] = ()
    fresh: bool = False


class Session(Protocol):
    """The part of an open ``Env`` that submitting needs."""

    cluster: Cluster

    @property
    def workers(self) -> int:
        """Current number of agents."""
        ...

    def known(self, run: RunId) -> Job | None:
        """Return the handle of a run that it started."""
        ...

    def remember(self, job: Job) -> Job:
        """Keep the handle of a run."""
        ...


def run_targets(session: Session, name: str | None, targets: Sequence[Target], options: RunOptions) -> Job:
    """Start one job for all ``targets``; shared operators run once. Returns as soon as the cluster has accepted it.

    Raises:
        InsufficientSlots: the cluster has too few slots for it.
        GraphError, SchemaError, SourceError, SinkError: the job cannot run, or cannot write its output.
        JobNameTaken: another session that is connected runs a job of this name.
    """
    lowered = lower([target.flow for target in targets])
    takes = {lowered.ids[target.flow.node]: target.take for target in targets if target.take is not None}
    compiled = _compiled(session, lowered.graph, options)
    warn_of_late_files(
        targets, checkpoints=options.checkpoint is not None
    )  # after the checks: an error comes before a warning
    return _run(session, name, compiled, takes, options)


def run_graph(session: Session, name: str | None, graph: JobGraph, options: RunOptions) -> Job:
    """Start a job of a graph, such as one that was read from JSON; raises what ``run_targets`` does.

    Its live sinks keep their rows here. Callbacks are refused: they are functions of the session that wrote them.
    """
    if not isinstance(graph, JobGraph):
        raise GraphError(f"{type(graph).__name__} is not a job graph; give stream.sink_parquet('out').to_job_graph()")
    for sink in graph.get_sinks():
        assert isinstance(sink.spec, Sink)
        if sink.spec.pulled and sink.spec.connector != "live":
            raise GraphError(
                f"{sink.id!r} hands its rows to a function of the session that wrote it, which no graph carries: "
                "give the graph a sink that writes files, or a live one"
            )
    return _run(session, name, _compiled(session, graph, options), {}, options)


def _compiled(session: Session, graph: JobGraph, options: RunOptions) -> CompiledJob:
    strategy(options.placement)
    return compiled_for(graph, options.parallelism, session, optimize=options.optimize)


def _run(
    session: Session, name: str | None, compiled: CompiledJob, takes: Mapping[str, Take], options: RunOptions
) -> Job:
    # a cell that runs again without drop_state is the same: the state is dropped already
    fingerprint = f"{compiled.graph.fingerprint()} {replace(options, drop_state=())}"
    if options.fresh and options.start_from is not None:
        raise CheckpointError("fresh=True begins from nothing, and start_from= from saved state: leave one of them out")
    client = session.cluster.jobs
    checkpoint = policy_of(checkpointing_of(options.checkpoint), compiled.graph, one_host=session.cluster.is_one_host)
    cut = cut_to_start_from(options.start_from, name, checkpoint.storage if checkpoint else None)

    if cut is not None:
        check_dropped(cut, options.drop_state)
    unnamed = name is None

    def start(job_name: str) -> Started:
        check_outputs(compiled.graph, job_name, client.knows)
        goes_on = None
        if cut is None and not options.fresh:
            goes_on = kept_of_running(client, job_name, compiled.graph, options.drop_state)
            if goes_on is None and not unnamed:
                refuse_rows_twice(client, job_name, compiled.graph, checkpoint)
        begins = Beginning(cut, goes_on.dropped if goes_on else options.drop_state, goes_on)
        return submit(client, job_name, compiled, fingerprint, options.placement, checkpoint, begins)

    started = (
        job_naming.started_unnamed(job_naming.job_name(), client.owner, start)
        if unnamed
        else start(_checked_name(name))
    )
    if started.how == REPLACES:
        warnings.warn(f"job {started.run.job!r} {NOTES[REPLACES]}", stacklevel=_USERS_LINE)
    known = session.known(started.run)
    if known is None:
        return session.remember(_job(started, takes))
    known.redirect(takes)
    return known


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not _is_short(name):
        written = text_limits.cut(repr(name), LONGEST_NAME)
        raise GraphError(
            f"{written} is not a job name: give a string of 1 to {LONGEST_NAME} characters, or leave it out"
        )
    return name


def _is_short(name: str) -> bool:
    """True if files can be named after a job of that name; False for half a surrogate pair, which no text has."""
    try:
        return 0 < len(quote(name, safe="")) <= LONGEST_NAME
    except UnicodeEncodeError:
        return False


def compiled_for(graph: JobGraph, parallelism: int | None, session: Session, *, optimize: bool = True) -> CompiledJob:
    """Compile for ``session``: by default, a task per worker process and operator."""
    tasks = parallelism if parallelism is not None else max(1, session.workers)
    return compile_bounded(graph, tasks, optimize=optimize)


@dataclass(frozen=True, slots=True)
class Started:
    """A run that a cluster has accepted."""

    client: ClusterClient
    run: RunId
    compiled: CompiledJob
    how: str
    """``started``, ``continued``, or one of ``NOTES``."""
    note: str = ""
    """How the header describes a run that did not simply start."""

    def batches(self, sink: str) -> Iterator[pa.RecordBatch]:
        """Iterate over the rows of a sink that the client reads, as they come; see ``ClusterClient.batches``."""
        return self.client.batches(self.run, self.compiled.vertex_of(sink), sink)

    def puller(self, sink: str, take: Callable[[Read], Any], *, one_by_one: bool = False) -> Puller:
        """Start a thread that calls ``take`` with the rows of ``sink``; see ``ClusterClient.results``."""
        client, run, vertex = self.client, self.run, self.compiled.vertex_of(sink)
        reads = partial(client.results, run, vertex, sink, one_by_one=one_by_one)
        return Puller(sink, reads, take, lambda error: client.fail(run, error))


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a new run begins from; ``drop_state`` are the operators of ``cut`` whose state is not needed.

    With ``goes_on`` it begins from a savepoint with which the running job of its name is stopped.
    """

    cut: StoredCut | None = None
    drop_state: tuple[str, ...] = ()
    goes_on: KeptState | None = None


def submit(
    client: ClusterClient,
    name: str,
    compiled: CompiledJob,
    fingerprint: str,
    placement: str = ROUND_ROBIN,
    checkpoint: CheckpointPolicy | None = None,
    begins: Beginning | None = None,
) -> Started:
    """Hand a compiled job to a cluster: a new run, or one in progress of this name and ``fingerprint``."""
    execution = _of_new_run(compiled.execution)
    request, blobs = job_request(
        name,
        execution,
        compiled.splits,
        owner=client.owner,
        fingerprint=fingerprint,
        levels=replace(compiled.levels, execution=execution),
        placement=placement,
        checkpoint=checkpoint,
    )
    begins = begins or Beginning()
    request = replace(request, start_from=begins.cut, drop_state=begins.drop_state)
    if begins.goes_on is None:
        taken = client.submit_stream_job(request, blobs)
    else:
        taken = client.edit_stream_job(request, blobs)
    return Started(client, taken.run, compiled, taken.how, _note(name, taken, begins))


def _note(job: str, taken: Submitted, begins: Beginning) -> str:
    if taken.how == "continued":
        gap = f"gap {taken.gap:.1f} s" if taken.gap is not None else "waits for slots"
        return "; ".join(["continues the previous run", *filter(None, [str(begins.goes_on or "")]), gap])
    begun = ""
    if begins.cut is not None and taken.how != "attached":
        begun = f"begins from {begins.cut.title}" + (f" of {begins.cut.run.job!r}" if begins.cut.run.job != job else "")
    return "; ".join(filter(None, (NOTES.get(taken.how, ""), begun)))


def _of_new_run(graph: plan.ExecutionGraph) -> plan.ExecutionGraph:
    """``graph`` with sinks whose hidden folders no other run has, also none of another cluster."""
    run = token_hex(4)

    def of_run(operator: Operator) -> Operator:
        spec = operator.spec
        return replace(operator, spec=connectors.with_run(spec, run)) if isinstance(spec, Sink) else operator

    vertices = {
        name: replace(vertex, operators=tuple(map(of_run, vertex.operators))) for name, vertex in graph.vertices.items()
    }
    return replace(graph, vertices=vertices)


def _job(started: Started, takes: Mapping[str, Take]) -> Job:
    """The handle, with a puller for each sink whose rows come here: to a function of ``takes``, or to live rows."""
    graph = started.compiled.graph
    live = {}
    for sink in graph.get_sinks():
        if isinstance(sink.spec, Sink) and sink.spec.connector == "live":
            live[sink.id] = LiveRows(graph.types()[sink.id], sink.spec.options["keep"])
    pullers = [started.puller(sink, rows.take) for sink, rows in live.items()]
    pullers += [started.puller(sink, Callback(take), one_by_one=True) for sink, take in takes.items()]
    bounded = all(source.bounded for source in sources(graph).values())
    return Job(started.client, started.run, pullers, live, bounded=bounded, note=started.note)
