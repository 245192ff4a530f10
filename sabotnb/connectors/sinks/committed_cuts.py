"""What a run that commits its cuts has to know of its commits: two small files in its hidden folder.

``committed.cut`` is the last cut whose files all have their final names. ``replaced.json`` lists the files that the
output of the run replaces and that may still be there. It is written before the first commit renames a file, so only
what was there before the run is ever removed, also when another agent repeats the commit later. A restart from an
older cut than the committed one has such a list of its own, ``replaced-e<epoch>.json``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sabotnb.connectors.sinks.folder_changes import write_whole

COMMITTED_CUT = "committed.cut"


def committed_cut(hidden: Path) -> int:
    """The last cut that is committed; 0 if none is."""
    try:
        return int((hidden / COMMITTED_CUT).read_text())
    except FileNotFoundError:
        return 0


def note_committed(hidden: Path, cut: int) -> None:
    """Note that ``cut`` is committed, and all cuts before it."""
    if cut > committed_cut(hidden):
        write_whole(hidden / COMMITTED_CUT, str(cut))


class ReplacedFiles:
    """The list of the files that a run replaces; ``epoch``: when it restarts from an older cut in that epoch."""

    def __init__(self, hidden: Path, epoch: int | None = None) -> None:
        self._path = hidden / ("replaced.json" if epoch is None else f"replaced-e{epoch}.json")

    def read(self) -> list[str] | None:
        """The files that may still be there; None before the first commit."""
        try:
            files: list[str] = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        return files

    def write(self, files: Sequence[str]) -> None:
        """Store the list. It must be there before a new file gets its final name."""
        write_whole(self._path, json.dumps(sorted(files)))
