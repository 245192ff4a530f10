"""``Sink``: an output of a stream. It is a description, like the stream, until ``run`` starts a job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sabotnb.api import env as envs
from sabotnb.api import views
from sabotnb.api.boundary import boundary, folding
from sabotnb.api.env import Env
from sabotnb.api.handles.job import Job
from sabotnb.api.handles.savepoints import StartFrom
from sabotnb.api.running import submission
from sabotnb.api.running.checkpointing import ALWAYS, Checkpointing
from sabotnb.api.running.late_files import FILES_AT_THE_END, writes_at_the_end
from sabotnb.api.running.lowering import lower
from sabotnb.api.stream_node import naming
from sabotnb.api.verbs.targets import Target
from sabotnb.api.verbs.verb_options import Duration
from sabotnb.display import operator_labels
from sabotnb.errors import GraphError
from sabotnb.foreign import Hinted
from sabotnb.graph import JobGraph


@boundary
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sink(Hinted):
    """An output of a stream. Nothing is computed before ``run``."""

    target: Target

    def named(
        self,
        name: str | None = None,
        *,
        parallelism: int | None = None,
        tags: str | Iterable[str] = (),
        slot_group: str = "default",
    ) -> Sink:
        """Set the name and the placement of the sink."""
        return Sink(self.target.named(naming(name, parallelism, tags, slot_group)))

    def run(
        self,
        name: str | None = None,
        *,
        parallelism: int | None = None,
        placement: str = submission.ROUND_ROBIN,
        optimize: bool = True,
        checkpoint: Checkpointing | Duration | None = ALWAYS,
        start_from: StartFrom = None,
        drop_state: str | Sequence[str] = (),
        fresh: bool = False,
        env: Env | None = None,
    ) -> Job:
        """Start a job for this sink alone, on ``env`` or the newest one; returns at once.

        ``parallelism``: tasks per operator; default: the number of worker processes. ``placement`` chooses agents by
        round_robin, least_loaded, resource_aware or locality. ``optimize=False`` runs the graph as it was described,
        to see what the optimizer changes. ``checkpoint`` says how often the run saves what it needs to go on after a
        failure (``sb.checkpoint``, or a time such as ``"10s"``); None: never.
        A job without a name is named after its cell. If a job of this name
        still runs, ``run`` attaches to it if its graph is the same. A changed job goes on with the state and the output
        of the running one, which is stopped with a savepoint if it takes checkpoints, and replaced otherwise: operators
        are found by their names. ``run`` waits until it has begun. ``fresh=True`` begins from nothing.

        ``start_from``: a savepoint, its path, or the number or name of a checkpoint of the job of this name: the run
        goes on with the state of the operators that have the same ids, at any parallelism; those without state in it
        begin empty. Operators of it that the stream does not have any more must be named in ``drop_state``; those named
        there that it has begin empty.

        Raises:
            CheckpointError: there is no such checkpoint, or its state does not fit the stream.
            EnvError: no env is open; InsufficientSlots: the cluster has too few slots.
            SinkError: the output cannot be written there.
            JobNameTaken: another session that is connected runs a job of this name.
        """
        options = submission.RunOptions(
            parallelism, placement, optimize, checkpoint, start_from, _names(drop_state), fresh
        )
        return submission.run_targets(envs.needed(env), name, [self.target], options)

    def explain(self) -> str:
        """Return the graph as described, as optimized with statistics of each rule, and as it would be deployed."""
        return views.explained(self.target.flow, optimize=True)

    def to_job_graph(self) -> JobGraph:
        """Return the job graph that would run, as plain data."""
        return lower([self.target.flow]).graph

    def __repr__(self) -> str:
        spec = self.target.flow.node.spec
        when = f"; {FILES_AT_THE_END}" if writes_at_the_end(self.target) else ""
        return f"Sink {operator_labels.brief(spec)}: not started, add .run(){when}"


@folding
def run(
    name: str | None = None,
    *sinks: Sink,
    parallelism: int | None = None,
    placement: str = submission.ROUND_ROBIN,
    optimize: bool = True,
    checkpoint: Checkpointing | Duration | None = ALWAYS,
    start_from: StartFrom = None,
    drop_state: str | Sequence[str] = (),
    fresh: bool = False,
    env: Env | None = None,
) -> Job:
    """Start one job with several sinks; operators that they share run once. See ``Sink.run``."""
    if name is not None and not isinstance(name, str):
        raise GraphError(f"run takes a name first, not {type(name).__name__}: sb.run('name', sink, ...), or sink.run()")
    if not sinks:
        raise GraphError("nothing to run: give at least one sink, as in sb.run('name', stream.sink_parquet('out'))")
    strange = [sink for sink in sinks if not isinstance(sink, Sink)]
    if strange:
        raise GraphError(f"run takes sinks, not {type(strange[0]).__name__}; end the stream: .sink_parquet('out')")
    targets = [sink.target for sink in sinks]
    options = submission.RunOptions(parallelism, placement, optimize, checkpoint, start_from, _names(drop_state), fresh)
    return submission.run_targets(envs.needed(env), name, targets, options)


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
