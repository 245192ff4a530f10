"""The durable job store: runs, checkpoints and events in SQLite or PostgreSQL, with one owner per job."""

from sabotnb.job_store.job_leases import RENEW_SECONDS, WATCH_SECONDS, Expired, Held, Owned
from sabotnb.job_store.job_store import JobStore
from sabotnb.job_store.location import data_folder, shown_location, written_location
from sabotnb.job_store.records import CutRecord, RunRecord, StoredRun, held_by

__all__ = [
    "RENEW_SECONDS",
    "WATCH_SECONDS",
    "CutRecord",
    "Expired",
    "Held",
    "JobStore",
    "Owned",
    "RunRecord",
    "StoredRun",
    "data_folder",
    "held_by",
    "shown_location",
    "written_location",
]
