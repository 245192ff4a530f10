"""The hidden folders with the temporary files of runs: their names, where they are, and how they are found.

Theory of operation
-------------------
A run has one hidden folder for each output, ``<parent>/.sabotnb-<output>+<job>-<run>.<random>``. It is beside the
output, because some readers (polars) read every file of a folder, hidden or not. Runs of two clusters may have the same
id; the random digits, chosen at the submission, tell their folders apart.

It has to be on the same file system as the output, so that a commit is a rename. ``create`` finds out: it creates the
folder inside the output, as ``.sabotnb-+<job>-<run>.<random>``, and renames it to its place. If that fails, it stays
inside: the user may not write to the parent, or the output is a mount point. Readers that list hidden files then see
them.

In the folder are:

- ``e<epoch>``: the files that the tasks of one epoch write, and a marker for each task that is open. What its name
  ends with is the state of the epoch (``commit_decision``). So the path of a temporary file may change once: ``found``
  looks for it under all names that it may have.
- claims of tasks (``claims``), and the list of folders that had to be created for the output.
- ``replaced.json`` and ``e<epoch>c<cut>.done<epoch>`` of a run that commits its cuts (``committed_cuts``).

Links are resolved first: the folder is beside the folder that a link leads to.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2s
from pathlib import Path
from urllib.parse import quote, unquote

from sabotnb.connectors.sinks.folder_changes import remove_if_empty, remove_tree, rename, sync_folder
from sabotnb.protocol import RunId

PREFIX = ".sabotnb-"
MADE = "made.folders"
"""The file that lists the folders created for the output; an abort removes them."""

PARTIAL = ".partial"
"""The end of the name of a temporary file, which keeps it from readers whose ``**`` searches hidden folders too."""

OPEN = ".open"
"""The end of the name of a marker: its task may still create files in the folder."""

LONGEST_TAG = 24
"""Letters of an output's name in the name of a folder beside it, which has room for 255 with that of the job."""

_NAME = re.compile(rf"{re.escape(PREFIX)}(?P<tag>[^+]*)\+(?P<job>.+)-(?P<number>\d+)(?:\.(?P<token>[0-9a-f]+))?")
_EPOCH = re.compile(r"e(?P<epoch>\d+)(?P<state>\.[a-z]+)?")


@dataclass(frozen=True, slots=True)
class HiddenName:
    """What the name of a hidden folder says. ``tag`` names the output beside the folder; empty: it is inside."""

    tag: str
    run: RunId
    token: str

    @classmethod
    def parse(cls, name: str) -> HiddenName | None:
        """Read the name of a hidden folder; None if ``name`` is something else."""
        match = _NAME.fullmatch(name) if name.startswith(PREFIX) else None
        if match is None:
            return None
        return cls(match["tag"], RunId(unquote(match["job"]), int(match["number"])), match["token"] or "")

    def __str__(self) -> str:
        token = f".{self.token}" if self.token else ""
        return f"{PREFIX}{self.tag}+{quote(self.run.job, safe='')}-{self.run.number}{token}"


def tag_of(name: str) -> str:
    """What stands for an output called ``name`` in the names of folders beside it."""
    quoted = quote(name, safe="")
    if len(quoted) <= LONGEST_TAG:
        return quoted
    return f"{quoted[: LONGEST_TAG - 9]}-{blake2s(os.fsencode(name), digest_size=4).hexdigest()}"


def places(output: Path, run: RunId, token: str) -> tuple[Path, ...]:
    """Where the hidden folder of a run may be, the preferred place first."""
    real = Path(os.path.realpath(output))
    inside = real / str(HiddenName("", run, token))
    return (real.parent / str(HiddenName(tag_of(real.name), run, token)), inside) if real.name else (inside,)


def existing(output: Path, run: RunId, token: str) -> list[Path]:
    """The hidden folders of a run: none before the first task opens and after the run, otherwise nearly always one."""
    return [hidden for hidden in places(output, run, token) if hidden.is_dir()]


def create(output: Path, run: RunId, token: str) -> Path:
    """Create the hidden folder of a run for ``output``, which exists; returns it, also if it was there."""
    there = existing(output, run, token)
    if there:
        return there[0]
    *beside, inside = places(output, run, token)
    inside.mkdir(exist_ok=True)
    for hidden in beside:
        try:
            rename(inside, hidden)
        except OSError:
            if not hidden.is_dir():  # else another task was quicker
                break
            remove_if_empty(inside)
        sync_folder(hidden.parent)
        return hidden
    sync_folder(inside.parent)
    return inside


def epoch_folder(hidden: Path, epoch: int) -> Path:
    """The folder for the files of ``epoch``, by the name that it has while the epoch is undecided."""
    return hidden / f"e{epoch}"


def epochs(hidden: Path) -> Iterator[tuple[int, Path]]:
    """The epochs whose folders are in ``hidden``, each with the undecided name of the folder."""
    with suppress(FileNotFoundError):
        for name in sorted(os.listdir(hidden)):  # noqa: PTH208 - names only
            match = _EPOCH.fullmatch(name)
            if match:
                yield int(match["epoch"]), epoch_folder(hidden, int(match["epoch"]))


def hidden_beside_or_in(output: Path) -> Iterator[tuple[Path, HiddenName]]:
    """The hidden folders of all runs that write into ``output``."""
    real = Path(os.path.realpath(output))
    tag = tag_of(real.name)
    for entry, name in hidden_in(real.parent) if real.name else ():
        if name.tag == tag:
            yield entry, name
    for entry, name in hidden_in(real):
        if not name.tag:
            yield entry, name


def hidden_in(folder: Path) -> Iterator[tuple[Path, HiddenName]]:
    """The hidden folders that are in ``folder``, whichever output they belong to."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - thousands of names, of which few matter
    except OSError:  # it does not exist yet, or this user cannot read it
        return
    for text in names:
        name = HiddenName.parse(text)
        if name is not None:
            yield folder / text, name


def made_folders(hidden: Path) -> list[Path]:
    """The folders that tasks of the run created for the output, deepest first."""
    try:
        made = json.loads((hidden / MADE).read_bytes())
    except (OSError, ValueError):  # there is no list, or its task was killed while it wrote the list
        return []
    return deepest_first(Path(folder) for folder in made)


def deepest_first(folders: Iterable[Path]) -> list[Path]:
    """Sort folders, without repeats, so that each is before those that it is in."""
    return sorted(set(folders), key=lambda folder: (-len(folder.parts), folder))


def note_made(hidden: Path, made: Collection[Path]) -> None:
    """Add ``made`` to the folders that tasks of the run created for the output."""
    if made:
        listed = deepest_first((*made_folders(hidden), *made))
        (hidden / MADE).write_text(json.dumps([str(folder) for folder in listed]))


def remove_unused(hidden: Path, epoch: int, made: Collection[Path]) -> None:
    """Remove the hidden folder if no task is open, and none has written anything that is still there.

    A task that ends without output calls it, with the folders that it ``made``. So does one that opened after its run
    was over, which nothing else ends: the list in the hidden folder may be gone then.
    """
    made = deepest_first((*made_folders(hidden), *made))
    remove_if_empty(epoch_folder(hidden, epoch))
    with suppress(OSError):
        left = set(os.listdir(hidden))  # noqa: PTH208 - names only
        if all(name == MADE or name.endswith(".claim") for name in left):
            remove_tree(hidden)
    if not hidden.is_dir():
        for folder in made:
            remove_if_empty(folder)
