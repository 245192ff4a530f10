import asyncio

from distributed import Scheduler
from filled_dataclasses import filled
from held_stores import locked_store, seize
from simulator import agent, request

from sabotnb.cluster import control_codec
from sabotnb.cluster.job_manager import JobManager
from sabotnb.config import Config
from sabotnb.job_store import JobStore
from sabotnb.protocol import (
    Cancel,
    CheckpointPolicy,
    Deployment,
    StartSources,
    StoredCut,
    TaskChanged,
    TaskState,
    ViewKind,
    Watch,
)


class Connection:
    """The way to a worker, on which messages of one kind cannot be sent."""

    def __init__(self, unsendable):
        self.unsendable = unsendable
        self.sent = []

    def send(self, message):
        content = control_codec.loads(message["message"])
        kind = type(content).__name__
        if kind == self.unsendable:
            raise OSError(f"no way for {kind}")
        self.sent.append(content)

    def attempts(self):
        """The attempts at the tasks that were deployed here."""
        return [one for message in self.sent for one in getattr(message, "attempts", ())]


class Served:
    """A job manager on a scheduler with two agents; the way to the first is broken for one kind of messages."""

    def __init__(self, scheduler, unsendable, store):
        self.scheduler = scheduler
        self.ways = [Connection(unsendable), Connection(None)]
        self.manager = JobManager(Config(store=store))

    async def start(self):
        await self.manager.start(self.scheduler)
        for number, way in enumerate(self.ways, 1):
            info = agent(number)
            self.scheduler.stream_comms[info.address] = way
            assert await self.manager.sabot_enroll(info.address) == info.id
            await self.manager.sabot_register(control_codec.dumps(info))

    async def submit(self, **fields):
        return await self.manager.submit_stream_job(request(commits=True, **fields), {})

    def report(self, state, *numbers):
        for number in numbers:
            for attempt in self.ways[number - 1].attempts():
                events = control_codec.dumps([TaskChanged(f"agent-{number}", attempt, state)])
                self.scheduler.stream_handlers["sabot-events"]("", events)

    async def cancel(self):
        return control_codec.loads(await self.manager.sabot_command(control_codec.dumps(Cancel("1", "job"))))

    def lose(self, number):
        """The connection of an agent is closed, and the others cancel their tasks."""
        self.manager.remove_worker(self.scheduler, agent(number).address)
        self.report(TaskState.CANCELED, *{1, 2} - {number})

    async def state(self, *states):
        """Wait until the job is in one of ``states``."""
        while (await self.status()).state not in states:
            await self.manager.topics.wait_changed(("job",), 1.0)

    async def status(self):
        question = control_codec.dumps(Watch(ViewKind.STATUS, ("job",)))
        return control_codec.loads(await self.scheduler.handlers["sabot_watch"](question)).views[0]


def served(unsendable, act, store=""):
    """Run ``act`` with a ``Served``, on a loop of its own; returns the last status of the job."""

    async def run():
        async with Scheduler(port=0, dashboard_address="127.0.0.1:0") as scheduler:
            served = Served(scheduler, unsendable, store)
            await served.start()
            try:
                await act(served)
                return await served.status()
            finally:
                scheduler.stream_comms.clear()  # on which the scheduler would say that it closes
                await served.manager.close()

    return asyncio.run(run())


def test_a_deployment_that_cannot_be_sent_fails_its_job_and_the_others_are_sent():
    async def act(served):
        await served.submit()
        assert [type(message).__name__ for message in served.ways[1].sent] == ["Deployment", "CancelTasks"]
        served.report(TaskState.CANCELED, 2)
        assert [message.action for message in served.ways[0].sent] == ["abort"]

    status = served("Deployment", act)
    assert status.state == "FAILING"
    assert status.failure.message == (
        "the scheduler could not send Deploy to agent-1 (OSError: no way for Deployment): run the job again"
    )


def test_a_command_that_cannot_be_sent_fails_its_job_and_the_others_are_told():
    async def act(served):
        await served.submit()
        served.report(TaskState.RUNNING, 1, 2)
        assert [message for message in served.ways[1].sent if isinstance(message, StartSources)]
        assert type(served.ways[0].sent[-1]).__name__ == "CancelTasks"

    status = served("StartSources", act)
    assert status.state == "FAILING"
    assert "could not send StartSources to agent-1 (OSError" in status.failure.message


def test_a_commit_that_cannot_be_sent_fails_its_job():
    async def act(served):
        await served.submit()
        served.report(TaskState.RUNNING, 1, 2)
        served.report(TaskState.FINISHED, 1, 2)

    status = served("Commit", act)
    assert status.state == "FAILED"
    assert "could not send Commit to agent-1 (OSError" in status.failure.message


def test_an_agent_that_cannot_be_told_to_cancel_is_declared_lost():
    async def act(served):
        await served.submit()
        served.report(TaskState.RUNNING, 1, 2)
        await served.cancel()
        served.report(TaskState.CANCELED, 2)
        assert len(served.manager._machine.overview.slots()) == 1
        assert served.ways[1].sent[-1].action == "abort"

    assert served("CancelTasks", act).state == "CANCELING"  # until agent-2 has aborted


def test_every_kind_of_message_is_sent_on_a_whole_connection():
    async def act(served):
        await served.submit()
        served.report(TaskState.RUNNING, 1, 2)

    assert served(None, act).state == "RUNNING"


RESUMABLE = {
    "start_from": filled(StoredCut),
    "drop_state": ("text",),
    "checkpoint": CheckpointPolicy(60.0, "ckpt"),
    "restarts": True,
}
"""What lets a job be resumed from the store as soon as it has begun."""


def test_a_scheduler_whose_job_another_one_runs_begins_no_epoch(tmp_path):
    async def act(served):
        await served.submit(**RESUMABLE)
        served.report(TaskState.RUNNING, 1, 2)
        await served.manager.sabot_stored_runs()  # what was recorded before is there
        seize(store, "job").grant(served.ways[0].attempts()[0].run, 2)
        served.lose(2)
        await served.state("FAILED")
        deployed = [message.epoch for message in served.ways[0].sent if isinstance(message, Deployment)]
        assert deployed == [1]

    store = f"sqlite:///{tmp_path}/jobs.sqlite"
    assert served(None, act, store).failure.error == "JobTakenOver"


def test_a_state_that_is_not_recorded_as_another_process_has_the_job_ends_its_run(tmp_path):
    async def act(served):
        await served.submit()
        await served.manager.sabot_stored_runs()
        seize(store, "job")
        served.report(TaskState.RUNNING, 1, 2)
        served.report(TaskState.CANCELED, 1, 2)
        await served.state("FAILED")

    store = f"sqlite:///{tmp_path}/jobs.sqlite"
    status = served(None, act, store)
    assert status.failure.message == (
        "another process has resumed job 'job' and runs it now: sb.attach('job') in a session of that cluster"
    )


def test_no_epoch_begins_while_the_store_does_not_answer(tmp_path, impatient):
    async def act(served):
        await served.submit(**RESUMABLE)
        served.report(TaskState.RUNNING, 1, 2)
        await served.manager.sabot_stored_runs()
        with locked_store(store):
            served.lose(2)
            while "waits for the job store: the job store" not in (await served.status()).waits:
                await served.manager.topics.wait_changed(("job",), 1.0)
            assert (await served.status()).state == "RESTARTING"
        await served.state("DEPLOYING")
        reader = JobStore.open(store)
        assert (reader.last_run("job").epoch, served.ways[0].sent[-1].epoch) == (2, 2)
        reader.close()

    store = f"sqlite:///{tmp_path}/jobs.sqlite"
    served(None, act, store)
