"""Where the files of cuts are: ``<storage>/<job>/<number of the run>/<cut>-e<epoch>/<vertex>-<index>.state``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote, unquote

from sabotnb.protocol import RunId, TaskId
from sabotnb.storage.file_access import absolute, access_to

CUT_FILE = "cut.json"
_FOLDER = re.compile(r"(\d+)-e(\d+)")
_LONGEST = 200
"""Characters of a quoted name; file systems allow 255 with what is added here."""


@dataclass(frozen=True, slots=True)
class CutFolder:
    """The folder with the files of one cut; ``storage`` is an absolute path or a URL."""

    storage: str
    run: RunId
    epoch: int
    cut: int

    @property
    def path(self) -> str:
        """Its absolute path or URL."""
        return f"{_run_folder(self.storage, self.run)}/{self.cut}-e{self.epoch}"

    @property
    def cut_file(self) -> str:
        """The path of the file that describes the cut."""
        return f"{self.path}/{CUT_FILE}"

    @property
    def age(self) -> tuple[int, int]:
        """Sorts the cuts of a run by the order in which they were stored: a later epoch may repeat cut numbers."""
        return self.epoch, self.cut

    def state_file(self, task: TaskId) -> str:
        """The path of the file with the states of ``task``."""
        return f"{self.path}/{_quoted(task.vertex)}-{task.index}.state"


def list_cuts(storage: str, job: str, run: int | None = None) -> list[CutFolder]:
    """The cuts of a job, or of one run of it, that were written completely, from the oldest to the newest.

    Whether one of them was stored as a checkpoint only the job store knows.
    """
    numbers = _numbers(storage, job) if run is None else [run]
    folders = [folder for number in numbers for folder in folders_of(storage, RunId(job, number))]
    return [folder for folder in folders if CUT_FILE in access_to(folder.path).names(folder.path)]


def folders_of(storage: str, run: RunId) -> list[CutFolder]:
    """The folders of all cuts of a run, complete or not, from the oldest to the newest."""
    storage = absolute(storage)
    folder = _run_folder(storage, run)
    matches = [_FOLDER.fullmatch(name) for name in access_to(folder).names(folder)]
    folders = [CutFolder(storage, run, int(match[2]), int(match[1])) for match in matches if match]
    return sorted(folders, key=lambda folder: folder.age)


def jobs_with_cuts(storage: str) -> list[str]:
    """The names of the jobs that have files in ``storage``."""
    storage = absolute(storage)
    return [job for name in access_to(storage).names(storage) if _numbers(storage, job := unquote(name))]


def _numbers(storage: str, job: str) -> list[int]:
    folder = f"{absolute(storage)}/{_quoted(job)}"
    return sorted(int(name) for name in access_to(folder).names(folder) if name.isdecimal())


def _run_folder(storage: str, run: RunId) -> str:
    return f"{storage}/{_quoted(run.job)}/{run.number}"


def _quoted(text: str) -> str:
    """``text`` as the name of a file: never hidden, never ``..``; a long one ends with a checksum instead."""
    name = quote(text, safe="")
    name = f"%2E{name[1:]}" if name.startswith(".") else name
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 17]}-{sha256(text.encode()).hexdigest()[:16]}"
