"""Resolves the paths that a user gives to a source to absolute paths of files that can be read."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from sabotnb import text_limits
from sabotnb.connectors.folders.file_search import files_below, files_of_glob, fixed_part
from sabotnb.errors import SourceError

Paths: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"

LONGEST_NAME = 255
"""The limit of the bytes of a name in most file systems."""

LONGEST_PATH = 4096
"""The limit of the bytes of a path, including the terminating zero."""

_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"PK": "zip", b"\x28\xb5": "zstd"}


def find(given: Paths, suffixes: Sequence[str], *, may_be_empty: bool = False) -> tuple[str, ...]:
    """The absolute paths of the files of a path, a glob, a folder (its files with ``suffixes``) or a list of those.

    Folders are searched recursively; names that begin with ``.`` or ``_`` are not data, except ``_key=value``. Files of
    a folder or glob are sorted by name, and each occurs once, even if links lead to it. SourceError if there are no
    files, or an empty one although ``may_be_empty`` is false.
    """
    several = listed(given)
    if not several:
        raise SourceError("the list of paths is empty: give at least one file, folder or glob")
    files = [file for path in several for file in _files(path, suffixes)]
    for file in files:
        if is_empty(file) and not may_be_empty:
            raise SourceError(f"'{file}' is empty (0 bytes): remove it, or write it again")
    return tuple(files)


def base_of(given: Paths) -> str:
    """The folder below which folder names are partitions: the common parent of all paths in ``given``.

    For a folder it is the folder, for a glob its part before the first wildcard, for a file the folder of the file.
    """
    return os.path.commonpath([_base(path) for path in listed(given)])


def _base(given: str) -> str:
    path = absolute(given)
    if path.is_dir():
        return str(path)
    is_glob = glob.has_magic(given) and not path.exists()
    return fixed_part(str(path)) if is_glob else str(path.parent)


def is_empty(file: str) -> bool:
    """True if ``file`` has 0 bytes."""
    with reading(file):
        return Path(file).stat().st_size == 0


def listed(given: Paths) -> list[str]:
    """``given``, one path or several, as a list."""
    several = [given] if isinstance(given, str | os.PathLike) else given
    if hasattr(several, "read") or not isinstance(several, Iterable):
        raise SourceError(f"{several!r} is not a path: pass the path of a file or folder, a glob, or a list of those")
    return [os.fspath(path) for path in several]


def _files(given: str, suffixes: Sequence[str]) -> list[str]:
    path = absolute(given)
    if path.is_dir():
        return _folder(path, suffixes)
    if path.exists():
        return [str(path)]
    if not glob.has_magic(given):
        raise SourceError(_missing(path, suffixes))
    files = files_of_glob(str(path))
    if not files:
        raise SourceError(f"no file matches '{given}' (in {Path.cwd()}): check the pattern, ** goes into subfolders")
    return _refuse_broken_links(files)


def absolute(given: str) -> Path:
    """``given`` as an absolute path; SourceError if it is not a valid local path."""
    if "://" in given and not given.startswith("file://"):
        raise SourceError(
            f"'{given}' is not a local path: give a file that every worker can open, such as one on a mounted folder, "
            "or load it in this session and use Stream.from_arrow"
        )
    problem = unusable(given)
    if problem:
        raise SourceError(f"{problem}: give the path of a file or folder, a glob, or a list of those")
    return Path(given.removeprefix("file://")).expanduser().absolute()


def unusable(path: str) -> str | None:
    """The reason why ``path`` is not a valid path; None if it is valid."""
    if not path:
        return "the path is empty"
    if "\0" in path:
        return f"the path {path!r} has a zero character in it"
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return f"the path {path!r} has half of a surrogate pair in it, which is not a character"
    if len(encoded) >= LONGEST_PATH:
        begun = text_limits.beginning(path, text_limits.PATH)
        return f"the path '{begun}' has {len(encoded)} bytes, of at most {LONGEST_PATH - 1}"
    longest = max(encoded.split(b"/"), key=len)
    if len(longest) > LONGEST_NAME:
        start = longest[: text_limits.PATH].decode(errors="ignore")
        return f"the name '{start}...' has {len(longest)} bytes, of at most {LONGEST_NAME}"
    return None


def _folder(folder: Path, suffixes: Sequence[str]) -> list[str]:
    everything = files_below(folder)
    files = [file for file in everything if file.endswith(tuple(suffixes))]
    if not files:
        wanted = " or ".join(f"*{suffix}" for suffix in suffixes)
        has = f"it has {Path(everything[0]).name!r}" if everything else "it is empty"
        raise SourceError(f"the folder '{folder}' has no {wanted} file ({has}): check the path, or give a glob")
    return _refuse_broken_links(files)


def _refuse_broken_links(files: list[str]) -> list[str]:
    for file in files:
        broken = None if Path(file).exists() else broken_link(Path(file))
        if broken:
            raise SourceError(f"{broken}: correct or remove the link")
    return files


def broken_link(path: Path) -> str | None:
    """The problem, if ``path`` or a folder above it is a link whose target cannot be reached; else None."""
    for part in (path, *path.parents):
        if part.is_symlink() and not part.exists():
            try:
                part.stat()
            except FileNotFoundError:
                return f"'{part}' is a link to '{part.readlink()}', which does not exist"
            except OSError:
                return f"'{part}' is a link to '{part.readlink()}', which leads back to it"
    return None


def _missing(path: Path, suffixes: Sequence[str]) -> str:
    broken = broken_link(path)
    if broken:
        return f"{broken}: correct the link, or give another path"
    parent = path.parent
    while not parent.is_dir():
        parent = parent.parent
    if parent != path.parent:
        return f"'{path}' does not exist; there is '{parent}', but nothing below it on this path: check the path"
    names = [entry.name for entry in parent.iterdir()]
    near = difflib.get_close_matches(path.name, names, n=1)
    if near:
        return f"'{path}' does not exist: did you mean '{parent / near[0]}'?"
    fitting = sorted(name for name in names if name.endswith(tuple(suffixes)))[:5]
    return f"'{path}' does not exist: check the path; '{parent}' has {', '.join(fitting) or 'no such file'}"


def refuse_compressed(file: str) -> None:
    """Raise a SourceError if ``file`` (a text format) begins like a compressed file."""
    with reading(file), Path(file).open("rb") as opened:
        kind = _COMPRESSED.get(opened.read(2))
    if kind:
        raise SourceError(f"'{file}' is compressed ({kind}): decompress it first, compressed text cannot be split")


@contextmanager
def reading(
    file: str, what_to_do: str = "check that it is whole and of this format, or write it again"
) -> Iterator[None]:
    """Turn an error raised in the block into a SourceError that names ``file``."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(
            f"'{file}' is gone: every worker must be able to open it; re-run to read the new contents"
        ) from error
    except PermissionError as error:
        raise SourceError(f"'{file}' is not readable: grant this user read permission") from error
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise SourceError(f"'{file}' cannot be read ({_first_line(error)}): {what_to_do}") from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
