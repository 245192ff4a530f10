"""Runs tasks: one task in its thread, all tasks of an agent, and whole jobs in this process."""

from sabotnb.task.failure_report import error_of, failure_of
from sabotnb.task.host import Makers
from sabotnb.task.local import run_local
from sabotnb.task.result_buffers import Results
from sabotnb.task.runner import TaskRunner
from sabotnb.task.steps import TaskCanceled
from sabotnb.task.warmup import warm_up

__all__ = [
    "Makers",
    "Results",
    "TaskCanceled",
    "TaskRunner",
    "error_of",
    "failure_of",
    "run_local",
    "warm_up",
]
