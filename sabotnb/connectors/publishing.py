"""Output becomes visible: hidden files get their final names, which say whose they are.

A job replaces its own files only; files that no job wrote are foreign and never touched.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sabotnb.connectors.file_sink import hidden_folder, hidden_name, make_folder, sync_folder, writing
from sabotnb.connectors.ownership import OLD_MARKER, Owners, owners_of
from sabotnb.connectors.writers import FORMATS
from sabotnb.errors import SinkError
from sabotnb.graph.specs import Sink as Spec
from sabotnb.protocol.operator import Committable

MODES = ("error", "append", "overwrite")


def check_output(spec: Spec, job: str) -> None:
    """Raise a SinkError if ``job`` must not or cannot write where ``spec`` says; changes nothing.

    ``append`` adds to whatever is there. ``error`` and ``overwrite`` need a folder that is missing, empty, or holds
    nothing but output of the same job, which is then replaced when the new output is complete.
    """
    if spec.connector not in FORMATS:
        return
    mode, path = spec.options.get("mode", "error"), spec.options["path"]
    if mode not in MODES:
        raise SinkError(f"mode={mode!r}: choose one of {', '.join(MODES)}")
    if "://" in path:
        raise SinkError(f"'{path}' is not a local path: give a folder that every worker can write to")
    output = Path(path)
    if output.exists() and not output.is_dir():
        raise SinkError(f"'{output}' is a file: give a folder, the output is one file for each task")
    with writing(output):
        _check_right_to_write(output)
        if mode != "append":
            _refuse_foreign(output, owners_of(output, _data_files(output)), job)


def _check_right_to_write(output: Path) -> None:
    there = output
    while not there.exists():
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise SinkError(f"'{there}' may not be written: give this user the right, or another folder")


def _refuse_foreign(output: Path, owners: Owners, job: str) -> None:
    for file, owner in owners.items():
        if owner is None:
            raise SinkError(
                f"'{output}' has files that sabotnb did not write, such as '{file}': "
                "give another folder, remove them, or add to them with mode='append'"
            )
    found = sorted({owner for owner in owners.values() if owner is not None})
    if len(found) > 1:
        jobs = ", ".join(map(repr, found))
        raise SinkError(
            f"'{output}' holds output of several jobs ({jobs}), so none of them may replace it: "
            "give another folder, remove it, or add to it with mode='append'"
        )
    if found and found[0] != job:
        raise SinkError(
            f"'{output}' holds output of job {found[0]!r}, not of {job!r}: "
            f"give another folder, remove it, or run under its name: .run({found[0]!r})"
        )


def _data_files(output: Path) -> list[str]:
    """Everything in the output folder but hidden files, and the list of owners that older output has."""
    found = []
    for parent, folders, names in os.walk(output):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.relpath(Path(parent) / name, output) for name in names if not name.startswith(".")]
    return sorted(file for file in found if file != OLD_MARKER)


class FileCommitter:
    """Publishes or removes the output of one run of a job."""

    def __init__(self, spec: Spec, job: str, epoch: int) -> None:
        self._output = Path(spec.options["path"])
        self._append = spec.options.get("mode") == "append"
        self._job = job
        self._epoch = epoch
        self._hidden = hidden_folder(self._output, job, epoch)

    def commit(self, committables: Sequence[Committable]) -> None:
        files = _worth_publishing([file for one in committables for file in one.payload["files"]])
        with writing(self._output):
            make_folder(self._output)
            with _alone_in(self._output):
                self._publish({file["final"]: Path(file["hidden"]) for file in files})
                for operator in {one.operator for one in committables}:
                    self._remove_rest(operator)
                self._remove_hidden(before=self._epoch)

    def abort(self, committables: Sequence[Committable]) -> None:
        files = _worth_publishing([file for one in committables for file in one.payload["files"]])
        with writing(self._output), _alone_in(self._output):
            if any(Path(file["hidden"]).exists() for file in files):
                self._take_back([file["final"] for file in files])
            self._remove_hidden(before=self._epoch + 1)

    def _take_back(self, finals: Sequence[str]) -> None:
        """Remove what a commit that did not get to its end has published; what it was to replace is still there."""
        for final in finals:
            _remove(self._output, final)

    def _publish(self, new: Mapping[str, Path]) -> None:
        """Rename, then remove what is replaced: at each step a repetition can go on."""
        old = [file for file in _data_files(self._output) if file not in new]
        if not self._append:
            _refuse_foreign(self._output, owners_of(self._output, old), self._job)
        for final, hidden in new.items():
            _rename(hidden, self._output / final)
        self._sync_folders_of(new)
        if self._append:
            return
        for file in old:
            _remove(self._output, file)
        (self._output / OLD_MARKER).unlink(missing_ok=True)
        self._sync_folders_of([*old, OLD_MARKER])  # a file that came back would have its rows twice

    def _sync_folders_of(self, files: Iterable[str]) -> None:
        """Make durable what was renamed or removed: the names of files, and of folders that are new or gone."""
        folders = {self._output / folder for file in files for folder in Path(file).parents}
        for folder in folders:
            if folder.is_dir():
                sync_folder(folder)

    def _remove_rest(self, operator: str) -> None:
        """Files of ``operator`` that are not published; other sinks of the job may still be about to commit here."""
        if self._hidden.is_dir():
            for file in self._hidden.glob(hidden_name(operator, "part-*")):
                file.unlink()
            if not any(self._hidden.iterdir()):
                self._hidden.rmdir()

    def _remove_hidden(self, before: int) -> None:
        """Whatever runs of the job with an epoch below ``before`` have left."""
        of_job = re.escape(self._hidden.name.removesuffix(str(self._epoch)))
        pattern = re.compile(rf"{of_job}(\d+)")
        for entry in list(self._output.iterdir()) if self._output.is_dir() else ():
            found = pattern.fullmatch(entry.name)
            if found and int(found[1]) < before:
                shutil.rmtree(entry)


@contextmanager
def _alone_in(output: Path) -> Iterator[None]:
    """Keep other jobs from publishing into ``output`` meanwhile: each has to see what the one before did."""
    if not output.is_dir():
        yield
        return
    handle = os.open(output, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def committer(spec: Spec, job: str, epoch: int) -> FileCommitter:
    """What publishes the output of ``job``'s run ``epoch``; works on any machine that has the folder."""
    return FileCommitter(spec, job, epoch)


def _worth_publishing(files: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Files with rows; one without, for its schema, if there is no other."""
    full = [file for file in files if file["rows"]]
    return full or list(files[:1])


def _rename(hidden: Path, final: Path) -> None:
    if hidden.exists():
        final.parent.mkdir(parents=True, exist_ok=True)
        hidden.replace(final)
    elif not final.exists():
        raise SinkError(f"'{hidden}' is gone before it was published as '{final}': run the job again")


def _remove(output: Path, file: str) -> None:
    """Remove a file and the folders of partitions that it leaves empty."""
    path = output / file
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == output or not folder.is_dir() or any(folder.iterdir()):
            return
        folder.rmdir()
