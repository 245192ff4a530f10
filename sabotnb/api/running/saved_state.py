"""Look into a checkpoint: the states of its operators as tables. Needs no cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NoReturn

import pyarrow as pa

from sabotnb.api.boundary import boundary, folding
from sabotnb.api.running.pandas_frames import pandas_frame
from sabotnb.cache import data_root
from sabotnb.errors import CheckpointError
from sabotnb.operators import readable
from sabotnb.protocol import UNSENT, Scope, StoredCut
from sabotnb.storage import CutFolder, StateReader, StoredState, jobs_with_cuts, list_cuts, read_cut

if TYPE_CHECKING:  # looking at names loads no pandas
    import pandas as pd

_MOST = 10
"""Names that an error lists."""


@folding
def read_state(
    storage: str | os.PathLike[str] | None = None, *, job: str, checkpoint: int | str | None = None
) -> SavedState:
    """Open the states in a checkpoint: ``sb.read_state("ckpt", job="hours").operator("window_0").to_pandas()``.

    ``storage`` is what ``sb.checkpoint`` was given; default: the folder of sabotnb's data on this machine.
    ``checkpoint`` is the number of a checkpoint, the name of a savepoint, or the path of either; default: the newest.
    The job may be running.

    Raises:
        CheckpointError: there is no such checkpoint, or its files are damaged.
    """
    root = os.fspath(storage) if storage is not None else str(data_root() / "checkpoints")
    if isinstance(checkpoint, str) and ("/" in checkpoint or os.sep in checkpoint):
        return SavedState(read_cut(checkpoint), root)
    return SavedState(find_cut(root, job, checkpoint), root)


@boundary
class SavedState:
    """The states in one checkpoint; ``operators`` are the ids of those that have any."""

    def __init__(self, cut: StoredCut, storage: str) -> None:
        """Read the indexes of all state files of ``cut``; the states are read when they are asked for."""
        self._cut = cut
        self._storage = storage
        files = [snapshot.file for _, snapshot in sorted(cut.tasks.items()) if snapshot.file is not None]
        self._readers = [StateReader(file) for file in files]

    @property
    def operators(self) -> list[str]:
        """The ids of the operators that have state."""
        return list(dict.fromkeys(state.operator for reader in self._readers for state in _states(reader)))

    def operator(self, name: str, state: str | None = None) -> OperatorState:
        """Return the state of an operator, by its id or a unique prefix of it.

        ``state`` chooses one of several; ``.states`` of the result has their names.

        Raises:
            CheckpointError: there is no such operator or state, or several operators begin with ``name``.
        """
        known = self.operators
        if not known:
            raise CheckpointError(f"no operator has state in {self!r}. {_newest(self._storage, self._cut.run.job)}")
        matches = [name] if name in known else [operator for operator in known if operator.startswith(name)]
        if len(matches) != 1:
            what = "begins several operators" if matches else "is not an operator"
            raise CheckpointError(
                f"{name!r} {what} with state in {self!r}; it has {_listed(matches or known)}. "
                f"Choose one: .operator({(matches or known)[0]!r})"
            )
        states = OperatorState(matches[0], self._readers)
        return states if state is None else states.state(state)

    def __repr__(self) -> str:
        return f"{self._cut.title} of job {self._cut.run.job!r}"


@boundary
class OperatorState:
    """The state of one operator at a checkpoint, of all its tasks; ``states`` are the names of its parts."""

    def __init__(self, operator: str, readers: Sequence[StateReader], chosen: str | None = None) -> None:
        """Take the states of ``operator`` from ``readers``, or only the ``chosen`` one."""
        self._operator = operator
        self._readers = readers
        self._chosen = chosen
        self.states = list(
            dict.fromkeys(
                state.spec.name for reader in readers for state in _states(reader) if state.operator == operator
            )
        )

    def state(self, name: str) -> OperatorState:
        """Return one of several states."""
        if name not in self.states:
            raise CheckpointError(
                f"{self._operator!r} has no state {name!r}; it has {_listed(self.states)}. "
                f"Choose one: .operator({self._operator!r}, state={self.states[0]!r})"
            )
        return OperatorState(self._operator, self._readers, name)

    def to_arrow(self) -> pa.Table:
        """Return a row for each key, or each row that the operator holds, in no particular order.

        Times are timestamps in UTC. Aggregates have their current result where a single value is it; a mean has its sum
        and its count as ``name:state0`` and ``name:state1``. Values of classes of the user are pickled.

        Raises:
            CheckpointError: the operator has several states, of which ``state`` must choose one; a file is damaged.
        """
        if self._chosen is None and len(self.states) > 1:
            raise CheckpointError(
                f"{self._operator!r} has several states: {_listed(self.states)}. "
                f"Choose one: .operator({self._operator!r}, state={self.states[0]!r})"
            )
        return readable(pa.concat_tables(self._tables(self._chosen or self.states[0]), promote_options="default"))

    def to_pandas(self) -> pd.DataFrame:
        """Return ``to_arrow`` as a frame."""
        return pandas_frame(self.to_arrow())

    def _tables(self, name: str) -> Iterable[pa.Table]:
        """The rows of each task; of a broadcast state, which each task has whole, those of one task."""
        for reader in self._readers:
            for state in _states(reader):
                if (state.operator, state.spec.name) == (self._operator, name):
                    batches = [batch for group in state.groups for batch in reader.batches(self._operator, name, group)]
                    yield pa.Table.from_batches(batches, state.schema)
                    if state.spec.scope is Scope.BROADCAST:
                        return

    def __repr__(self) -> str:
        return f"state of {self._operator}: {', '.join([self._chosen] if self._chosen else self.states)}"


def _states(reader: StateReader) -> Iterable[StoredState]:
    """The states of a file, without results on their way: these say nothing of an operator."""
    return (state for state in reader.states() if state.spec.name != UNSENT)


def find_cut(storage: str, job: str, checkpoint: int | str | None) -> StoredCut:
    """Return the newest checkpoint of this number or name; CheckpointError lists those there are."""
    folders = list_cuts(storage, job)
    if folders and checkpoint is None:
        return read_cut(folders[-1].path)
    return _named(folders, checkpoint) or _raise_missing(storage, job, folders, checkpoint, _newest)


def cut_to_begin(storage: str, job: str, checkpoint: int | str) -> StoredCut:
    """Return the cut of this number or name, the newest of a name, to begin from; CheckpointError as ``find_cut``."""
    folders = list_cuts(storage, job)
    return _named(folders, checkpoint) or _raise_missing(storage, job, folders, checkpoint, _begin_from)


def _named(folders: Sequence[CutFolder], checkpoint: int | str | None) -> StoredCut | None:
    for folder in reversed(folders):
        if checkpoint == folder.cut or (isinstance(checkpoint, str) and read_cut(folder.path).name == checkpoint):
            return read_cut(folder.path)
    return None


def _raise_missing(
    storage: str,
    job: str,
    folders: Sequence[CutFolder],
    checkpoint: int | str | None,
    advice: Callable[[str, str, str], str],
) -> NoReturn:
    if folders:
        raise CheckpointError(
            f"job {job!r} has no checkpoint {checkpoint!r} in {storage!r}; it has {_cuts(folders)}. "
            f"{advice(storage, job, job)}"
        )
    jobs = jobs_with_cuts(storage)
    raise CheckpointError(
        f"there is no checkpoint of job {job!r} in {storage!r}"
        + (f"; there are some of {_listed(jobs)}. {advice(storage, jobs[-1], job)}" if jobs else f". {_STORAGE}")
    )


_STORAGE = "Pass the folder that the job writes them to: run(checkpoint=sb.checkpoint('60s', storage='ckpt'))"


def _newest(storage: str, job: str, _wanted: str = "") -> str:
    return f"Read its newest one: sb.read_state({storage!r}, job={job!r})"


def _begin_from(storage: str, job: str, wanted: str) -> str:
    """Advice to begin job ``wanted`` from the newest checkpoint of ``job``: by path, if that is another job."""
    newest = list_cuts(storage, job)[-1]
    if job != wanted:
        return f"Begin from the newest one of {job!r} by its path: .run({wanted!r}, start_from={newest.path!r})"
    return f"Begin from its newest one: .run({job!r}, start_from={(read_cut(newest.path).name or newest.cut)!r})"


def _cuts(folders: Sequence[CutFolder]) -> str:
    names = [read_cut(folder.path).name for folder in folders]
    return _listed(name or folder.cut for folder, name in zip(folders, names, strict=True))


def _listed(names: Iterable[int | str]) -> str:
    """The last of ``names``, for a message."""
    shown = [repr(name) for name in names]
    return ("..., " if len(shown) > _MOST else "") + ", ".join(shown[-_MOST:])
