"""Checks a cluster for problems and slow settings; each finding says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import distributed

from sabotnb.cluster.client import ClusterClient
from sabotnb.errors import EnvError
from sabotnb.protocol import JobState

AGREEING = ("sabotnb", "pyarrow", "cloudpickle")
"""Packages whose versions client, scheduler and agents should share; without the first one nothing works."""

SMALL_BATCH_ROWS = 1000
MANY_BATCHES = 1000
"""At this many batches per second a task spends its time on batches, not on rows, if the batches are small."""


@dataclass(frozen=True, slots=True)
class Problem:
    """``subject`` is a job, an agent or the cluster; ``advice`` can be run or typed."""

    subject: str
    problem: str
    advice: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem}: {self.advice}"


def check(client: distributed.Client, jobs: ClusterClient) -> list[Problem]:
    """Agents, slots, versions, exposure, and the batches of running jobs; ClusterLost if none answers."""
    return [*_agents(jobs), *_versions(client), *_exposure(jobs.address), *_batches(jobs)]


def check_installed(client: distributed.Client) -> None:
    """Raise EnvError if the scheduler or a worker has no sabotnb, or another version than this process."""
    here = version("sabotnb")
    wrong = [
        f"{where} has {installed}" for where, installed in _installed(client, "sabotnb").items() if installed != here
    ]
    if wrong:
        raise EnvError(f"every agent needs sabotnb {here}; {', '.join(wrong)}: pip install sabotnb=={here} there")


def _installed(client: distributed.Client, package: str) -> dict[str, str]:
    """Version of ``package`` by place. Asks with a function of the standard library: sabotnb may be missing there."""
    workers = client.run(version, package, on_error="return")
    answers: dict[str, Any] = {f"worker {address}": answer for address, answer in workers.items()}
    try:
        answers["the scheduler"] = client.run_on_scheduler(version, package)
    except ModuleNotFoundError as missing:
        answers["the scheduler"] = missing
    return {where: answer if isinstance(answer, str) else "none" for where, answer in answers.items()}


def _agents(jobs: ClusterClient) -> Iterator[Problem]:
    agents = jobs.slots()
    if not agents:
        yield Problem("cluster", "no agents are registered", f"env.scale(2), or `dask worker {jobs.address}`")
    elif not any(agent["free"] for agent in agents):
        total = sum(agent["slots"] for agent in agents)
        running = ", ".join(run.job for run in jobs.jobs() if run.state is JobState.RUNNING)
        yield Problem(
            "cluster", f"all {total} slots are held ({running})", f"env.scale({len(agents) + 1}) or cancel a job"
        )
    for number, agent in enumerate(agents):
        for task in agent["hanging"]:
            yield Problem(
                agent["agent"],
                f"{task} was canceled, but its function does not return and keeps a thread and its memory",
                f"env.kill_worker({number}) ends the process",
            )
    for run in jobs.jobs():
        if run.state is JobState.PENDING:
            status = jobs.status(run.job)
            yield Problem(f"job {run.job!r}", status.waits or "waits", f"env.scale({len(agents) + 1})")


def _versions(client: distributed.Client) -> Iterator[Problem]:
    for package in AGREEING:
        here = version(package)
        for where, installed in _installed(client, package).items():
            if installed != here:
                yield Problem(
                    where, f"{package} is {installed}, here it is {here}", f"pip install {package}=={here} there"
                )


def _exposure(address: str) -> Iterator[Problem]:
    if address.startswith("tcp://") and not address.startswith(("tcp://127.", "tcp://localhost", "tcp://[::1]")):
        yield Problem(
            "cluster",
            f"{address} takes code from anybody who reaches it",
            "start scheduler and workers with --tls-ca-file, --tls-cert and --tls-key",
        )


def _batches(jobs: ClusterClient) -> Iterator[Problem]:
    for run in jobs.jobs():
        if run.state is not JobState.RUNNING:
            continue
        for task in jobs.metrics(run.job).tasks:
            if task.out.batches_rate < MANY_BATCHES or task.out.rows_rate > SMALL_BATCH_ROWS * task.out.batches_rate:
                continue
            mean = task.out.rows_rate / task.out.batches_rate
            yield Problem(
                f"job {run.job!r}, {task.vertex}[{task.index}]",
                f"sends {task.out.batches_rate:,.0f} batches per second of {mean:,.0f} rows each: overhead per batch "
                "dominates",
                "let its function give larger batches, or lower the parallelism behind it",
            )
