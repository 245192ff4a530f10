"""What a run that commits its cuts has to know of its commits: two small files in its hidden folder.

``e2c5.done3``: all files up to cut 5 of epoch 2 have their final names, as a commit of epoch 3 found. That is in the
name, and the latest counts, so that a committer which comes late cannot take it back.

``replaced.json`` lists the files that the output of the run replaces and that may still be there. There is one list for
all epochs. The first commit of an epoch writes it before it renames a file: the first one of the run with what was
there before the run, those of later epochs with what is left of the list and what their lineage leaves out. So only
these files are ever removed, also when another agent, or another epoch, repeats the commit later. They are *due* when a
commit of the epoch that wrote the list has renamed all of its files.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sabotnb.connectors.sinks.folder_changes import remove_file, write_whole

REPLACED = "replaced.json"

_DONE = re.compile(r"e(?P<epoch>\d+)c(?P<cut>\d+)\.done(?P<by>\d+)")


class CommittedCut(NamedTuple):
    """The ``epoch`` and the ``cut`` up to which everything is committed, and the epoch of the last commit (``by``)."""

    by: int
    epoch: int
    cut: int

    @property
    def name(self) -> str:
        """The name of the file that notes it."""
        return f"e{self.epoch}c{self.cut}.done{self.by}"

    @classmethod
    def read(cls, hidden: Path) -> CommittedCut:
        """Read how far the run has committed; ``NOTHING`` before its first commit."""
        names: list[str] = []
        with suppress(FileNotFoundError):
            names = os.listdir(hidden)  # noqa: PTH208 - names only
        done = (match for name in names if (match := _DONE.fullmatch(name)))
        return max((cls(*(int(match[field]) for field in cls._fields)) for match in done), default=NOTHING)

    def write(self, hidden: Path) -> None:
        """Note it, unless a later one is noted."""
        last = self.read(hidden)
        if self > last:
            write_whole(hidden / self.name, "")
            if last != NOTHING:
                remove_file(hidden, last.name)


NOTHING = CommittedCut(0, 0, 0)


def is_note(name: str) -> bool:
    """True if ``name`` is that of a file of this module."""
    return name == REPLACED or _DONE.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class ReplacedFiles:
    """The ``files`` that may still be there, as the first commit of ``epoch`` has listed them."""

    epoch: int
    files: tuple[str, ...] = ()

    @classmethod
    def read(cls, hidden: Path) -> ReplacedFiles | None:
        """Read the list of the run; None before its first commit."""
        try:
            noted = json.loads((hidden / REPLACED).read_bytes())
        except FileNotFoundError:
            return None
        return cls(noted["epoch"], tuple(noted["files"]))

    def write(self, hidden: Path) -> None:
        """Store the list. It must be there before a new file gets its final name."""
        write_whole(hidden / REPLACED, json.dumps({"epoch": self.epoch, "files": self.files}))
