"""Runs tasks: one task in its thread, all tasks of an agent, and whole jobs in this process."""

from sabotnb.task.canceling import await_canceled
from sabotnb.task.failure_report import error_of, failure_of
from sabotnb.task.host import Assignment, Host, Makers
from sabotnb.task.local import run_local
from sabotnb.task.result_buffers import Results
from sabotnb.task.runner import TaskRunner
from sabotnb.task.source_warnings import SourceWarnings
from sabotnb.task.steps import TaskCanceled
from sabotnb.task.task import TaskExecution
from sabotnb.task.warmup import warm_up

__all__ = [
    "Assignment",
    "Host",
    "Makers",
    "Results",
    "SourceWarnings",
    "TaskCanceled",
    "TaskExecution",
    "TaskRunner",
    "await_canceled",
    "error_of",
    "failure_of",
    "run_local",
    "warm_up",
]
