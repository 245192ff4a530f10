"""An env and the jobs that it was given: which handles it keeps, and what leaving its block waits for."""

from pathlib import Path

import pytest

import sabotnb as sb

pytestmark = pytest.mark.cluster


@pytest.fixture
def env() -> sb.Env:
    return sb.local(workers=1, slots=4, processes=False)


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
