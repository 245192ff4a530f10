"""Owners of committed files: the name of a file says which job wrote it.

Job ``late`` wrote ``part-00000-7f763dd3-0.late.parquet``. The owner is not stored in a file of its own, because polars
reads every file of a folder, hidden or not. Older versions did: they wrote ``_sabotnb.json``, a list of owners.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from urllib.parse import quote, unquote

from sabotnb.errors import SinkError

OLD_MARKER = "_sabotnb.json"
_OLD_FORMAT = 1
_FINAL_NAME = re.compile(r"part-\d{5,}-[0-9a-f]{8}-\d+\.(?P<job>.+)\.[a-z]+")

Owners = Mapping[str, str | None]
"""The job that wrote each file, by the file's path below the output folder; None for files that no job wrote."""


def final_name(part: str, job: str, suffix: str) -> str:
    """The final name of ``part`` (``part-00000-7f763dd3-0``) of the output of ``job``."""
    return f"{part}.{quote(job, safe='')}{suffix}"


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
