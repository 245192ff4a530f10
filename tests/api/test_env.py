"""An env and the jobs that it was given: which handles it keeps, and what leaving its block waits for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import sabotnb as sb

pytestmark = pytest.mark.cluster


@pytest.fixture
def env() -> Iterator[sb.Env]:
    opened = sb.local(workers=1, slots=4, processes=False)
    yield opened
    opened.close()


@pytest.fixture
def rows() -> sb.Stream:
    return sb.Stream.from_rows([{"x": 1}])


def test_a_cluster_that_ran_nothing_has_an_empty_table_of_jobs(env: sb.Env) -> None:
    with env:
        assert sb.jobs()["state"].tolist() == []


def test_leaving_the_block_does_not_ask_for_jobs_that_the_cluster_has_forgotten(
    env: sb.Env, rows: sb.Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sabotnb.execution.scheduling.KEPT_JOBS", 2)
    with env:
        for number in range(4):
            rows.sink_live().run(f"job-{number}").wait(timeout=60)
        assert "job-0" not in sb.jobs()["job"].tolist()


def test_an_env_keeps_the_last_handles_and_those_of_jobs_that_are_not_over(
    env: sb.Env, rows: sb.Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sabotnb.api.env.MOST_HANDLES", 4)
    with env:
        endless = sb.Stream.from_rate(100).run("endless")
        for number in range(8):
            rows.sink_live().run(f"job-{number}").wait(timeout=60)
        kept = [job.name for job in env._jobs.values()]
        assert kept[0] == "endless"
        assert len(kept) <= 5
        assert sb.attach("job-7").rows.num_rows == 1
        assert sb.attach("endless") is endless
        endless.cancel()


def fails(_batch: object) -> object:
    raise ValueError("as it should")


def test_leaving_the_block_tells_of_a_failure_that_nobody_has_heard_of(env: sb.Env, rows: sb.Stream) -> None:
    job = rows.map_batches(fails, schema=rows.schema).sink_live().run("fails")
    while job.status.state != "FAILED":
        pass
    with pytest.raises(sb.errors.JobFailed, match="as it should"), env:
        pass


def test_leaving_the_block_tells_no_failure_twice_and_of_no_cancel(env: sb.Env, rows: sb.Stream) -> None:
    with env:
        heard = rows.map_batches(fails, schema=rows.schema).sink_live().run("heard")
        with pytest.raises(sb.errors.JobFailed):
            heard.wait(timeout=60)
        canceled = sb.Stream.from_rate(10, n=1_000_000).sink_live().run("canceled")
        canceled.cancel()
        while canceled.status.state != "CANCELED":
            pass


def test_a_handle_knows_how_its_run_ended_when_the_cluster_has_forgotten_it(
    env: sb.Env, rows: sb.Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sabotnb.execution.runs.KEPT_RUNS", 2)
    with env:
        first = rows.sink_live().run("same")
        first.wait(timeout=60)
        unseen = rows.sink_live().run("same")
        while sb.jobs()["state"].tolist() != ["FINISHED"]:
            pass
        for _ in range(4):
            rows.sink_live().run("same").wait(timeout=60)
        assert (first.status.state, first.wait().rows_out) == ("FINISHED", 1)
        with pytest.raises(sb.errors.JobError, match="so long ago that the cluster has forgotten it"):
            unseen.wait()


def test_a_cluster_that_has_gone_is_not_forgotten_before_another_is_opened(env: sb.Env, rows: sb.Stream) -> None:
    env.cluster.client.close()
    with pytest.raises(sb.errors.ClusterLost, match=r"sb\.local"):
        rows.to_rows()
    assert repr(env).startswith("Env: the session was closed, or its cluster went away")
    with sb.local(workers=1, slots=4, processes=False) as another:
        assert another is not env
        assert rows.to_rows() == [{"x": 1}]
    env.close()
    assert rows.to_rows() == [{"x": 1}]


def test_leaving_the_block_waits_for_other_jobs_before_it_tells_of_a_failure(
    env: sb.Env, rows: sb.Stream, tmp_path: Path
) -> None:
    failed = rows.map_batches(fails, schema=rows.schema).sink_live().run("failed")
    while failed.status.state != "FAILED":
        pass
    slow = sb.Stream.from_rate(100, n=100).sink_parquet(tmp_path / "out").run("slow")
    with pytest.raises(sb.errors.JobFailed, match="as it should"), env:
        assert slow.status.state != "FINISHED"
    assert sb.Stream.from_parquet(tmp_path / "out").agg(n=sb.count()).to_rows() == [{"n": 100}]


def test_a_forgotten_run_has_a_text(env: sb.Env, rows: sb.Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sabotnb.execution.runs.KEPT_RUNS", 1)
    with env:
        first = rows.sink_live().run("same")
        while sb.jobs()["state"].tolist() != ["FINISHED"]:
            pass
        for _ in range(3):
            rows.sink_live().run("same").wait(timeout=60)
        assert repr(first).startswith("same is no longer known: this run of job 'same' ended so long ago")


def test_the_link_to_the_dashboard_has_its_token_which_the_env_does_not_show(env: sb.Env) -> None:
    assert env.dashboard_link.startswith("http://127.0.0.1:")
    assert env.dashboard_link.endswith(f"/status?token={env.dashboard_token}")
    assert env.dashboard_token not in repr(env)
