"""``Job``: the handle of one run of a job, to watch it, control it and wait for it."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sabotnb import plan
from sabotnb.api.boundary import boundary
from sabotnb.api.handles import metric_frames
from sabotnb.api.handles.diagnosis import Why
from sabotnb.api.handles.key_owners import key_owners
from sabotnb.api.handles.sample_frames import samples_frame
from sabotnb.api.handles.savepoints import Savepoint, checkpoints_frame
from sabotnb.api.handles.status import JobResult, JobStatus, assignment
from sabotnb.api.running.pandas_frames import pandas_frame
from sabotnb.api.running.pulling import LiveRows, Puller, Take
from sabotnb.api.verbs.verb_options import Duration, seconds
from sabotnb.errors import CheckpointError, ClusterLost, JobError
from sabotnb.ipython import shell
from sabotnb.protocol import JobState, RunId, RunStatus, ViewKind
from sabotnb.widgets import progress_bar
from sabotnb.widgets.commands import PROBE_SECONDS
from sabotnb.widgets.live_table import MOST_ROWS as LIVE_ROWS
from sabotnb.widgets.live_table import LiveTable, Seen
from sabotnb.widgets.publisher import publisher
from sabotnb.widgets.showing import showing_of

if TYPE_CHECKING:  # only for annotations: describing and previewing a stream loads neither pandas nor Dask
    import pandas as pd

    from sabotnb.cluster import ClusterClient


@boundary
class Job:
    """One run of a job on a cluster. A run may have several handles; none of them owns it.

    An interrupt or a timeout ends the waiting, never the job.
    """

    def __init__(
        self,
        client: ClusterClient,
        run: RunId,
        pullers: Sequence[Puller] = (),
        live: Mapping[str, LiveRows] | None = None,
        *,
        bounded: bool = True,
        note: str = "",
    ) -> None:
        self.name = run.job
        self.run_id = run
        """Names this run of the job, also after a restart."""
        self.bounded = bounded
        """False if a source never ends by itself: such a job ends by ``stop``, ``cancel`` or a failure."""
        self.heard = False
        """True when ``wait`` has told somebody how the run ended."""
        self._client = client
        self._final: RunStatus | None = None
        self._pullers = tuple(pullers)
        self._live = live or {}
        self._showing = showing_of(client, run, note)

    @property
    def status(self) -> JobStatus:
        """What the job is doing now; ClusterLost if the cluster does not answer."""
        return JobStatus.of(self._final or self._kept(self._client.status(self.run_id)))

    def _kept(self, status: RunStatus) -> RunStatus:
        """Return ``status``, and keep it if it is final: a cluster drops the records of runs that ended long ago."""
        if status.state.terminal:
            self._final = status
        return status

    @property
    def rows(self) -> pa.Table:
        """The last rows that the job's ``sink_live`` has received; JobError if it has several, or none."""
        return self._live[self._only_live("rows_of")].table()

    def rows_of(self, sink: str) -> pa.Table:
        """The last rows that one of several ``sink_live`` has received, by its id or a unique prefix of it."""
        sinks = self._live_named(sink)
        if len(sinks) != 1:
            names = ", ".join(map(repr, sinks or self._live)) or "none"
            raise JobError(
                f"{sink!r} could be any of {names}: write more of its name"
                if sinks
                else f"job {self.name!r} has no live sink {sink!r}; it has {names}"
            )
        return self._live[sinks[0]].table()

    def metrics(self, per: str = "task") -> pd.DataFrame:
        """Return metrics of the job: a row per ``"task"``, ``"operator"`` (or chain), ``"edge"`` or ``"channel"``.

        Totals since the start of the run, over all restarts; ``_rate`` columns per second over the last two seconds;
        ``busy``, ``idle`` and ``backpressured`` are shares of these two seconds, or of the whole run time of an ended
        task; ``fill`` is how
        full the fullest channel is, from 0 to 1; latencies and ``lag`` in seconds; ``skew`` and ``largest_share`` are
        those of the last half minute; ``failures`` counts those of all attempts of a task in this run,
        and ``reported`` is when its last report came. Only channels that hold
        something are listed. ``"history"`` has a row per operator and second of the last two minutes.
        """
        match per:
            case "task":
                return metric_frames.tasks(self._client.metrics(self.run_id))
            case "operator":
                return metric_frames.operators(self._client.metrics(self.run_id))
            case "edge":
                return metric_frames.edges(self._client.metrics(self.run_id))
            case "channel":
                return metric_frames.channels(self._client.metric_rows(self.run_id, ViewKind.CHANNELS))
            case "history":
                return metric_frames.history(self._client.metric_rows(self.run_id, ViewKind.HISTORY))
        raise JobError(f"there are no metrics per {per!r}; choose 'task', 'operator', 'edge', 'channel' or 'history'")

    def why(self) -> Why:
        """Return which operator is the bottleneck and why, or why no rows flow, and what to do, as a sentence."""
        return Why.of(self._client.metrics(self.run_id))

    def samples(self, operator: str | None = None) -> pd.DataFrame:
        """Return the last late and failing rows of an operator, or of all: operator, kind, reason, time, its columns.

        ``kind``: ``late``, ``errors`` (of ``on_error="side"``), or ``failed``, the row that ended the job. Each task
        keeps the last 20 of each kind. JobError lists the operators.
        """
        return samples_frame(self._client.samples(self.run_id, operator))

    def probe(self, target: str, rows: int = 50) -> pd.DataFrame:
        """Return the last rows that an operator emitted. ``target``: its id, a unique prefix, or an edge (``"a->b"``).

        For a sink, the rows that it received. Sampling begins with the first call, which waits up to 2 s for rows.
        ``attrs`` of the result: ``operator``; ``seen`` rows in so many ``seconds``; the columns ``keys`` that rows are
        partitioned by, with the most frequent values and their shares in ``hot``; a ``note``.

        Raises:
            JobError: there is no such operator (the message lists all), or the job is not running.
        """
        probed = self._client.probe(self.run_id, target, rows)
        frame = pandas_frame(probed.table)
        frame.attrs.update(
            operator=probed.operator,
            seen=probed.seen,
            seconds=probed.seconds,
            keys=probed.keys,
            hot=dict(probed.hot),
            note=probed.note,
        )
        return frame

    def get_metrics_summary(self) -> Mapping[str, Any]:
        """Return tasks by state, total rows and bytes, and uptime in seconds."""
        return self._client.get_metrics_summary(self.name)

    def assignment(self) -> str:
        """Return, as text, which task runs in which slot of which agent."""
        return assignment(self._client.status(self.run_id))

    def keys(self, operator: str, values: object) -> pd.DataFrame:
        """Return where keys of ``operator`` are: a row per value with the key, its ``group``, ``task`` and ``agent``.

        ``values`` are keys, one or a list; of several key columns each is a tuple, a dict, or a row of a data frame.
        They need not have occurred. The group of a key never changes; a restart may move its task to another agent.

        Raises:
            JobError: there is no such operator, or it has no keys (the message lists those that have); or a value is of
                another type.
        """
        status, named = self._client.operator(self.run_id, operator)
        levels = self._client.levels(self.run_id)
        if levels is None:
            raise JobError(
                f"the graph of job {self.name!r} was not stored, so the types of its keys are not known. Run it again: "
                f".run({self.name!r})"
            )
        return pandas_frame(key_owners(status, levels.execution, named, values))

    def explain(self) -> str:
        """Return the job's logical, optimized and physical graph, as submitted."""
        levels = self._client.levels(self.run_id)
        if levels is None:
            return ""
        takes = levels.interval is not None
        return plan.explain(levels.logical, levels.optimized, levels.execution, checkpoints=takes)

    def wait(self, timeout: Duration | float | None = None) -> JobResult:
        """Wait until the job has ended and its callbacks have received every row.

        Raises:
            JobFailed: the job failed; the cause is the user's exception if a user function raised.
            JobCanceled: it was canceled.
            TimeoutError: after ``timeout`` (seconds or a duration); the job, or its callback, keeps running.
            KeyboardInterrupt: the cell was interrupted; the job, or its callback, keeps running.
            ClusterLost, JobError: the job finished, but its rows for this process can no longer be fetched.
        """
        from sabotnb.cluster import job_failed

        limit = seconds(timeout)
        deadline = None if limit is None else time.monotonic() + limit
        status, state = self._final, JobState.RUNNING
        try:
            status = self._final = status or self._client.wait(self.run_id, limit)
            state = state if status is None else status.state
            self.heard = status is not None
            missing = [puller.join(_left(deadline)) for puller in self._pullers] if status is not None else []
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self._unfinished(state)) from None
        except TimeoutError:
            if state is JobState.FINISHED:
                raise TimeoutError(self._unfinished(state, f" after {limit:g} s")) from None
            missing = []  # the failure matters more than rows that could not be fetched
        if status is None:
            raise TimeoutError(self._unfinished(state, f" after {limit:g} s"))
        publisher.settle(self._client, self.run_id)  # cells show the final card now, not at the next poll
        if state is not JobState.FINISHED:
            raise job_failed(self.name, status)
        for error in filter(None, missing):
            raise error
        return JobResult.of(status)

    def redirect(self, takes: Mapping[str, Take]) -> None:
        """Send the remaining rows to other callbacks, by sink: those of the cell that ran again."""
        for puller in self._pullers:
            if puller.sink in takes:
                puller.redirect(takes[puller.sink])

    def wait_changed(self, timeout: Duration | float) -> bool:
        """Wait at most ``timeout`` for the end of the job; True if it has ended. For loops that watch a job."""
        return self._client.wait(self.run_id, seconds(timeout)) is not None

    def progress(self) -> JobResult:
        """Wait as ``wait`` does, with a bar that ends at 100 % or says how the job ended; JobError if it is endless."""
        if not self.bounded:
            raise JobError(
                f"job {self.name!r} is endless and has no progress to show: job.stop() or job.cancel() ends it"
            )
        if shell.mode() != "static":
            try:
                progress_bar.follow(self._client, self.run_id)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(self._unfinished(JobState.RUNNING)) from None
        return self.wait()

    def live_table(self, operator: str | None = None) -> LiveTable:
        """Return a live table of the last rows that ``operator`` emitted; by default, of the job's ``sink_live``.

        ``operator`` is an id, an edge (``"a->b"``) or a unique prefix of an id; its rows are sampled about twice a
        second while the table is shown, unless it is a ``sink_live``, whose rows are kept here. JobError lists the
        operators.
        """
        sinks = [self._only_live("live_table")] if operator is None else self._live_named(operator)
        if len(sinks) == 1:
            return self._table_of(sinks[0])
        assert operator is not None
        probed = self._client.probe(self.run_id, operator, 1, 0.0).operator
        return LiveTable(self._client, self.run_id, probed, lambda: self._probed(probed))

    def _table_of(self, sink: str) -> LiveTable:
        live = self._live[sink]
        return LiveTable(
            self._client,
            self.run_id,
            self.name if len(self._live) == 1 else sink,
            lambda: Seen(live.table(), live.total),
            lambda: all(puller.ended for puller in self._pullers if puller.sink == sink),
        )

    def _only_live(self, otherwise: str) -> str:
        """Return the id of the only ``sink_live``; JobError says what to do ``otherwise``."""
        if not self._live:
            more = ", or sample any operator: .live_table('operator')" if otherwise == "live_table" else ""
            raise JobError(f"job {self.name!r} keeps no rows here: end its stream with .sink_live(){more}")
        if len(self._live) > 1:
            names = ", ".join(map(repr, self._live))
            raise JobError(
                f"job {self.name!r} has several live sinks ({names}): .{otherwise}({next(iter(self._live))!r})"
            )
        return next(iter(self._live))

    def _live_named(self, sink: str) -> list[str]:
        """Return the ids of each ``sink_live`` that ``sink`` may mean."""
        return [sink] if sink in self._live else [name for name in self._live if name.startswith(sink)]

    def _probed(self, operator: str) -> Seen:
        probed = self._client.probe(self.run_id, operator, LIVE_ROWS, PROBE_SECONDS)
        return Seen(probed.table, probed.seen, probed.note)

    def __await__(self) -> Generator[Any, None, JobResult]:
        import asyncio  # takes a tenth of a second to import; describing a stream does not need it

        return asyncio.to_thread(self.wait).__await__()

    def pause(self) -> None:
        """Stop the sources from reading until ``resume``; rows already read are processed. Idempotent."""
        self._client.pause(self.run_id)

    def resume(self) -> None:
        """Let the sources continue to read where they stopped."""
        self._client.resume(self.run_id)

    def stop(self, savepoint: bool | str = False) -> Savepoint | None:
        """End the sources; rows already read are processed and committed. Does not wait for that.

        With ``savepoint=True``, or the name of one, the job ends at a savepoint instead, which is returned as soon as
        it is stored: aggregates and open windows emit nothing, and ``run(start_from=savepoint)`` goes on with them.

        Raises:
            CheckpointError: the savepoint failed, and the job goes on.
        """
        if savepoint is False:
            self._client.stop(self.run_id)
            return None
        return self._savepoint("" if savepoint is True else savepoint, stop=True)

    def savepoint(self, name: str = "") -> Savepoint:
        """Take a checkpoint that is kept, and return it as soon as it is stored; the job goes on.

        A name may be taken again: it then means the newest savepoint that has it, and the others have their numbers.

        Raises:
            CheckpointError: it failed, or the job takes no checkpoints.
        """
        return self._savepoint(name, stop=False)

    def _savepoint(self, name: object, *, stop: bool) -> Savepoint:
        if not isinstance(name, str):
            raise JobError(f"the name of a savepoint is text, not {type(name).__name__}: job.savepoint('before')")
        self._check_savepoints()
        stored = self._client.savepoint(self.run_id, name, stop=stop)
        return Savepoint(stored, self._client.status(self.run_id).checkpointing.storage)

    def _check_savepoints(self) -> None:
        """Raise CheckpointError if no run of the job could take savepoints."""
        levels = None if self._client.status(self.run_id).checkpointing.storage else self._client.levels(self.run_id)
        once = plan.read_once(levels.logical) if levels is not None else []
        if once:
            raise CheckpointError(
                f"job {self.name!r} takes no checkpoints, and so no savepoints: {', '.join(once)} can be read only "
                "once. If the generator yields the same rows again, say so: "
                "sb.Stream.from_generator(..., replayable=True)"
            )

    def checkpoints(self) -> pd.DataFrame:
        """Return a row per checkpoint and savepoint of this run, the oldest first; the cluster knows the last ones.

        ``id``, ``kind``, ``name``, ``at`` (when it began), ``seconds`` until all tasks had written their state,
        ``bytes`` of state, ``rows`` that the sources had read, and ``operators``: bytes by operator or chain.
        ``usable``: a run can begin from it, with ``start_from=`` its id, or, under another name, its ``path``. The last
        three checkpoints are kept, and all savepoints; those after one that the job went back to are of no use. A run
        that would go on writing to output which another run has replaced is refused all the same.
        """
        return checkpoints_frame(*self._client.status_now(self.run_id))

    def cancel(self) -> None:
        """End the job at once and remove what it has written since its last checkpoint, or all of it without one."""
        self._client.cancel(self.run_id)

    def _unfinished(self, state: JobState, after: str = "") -> str:
        """Name what keeps running after the wait has ended, and what to do about it."""
        if state.terminal:
            busy = f"job {self.name!r} has {state.value}, but its callback is still processing rows"
            return f"{busy}{after}: job.wait() waits again"
        running = f"is still {state.value}{after} and keeps running" if after else "keeps running"
        return f"job {self.name!r} {running}: job.wait() waits again, job.cancel() ends it"

    def _ipython_display_(self) -> None:
        self._showing.display()

    def _display_(self) -> object:
        return self._showing.embedded()  # marimo calls this

    def __repr__(self) -> str:
        try:
            return repr(self.status)
        except (ClusterLost, JobError) as gone:
            return f"{self.name} is no longer known: {gone}"

    def _repr_html_(self) -> str:
        return str(self._showing.card()["text/html"])


def _left(deadline: float | None) -> float | None:
    """Return the seconds until ``deadline``; None if there is no deadline."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())
