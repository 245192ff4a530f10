"""Output becomes visible: hidden files get their final names, which say whose they are.

A job replaces its own files only; files that no job wrote are foreign and never touched.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from sabotnb.connectors.sinks.file_sink import MADE, hidden_folder, make_folder, sync_folder, writing
from sabotnb.connectors.sinks.folder_locks import alone_in
from sabotnb.connectors.sinks.output_checks import check_right_to_write, data_files, is_data, refuse_foreign
from sabotnb.connectors.sinks.ownership import OLD_MARKER, owners_of
from sabotnb.connectors.sinks.unpublished import keep
from sabotnb.errors import SinkError
from sabotnb.graph import Sink as Spec
from sabotnb.protocol import Committable


class FileCommitter:
    """Publishes or removes the output of one run of a job: what all of its sinks wrote, or nothing of it.

    Each step finds out from the files what is left to do, so another committer can take over from one that was lost.
    The hidden folder is the last to go. Without it a commit is over, and one that comes late changes nothing.
    """

    def __init__(self, specs: Mapping[str, Spec], job: str, epoch: int) -> None:
        """``specs`` by the id of the operator that they describe."""
        self._specs = specs
        self._job = job
        self._epoch = epoch

    def commit(self, committables: Sequence[Committable]) -> None:
        """Check every sink, give every file its name, then remove what they replace.

        What keeps a file from its name is raised when all of them are hidden again.
        """
        outputs = self._outputs(committables)
        for output in outputs:
            output.make_folder()
        with alone_in([output.folder for output in outputs]):
            replaced = [(output, output.replaced()) for output in outputs]
            with ExitStack() as undo:
                for output in outputs:
                    undo.callback(output.hide)
                    output.publish()
                undo.pop_all()
            for output, files in replaced:
                output.remove(files)
            for output in outputs:
                output.remove_hidden(self._epoch)

    def abort(self, committables: Sequence[Committable]) -> None:
        """Remove what the run has written, and published if its commit did not get to all files."""
        outputs = self._outputs(committables)
        with alone_in([output.folder for output in outputs]):
            if any(output.is_hidden() for output in outputs):
                for output in outputs:
                    output.take_back()
            for output in outputs:
                made = output.made()
                output.remove_hidden(self._epoch)
                _remove_if_empty(made)

    def keep(self, committables: Sequence[Committable]) -> str:
        """Save the output of a run that cannot be published, and say where it is; empty if there is nothing to save."""
        outputs = self._outputs(committables)
        with alone_in([output.folder for output in outputs]):
            if all(output.is_published() for output in outputs):  # by another committer
                return ""
            kept = [place for output in outputs if (place := output.keep())]
        return f"Nothing is lost: {', and '.join(kept)}." if kept else ""

    def _outputs(self, committables: Sequence[Committable]) -> list[_Output]:
        return [
            _Output(spec, self._job, self._epoch, [one for one in committables if one.operator == operator])
            for operator, spec in self._specs.items()
        ]


class _Output:
    """What one sink has written. A failure is a SinkError that names the folder."""

    def __init__(self, spec: Spec, job: str, epoch: int, committables: Sequence[Committable]) -> None:
        self.folder = Path(spec.options["path"])
        self._append = spec.options.get("mode") == "append"
        self._connector = spec.connector
        self._job = job
        self._epoch = epoch
        self._hidden = hidden_folder(self.folder, job, epoch)
        files = _worth_publishing([file for one in committables for file in one.payload["files"]])
        self._new = {str(file["final"]): Path(file["hidden"]) for file in files}
        self._rows = sum(file["rows"] for file in files)
        self._published: list[str] = []

    def make_folder(self) -> None:
        """Make the output folder if it is missing."""
        with writing(self.folder):
            make_folder(self.folder)

    def replaced(self) -> Sequence[str]:
        """The files that the new ones replace; SinkError if those cannot, or may not, be published here."""
        with writing(self.folder):
            old = [file for file in data_files(self.folder) if file not in self._new]
            for final, hidden in self._new.items():
                if not hidden.exists() and not (self.folder / final).exists():
                    raise SinkError(
                        f"'{hidden}' is gone before it was published as '{self.folder / final}': run the job again"
                    )
            # Asked behind the list: files of a later run cannot be in it if this one was not complete even then.
            if not self._hidden.exists():
                return ()
            old = [] if self._append else self._own(old)
            for folder in {(self.folder / file).parent for file in (*self._new, *old)}:
                check_right_to_write(folder)
        return old

    def _own(self, old: Sequence[str]) -> list[str]:
        """Those of the files in the folder that this job wrote; SinkError if new rows cannot stand beside the others.

        ``check_output`` has seen the folder before the run: strangers came later. Notes and markers of success do no
        harm to readers of the data, but data of others would be mixed with it.
        """
        owners = owners_of(self.folder, old)
        data = {file: owner for file, owner in owners.items() if owner is not None or is_data(file, self._connector)}
        refuse_foreign(self.folder, data, self._job)
        return list(data)

    def publish(self) -> None:
        """Give every file its name."""
        with writing(self.folder):
            for final, hidden in self._new.items():
                if hidden.exists():
                    (self.folder / final).parent.mkdir(parents=True, exist_ok=True)
                    try:
                        hidden.replace(self.folder / final)
                    except FileNotFoundError:
                        if not (self.folder / final).exists():  # else another committer was quicker
                            raise
                    else:
                        self._published.append(final)
            self._sync_folders_of(self._new)

    def hide(self) -> None:
        """Take the names back that ``publish`` has given."""
        for final in self._published:
            with suppress(OSError):  # what is left is taken back by an abort, which sees the hidden files
                (self.folder / final).replace(self._new[final])
                _remove_empty_folders(self.folder, final)

    def remove(self, replaced: Sequence[str]) -> None:
        """Remove the files that were replaced."""
        if self._append or not self._hidden.exists():
            return
        with writing(self.folder):
            for file in replaced:
                _remove(self.folder, file)
            (self.folder / OLD_MARKER).unlink(missing_ok=True)
            self._sync_folders_of([*replaced, OLD_MARKER])  # a file that came back would have its rows twice

    def is_hidden(self) -> bool:
        """True if a file still waits for its name."""
        return any(hidden.exists() for hidden in self._new.values())

    def is_published(self) -> bool:
        """True if every file has its name."""
        return all((self.folder / final).exists() for final in self._new)

    def keep(self) -> str:
        """Save files that cannot be published; what a message says of them."""
        kept = keep(self.folder, self._job, self._epoch, self._new)
        if kept is None:
            return ""
        return f"'{kept}' has all rows ({self._rows:,}), sb.Stream.from_{self._connector}('{kept}') reads them"

    def take_back(self) -> None:
        """Remove what a commit that did not get to its end has published; what it was to replace is still there."""
        with writing(self.folder):
            for final in self._new:
                _remove(self.folder, final)

    def made(self) -> list[Path]:
        """The folders that tasks of the run have made for the output, from the lowest on."""
        try:
            return [Path(folder) for folder in json.loads((self._hidden / MADE).read_bytes())]
        except (OSError, ValueError):  # none, or cut short when its task was killed
            return []

    def remove_hidden(self, epoch: int) -> None:
        """Remove whatever runs of the job up to ``epoch`` have left."""
        of_job = re.escape(self._hidden.name.removesuffix(str(epoch)))
        pattern = re.compile(rf"{of_job}(\d+)")
        with writing(self.folder):
            for entry in list(self.folder.iterdir()) if self.folder.is_dir() else ():
                found = pattern.fullmatch(entry.name)
                if found and int(found[1]) <= epoch:
                    with suppress(FileNotFoundError):  # another committer removes it too
                        shutil.rmtree(entry)

    def _sync_folders_of(self, files: Iterable[str]) -> None:
        """Make durable what was renamed or removed: the names of files, and of folders that are new or gone."""
        folders = {self.folder / folder for file in files for folder in Path(file).parents}
        for folder in folders:
            if folder.is_dir():
                sync_folder(folder)


def committer(specs: Mapping[str, Spec], job: str, epoch: int) -> FileCommitter:
    """What publishes the output of ``job``'s run ``epoch``; works on any machine that has the folders.

    ``specs`` are those of its sinks, by operator id.
    """
    return FileCommitter(specs, job, epoch)


def _worth_publishing(files: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Files with rows; one without, for its schema, if there is no other."""
    full = [file for file in files if file["rows"]]
    return full or list(files[:1])


def _remove(output: Path, file: str) -> None:
    """Remove a file and the folders of partitions that it leaves empty."""
    (output / file).unlink(missing_ok=True)
    _remove_empty_folders(output, file)


def _remove_if_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # somebody has put something into it
            folder.rmdir()


def _remove_empty_folders(output: Path, file: str) -> None:
    for folder in (output / file).parents:
        if folder == output or not folder.is_dir() or any(folder.iterdir()):
            return
        folder.rmdir()
