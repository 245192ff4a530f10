"""A run of simulated agents, tasks, channels, files and a job store around a ``Machine``, in random order.

Messages keep their order between the machine and each agent, and elements theirs in each channel. Everything else may
interleave. Agents that are lost go on as zombies: they still read, write and report. Two source tasks send numbered
rows to two sink tasks, which count them by split (their state) and write them into files.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field, replace
from random import Random

from simulator import agent, request

from sabotnb.errors import StaleMessage
from sabotnb.execution import Machine
from sabotnb.protocol import (
    AgentDown,
    AgentUp,
    AssignSplits,
    Attempt,
    Cancel,
    CancelTasks,
    CheckpointPolicy,
    Commit,
    Committable,
    Committed,
    Cut,
    CutAcked,
    CutFailed,
    CutStored,
    Deploy,
    End,
    EpochGranted,
    Fail,
    Failure,
    GrantEpoch,
    Heartbeat,
    JobVertex,
    LeasesDue,
    Pause,
    PauseSources,
    PeerLost,
    Reply,
    Resume,
    ResumeSources,
    RunId,
    RunTakenOver,
    SessionChanged,
    SetTimer,
    SourceState,
    Split,
    SplitWanted,
    StartSources,
    Stop,
    StopSources,
    Store,
    Stored,
    StoredCut,
    Submit,
    TakeCut,
    TakeSavepoint,
    TaskChanged,
    TaskSnapshot,
    TaskState,
    Tell,
    UserCommand,
)

ROWS = 12
"""Rows of each split."""


@dataclass
class SimulatedTask:
    """One attempt at a task, on an agent."""

    attempt: Attempt
    agent: str
    started: bool = False
    paused: bool = False
    held: bool = False
    ended: bool = False
    over: bool = False
    more: bool = False
    asked: bool = False
    positions: dict[str, int] = field(default_factory=dict)
    finished: list[str] = field(default_factory=list)
    cuts: deque = field(default_factory=deque)
    counts: Counter = field(default_factory=Counter)
    rows: list = field(default_factory=list)
    unstored: list = field(default_factory=list)
    aligned: dict[int, Cut] = field(default_factory=dict)
    ends: set = field(default_factory=set)
    writing: deque = field(default_factory=deque)
    last_cut: int = 0

    @property
    def vertex(self) -> str:
        return self.attempt.task.vertex

    @property
    def index(self) -> int:
        return self.attempt.task.index


class SimulatedRun:
    """One run, whose choices all come from ``seed``."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.machine = Machine()
        self.now = 0.0
        self.bounded = self.random.random() < 0.5
        self.splits = [f"s{number}" for number in range(self.random.randint(2, 6))]
        self.inboxes: dict[str, deque] = {}
        self.outboxes: dict[str, deque] = {}
        self.tasks: dict[Attempt, SimulatedTask] = {}
        self.channels: dict[tuple[RunId, int, int], deque] = defaultdict(deque)
        self.placements: dict[tuple[RunId, int], dict[str, list[Attempt]]] = {}
        self.timers: dict = {}
        self.storing: list = []
        self.granting: list = []
        self.unreadable: set[int] = set()
        self.unmounted = 0
        self.visible: dict[str, tuple[tuple[RunId, int], int, list]] = {}
        self.prepared: dict[str, tuple[tuple[RunId, int], int, list]] = {}
        self.commits: dict[tuple[RunId, int], list[int]] = defaultdict(list)
        self.asked: set[str] = set()
        self.replies: dict[str, Reply] = {}
        self.agents = 0
        self.files = 0
        for _ in range(self.random.randint(2, 3)):
            self.join()
        self.feed(SessionChanged("me", connected=True))
        self.submit()

    def submit(self, start_from: StoredCut | None = None) -> None:
        """Begin a run of the job."""
        vertices = (
            JobVertex("read", 2, reads=True, bounded=self.bounded),
            JobVertex("write", 2, writes=True),
        )
        job = request(
            vertices=vertices,
            splits={"read": tuple(map(Split, self.splits))},
            restarts=True,
            checkpoint=CheckpointPolicy(2.0, "/checkpoints", timeout=20.0, pause=0.5),
            start_from=start_from,
        )
        self.feed(Submit(f"submit-{self.now}", job))
        self.job = self.machine.jobs["job"]

    # Machine

    def feed(self, event) -> None:
        if isinstance(event, UserCommand):
            self.asked.add(event.id)
        try:
            instructions = self.machine.handle(self.now, event)
        except StaleMessage:
            return
        for instruction in instructions:
            self._carry_out(instruction)
        self.check()

    def _carry_out(self, instruction) -> None:
        match instruction:
            case Deploy(who) | Tell(who) | Commit(who):
                if isinstance(instruction, Commit) and instruction.cut is not None:
                    inherited = self.machine.jobs["job"].request.start_from
                    if inherited is None or inherited.cut != instruction.cut:  # cuts of another run have own numbers
                        self.commits[instruction.run, instruction.epoch].append(instruction.cut)
                if who in self.inboxes:
                    self.inboxes[who].append(instruction)
            case Store(stored):
                self.check_consistent(stored)
                self.storing.append(stored)
            case GrantEpoch(run, epoch):
                self.granting.append(EpochGranted(run, epoch))
            case SetTimer(event, at):
                self.timers[event] = at
            case Reply(command):
                self.replies[command] = instruction

    def check(self) -> None:
        registered = set(self.machine.agents)
        live = Counter(task.attempt.task for task in self.tasks.values() if not task.over and task.agent in registered)
        assert all(count == 1 for count in live.values()), f"two live attempts: {live}"
        statistics = self.machine.pool.statistics()
        assert statistics.total - statistics.free == sum(statistics.holders.values())
        assert all(node.free >= 0 for node in self.machine.pool.nodes())
        for cuts in self.commits.values():
            assert cuts == sorted(cuts), f"commits out of order: {cuts}"

    def check_consistent(self, stored) -> None:
        """The sinks have counted exactly the rows that the sources have read."""
        counted = Counter()
        for snapshot in stored.tasks.values():
            counted.update(snapshot.memos.get("write", {}))
        read = Counter(dict.fromkeys(stored.finished["read"], ROWS))
        for snapshot in stored.tasks.values():
            for split in snapshot.source.opened if snapshot.source else ():
                assert split.id not in stored.finished["read"]
                read[split.id] = split.position.get("row", 0)
        ended = [task for task, snapshot in stored.tasks.items() if task.vertex == "write" and snapshot.ended]
        if not ended:
            assert +counted == +read, f"cut {stored.cut} is not consistent: {counted} of {read}"
        prepared = [committable.payload["file"] for committable in stored.committables]
        assert len(set(prepared)) == len(prepared)

    # Agents

    def join(self) -> None:
        self.agents += 1
        info = agent(self.agents, 2)
        self.inboxes[info.id] = deque()
        self.outboxes[info.id] = deque()
        self.feed(AgentUp(info))

    def report(self, who: str, event) -> None:
        self.outboxes[who].append(event)

    def carry_out(self, who: str, instruction) -> None:
        match instruction:
            case Deploy(_, deployment):
                self.deploy(who, deployment)
            case Commit():
                self.commit(who, instruction)
            case Tell(_, command):
                self.command(who, command)

    def deploy(self, who: str, deployment) -> None:
        epoch = self.placements.setdefault((deployment.run, deployment.epoch), {})
        for vertex, numbers in deployment.placement.attempts.items():
            epoch[vertex] = list(numbers)
        first = {splits.attempt: splits for splits in deployment.splits}
        for attempt in deployment.attempts:
            task = self.tasks[attempt] = SimulatedTask(attempt, who)
            restore = deployment.restores.get(attempt)
            base = self.job.cuts.base
            if restore is not None and base is not None and base.cut in self.unreadable:
                task.over = True
                failure = Failure("CheckpointError", "the file is torn. Remove it")
                self.report(who, TaskChanged(who, attempt, TaskState.FAILED, failure))
                continue
            if restore is not None and self.unmounted:
                self.unmounted -= 1
                task.over = True
                failure = Failure("StorageUnreachable", "the file cannot be read: i/o error. Repair the storage")
                self.report(who, TaskChanged(who, attempt, TaskState.FAILED, failure))
                continue
            if restore is not None:
                for memo in restore.memos.get("write", ()):
                    task.counts.update(memo)
            if attempt in first:
                task.positions = {split.id: split.position.get("row", 0) for split in first[attempt].splits}
                task.more = first[attempt].left.more
            self.report(who, TaskChanged(who, attempt, TaskState.RUNNING))
            if restore is not None and restore.ended:
                self.end(task)

    def command(self, who: str, command) -> None:
        if isinstance(command, AssignSplits):
            task = self.tasks[command.attempt]
            task.positions |= {split.id: 0 for split in command.splits}
            task.more, task.asked = command.left.more, False
            return
        for task in list(self.tasks.values()):
            if task.agent == who and not task.over and task.attempt.epoch == getattr(command, "epoch", 0):
                self.obey(task, command)

    def obey(self, task: SimulatedTask, command) -> None:
        reads = task.vertex == "read" and not task.ended
        match command:
            case CancelTasks():
                task.over = True
                self.report(task.agent, TaskChanged(task.agent, task.attempt, TaskState.CANCELED))
            case StartSources():
                task.started = True
            case PauseSources() | ResumeSources():
                task.paused = isinstance(command, PauseSources)
                task.held = task.held and task.paused
            case StopSources() if reads:
                self.end(task)
            case TakeCut(cut=cut, hold=hold) if reads:
                task.cuts.append((cut, hold))
            case CutStored(cut=cut):
                task.unstored = [one for one in task.unstored if one.payload["cut"] > cut]

    def commit(self, who: str, instruction) -> None:
        files = [committable.payload["file"] for committable in instruction.committables]
        if instruction.action == "abort":
            kept = {committable.payload["file"] for committable in instruction.kept}
            for file in files:
                if file not in kept:
                    self.prepared.pop(file, None)
        elif instruction.action == "commit":
            last = {(leading.run, leading.epoch): leading.cut for leading in instruction.lineage}
            for file, (epoch, cut, _) in list(self.visible.items()):
                if epoch < (instruction.run, instruction.epoch) and cut > last.get(epoch, 0):
                    del self.visible[file]
            for file in files:
                if file in self.prepared:
                    self.visible[file] = self.prepared[file]
        self.report(who, Committed(who, instruction.run, instruction.epoch, instruction.action, cut=instruction.cut))

    # Tasks

    def outputs(self, task: SimulatedTask):
        numbers = self.placements[task.attempt.run, task.attempt.epoch]["write"]
        return [self.channels[task.attempt.run, task.attempt.number, number] for number in numbers]

    def inputs(self, task: SimulatedTask):
        numbers = self.placements[task.attempt.run, task.attempt.epoch]["read"]
        return {
            index: self.channels[task.attempt.run, number, task.attempt.number] for index, number in enumerate(numbers)
        }

    def end(self, task: SimulatedTask) -> None:
        task.ended = True
        if task.vertex == "read":
            for channel in self.outputs(task):
                channel.append(End())
        else:
            self.roll(task, task.last_cut + 1)

    def step(self, task: SimulatedTask) -> None:
        """Let a task do one thing: write, read, take a cut or end."""
        if task.writing and self.random.random() < 0.5:
            report = task.writing.popleft()
            self.report(task.agent, report)
        elif task.ended:
            if not task.writing:
                task.over = True
                state = TaskState.FINISHED
                self.report(task.agent, TaskChanged(task.agent, task.attempt, state, committables=tuple(task.unstored)))
        elif task.vertex == "read":
            self.read(task)
        else:
            self.receive(task)

    def read(self, task: SimulatedTask) -> None:
        if task.cuts and task.started:
            cut, hold = task.cuts.popleft()
            opened = tuple(Split(split, {"row": row}) for split, row in task.positions.items())
            self.acknowledge(task, cut, TaskSnapshot(source=SourceState(opened, tuple(task.finished))))
            for channel in self.outputs(task):
                channel.append(cut)
            task.held = task.held or hold
        elif not task.started or task.paused or task.held:
            return
        elif task.positions:
            split, row = next(iter(task.positions.items()))
            if row == ROWS:
                del task.positions[split]
                task.finished.append(split)
            else:
                task.positions[split] = row + 1
                self.random.choice(self.outputs(task)).append((split, row))
        elif task.more and not task.asked:
            task.asked = True
            self.report(task.agent, SplitWanted(task.agent, task.attempt, 0))
        elif not task.more and self.bounded:
            self.end(task)

    def receive(self, task: SimulatedTask) -> None:
        inputs = self.inputs(task)
        ready = [index for index, channel in inputs.items() if channel and index not in task.aligned]
        if ready:
            index = self.random.choice(ready)
            element = inputs[index].popleft()
            if isinstance(element, Cut):
                task.aligned[index] = element
            elif isinstance(element, End):
                task.ends.add(index)
            else:
                task.rows.append(element)
                task.counts[element[0]] += 1
        if task.aligned and not inputs.keys() - task.aligned.keys() - task.ends:
            cut = max(task.aligned.values(), key=lambda cut: cut.id)
            if {other.id for other in task.aligned.values()} != {cut.id}:  # a channel ended before an older cut
                task.aligned = {index: other for index, other in task.aligned.items() if other.id == cut.id}
            task.aligned.clear()
            self.roll(task, cut.id)
            task.last_cut = cut.id
            self.acknowledge(
                task, cut, TaskSnapshot(memos={"write": dict(task.counts)}, committables=tuple(task.unstored))
            )
        elif len(task.ends) == len(inputs):
            self.end(task)

    def roll(self, task: SimulatedTask, cut: int) -> None:
        if task.rows:
            self.files += 1
            name = f"{self.files}"
            self.prepared[name] = ((task.attempt.run, task.attempt.epoch), cut, task.rows)
            task.unstored.append(Committable("write", {"file": name, "cut": cut}))
            task.rows = []

    def acknowledge(self, task: SimulatedTask, cut: Cut, snapshot: TaskSnapshot) -> None:
        if self.random.random() < 0.03:
            failure = Failure("CheckpointError", "the disk is full")
            task.writing.append(CutFailed(task.agent, task.attempt, cut.id, failure))
        else:
            task.writing.append(CutAcked(task.agent, task.attempt, cut.id, snapshot))

    # The world

    def go_on(self) -> bool:
        """Let one random thing happen; False if nothing can."""
        self.now += 0.01
        choices = [(self.deliver, who) for who, inbox in self.inboxes.items() if inbox]
        choices += [(self.hear, who) for who, outbox in self.outboxes.items() if outbox]
        choices += [(self.step, task) for task in self.tasks.values() if not task.over]
        choices += [(self.store, stored) for stored in self.storing[:1]]
        choices += [(self.grant, granted) for granted in self.granting[:1]]
        if self.timers and (not choices or self.random.random() < 0.05):
            choices = [(self.fire, min(self.timers, key=self.timers.__getitem__))]
        if not choices:
            return False
        act, item = self.random.choice(choices)
        act(item)
        return True

    def deliver(self, who: str) -> None:
        self.carry_out(who, self.inboxes[who].popleft())

    def hear(self, who: str) -> None:
        outbox = self.outboxes[who]
        event = outbox.popleft()
        if isinstance(event, CutAcked | CutFailed | Committed) and self.random.random() < 0.1:
            outbox.insert(self.random.randint(0, len(outbox)), event)
        self.feed(event)

    def store(self, stored) -> None:
        self.storing.remove(stored)
        failure = Failure("CheckpointError", "no room") if self.random.random() < 0.1 else None
        answer = Stored(stored.run, stored.epoch, stored.cut, failure)
        self.feed(answer)
        if self.random.random() < 0.2:
            self.feed(answer)

    def grant(self, granted) -> None:
        self.granting.remove(granted)
        failure = Failure("StoreUnavailable", "no answer") if self.random.random() < 0.2 else None
        self.feed(replace(granted, failure=failure))
        if failure is not None:  # the store is asked again
            self.granting.append(granted)

    def fire(self, event) -> None:
        self.now = max(self.now, self.timers.pop(event))
        if isinstance(event, LeasesDue):
            for who in list(self.machine.agents):
                self.feed(Heartbeat(who))
        self.feed(event)

    def disturb(self) -> None:
        """Let something go wrong, or a client ask for something."""
        ask = [
            lambda: self.feed(TakeSavepoint(f"savepoint-{self.now}", "job")),
            lambda: self.feed(Pause(f"pause-{self.now}", "job")),
            lambda: self.feed(Resume(f"resume-{self.now}", "job")),
        ]
        self.random.choice([self.lose, self.lose, self.join, self.part, self.fail, self.tear, self.unmount, *ask])()

    def lose(self) -> None:
        alive = list(self.machine.agents)
        if len(alive) < 2:
            return
        who = self.random.choice(alive)
        self.feed(AgentDown(who, "its connection was closed"))
        if self.random.random() < 0.5:  # else it is a zombie
            self.inboxes[who].clear()
            self.outboxes[who].clear()
            for task in self.tasks.values():
                task.over = task.over or task.agent == who

    def part(self) -> None:
        alive = list(self.machine.agents)
        if len(alive) > 1:
            self.feed(PeerLost(*self.random.sample(alive, 2), "broken pipe"))

    def fail(self) -> None:
        tasks = [task for task in self.tasks.values() if not task.over and not task.ended]
        if tasks:
            task = self.random.choice(tasks)
            task.over = True
            failure = Failure("UserFunctionError", "row 7")
            self.report(task.agent, TaskChanged(task.agent, task.attempt, TaskState.FAILED, failure))

    def lose_all(self) -> None:
        for who in list(self.machine.agents):
            self.feed(AgentDown(who, "its connection was closed"))

    def take_over(self) -> None:
        self.feed(RunTakenOver(self.job.id, Failure("JobTakenOver", "another process has resumed the job")))

    def unmount(self) -> None:
        """Let the storage of checkpoints be away, for the next tasks that read it."""
        self.unmounted = self.random.randint(1, 5)

    def tear(self) -> None:
        if len(self.job.cuts.kept) > 1:
            self.unreadable.add(self.job.cuts.kept[-1].cut)

    def end_run(self) -> None:
        """Let something end the run, perhaps without an agent that is left."""
        failure = Failure("UserFunctionError", "the client raised")
        ends = [
            lambda: self.feed(Cancel("end", "job")),
            lambda: self.feed(Fail("end", self.job.id, failure)),
            lambda: self.feed(Stop("end", "job")),
            lambda: self.feed(Stop("end", "job", "last")),
            self.take_over,
        ]
        acts = [self.random.choice(ends), self.lose_all]
        for act in acts[: self.random.randint(1, 2)] if self.random.random() < 0.7 else reversed(acts):
            act()
            for _ in range(self.random.randint(0, 20)):
                self.go_on()

    def settle(self) -> None:
        """Let what is under way happen, until the run has ended; agents join rarely."""
        for _ in range(60_000):
            if self.job.state.terminal:
                return
            moved = self.go_on()
            if not moved or self.random.random() < 0.002:
                if len(self.machine.agents) < 3:
                    self.join()
                self.feed(Resume(f"resume-{self.now}", "job"))
                self.feed(Stop(f"stop-{self.now}", "job"))  # a savepoint that failed lets the run go on
        raise AssertionError(f"the run is still {self.job.state.value}")

    def finish(self) -> None:
        """Let the run end without further faults."""
        while len(self.machine.agents) < 2:
            self.join()
        self.feed(Resume("resume", "job"))
        stopped = self.bounded
        for _ in range(60_000):
            if self.job.state.terminal:
                return
            if not stopped and self.job.state.value == "RUNNING" and self.random.random() < 0.002:
                stopped = True
                name = "end" if self.random.random() < 0.5 else None
                self.feed(Stop("stop", "job", name))
                stopped = name is None
            if not self.go_on() and len(self.machine.agents) < 4:
                self.join()
        raise AssertionError(f"the run is still {self.job.state.value}")

    def go_on_from_last(self) -> bool:
        """Let another run begin from the last cut, as one of a corrected job does, and end; False if there is no cut.

        A run that another process has taken over goes on there.
        """
        last = self.job.cuts.last
        if last is None or self.job.output_stays or self.job.state.value == "FINISHED":
            return False
        self.unreadable.clear()
        self.unmounted = 0
        while len(self.machine.agents) < 2:
            self.join()
        self.submit(start_from=last)
        self.finish()
        return True

    def check_output(self) -> None:
        """Every row is visible once; those of an endless run up to where it ended.

        If no agent could finish a commit, or it is another process's, some output may be missing or left.
        """
        rows = [row for _, _, written in self.visible.values() for row in written]
        assert len(set(rows)) == len(rows), f"doubled: {Counter(rows).most_common(3)}"
        by_split = defaultdict(list)
        for split, row in sorted(rows):
            by_split[split].append(row)
        for split, numbers in by_split.items():
            assert numbers == list(range(len(numbers))), f"{split} has gaps: {numbers}"
        finished = self.job.state.value == "FINISHED"
        if self.job.cuts.last is not None and not finished:
            needed = {committable.payload["file"] for committable in self.job.cuts.last.committables}
            assert needed <= self.prepared.keys(), f"a run that goes on lacks {needed - self.prepared.keys()}"
        if self.bounded and not (
            self.job.output_stays or (finished and self.job.stopping) or self.job.cuts.at_savepoint
        ):
            assert len(rows) == (len(self.splits) * ROWS if finished else 0)
        last = self.job.cuts.last
        if last is not None and not self.bounded and not self.job.output_stays:
            read = sum(ROWS for _ in last.finished["read"])
            read += sum(
                split.position["row"]
                for snapshot in last.tasks.values()
                if snapshot.source
                for split in snapshot.source.opened
            )
            assert len(rows) >= read, f"{len(rows)} rows, and the last stored cut is behind {read}"
