"""Runs that are cut, killed and restored at drawn moments."""

import itertools
import random

from sabotnb.api.running.compiling import compile_graph
from sabotnb.api.running.sampled_run import collected
from sabotnb.config import Config
from sabotnb.testing import CheckpointedRun

SMALL = Config(batch_rows=16, gate_bytes=4096, coalesce_rows=8)
"""Many polls, batches and waits for credit in a job of few rows."""


def compiled(stream, most_tasks=3):
    """The jobs of a stream with 1 to ``most_tasks`` tasks for each operator."""
    graph = collected(stream.flow)
    return [compile_graph(graph, tasks + 1) for tasks in range(most_tasks)]


def restarted(jobs, storage, seed, *, polls, config=SMALL):
    """The rows of one of ``jobs`` that is cut, killed and restored as others of them, twice.

    The cuts come after up to ``polls`` polls of each run, the kills a few polls later.
    """
    draw = random.Random(seed)
    first, *following = (draw.choice(jobs) for _ in range(3))
    run = CheckpointedRun(first.execution, first.splits, str(storage), config=config)
    for job in following:
        moment = draw.randint(0, polls)
        with run.start():
            cut = run.read(moment).take_cut()
            run.read(moment + draw.randint(0, 9))
        run = run.restored(cut, job.execution)
    with run.start():
        return run.finish()


def final_config(**options):
    """Settings under which every result is a batch of its own, and sorts write files."""
    return Config(batch_rows=1, gate_bytes=4096, coalesce_rows=1, **options)


def cut_behind_each_batch(jobs, storage, seed, config=SMALL, every=1):
    """Yield the rows of runs that are cut behind a batch of their output, killed and restored: for each such batch."""
    draw = random.Random(seed)
    for batch in itertools.count(1, every):
        first, following = draw.choice(jobs), draw.choice(jobs)
        with CheckpointedRun(first.execution, first.splits, str(storage), config=config).start() as run:
            cut = run.cut_behind(batch)
        if cut is None:
            return
        with run.restored(cut, following.execution).start() as restored:
            yield cut, restored.finish()
