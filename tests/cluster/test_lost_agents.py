"""Worker processes that die, and such that only look dead."""

import ctypes
import os
import signal
from dataclasses import replace

import dask
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster_jobs import collected, endless, line, numbers, submit

from sabotnb.cluster import local_cluster
from sabotnb.config import Config
from sabotnb.errors import AgentLost, EnvError, JobFailed
from sabotnb.expr import col
from sabotnb.graph import Filter, Operator, Sink
from sabotnb.protocol import CheckpointPolicy

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def mortal():
    """A cluster to be damaged. Leases are short, but longer than a busy machine keeps a worker from its heartbeat."""
    started = local_cluster(2, 4, config=Config(batch_rows=1000, heartbeat_seconds=0.2, agent_lost_seconds=5))
    yield started
    started.close()


def settle(cluster, agents=2):
    """Wait for agents whose nannies know of them: Dask does not replace a worker that is killed while it starts."""

    def status(dask_worker):
        return dask_worker.status.name

    cluster.jobs.wait_agents(agents, 30)
    while set(cluster.client.run(status, nanny=True).values()) != {"running"}:
        continue


def ids(cluster):
    return [row["agent"] for row in cluster.slots()]


def running(cluster, name):
    run = submit(cluster, name, endless())
    run.wait_until(lambda status: status.state == "RUNNING")
    return run


def writing(cluster, name, folder):
    """A running job that writes files on both agents, with rows under way between them."""
    run = submit(
        cluster, name, endless(*apart(Operator("out", Sink("parquet", {"path": str(folder)}), slot_group="b")))
    )
    run.wait_until(lambda status: all(row.counters.rows_in for row in status.tasks if row.vertex != "forever"))
    assert {row.agent for row in run.status().tasks} == set(ids(cluster))
    return run


def begun_again(run):
    """Wait until the job runs again after it has lost an agent, and has rows."""
    run.wait_until(lambda status: status.restarts and status.state == "RUNNING" and status.rows_out)


def apart(*rest):
    """Operators behind one whose tasks are in other slots, so that rows come to them over the network."""
    return Operator("above", Filter(col("n") >= 0), slot_group="a"), *rest


def shuffled(cluster, name):
    """The number of rows that a job brings from agent to agent."""
    return submit(cluster, name, line(numbers(5000), *apart(collected(slot_group="b")))).table().num_rows


@pytest.mark.parametrize("number", [0, 1])
def test_a_killed_worker_fails_its_jobs_and_comes_back_as_another(mortal, number):
    settle(mortal)
    before = ids(mortal)
    run = running(mortal, "orphan")
    killed = mortal.kill_worker(number)
    with pytest.raises(JobFailed, match=rf"worker {killed} .* was taken away: env.kill_worker\({number}\) killed it"):
        run.table()
    with pytest.raises(JobFailed, match=rf"worker {killed} .* was taken away: env.kill_worker\({number}\) killed it"):
        run.wait()
    settle(mortal)
    assert killed == before[number]
    assert before[1 - number] in ids(mortal)
    assert killed not in ids(mortal)
    assert submit(mortal, "after", line(numbers(5), collected())).table().num_rows == 5


def test_an_interrupt_of_the_notebook_reaches_workers_too_and_does_no_harm(mortal):
    settle(mortal)
    before = mortal.slots()
    run = running(mortal, "interrupted")
    for row in before:
        os.kill(row["pid"], signal.SIGINT)
    run.wait_until(lambda status: status.rows > 1000)
    run.cancel()
    assert run.wait_over().state == "CANCELED"
    assert mortal.slots() == before


def test_a_killed_worker_leaves_no_output_and_other_jobs_alone(mortal, tmp_path):
    settle(mortal)
    other = submit(mortal, "elsewhere", endless(), parallelism=1)
    spared = {row.agent for row in other.wait_until(lambda status: status.state == "RUNNING").tasks}
    run = writing(mortal, "writing", tmp_path / "out")
    mortal.kill_worker(next(agent for agent in ids(mortal) if agent not in spared))
    begun_again(run)
    run.cancel()
    assert run.wait_over().state == "CANCELED"
    assert not (tmp_path / "out").exists()
    assert other.status().state == "RUNNING"
    other.cancel()
    other.wait_over()
    settle(mortal)
    assert shuffled(mortal, "writing") == 5000


def test_rows_of_a_finished_job_are_gone_with_their_agent(mortal):
    settle(mortal)
    run = submit(mortal, "unread", line(numbers(5), collected()))
    run.wait()
    killed = mortal.kill_worker(ids(mortal).index(run.status().tasks[0].agent))
    gone = f"'unread' has finished, but its rows that waited on {killed} are not there"
    with pytest.raises(JobFailed, match=gone) as raised:
        run.table()
    assert isinstance(raised.value.reason, AgentLost)  # so that to_rows() and the like run once more


def test_rows_of_a_live_table_that_no_client_has_read_are_in_checkpoints(mortal, tmp_path):
    def last_cut(status):
        return status.checkpoints[-1].cut if status.checkpoints else 0

    def kept(status):
        (task,) = [task for task in status.tasks if task.vertex == "numbers"]
        return task

    settle(mortal)
    graph = endless(Operator("out", Sink("parquet", {"path": str(tmp_path / "out"), "mode": "append"})))
    few = line(replace(numbers(5), parallelism=1), Operator("kept", Sink("live", {"keep": 10}), parallelism=1))
    for operator in few.operators.values():
        graph = graph.add_operator(operator)
    graph = graph.connect("numbers", "kept")
    run = submit(mortal, "kept", graph, checkpoint=CheckpointPolicy(0.2, str(tmp_path / "ckpt")))
    before = last_cut(run.wait_until(lambda status: kept(status).counters.rows_in == 5))
    status = run.wait_until(lambda status: last_cut(status) > before + 1)
    mortal.kill_worker(ids(mortal).index(kept(status).agent))
    begun_again(run)
    read = pa.Table.from_batches(mortal.jobs.batches(run.id, "numbers", "kept"))
    assert read["n"].to_pylist() == list(range(5))
    run.wait_until(lambda status: kept(status).state == "FINISHED")
    mortal.jobs.stop("kept")
    assert run.wait().restarts == 1


def test_a_broken_connection_fails_the_jobs_that_use_it(mortal, tmp_path):
    def cut(dask_worker):
        links = dask_worker.plugins["sabotnb-agent"]._session._exchange._transport._links()
        connected = [link._stream for link in links if link._stream is not None]
        for stream in connected:
            stream.shutdown()
        return len(connected)

    settle(mortal)
    before = mortal.slots()
    run = writing(mortal, "cut", tmp_path / "out")
    cuts = mortal.client.run(cut, workers=[before[0]["address"]])
    assert all(cuts.values())
    begun_again(run)
    run.cancel()
    assert run.wait_over().state == "CANCELED"
    assert not (tmp_path / "out").exists()
    assert mortal.slots() == before
    assert shuffled(mortal, "cut") == 5000


def test_a_job_goes_on_without_a_worker_that_hangs_which_is_fenced(mortal, tmp_path):
    settle(mortal)
    hanging = mortal.slots()[1]
    run = writing(mortal, "hanging", tmp_path / "out")
    os.kill(hanging["pid"], signal.SIGSTOP)
    try:
        finding = run.wait_metrics(lambda metrics: metrics.waits).finding
        assert finding.sentence == (
            f"worker {hanging['agent']} (process {hanging['pid']} on 127.0.0.1) was lost: no heartbeat for 5 s. "
            "The job starts again from the beginning: it needs 5 slots, 4 free."
        )
        assert hanging["agent"] not in ids(mortal)
        begun_again(run)  # although no other worker has joined
        assert run.status().lost.endswith("; it runs in 4 of the 5 slots that it needs, and is slower")
    finally:
        os.kill(hanging["pid"], signal.SIGCONT)
    settle(mortal)
    mortal.jobs.stop("hanging")  # it commits what was written since it began again, and nothing of the zombie
    rows = pq.read_table(tmp_path / "out")["n"].to_pylist() if run.wait().state == "FINISHED" else []
    assert sorted(rows) == list(range(len(rows)))
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []
    back = next(row for row in mortal.slots() if row["pid"] == hanging["pid"])
    assert back["agent"] != hanging["agent"]
    assert submit(mortal, "after-hanging", line(numbers(5), collected()), parallelism=4).table().num_rows == 5


def test_a_fenced_agent_is_silent_until_its_new_identity_is_registered():
    cluster = local_cluster(1, 2, config=Config(heartbeat_seconds=0.001, agent_lost_seconds=5))
    try:
        (hanging,) = cluster.slots()
        os.kill(hanging["pid"], signal.SIGSTOP)
        while cluster.slots():
            continue
        os.kill(hanging["pid"], signal.SIGCONT)
        cluster.jobs.wait_agents(1, 30)
        assert submit(cluster, "after", line(numbers(5), collected())).table().num_rows == 5
        assert ids(cluster) == ["agent-2"]
    finally:
        cluster.close()


@pytest.mark.parametrize("worker", [9, -1, 1.5, True, None, "agent-99"])
def test_there_is_no_such_agent(mortal, worker):
    with pytest.raises(EnvError, match=rf"kill_worker\({worker!r}\): the agents are agent-\d+, .*env\.slots\(\)"):
        mortal.kill_worker(worker)


def test_a_busy_kernel_costs_no_lease(mortal):
    settle(mortal)
    before = ids(mortal)
    run = running(mortal, "busy-kernel")
    ctypes.PyDLL(None).usleep(6_000_000)  # keeps the GIL, and so the scheduler's loop, for longer than a lease
    assert ids(mortal) == before
    run.cancel()
    assert run.wait_over().state == "CANCELED"


def test_a_worker_comes_back_however_long_its_start_takes():
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1ms"}):
        cluster = local_cluster(1, 2)
        settle(cluster, 1)
        killed = cluster.kill_worker(0)
        while killed in ids(cluster):
            continue
        cluster.jobs.wait_agents(1, 30)
        assert ids(cluster) != [killed]
        assert submit(cluster, "after", line(numbers(5), collected())).table().num_rows == 5
        cluster.close()
