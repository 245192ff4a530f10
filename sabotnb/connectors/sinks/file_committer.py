"""Commits, aborts or saves the output of one run of a job, by renaming and removing files.

Theory of operation
-------------------
*What there is.* Each output folder has one hidden folder for each epoch of the run, ``.sabotnb-<job>-<run>.<random>``,
on the same file system. A run that starts again does so in a new epoch, whose committer removes the folders of earlier
ones: nothing in them is ever committed. ``FileSink`` tasks leave complete, synced files in them, and the claims with
which they kept other jobs out. A committable has the hidden path, the final name and the number of rows of each file.
That and the folders are all that a committer knows: it keeps no state between calls, so the machine may ask another
agent when one is lost.

*States.* A new file is either hidden or has its final name; a rename takes it from one state to the other. Final names
contain random digits, so a rename never overwrites an older file. The run is undecided until its hidden folder, the
first one if it has several, is renamed to ``.committed`` or ``.aborted`` (see ``commit_decision``). Removing that
folder is the last step: without it the run is over, and a late committer removes nothing.

*Commit* goes through these steps, and each finishes for all sinks of the job before the next begins:

1. Create the output folders, then lock them. A lock needs a folder to hold.
2. List the files to replace, and check that every new file still exists, that no other owner's data is there, and that
   the folders are writable. Most failures occur here, before any reader can see a change.
3. Rename the new files, and sync the folders. If this raises, decide to abort, and hide the new files again.
4. Decide to commit.
5. Remove the replaced files (not with ``append``).
6. Remove the hidden folders, and those of earlier runs.

*Invariants.* No old file is removed before the run is decided as committed, and that needs the final names of all new
files. No final name is taken back before the run is decided as aborted. The decision is an atomic rename that one
committer wins, so no two committers can do both, with or without a lock. To abort is also to rename the other hidden
folders: from then on a committer that was stopped in step 3 finds nothing to rename.

*A crash* during step 3 leaves some new files beside all old ones; after it and before the end of step 5, all new files
beside some old ones. Readers may see rows of both until another commit finishes: many files cannot be renamed as one
transaction. Every step finds what is left to do, so the same commit can run again from any point.

*What may interleave.* The folder lock keeps other jobs, and other committers of this run, out of steps 2 to 6. It is
only waited for a few seconds, because a stopped process keeps it, and some file systems have none. So each rename and
removal also accepts that another committer of the run was first, and only the decision tells which direction to take.

*Output that cannot be committed* is complete, and the abort that follows would remove it. ``keep`` moves it to a folder
beside the output first (see ``saved_output``), where no later run of the job removes it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sabotnb.connectors.sinks.claims import is_claimed, run_of
from sabotnb.connectors.sinks.commit_decision import ABORTED, COMMITTED, current_names, decide, decided
from sabotnb.connectors.sinks.file_sink import MADE, hidden_folder, make_folder, sync_folder, writing
from sabotnb.connectors.sinks.folder_locks import alone_in
from sabotnb.connectors.sinks.output_checks import check_right_to_write, data_files, is_data, refuse_foreign
from sabotnb.connectors.sinks.ownership import OLD_MARKER, owners_of
from sabotnb.connectors.sinks.saved_output import keep
from sabotnb.errors import SinkError
from sabotnb.graph import Sink as Spec
from sabotnb.protocol import FIRST_EPOCH, Committable, RunId


class FileCommitter:
    """Commits or aborts the output of one run of a job, for all of its sinks together.

    Stateless and idempotent: another committer can take over from a lost one. See the module docstring.
    """

    def __init__(self, specs: Mapping[str, Spec], run: RunId, epoch: int) -> None:
        """``specs`` by the id of the operator that they describe; the output is what ``run`` wrote in ``epoch``."""
        self._specs = specs
        self._run = run
        self._epoch = epoch

    def commit(self, committables: Sequence[Committable]) -> None:
        """Check every sink, rename every new file, then remove the files that they replace.

        An error during the renames is raised after the new files are hidden again; the run can then only be aborted.
        """
        outputs = self._outputs(committables)
        for output in outputs:
            output.make_folder()  # before the lock, which skips folders that do not exist
        with alone_in([output.folder for output in outputs]):
            if _decided(outputs) == ABORTED:
                taken_back = f"the output of job {self._run.job!r} was taken back when it could not be committed"
                raise SinkError(f"{taken_back}: run the job again")
            replaced = [(output, output.replaced()) for output in outputs]
            if _decided(outputs) != COMMITTED:
                self._rename_all(outputs)
            for output, files in replaced:
                output.remove(files)
            self._remove_hidden(outputs)

    def abort(self, committables: Sequence[Committable]) -> None:
        """Remove the hidden files of the run, and those that were renamed.

        If its commit has been decided, another committer failed later or was stopped, so finish it as far as possible.
        """
        outputs = self._outputs(committables)
        with alone_in([output.folder for output in outputs]):
            decision = _decide(outputs, ABORTED)
            for output in outputs:
                if decision == ABORTED:
                    output.take_back()
                elif decision == COMMITTED:
                    with suppress(SinkError):  # the commit that failed has reported it
                        output.remove(output.replaced())
            made = [folder for output in outputs for folder in output.made()]  # the list is in the hidden folder
            self._remove_hidden(outputs)
            _remove_if_empty(made)

    def keep(self, committables: Sequence[Committable]) -> str:
        """Save the output of a run that cannot be committed; returns a sentence that says where, or an empty string."""
        outputs = self._outputs(committables)
        with alone_in([output.folder for output in outputs]):
            if _decide(outputs, ABORTED) != ABORTED and all(output.is_renamed() for output in outputs):
                return ""  # another committer has committed it
            kept = [saved for output in outputs if (saved := output.keep())]
        return f"Nothing is lost: {', and '.join(kept)}." if kept else ""

    def _rename_all(self, outputs: Sequence[_Output]) -> None:
        """Rename the new files of all sinks and decide to commit; if one cannot be renamed, hide them again."""
        try:
            for output in outputs:
                output.rename()
            decision = _decide(outputs, COMMITTED)
        except Exception:
            decision = _decide(outputs, ABORTED)
            if decision == ABORTED:
                for output in outputs:
                    output.hide()
            if decision != COMMITTED:
                raise
        if decision != COMMITTED and not all(output.is_renamed() for output in outputs):
            raise SinkError(f"the output of job {self._run.job!r} was taken back by another process: run the job again")

    def _remove_hidden(self, outputs: Sequence[_Output]) -> None:
        for output in reversed(outputs):  # the first has the decision, which must outlive the others
            output.remove_hidden()

    def _outputs(self, committables: Sequence[Committable]) -> list[_Output]:
        return [
            _Output(
                spec,
                self._run,
                self._epoch,
                [committable for committable in committables if committable.operator == operator],
            )
            for operator, spec in self._specs.items()
        ]


class _Output:
    """The files of one sink of the run. A failure is a SinkError that names the folder."""

    def __init__(self, spec: Spec, run: RunId, epoch: int, committables: Sequence[Committable]) -> None:
        self.folder = Path(spec.options["path"])
        self._append = spec.options.get("mode") == "append"
        self._connector = spec.connector
        self._run = run
        self._epoch = epoch
        self.hidden = hidden_folder(spec, run, epoch)
        files = _worth_committing([file for committable in committables for file in committable.payload["files"]])
        self._new = {str(file["final"]): Path(file["hidden"]).name for file in files}
        self._rows = sum(file["rows"] for file in files)

    def make_folder(self) -> None:
        """Create the output folder if it is missing."""
        with writing(self.folder):
            make_folder(self.folder)

    def replaced(self) -> Sequence[str]:
        """The files that the new ones replace; SinkError if the new ones cannot, or must not, be committed here."""
        with writing(self.folder):
            old = [file for file in data_files(self.folder) if file not in self._new]
            for final, name in self._new.items():
                if self._find_hidden(name) is None and not (self.folder / final).exists():
                    raise SinkError(
                        f"'{self.hidden / name}' is gone before it was committed as '{self.folder / final}': "
                        "run the job again"
                    )
            # Checked after the listing: if the hidden folder still exists, this run has not ended, so no later run can
            # have committed a file that is in the list. In the other order this commit could remove such a file.
            if not self._has_hidden():
                return ()
            old = [] if self._append else self._own(old)
            for folder in {(self.folder / file).parent for file in (*self._new, *old)}:
                check_right_to_write(folder)
        return old

    def _own(self, old: Sequence[str]) -> list[str]:
        """The files of ``old`` that this job may replace; SinkError if data of another owner is among them.

        ``check_output`` checked the folder before the run, so foreign files were added since. Files that readers do not
        take for data, such as notes or markers of success, are left alone; foreign data would be mixed with the output.
        """
        owners = owners_of(self.folder, old)
        data = {file: owner for file, owner in owners.items() if owner is not None or is_data(file, self._connector)}
        refuse_foreign(self.folder, data, self._run.job)
        return list(data)

    def rename(self) -> None:
        """Rename every new file to its final name, and make the names durable."""
        with writing(self.folder):
            for final, name in self._new.items():
                hidden = self.hidden / name
                if hidden.exists():
                    (self.folder / final).parent.mkdir(parents=True, exist_ok=True)
                    try:
                        hidden.replace(self.folder / final)
                    except FileNotFoundError:
                        if not (self.folder / final).exists():  # else another committer was quicker
                            raise
            self._sync_folders_of(self._new)

    def hide(self) -> None:
        """Undo the renames of a run that is decided as aborted, whichever committer made them."""
        hidden = next((folder for folder in current_names(self.hidden) if folder.exists()), self.hidden)
        for final, name in self._new.items():
            with suppress(OSError):  # an abort removes the rest
                (self.folder / final).replace(hidden / name)
            _remove_empty_folders(self.folder, final)

    def remove(self, replaced: Sequence[str]) -> None:
        """Remove the replaced files, unless another committer has already finished.

        A file that cannot be removed keeps no other, so that as few old rows as possible stay beside the new ones.
        """
        if self._append or not self._has_hidden():
            return
        with writing(self.folder):
            left = {file: error for file in replaced if (error := _failure_to_remove(self.folder, file)) is not None}
            if left:
                file, error = next(iter(left.items()))
                raise SinkError(
                    f"'{self.folder}' has all new rows, but also {len(left)} old files that could not be removed, such "
                    f"as '{file}' ({error.strerror}): remove the cause and run the job again, which replaces both"
                )
            (self.folder / OLD_MARKER).unlink(missing_ok=True)
            # Before the hidden folder goes: a file that a power failure brought back would repeat its rows, and with
            # the hidden folder gone no commit would remove it again.
            self._sync_folders_of([*replaced, OLD_MARKER])

    def is_renamed(self) -> bool:
        """True if every new file has its final name."""
        return all((self.folder / final).exists() for final in self._new)

    def keep(self) -> str:
        """Save files that cannot be committed; returns the text that a message has about them."""
        files = {
            final: self._find_hidden(name) or self.folder / final  # a killed committer may have renamed it
            for final, name in self._new.items()
        }
        kept = keep(self.folder, self._run, files)
        if kept is None:
            return ""
        return f"'{kept}' has all rows ({self._rows:,}), sb.Stream.from_{self._connector}('{kept}') reads them"

    def take_back(self) -> None:
        """Remove the files that a commit renamed which is now aborted: the files to replace are still there."""
        with writing(self.folder):
            for final in self._new:
                _remove(self.folder, final)

    def made(self) -> list[Path]:
        """The folders that tasks of the run created for the output, deepest first."""
        made: dict[str, None] = {}
        for hidden in self._hidden_of_run():
            with suppress(OSError, ValueError):  # there is no list, or its task was killed while it wrote the list
                made |= dict.fromkeys(json.loads((hidden / MADE).read_bytes()))
        return [Path(folder) for folder in sorted(made, key=len, reverse=True)]

    def remove_hidden(self) -> None:
        """Remove the hidden folders of this run and of earlier runs of the job, which killed runs leave behind.

        An earlier run that still writes is one of another cluster, and keeps its folder.
        """
        with writing(self.folder):
            earlier = [entry for entry, run, _ in self._hidden_of_job() if run < self._run and not is_claimed(entry)]
            for entry in (*earlier, *self._hidden_of_run()):
                with suppress(FileNotFoundError):  # another committer removes it too
                    shutil.rmtree(entry)

    def _hidden_of_run(self) -> list[Path]:
        """The hidden folders of earlier epochs of the run, whose tasks are lost or canceled, then that of this one."""
        earlier = [entry for entry, run, epoch in self._hidden_of_job() if run == self._run and epoch < self._epoch]
        return [*earlier, *(entry for entry in current_names(self.hidden) if entry.exists())]

    def _hidden_of_job(self) -> Iterator[tuple[Path, RunId, int]]:
        """The hidden folders of runs of this job, each with its run and epoch."""
        for entry in list(self.folder.iterdir()) if self.folder.is_dir() else ():
            writer = run_of(entry.name)
            if writer is not None and writer[0].job == self._run.job:
                yield entry, *writer

    def _has_hidden(self) -> bool:
        return any(hidden.exists() for hidden in current_names(self.hidden))

    def _find_hidden(self, name: str) -> Path | None:
        """The path of a new file that has not its final name."""
        return next((path for hidden in current_names(self.hidden) if (path := hidden / name).exists()), None)

    def _sync_folders_of(self, files: Iterable[str]) -> None:
        """Make renames and removals durable: names of files, and of folders that were created or removed."""
        folders = {self.folder / folder for file in files for folder in Path(file).parents}
        for folder in folders:
            if folder.is_dir():
                sync_folder(folder)


def committer(specs: Mapping[str, Spec], run: RunId, epoch: int = FIRST_EPOCH) -> FileCommitter:
    """The committer of what ``run`` wrote in ``epoch``, for any machine that has the output folders.

    ``specs`` are those of the job's sinks, by operator id.
    """
    return FileCommitter(specs, run, epoch)


def _decided(outputs: Sequence[_Output]) -> str | None:
    return decided(outputs[0].hidden) if outputs else None


def _decide(outputs: Sequence[_Output], decision: str) -> str | None:
    """Make ``decision`` for a run unless another holds; returns the one that holds, None if the run is over."""
    if not outputs:
        return None
    with writing(outputs[0].folder):
        holds = decide(outputs[0].hidden, decision)
    if holds == ABORTED:
        for output in outputs[1:]:  # from here on no committer finds a file to rename
            with suppress(OSError):  # of a folder that cannot be changed, in which a commit renames nothing either
                decide(output.hidden, ABORTED)
    return holds


def _worth_committing(files: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The files that have rows; if none has, one empty file, which tells readers the schema."""
    full = [file for file in files if file["rows"]]
    return full or list(files[:1])


def _remove(output: Path, file: str) -> None:
    """Remove a file, and the partition folders that are empty without it."""
    (output / file).unlink(missing_ok=True)
    _remove_empty_folders(output, file)


def _failure_to_remove(output: Path, file: str) -> OSError | None:
    try:
        _remove(output, file)
    except OSError as error:
        return error
    return None


def _remove_if_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # it is not empty
            folder.rmdir()


def _remove_empty_folders(output: Path, file: str) -> None:
    for folder in (output / file).parents:
        if folder == output:
            return
        try:
            folder.rmdir()
        except FileNotFoundError:  # another committer removes it too
            continue
        except OSError:  # it is not empty
            return
