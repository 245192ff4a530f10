"""The public API: streams, sessions, jobs. ``import sabotnb as sb`` offers all, and loads parts on first use."""

from sabotnb.api import views
from sabotnb.api.doctor import Checkup, doctor
from sabotnb.api.env import Env, connect, local
from sabotnb.api.handles.job import Job
from sabotnb.api.handles.status import JobResult, JobStatus
from sabotnb.api.known_jobs import attach, jobs
from sabotnb.api.running.preview import Preview
from sabotnb.api.sink import Sink, run
from sabotnb.api.stream import Grouped, Stream, union

__all__ = [
    "Checkup",
    "Env",
    "Grouped",
    "Job",
    "JobResult",
    "JobStatus",
    "Preview",
    "Sink",
    "Stream",
    "attach",
    "connect",
    "doctor",
    "jobs",
    "local",
    "run",
    "union",
    "views",
]
