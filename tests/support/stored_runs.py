"""Requests and cuts for tests of the job store."""

from simulator import request

from sabotnb.job_store import CutRecord
from sabotnb.protocol import CheckpointPolicy, RunId

RUN = RunId("hours", 1)


def checkpointed(name="hours", **fields):
    """A request of a job that takes checkpoints."""
    return request(name, checkpoint=CheckpointPolicy(60.0, "ckpt"), **fields)


def cut(number, run=RUN, **fields):
    return CutRecord(run, epoch=1, cut=number, kind="checkpoint", storage="ckpt", path=f"ckpt/{number}", **fields)
