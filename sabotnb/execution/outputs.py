"""Finds jobs that write into the same output folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from sabotnb.execution.job_run import JobRun
from sabotnb.protocol import JobRequest


def writer_in_the_way(request: JobRequest, jobs: Iterable[JobRun]) -> tuple[JobRun, str] | None:
    """An active run of another job that cannot share a folder with ``request``, and that folder; else None."""
    for job in jobs:
        for run in (job, job.successor):
            if run is not None and run.name != request.name and not run.state.terminal:
                folder = _contested(request, run.request)
                if folder is not None:
                    return run, folder
    return None


def replaces_output_of(request: JobRequest, previous: JobRequest) -> bool:
    """True if committing ``request``, which does not go on from ``previous``, removes files of that run of its job."""
    return any(not appends and folder in previous.outputs for folder, appends in request.outputs.items())


def _contested(request: JobRequest, other: JobRequest) -> str | None:
    """A folder of ``other`` that ``request`` cannot use too: runs share a folder only if both append."""
    for folder, appends in request.outputs.items():
        for taken, also_appends in other.outputs.items():
            if not (appends and also_appends) and _overlap(PurePath(folder), PurePath(taken)):
                return taken
    return None


def _overlap(folder: PurePath, other: PurePath) -> bool:
    return folder.is_relative_to(other) or other.is_relative_to(folder)
