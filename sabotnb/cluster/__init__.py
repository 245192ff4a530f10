"""Runs sabotnb on Dask: the JobManager on the scheduler, an Agent on each worker, and the client.

No other package imports Dask's scheduler or worker.
"""

from sabotnb.cluster.agent import Agent
from sabotnb.cluster.checks import Problem
from sabotnb.cluster.client import ClusterClient
from sabotnb.cluster.cluster import Cluster
from sabotnb.cluster.detached import detached_cluster, end_detached
from sabotnb.cluster.failures import job_failed
from sabotnb.cluster.job_manager import JobManager
from sabotnb.cluster.launch import connect, local_cluster
from sabotnb.cluster.probe_requests import Probed
from sabotnb.cluster.result_reader import Read, ResultBatch, Rewind
from sabotnb.cluster.sampled_rows import SampledRows
from sabotnb.cluster.task_jobs import Task, TaskJob, TaskResult, submit_job

__all__ = [
    "Agent",
    "Cluster",
    "ClusterClient",
    "JobManager",
    "Probed",
    "Problem",
    "Read",
    "ResultBatch",
    "Rewind",
    "SampledRows",
    "Task",
    "TaskJob",
    "TaskResult",
    "connect",
    "detached_cluster",
    "end_detached",
    "job_failed",
    "local_cluster",
    "submit_job",
]
