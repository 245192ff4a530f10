"""The output of one sink in one commit: its new files, those that they replace, and its hidden folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sabotnb.connectors.sinks.claims import is_claimed
from sabotnb.connectors.sinks.commit_decision import (
    ABORTED,
    abort_past,
    aborted_name,
    begin_epoch,
    committable_names,
    current_names,
    decide,
    decided,
)
from sabotnb.connectors.sinks.committed_cuts import NOTHING, CommittedCut, ReplacedFiles, is_note
from sabotnb.connectors.sinks.file_sink import token_of
from sabotnb.connectors.sinks.folder_changes import (
    make_folder,
    remove_empty_folders,
    remove_file,
    remove_if_empty,
    remove_tree,
    rename,
    sync_folder,
    writing,
)
from sabotnb.connectors.sinks.hidden_folders import (
    create,
    epoch_folder,
    epochs,
    existing,
    hidden_beside_or_in,
    made_folders,
    places,
)
from sabotnb.connectors.sinks.inherited_output import (
    hidden_file,
    is_inherited,
    output_of,
    refuse_replaced_output,
)
from sabotnb.connectors.sinks.kept_output import keep_prepared, prepared_files
from sabotnb.connectors.sinks.lineage import Lineage
from sabotnb.connectors.sinks.output_checks import check_right_to_write, data_files, is_data, refuse_foreign
from sabotnb.connectors.sinks.ownership import OLD_MARKER, FileOrigin, origin_of, owners_of
from sabotnb.connectors.sinks.saved_output import keep
from sabotnb.errors import SinkError
from sabotnb.graph import Sink as Spec
from sabotnb.protocol import Committable, LineageCut, RunId


@dataclass(frozen=True, slots=True)
class _NewFile:
    """A file of a committable: ``hidden`` when it was prepared, ``final`` below the output."""

    hidden: Path
    final: str
    rows: int


class SinkOutput:
    """The files of one sink of the run. A failure is a SinkError that names the folder."""

    def __init__(
        self,
        spec: Spec,
        run: RunId,
        epoch: int,
        committables: Sequence[Committable],
        lineage: Sequence[LineageCut] = (),
        kept: Sequence[Committable] = (),
    ) -> None:
        """``kept`` are those of the committables that an abort leaves prepared."""
        self.folder = Path(spec.options["path"])
        self._appends = spec.options.get("mode") == "append"
        self._connector = spec.connector
        self._run = run
        self._token = token_of(spec)
        self._epoch = epoch
        self._lineage = Lineage(run, self._token, epoch, lineage)
        files = [
            _NewFile(Path(file["hidden"]), str(file["final"]), file["rows"])
            for committable in committables
            for file in committable.payload["files"]
            if not self._is_of_earlier_run(str(file["final"])) or output_of(committable, self.folder) == self.folder
        ]
        # What an earlier run has committed is not touched, whatever becomes of this commit.
        self._files = [
            file for file in files if not (self._is_of_earlier_run(file.final) and (self.folder / file.final).exists())
        ]
        self._new = [file for file in self._files if file.rows]
        self._kept = prepared_files(kept)

    @property
    def hidden(self) -> Path:
        """The hidden folder of the run."""
        folders = (self.folder, self._run, self._token)
        return (existing(*folders) or places(*folders))[0]

    @property
    def deciding(self) -> Path:
        """The folder whose name decides for this commit."""
        return epoch_folder(self.hidden, self._epoch)

    def is_superseded(self) -> bool:
        """True if the run writes in a later epoch than that of this commit."""
        return any(epoch > self._epoch for epoch, _ in epochs(self.hidden))

    def has_hidden(self) -> bool:
        """True until the run is over."""
        return any(True for _ in epochs(self.hidden))

    def has_hidden_files(self) -> bool:
        """True if a new file does not have its final name; its hidden folder may be that of an earlier run."""
        return any(self._found(file) is not None for file in self._new)

    def begin(self) -> None:
        """Create the folder of the epoch if none of its tasks has, unless the run is over."""
        with writing(self.folder):
            if self.has_hidden() or self.has_hidden_files():
                begin_epoch(create(self.folder, self._run, self._token), self._epoch)

    def add_empty_file(self) -> None:
        """Commit one file without rows, which tells readers the schema, if the run has written no rows."""
        if not self._new and not any(True for _ in self._own_files()):
            self._new = self._files[:1]

    def make_folder(self) -> None:
        """Create the output folder if it is missing."""
        with writing(self.folder):
            make_folder(self.folder)

    def check_new(self) -> None:
        """Raise a SinkError if a new file is gone, or cannot be renamed; files of committed cuts may be gone."""
        for file in self._unfinished():
            if self._found(file) is None and not (self.folder / file.final).exists():
                raise SinkError(
                    f"'{file.hidden}' is gone before it was committed as '{self.folder / file.final}': "
                    "run the job again"
                )
        for folder in {(self.folder / file.final).parent for file in self._new}:
            check_right_to_write(folder)

    def replaced(self) -> list[str]:
        """The files that the new ones replace; SinkError if the new ones must not be committed beside what is there."""
        with writing(self.folder):
            noted = ReplacedFiles.read(self.hidden)
            if noted is not None and noted.epoch >= self._epoch:
                return list(noted.files)
            origins = {file: origin_of(file) for file in data_files(self.folder)}
            # Checked after the listing: if the hidden folder still exists, this run has not ended, so no later run can
            # have committed a file that is in the list. In the other order this commit could remove such a file.
            if not self.has_hidden():
                return []
            void = {file: by for file, by in origins.items() if by is None or not self._lineage.has(by)}
            if noted is not None:  # the list may be that of an epoch which ended before it had removed the files
                return [file for file, by in void.items() if file in noted.files or (by and self._lineage.is_own(by))]
            if self._appends:
                return [file for file, by in void.items() if by is not None and self._lineage.is_related(by)]
            return self._all_of_job(list(void))

    def _all_of_job(self, old: Sequence[str]) -> list[str]:
        """The files of ``old`` that this job may replace; SinkError if data of another owner is among them.

        ``check_output`` checked the folder before the run, so foreign files were added since. Files that readers do not
        take for data, such as notes or markers of success, are left alone; foreign data would be mixed with the output.
        """
        owners = owners_of(self.folder, old)
        data = {file: owner for file, owner in owners.items() if owner is not None or is_data(file, self._connector)}
        refuse_foreign(self.folder, data, self._run.job)
        for folder in {(self.folder / file).parent for file in data}:
            check_right_to_write(folder)
        return list(data)

    def refuse_replaced(self) -> None:
        """Raise a SinkError if another run has replaced output that this one goes on from; it is first to commit."""
        if self._lineage.base is not None and ReplacedFiles.read(self.hidden) is None:
            refuse_replaced_output(self._lineage, self._run.job, self.folder)

    def note_replaced(self) -> bool:
        """Note what the run replaces, before the first commit of the epoch renames a file; False for later commits."""
        noted = ReplacedFiles.read(self.hidden)
        if noted is not None and noted.epoch >= self._epoch:
            return False
        files = self.replaced()
        with writing(self.folder):
            ReplacedFiles(self._epoch, tuple(files)).write(self.hidden)
        return True

    def note_committed(self, cut: int) -> None:
        """Note that all files up to ``cut`` have their final names, so that what they replace is to be removed."""
        with writing(self.folder):
            epoch, number = (0, 0) if self._is_inherited() else (self._lineage.epoch_of(cut), cut)
            CommittedCut(self._epoch, epoch, number).write(self.hidden)

    def remove_noted(self) -> None:
        """Remove what the run replaces if that is due, and note that it is done."""
        noted = ReplacedFiles.read(self.hidden)
        if noted is not None and noted.files and CommittedCut.read(self.hidden).by >= noted.epoch:
            self.remove(noted.files)
            with writing(self.folder):
                ReplacedFiles(noted.epoch).write(self.hidden)

    def is_committed(self) -> bool:
        """True if there is nothing left to do for the new files."""
        if not self._new:
            return True
        noted = ReplacedFiles.read(self.hidden)
        return not self._unfinished() and (noted is None or not noted.files)

    def _is_inherited(self) -> bool:
        """True if an earlier run wrote the new files: its epochs and cuts may have the same numbers as this one's."""
        return any(self._is_of_earlier_run(file.final) for file in self._new)

    def _is_of_earlier_run(self, final: str) -> bool:
        return is_inherited(final, self._run, (self._token,))

    def _unfinished(self) -> list[_NewFile]:
        """The new files that are not known to be committed; what was committed may have been removed since."""
        committed = CommittedCut.read(self.hidden)
        origins = ((file, origin_of(file.final)) for file in self._new)
        return [
            file
            for file, origin in origins
            if origin is None or not self._lineage.is_own(origin) or origin.after(committed.epoch, committed.cut)
        ]

    def rename(self) -> None:
        """Rename every new file to its final name, and make the names durable."""
        deciding = self.deciding
        with writing(self.folder):
            for file in self._new:
                # An earlier run has ended, whatever it has decided: only this one can commit its files.
                earlier = self._is_of_earlier_run(file.final)
                source = hidden_file(file.hidden) if earlier else _committable(file, deciding)
                if source is None:
                    continue
                (self.folder / file.final).parent.mkdir(parents=True, exist_ok=True)
                try:
                    rename(source, self.folder / file.final)
                except FileNotFoundError:
                    if not (self.folder / file.final).exists():  # else another committer was quicker
                        remove_empty_folders(self.folder, file.final)
                        raise
            self._sync_folders_of(file.final for file in self._new)

    def hide(self) -> None:
        """Undo the renames of a run that is decided as aborted, whichever committer made them."""
        for file in self._new:
            hidden = aborted_name(file.hidden.parent)
            if self._is_of_earlier_run(file.final):
                hidden = next((folder for folder in current_names(file.hidden.parent) if folder.exists()), hidden)
            with suppress(OSError):  # an abort removes the rest; when it is over, another run may have committed this
                rename(self.folder / file.final, hidden / file.hidden.name)
            remove_empty_folders(self.folder, file.final)

    def remove(self, replaced: Sequence[str]) -> None:
        """Remove the replaced files, unless another committer has already finished.

        A file that cannot be removed keeps no other, so that as few old rows as possible stay beside the new ones.
        """
        if not self.has_hidden():
            return
        with writing(self.folder):
            left = {file: error for file in replaced if (error := _failure_to_remove(self.folder, file)) is not None}
            if left:
                file, error = next(iter(left.items()))
                raise SinkError(
                    f"'{self.folder}' has all new rows, but also {len(left)} old files that could not be removed, such "
                    f"as '{file}' ({error.strerror}): remove the cause and run the job again, which replaces both"
                )
            if not self._appends:
                remove_file(self.folder, OLD_MARKER)
            # Before the hidden folder goes: a file that a power failure brought back would repeat its rows, and with
            # the hidden folder gone no commit would remove it again.
            self._sync_folders_of([*replaced, OLD_MARKER])

    def check_renamed(self) -> None:
        """Raise a SinkError if a new file lacks its final name: the run was aborted, or goes on in a later epoch."""
        for file in self._unfinished():
            if not (self.folder / file.final).exists():
                raise SinkError(
                    f"'{self.folder / file.final}' was not committed, because another process took it back: "
                    "run the job again"
                )

    def is_renamed(self) -> bool:
        """True if every new file has its final name."""
        return all((self.folder / file.final).exists() for file in self._new)

    def keep(self) -> str:
        """Save files that cannot be committed; returns the text that a message has about them."""
        files = {file.final: self._found(file) or self.folder / file.final for file in self._new}
        kept = keep(self.folder, self._run, files)
        if kept is None:
            return ""
        rows = sum(file.rows for file in self._new)
        which = "the rows that were not committed" if CommittedCut.read(self.hidden) != NOTHING else "all rows"
        return f"'{kept}' has {which} ({rows:,}), sb.Stream.from_{self._connector}('{kept}') reads them"

    def uncommitted(self) -> list[str]:
        """The files of this run that have final names although no commit of theirs has ended."""
        committed = CommittedCut.read(self.hidden)
        new = {file.final for file in self._new}
        return [
            file
            for file, origin in self._own_files()
            if file not in new and origin.epoch <= self._epoch and origin.after(committed.epoch, committed.cut)
        ]

    def take_back(self) -> None:
        """Remove the files that a commit renamed which is now aborted: the files to replace are still there.

        Those that are kept are hidden again.
        """
        committed = CommittedCut.read(self.hidden)
        kept = {final: hidden for hidden, final in self._kept.items()}
        with writing(self.folder):
            for file, origin in list(self._own_files()):
                if origin.after(committed.epoch, committed.cut):
                    if file in kept:
                        # Fails when the abort is over: then another run may have committed the file.
                        with suppress(OSError):
                            rename(self.folder / file, aborted_name(kept[file].parent) / kept[file].name)
                        remove_empty_folders(self.folder, file)
                    else:
                        remove_file(self.folder, file)

    def _own_files(self) -> Iterator[tuple[str, FileOrigin]]:
        """The files of this run below the output that have final names."""
        for file in data_files(self.folder):
            origin = origin_of(file)
            if origin is not None and self._lineage.is_own(origin):
                yield file, origin

    def made(self) -> list[Path]:
        """The folders that tasks of the run created for the output, deepest first."""
        return made_folders(self.hidden)

    def abort_all_epochs(self) -> None:
        """From here on no committer finds a file to rename."""
        with suppress(OSError):  # of a folder that cannot be changed, in which a commit renames nothing either
            decide(self.deciding, ABORTED)
        for epoch, folder in list(epochs(self.hidden)):
            if epoch <= self._epoch and decided(folder) != ABORTED:
                abort_past(folder)

    def remove_earlier(self) -> None:
        """Remove the hidden folders of earlier runs of the job, which killed runs leave behind; only for a commit.

        An earlier run that still writes is one of another cluster, and keeps its folder. So does one whose output this
        run has inherited and not committed: another run may begin from the same cut.
        """
        inherited = {file.hidden.parent.parent for file in self._new if self._found(file) is not None}
        for entry, name in hidden_beside_or_in(self.folder):
            earlier = name.run.job == self._run.job and name.run < self._run
            if earlier and entry not in inherited and not is_claimed(entry):
                with suppress(OSError):  # of another user, in a folder where all may write
                    remove_tree(entry)

    def remove_hidden(self, *, aborts: bool = False) -> None:
        """Remove the hidden folder of this run, unless it ``aborts`` and something there is kept."""
        with writing(self.folder):
            decision = current_names(self.deciding)
            for hidden in existing(self.folder, self._run, self._token):
                if aborts and keep_prepared(hidden, self._epoch, self._kept):
                    continue
                with suppress(FileNotFoundError):  # another committer removes it too
                    # With the decision the run is over. Until then a committer has to know which files are committed.
                    for entry in sorted(hidden.iterdir(), key=lambda entry: (is_note(entry.name), entry in decision)):
                        _remove(entry)
                remove_if_empty(hidden)

    def _found(self, file: _NewFile) -> Path | None:
        """Where a new file is that does not have its final name."""
        return hidden_file(file.hidden)

    def _sync_folders_of(self, files: Iterable[str]) -> None:
        """Make renames and removals durable: names of files, and of folders that were created or removed."""
        folders = {self.folder / folder for file in files for folder in Path(file).parents}
        for folder in folders:
            if folder.is_dir():
                sync_folder(folder)


def _committable(file: _NewFile, deciding: Path) -> Path | None:
    """Where a new file is that may be renamed: not where it is after an abort, or in a later epoch."""
    folders = committable_names(file.hidden.parent, last=file.hidden.parent == deciding)
    return next((path for folder in folders if (path := folder / file.hidden.name).exists()), None)


def _remove(entry: Path) -> None:
    if entry.is_dir():
        remove_tree(entry)
    else:
        remove_file(entry.parent, entry.name)


def _failure_to_remove(output: Path, file: str) -> OSError | None:
    try:
        remove_file(output, file)
    except OSError as error:
        return error
    return None
