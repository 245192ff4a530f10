"""Finds the run of a job in the job store that is to go on, and the checkpoint from which it does.

Checkpoints after the chosen one are of no use any more: what the run has committed since is replaced. The same holds
for those whose description cannot be read.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sabotnb.errors import CheckpointError, JobError, SabotnbError, StorageUnreachable
from sabotnb.execution import oldest_kept, with_parallelism
from sabotnb.protocol import StoredCut
from sabotnb.storage import list_cuts, read_cut

if TYPE_CHECKING:  # the store's thread imports it: a database library takes half a second to load
    from sabotnb.job_store import CutRecord, JobStore, RunRecord, StoredRun

logger = logging.getLogger("sabotnb.job_store")

Chosen = StoredCut | str | int | None
"""The checkpoint that a user has chosen: itself, its name or its number; None for the last one."""


@dataclass(frozen=True, slots=True)
class Resumable:
    """A run of the store, and the cuts that it can go on from, the newest last; it goes on from that one.

    A run without ``cuts`` of its own goes on from the cut that its request starts from.
    ``later`` are the numbers of its cuts after that one. ``newest`` is the greatest number of a cut that it ever had,
    as far as there are files of it. ``replanned``: its request is not the stored one.
    """

    stored: StoredRun
    cuts: tuple[StoredCut, ...]
    later: tuple[int, ...]
    newest: int
    replanned: bool = False

    def replan(self, parallelism: int) -> Resumable:
        """Return the run with ``parallelism`` tasks of each operator that has none of its own; GraphError if wrong."""
        request = with_parallelism(self.stored.request, self.stored.blobs, parallelism)
        return replace(self, stored=replace(self.stored, request=request), replanned=True)


def find_resumable(store: JobStore, job: str, chosen: Chosen) -> Resumable:
    """Read the newest run of ``job``, and the cuts up to the ``chosen`` one.

    Raises:
        JobError: there is no such run, or it has ended, or it has no checkpoint and began from none.
        CheckpointError: the chosen one is not one of that run, or cannot be read.
        StorageUnreachable: the storage cannot be read now.
    """
    record = store.last_run(job)
    if record is None:
        names = ", ".join(repr(known.run.job) for known in store.runs()) or "none"
        raise JobError(f"no job {job!r} in the job store; there are: {names}. sb.jobs() lists them")
    records = store.cuts(record.run) if record.resumable else []
    if record.state.terminal:
        again = _run_again(store, record, records)
        raise JobError(f"job {job!r} is {record.state.value} and cannot be resumed. {again}")
    until = _number(record, records, chosen)
    cuts = _readable([cut for cut in records if until is None or cut.cut <= until])
    if until is not None and (not cuts or cuts[-1].cut != until):
        raise CheckpointError(
            f"checkpoint {until} of job {job!r} cannot be read; sb.resume({job!r}) takes the last one"
        )
    stored = store.stored_run(record) if record.resumable else None
    if stored is None or not (cuts or (stored.request.start_from is not None and not records)):
        raise JobError(f"job {job!r} has no checkpoint to go on from. Run it again")
    if stored.request.pulled:
        raise JobError(
            f"job {job!r} hands its rows to a function of the session that started it, which has ended. "
            f"{_run_again(store, record, records)}"
        )
    if not cuts:
        return Resumable(stored, cuts, later=(), newest=0)
    if stored.request.commits and not stored.request.topology.bounded:
        _refuse_left_behind(cuts[-1], records[-1])
    later = tuple(cut.cut for cut in records if cut.cut > cuts[-1].cut)
    return Resumable(stored, cuts, later, max(cuts[-1].cut, *later, *_numbers_in_storage(records[-1])))


def _refuse_left_behind(cut: StoredCut, newest: CutRecord) -> None:
    """Raise a CheckpointError if the run went back behind ``cut``, as its ``newest`` one shows, and has gone on."""
    try:
        left_behind = not read_cut(newest.path).follows(cut.run, cut.epoch, cut.cut)
    except CheckpointError:  # it is damaged, so the run goes on from an older one
        return
    if left_behind:
        raise CheckpointError(
            f"{cut.run} went back behind {cut.kind.value} {cut.cut}, and has replaced its output. Go on from the last "
            f"checkpoint: sb.resume({cut.run.job!r})"
        )


def _numbers_in_storage(record: CutRecord) -> list[int]:
    """The numbers of all cuts of the run with files, also of those that an earlier resume has left behind."""
    try:
        return [folder.cut for folder in list_cuts(record.storage, record.run.job, record.run.number)]
    except SabotnbError:
        return []


def _number(record: RunRecord, records: Sequence[CutRecord], chosen: Chosen) -> int | None:
    """The number of the chosen cut of the run, None for the last one; CheckpointError if the run has no such cut."""
    if chosen is None:
        return None
    if isinstance(chosen, StoredCut):
        wanted = [cut.cut for cut in records if (chosen.run, chosen.epoch, chosen.cut) == (cut.run, cut.epoch, cut.cut)]
    else:
        wanted = [cut.cut for cut in records if chosen in (cut.cut, cut.name)]
    if wanted:
        return wanted[-1]
    job = record.run.job
    known = ", ".join(repr(cut.name or cut.cut) for cut in records) or "none"
    what = f"{chosen.cut} of {chosen.run}" if isinstance(chosen, StoredCut) else repr(chosen)
    raise CheckpointError(
        f"{record.run} has no checkpoint {what} to be resumed from; it has: {known}. A new run can begin from any: "
        f".run({job!r}, start_from=...)"
    )


def _run_again(store: JobStore, record: RunRecord, records: Sequence[CutRecord]) -> str:
    job = record.run.job
    request = store.stored_run(record).request if record.resumable else None
    if request is None:
        return "Run it again"
    if records:
        return f"A new run goes on with its state: .run({job!r}, start_from={records[-1].path!r})"
    cut = request.start_from
    if cut is None or cut.run.job != job:
        return "Run it again"
    return f"A new run goes on with the state that it began with: .run({job!r}, start_from={cut.cut})"


def _readable(records: Sequence[CutRecord]) -> tuple[StoredCut, ...]:
    """The last cuts whose descriptions can be read, oldest first."""
    readable: list[StoredCut] = []
    for record in reversed(records):
        try:
            readable.insert(0, read_cut(record.path))
        except StorageUnreachable:  # the last checkpoints would be lost for a fault that passes
            raise
        except SabotnbError as error:
            logger.warning("cut %s of %s is skipped: %s", record.cut, record.run, error)
        if oldest_kept(readable) is not None:
            break
    return tuple(readable)
