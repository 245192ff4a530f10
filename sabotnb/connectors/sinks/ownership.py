"""Owners of committed files: the name of a file says which job wrote it, and in which run, epoch and cut.

Cut 5 of run 12 of job ``late`` wrote ``part-00000-7f763dd3-0-9c01ab77-r12e1c5.late.parquet`` in its first epoch.
``9c01ab77`` are the random digits of the run, which two runs of different clusters do not share. If the run continues
others of the job, the first of which was run 3, the name has ``r12f3e1c5``. What a task wrote between its last cut and
the end of its input has the number of the next cut, with which it is stored. A run that goes back to an earlier cut
finds the files of later ones by these numbers (``lineage``).

The name also says what its run has replaced: ``r12f3b2.1.7e1c5`` went on from cut 7 of epoch 1 of the run whose number
is 2 less, so later files of that one are gone. A run that appends has ``r12a``; others replace all output of the job
that does not lead to them.

The owner is not stored in a file of its own, because polars reads every file of a folder, hidden or not. Older versions
did: they wrote ``_sabotnb.json``, a list of owners. Later ones wrote names with nothing but the job in them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import quote, unquote

from sabotnb.errors import SinkError
from sabotnb.protocol import LineageCut, RunId

OLD_MARKER = "_sabotnb.json"
_OLD_FORMAT = 1
_FINAL_NAME = re.compile(
    r"part-\d{5,}-[0-9a-f]{8}-\d+"
    r"(?P<origin>-(?:(?P<token>[0-9a-f]+)-)?r(?P<run>\d+)(?P<appends>a)?(?:f(?P<first>\d+))?"
    r"(?:b(?P<back>\d+)\.(?P<base_epoch>\d+)\.(?P<base_cut>\d+))?e(?P<epoch>\d+)c(?P<cut>\d+))?"
    r"\.(?P<job>.+)\.[a-z]+"
)

Owners = Mapping[str, str | None]
"""The job that wrote each file, by the file's path below the output folder; None for files that no job wrote."""


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """The run, epoch and cut that wrote a file; ``token`` are the random digits of the run.

    ``first`` is the number of the first of the runs that it continues; its own number if it began at the beginning.
    ``base`` is the cut from which the epoch went on, None if it began at the beginning. ``appends``: the run leaves
    other output of the job.
    """

    run: RunId
    token: str
    epoch: int
    cut: int
    first: int
    base: LineageCut | None = None
    appends: bool = False

    def after(self, epoch: int, cut: int) -> bool:
        """True if the file was written after ``cut`` of ``epoch`` of its run."""
        return (self.epoch, self.cut) > (epoch, cut)


def final_name(part: str, origin: FileOrigin, suffix: str) -> str:
    """The final name of ``part`` (``part-00000-7f763dd3-0``) of the output that ``origin`` wrote."""
    token = f"{origin.token}-" if origin.token else ""
    first = f"f{origin.first}" if origin.first != origin.run.number else ""
    appends = "a" if origin.appends else ""
    base = origin.base
    back = f"b{origin.run.number - base.run.number}.{base.epoch}.{base.cut}" if base is not None else ""
    numbers = f"r{origin.run.number}{appends}{first}{back}e{origin.epoch}c{origin.cut}"
    return f"{part}-{token}{numbers}.{quote(origin.run.job, safe='')}{suffix}"


def origin_of(file: str) -> FileOrigin | None:
    """What wrote ``file``, from its name; None if its name does not say."""
    match = _FINAL_NAME.fullmatch(PurePath(file).name)
    if match is None or match["origin"] is None:
        return None
    run = RunId(unquote(match["job"]), int(match["run"]))
    base = None
    if match["back"] is not None:
        base_run = RunId(run.job, run.number - int(match["back"]))
        base = LineageCut(base_run, int(match["base_epoch"]), int(match["base_cut"]))
    return FileOrigin(
        run,
        match["token"] or "",
        int(match["epoch"]),
        int(match["cut"]),
        int(match["first"] or run.number),
        base,
        appends=match["appends"] is not None,
    )


def owners_of(output: Path, files: Sequence[str]) -> Owners:
    """The owners of ``files``, paths below ``output``; SinkError if an older list of owners cannot be read."""
    listed = _listed(output)
    return {file: listed.get(file) or _owner(file) for file in files}


def _owner(file: str) -> str | None:
    match = _FINAL_NAME.fullmatch(PurePath(file).name)
    return unquote(match["job"]) if match else None


def _listed(output: Path) -> Mapping[str, str]:
    marker = output / OLD_MARKER
    try:
        content = json.loads(marker.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise SinkError(f"'{marker}' is damaged ({error}): give another folder, or remove this one") from error
    if not isinstance(content, dict) or content.get("format") != _OLD_FORMAT:
        raise SinkError(f"'{marker}' is of another version of sabotnb: give another folder")
    listed: Mapping[str, str] = content["files"]
    return listed
