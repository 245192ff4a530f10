"""Checkpoints and savepoints of a job, as its user sees and names them."""

from __future__ import annotations

import difflib
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sabotnb import text_limits
from sabotnb.api.running.saved_state import cut_to_begin
from sabotnb.cache import data_root
from sabotnb.display import number_format
from sabotnb.errors import CheckpointError
from sabotnb.expr import whole
from sabotnb.protocol import RunStatus, StoredCut
from sabotnb.storage import CutFolder, is_complete, read_cut

if TYPE_CHECKING:  # only for annotations
    import pandas as pd

COLUMNS = ["id", "kind", "name", "at", "seconds", "bytes", "rows", "usable", "operators", "path"]


@dataclass(frozen=True, slots=True)
class Savepoint:
    """A checkpoint that was taken on request and is kept: ``run(start_from=savepoint)`` goes on from it.

    ``path`` names it in another session, and for ``sb.read_state``.
    """

    cut: StoredCut
    storage: str

    @property
    def job(self) -> str:
        """The name of its job."""
        return self.cut.run.job

    @property
    def id(self) -> int:
        """Its number among the checkpoints and savepoints of its run."""
        return self.cut.cut

    @property
    def path(self) -> str:
        """The folder of its files, or its URL."""
        return CutFolder(self.storage, self.cut.run, self.cut.epoch, self.cut.cut).path

    def __repr__(self) -> str:
        return f"{self.cut.title} of job {self.job!r}, {number_format.size(self.cut.nbytes)} in {self.path}"


StartFrom = Savepoint | str | int | os.PathLike[str] | None
"""What a run may begin from: a savepoint, the path of one or of a checkpoint, its name, or its number."""


def cut_to_start_from(given: StartFrom, job: str | None, storage: str | None) -> StoredCut | None:
    """Return the cut that ``given`` means; a name or a number is one of ``job`` in ``storage``.

    Raises:
        CheckpointError: there is no such cut, it is damaged, or ``given`` is something else.
    """
    chosen = chosen_checkpoint(given)
    if chosen is None or isinstance(chosen, StoredCut):
        return chosen
    if job is None:
        raise CheckpointError(
            f"start_from={given!r} names a checkpoint of a job, and this run has no name. "
            f"Name it as that job: .run('hours', start_from={given!r}), or pass the path of the checkpoint"
        )
    return cut_to_begin(storage or str(data_root() / "checkpoints"), job, chosen)


def check_dropped(cut: StoredCut, drop_state: Sequence[str]) -> None:
    """Raise CheckpointError if ``drop_state`` names operators that ``cut`` does not have."""
    known = [operator for chain in cut.operators.values() for operator in chain]
    for name in drop_state:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0) or [name]
            raise CheckpointError(
                f"drop_state names {name!r}, and {cut.kind.value} {cut.cut} of {cut.run.job!r} has "
                f"{', '.join(map(repr, known))}. Name one of these, or leave it out: .run(drop_state={near!r})"
            )


def chosen_checkpoint(given: StartFrom) -> StoredCut | str | int | None:
    """Return the cut of a savepoint or a path; a name or a number is returned as it is.

    Raises:
        CheckpointError: there is no cut at the path, it is damaged, or ``given`` is something else.
    """
    if isinstance(given, Savepoint):
        return given.cut
    if isinstance(given, os.PathLike) or (isinstance(given, str) and (os.sep in given or "/" in given)):
        return read_cut(os.fspath(given))
    if given is None or isinstance(given, str):
        return given
    return whole(
        given,
        CheckpointError(
            f"start_from={text_limits.cut(repr(given), 80)} is a {type(given).__name__}, not a checkpoint. "
            "Pass what job.savepoint() returns, or its path, name or number: .run('hours', start_from=job.savepoint())"
        ),
    )


def checkpoints_frame(status: RunStatus, now: float) -> pd.DataFrame:
    """Return a row per checkpoint of the run, the oldest first; ``now`` is the time of ``status`` by its clock.

    Looks for the files of those that are kept.
    """
    import pandas as pd

    rows = []
    storage = status.checkpointing.storage
    for checkpoint in status.checkpoints:
        began = pd.Timestamp(time.time() - (now - checkpoint.began), unit="s", tz="UTC").round("ms")
        path = CutFolder(storage, status.run, checkpoint.epoch, checkpoint.cut).path
        by_vertex: Counter[str] = Counter()
        for task, nbytes in checkpoint.nbytes.items():
            by_vertex[task.rpartition("[")[0].rpartition("/")[2]] += nbytes
        rows.append(
            (
                checkpoint.cut,
                checkpoint.kind.value,
                checkpoint.name,
                began,
                round(checkpoint.seconds, 3),
                sum(by_vertex.values()),
                checkpoint.rows,
                checkpoint.kept and is_complete(path),
                dict(by_vertex),
                path,
            )
        )
    return pd.DataFrame(rows, columns=COLUMNS)
