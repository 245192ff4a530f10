"""One run of one job: its state, its tasks and their metrics. Only the machine changes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from sabotnb.execution.committables import merged, without
from sabotnb.execution.placement import SlotRequest
from sabotnb.execution.restoring import finished_splits, without_operators
from sabotnb.execution.run_counts import counted_before
from sabotnb.execution.run_cuts import RunCuts
from sabotnb.execution.slots import Slot, slot_requests
from sabotnb.execution.transitions import BEGUN, ENDING, TERMINAL_TASK, check_job_move, check_task_move
from sabotnb.metrics import NOTHING, History, JobMetrics, Report, Reports, TaskCounters, TaskMetrics
from sabotnb.plan import SplitQueue
from sabotnb.protocol import (
    FIRST_EPOCH,
    AgentInfo,
    AssignSplits,
    Attempt,
    Committable,
    Deployment,
    Failure,
    JobRequest,
    JobState,
    JobTopology,
    LineageCut,
    Placement,
    Queue,
    RunId,
    StoredCut,
    TaskId,
    TaskRestore,
    TaskState,
)


@dataclass(slots=True)
class TaskVertex:
    """One task of a run: its attempt, slot, state and metrics. ``sent`` is (rows, bytes) per outgoing edge.

    ``before`` is what it has counted in earlier epochs. The agent's reports do not know of it; all counts here do.
    """

    attempt: Attempt
    slot: Slot
    state: TaskState = TaskState.SCHEDULED
    counters: TaskCounters = field(default_factory=TaskCounters)
    sent: dict[int, tuple[int, int]] = field(default_factory=dict)
    failures: int = 0
    before: Report = NOTHING
    assigned: list[str] = field(default_factory=list)
    """The splits that it was handed, by id; the task of a source that is FINISHED has read all of them."""
    committables: tuple[Committable, ...] = ()
    """What it reported with FINISHED; those that belong to a stored cut are removed."""
    queues: tuple[Queue, ...] = ()
    reports: Reports = field(default_factory=Reports)
    last_report_at: float | None = None
    """When its metrics were last reported, by the machine's clock."""
    final: bool = False
    """True if ``counters`` are the totals at its end; False while it runs, and for a task that was lost."""
    cached_metrics: TaskMetrics | None = None
    """Its metrics since the last report; None when they must be recomputed."""

    def __post_init__(self) -> None:
        if self.before is not NOTHING:
            self.counters, self.sent, self.reports = self.before.counters, dict(self.before.sent), Reports(self.before)

    def report(self, now: float, report: Report, queues: tuple[Queue, ...]) -> None:
        """Store a periodic report of the task's agent."""
        total = report.plus(self.before)
        self.counters, self.queues = total.counters, queues
        self.sent.update(total.sent)
        self.reports.add(total)
        self.last_report_at = now
        self.cached_metrics = None

    def freeze(self) -> None:
        """The task has ended: keep the totals of its last report, with rates of zero and empty queues."""
        self.queues = ()
        self.reports.end(self.counters, self.sent)
        self.cached_metrics = None

    def end(self, counters: TaskCounters, sent: Mapping[int, tuple[int, int]]) -> None:
        """Store what the agent has counted at the end."""
        total = Report(0.0, counters, sent).plus(self.before)
        self.counters, self.final = total.counters, True
        self.sent.update(total.sent)
        self.freeze()

    def recount(self, counted: Report) -> None:
        """The task has ended at a cut at which it had ``counted`` so much: what it did later is dropped."""
        self.counters, self.sent = self.counters.with_counts(counted.counters), dict(counted.sent)
        self.freeze()


@dataclass(frozen=True, slots=True)
class Loss:
    """A run lost tasks by ``failure``; ``suspects`` are operators with users' functions that lost workers ran.

    ``rows``: how many its sources had read by then, as far as they had reported it.

    No worker is known to be lost while ``suspects`` is None. ``raised``: a task failed, and no connection or worker was
    lost, unless ``infrastructure`` says that one was too. ``unread``: the storage of the cut could not be read.
    """

    at: float
    failure: Failure
    suspects: frozenset[str] | None = None
    rows: int = 0
    raised: bool = False
    infrastructure: bool = True
    unread: bool = False


@dataclass(slots=True)
class JobRun:
    """A submitted job. Messages with another ``epoch`` are stale; ``successor`` is the run that begins when it ends."""

    request: JobRequest
    id: RunId
    submitted: float
    epoch: int = FIRST_EPOCH
    first_epoch: int = FIRST_EPOCH
    """The epoch in which it begins on this scheduler."""
    starts_before: int = 0
    """How often its tasks were deployed by schedulers that have ended, before it was resumed here."""
    state: JobState = JobState.PENDING
    changed: float = 0.0
    started: float | None = None
    tasks: dict[TaskId, TaskVertex] = field(default_factory=dict)
    counts: Counter[TaskState] = field(default_factory=Counter)
    """Number of tasks by state. Kept, as ``alive`` is, so that an event costs the same with ten thousand tasks."""
    alive: Counter[str] = field(default_factory=Counter)
    """Number of tasks that have not ended, by agent; agents stay, with 0, in order of first use."""
    queues: dict[str, SplitQueue] = field(default_factory=dict)
    """By source vertex, the splits that no task has yet."""
    cuts: RunCuts = field(default_factory=RunCuts)
    committables: list[Committable] = field(default_factory=list)
    """The output up to the last stored cut that is not known to be committed."""
    finished_before: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By source vertex, the splits that were read completely before this epoch, by id."""
    failure: Failure | None = None
    note: str = ""
    """What a user should know about a canceled run, such as a task that does not return."""
    committer: str | None = None
    lost_committers: int = 0
    """How many agents were lost while they committed or aborted its output."""
    output_stays: bool = False
    """True if no agent could finish a commit, part of which may be visible: then nothing of it is removed."""
    commit_failed: bool = False
    """True if output of a stored cut could not be committed: the abort that follows saves it."""
    commit_deadline: float = 0.0
    """When the run fails unless an agent has joined to commit its output, by the machine's clock."""
    losses: list[Loss] = field(default_factory=list)
    """The losses of workers and connections after which it began again, or may; the last one is the newest."""
    restart_ready: bool = False
    """True while it is RESTARTING, no task of it is left, and it waits for slots."""
    restart_deadline: float = 0.0
    """When the run fails unless an agent has joined on which it can start again, by the machine's clock."""
    granted: int = 0
    """The last epoch that the job store has granted: no other process can begin it."""
    grant_failure: Failure | None = None
    """Why its next epoch is not granted yet, while the job store does not answer."""
    shared_slots: int | None = None
    """How many slots its tasks share since a restart with too few; None if each has the slot that it needs."""
    attempts: int = 0
    """How many attempts at its tasks were made, in all epochs: the number of the next one."""
    successor: JobRun | None = None
    paused: bool = False
    stopping: bool = False
    version: int = 0
    """Grows with every change of the run, so that readers can tell whether their copy is current."""
    history: History = field(default_factory=History)
    last_row_at: dict[str, float] = field(default_factory=dict)
    """When each vertex last received a row, by the machine's clock."""
    last_report_at: dict[str, float] = field(default_factory=dict)
    """When each agent last reported, by the machine's clock."""
    cached_metrics: JobMetrics | None = None
    """The metrics computed last; they may be out of date."""

    @property
    def name(self) -> str:
        """The job's name."""
        return self.request.name

    @property
    def topology(self) -> JobTopology:
        """Its vertices and edges."""
        return self.request.topology

    @property
    def slot_requests(self) -> list[SlotRequest]:
        """The slots that it needs."""
        return slot_requests(self.topology.vertices.values())

    @property
    def goes_on(self) -> bool:
        """True unless the run has ended or is ending."""
        return self.state in BEGUN and not self.stopping

    @property
    def commits_cuts(self) -> bool:
        """True if the output of each stored cut is committed at once, False if all of it is at the end."""
        return self.request.commits and not self.topology.bounded

    @property
    def next_base(self) -> StoredCut | None:
        """What its next epoch is restored from."""
        start = self.request.start_from
        return self.cuts.last or (start and without_operators(start, self.request.drop_state))

    @property
    def lineage(self) -> tuple[LineageCut, ...]:
        """The cuts that lead to this epoch, as in ``StoredCut``; none if it began at the beginning."""
        base = self.cuts.base
        return () if base is None else (*base.lineage, LineageCut(base.run, base.epoch, base.cut))

    @property
    def restarts(self) -> int:
        """How often it began again, here and under the schedulers before."""
        return self.starts_before + self.epoch - self.first_epoch

    @property
    def rows_read(self) -> int:
        """How many rows its sources have read, as far as they have reported it. Rows that are read again count once."""
        vertices = self.topology.vertices
        return sum(task.counters.rows_in for id_, task in self.tasks.items() if vertices[id_.vertex].reads)

    @property
    def survived_losses(self) -> list[Loss]:
        """The losses after which it began again, or is about to; each restart has one."""
        return self.losses[: self.epoch - self.first_epoch + (self.state is JobState.RESTARTING)]

    @property
    def survived(self) -> Failure | None:
        """The last loss after which it began again, or is about to."""
        return self.survived_losses[-1].failure if self.survived_losses else None

    @property
    def awaits_slots(self) -> bool:
        """True while it may be given slots."""
        return self.state is JobState.PENDING or self.restart_ready

    @property
    def awaits_committer(self) -> bool:
        """True while its tasks have ended, and there is no agent to commit or abort its output."""
        return self.state in ENDING and self.committer is None and self.over() and not self.cuts.storing

    def move(self, state: JobState, now: float) -> None:
        """Change the state; IllegalTransition if the table has no such move."""
        check_job_move(self.name, self.state, state)
        self.state, self.changed = state, now
        self.version += 1
        self.restart_ready = False
        if state not in BEGUN:
            self.paused = False
        if state is JobState.RUNNING and self.started is None:
            self.started = now

    def move_task(self, task: TaskVertex, state: TaskState) -> None:
        """Change a task's state; IllegalTransition if the table has no such move."""
        check_task_move(task.attempt, task.state, state)
        self.counts[task.state] -= 1
        self.counts[state] += 1
        task.state = state
        task.cached_metrics = None
        self.version += 1
        if state in TERMINAL_TASK:
            self.alive[task.slot.agent] -= 1
            task.freeze()
        task.failures += state is TaskState.FAILED

    def explain(self, sentence: str) -> None:
        """Add ``sentence``, unless it is empty or known, to what users read about the end of the run."""
        before = self.failure.message if self.failure is not None else self.note
        if sentence in before:
            return
        message = f"{before.rstrip('.')}. {sentence}" if before else sentence
        if self.failure is not None:
            self.failure = replace(self.failure, message=message)
        else:
            self.note = message

    def withdraw_successor(self, now: float) -> None:
        """Cancel the waiting successor. It stays linked, and later becomes the current run of the name, CANCELED."""
        if self.successor is not None and not self.successor.state.terminal:
            self.successor.move(JobState.CANCELED, now)

    def create_tasks(self, placement: Mapping[str, tuple[Slot, ...]]) -> None:
        """Create the tasks, each with a new attempt, in the slots allocated to them; those of a former epoch go."""
        if self.state is JobState.RESTARTING:
            assert self.granted > self.epoch
            self.epoch += 1
        previous, self.tasks = self.tasks, {}
        base = self.next_base
        self.cuts.begin_epoch(base, commits=self._commits_base(base))
        self.committables = list(base.committables) if base is not None else []
        self.finished_before = finished_splits(base, self.topology) if base is not None else {}
        self.last_report_at.clear()
        before = counted_before(base, self.topology) if base is not None and base.run == self.id else {}
        for vertex, slots in placement.items():
            for index, slot in enumerate(slots):
                task = TaskId(self.id, vertex, index)
                failures = previous[task].failures if task in previous else 0
                attempt = Attempt(task, self.attempts, self.epoch)
                self.tasks[task] = TaskVertex(attempt, slot, failures=failures, before=before.get(task, NOTHING))
                self.alive[slot.agent] += 1
                self.attempts += 1
        self.counts.clear()
        self.counts[TaskState.SCHEDULED] = len(self.tasks)

    def count_to_savepoint(self) -> None:
        """Count what was done up to the savepoint at which the run has ended; what came later is not its output."""
        assert self.cuts.last is not None
        for task, counted in counted_before(self.cuts.last, self.topology).items():
            self.tasks[task].recount(counted)

    def _commits_base(self, base: StoredCut | None) -> bool:
        """True if the output of ``base`` has to be committed, or checked, before a source reads."""
        if base is None:
            return False
        if base.run == self.id:
            return self.commits_cuts and bool(base.committables)
        # another run has prepared it: it may be gone, or replaced, also what was committed when the cut was stored
        return self.request.commits or bool(base.committables)

    def functions_on(self, agent: str) -> frozenset[str]:
        """The operators that call a function of the user in tasks of ``agent`` that have not ended."""
        vertices = self.topology.vertices
        return frozenset(
            operator.id
            for task, vertex in self.tasks.items()
            if vertex.slot.agent == agent and vertex.state not in TERMINAL_TASK
            for operator in vertices[task.vertex].operators
            if operator.calls_function
        )

    def runs_on(self, agent: str) -> bool:
        """True if ``agent`` has a task in this epoch; also one that has finished, as its rows may be on their way."""
        return any(task.slot.agent == agent for task in self.tasks.values())

    def agents(self) -> list[str]:
        """Agents with a task that has not ended, in order of first use."""
        return [agent for agent, tasks in self.alive.items() if tasks]

    def used_agents(self) -> list[str]:
        """Every agent that ever had a task, in order of first use."""
        return list(self.alive)

    def all_in(self, *states: TaskState) -> bool:
        """True if every task is in one of ``states``."""
        return sum(self.counts[state] for state in states) == len(self.tasks)

    def uncommitted(self) -> list[Committable]:
        """All output that is complete and not known to be committed."""
        if self.cuts.at_savepoint:  # what is after it is written again by the run that goes on from there
            return list(self.committables)
        return merged(self.committables, *(task.committables for task in self.tasks.values()))

    def kept_output(self) -> list[Committable]:
        """The output up to its last stored cut that is not known to be committed: for a run that begins there."""
        stored = self.cuts.last.committables if self.cuts.last is not None else ()
        return without(stored, without(stored, self.committables))

    def over(self) -> bool:
        """True if no task runs any more."""
        return self.all_in(*TERMINAL_TASK)

    def deployments(
        self,
        agents: Mapping[str, AgentInfo],
        splits: Mapping[TaskId, AssignSplits],
        restores: Mapping[TaskId, TaskRestore],
    ) -> Iterator[tuple[str, Deployment]]:
        """Yield each agent with the ``Deployment`` that starts its tasks, from ``restores`` and with ``splits``."""
        by_vertex: dict[str, list[str]] = {}
        numbers: dict[str, list[int]] = {}
        by_agent: dict[str, list[Attempt]] = {}
        for task, vertex in self.tasks.items():
            by_vertex.setdefault(task.vertex, []).append(vertex.slot.agent)
            numbers.setdefault(task.vertex, []).append(vertex.attempt.number)
            by_agent.setdefault(vertex.slot.agent, []).append(vertex.attempt)
        where = Placement(
            {vertex: tuple(on) for vertex, on in by_vertex.items()},
            {vertex: tuple(attempts) for vertex, attempts in numbers.items()},
            {agent: agents[agent] for agent in by_agent},
        )
        policy = self.request.checkpoint
        for agent, attempts in by_agent.items():
            yield (
                agent,
                Deployment(
                    run=self.id,
                    epoch=self.epoch,
                    execution=self.request.execution,
                    placement=where,
                    attempts=tuple(attempts),
                    splits=tuple(splits[attempt.task] for attempt in attempts if attempt.task in splits),
                    restores={attempt: restores[attempt.task] for attempt in attempts if attempt.task in restores},
                    storage=policy.storage if policy is not None else None,
                    lineage=self.lineage,
                ),
            )
