"""Which files a source reads: from what the user gave to absolute paths of files that have something in them."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from sabotnb.errors import SourceError

Paths: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"

_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"PK": "zip", b"\x28\xb5": "zstd"}


def find(given: Paths, suffixes: Sequence[str], *, may_be_empty: bool = False) -> tuple[str, ...]:
    """Absolute paths of the files meant by a path, a glob, a folder (its files with ``suffixes``) or a list of those.

    Folders are searched recursively; names that begin with ``.`` or ``_`` are not data. Within a folder or glob the
    order is by name. SourceError, with what to do, if there is nothing, or a file of 0 bytes that may not be so.
    """
    several = listed(given)
    if not several:
        raise SourceError("the list of paths is empty: give at least one file, folder or glob")
    files = [file for one in several for file in _files(one, suffixes)]
    for file in files:
        if is_empty(file) and not may_be_empty:
            raise SourceError(f"'{file}' is empty (0 bytes): remove it, or write it again")
    return tuple(files)


def is_empty(file: str) -> bool:
    """True if ``file`` has 0 bytes."""
    with reading(file):
        return Path(file).stat().st_size == 0


def listed(given: Paths) -> list[str]:
    """One path or several, as several."""
    several = [given] if isinstance(given, str | os.PathLike) else given
    if hasattr(several, "read") or not isinstance(several, Iterable):
        raise SourceError(f"{several!r} is no path: give the path of a file or folder, a glob, or a list of those")
    return [os.fspath(path) for path in several]


def _files(given: str, suffixes: Sequence[str]) -> list[str]:
    if "://" in given and not given.startswith("file://"):
        raise SourceError(
            f"'{given}' is not a local path: give a file that every worker can open, such as one on a mounted folder, "
            "or load it in this session and use Stream.from_arrow"
        )
    path = Path(given.removeprefix("file://")).expanduser().absolute()
    if path.is_dir():
        return _folder(path, suffixes)
    if path.exists():
        return [str(path)]
    if glob.has_magic(given):
        found = sorted(file for file in glob.glob(str(path), recursive=True) if Path(file).is_file())  # noqa: PTH207
        if not found:
            raise SourceError(
                f"no file matches '{given}' (in {Path.cwd()}): check the pattern, ** goes into subfolders"
            )
        return found
    raise SourceError(_missing(path, suffixes))


def _folder(folder: Path, suffixes: Sequence[str]) -> list[str]:
    found: list[str] = []
    others: list[str] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for name in sorted(names):
            if not name.startswith((".", "_")):
                (found if name.endswith(tuple(suffixes)) else others).append(str(Path(parent) / name))
    if not found:
        wanted = " or ".join(f"*{suffix}" for suffix in suffixes)
        has = f"it has {Path(others[0]).name!r}" if others else "it is empty"
        raise SourceError(f"the folder '{folder}' has no {wanted} file ({has}): check the path, or give a glob")
    return found


def _missing(path: Path, suffixes: Sequence[str]) -> str:
    parent = path.parent
    while not parent.is_dir():
        parent = parent.parent
    if parent != path.parent:
        return f"'{path}' does not exist; there is '{parent}', but nothing below it on this path: check the path"
    if path.is_symlink():
        return f"'{path}' is a link to '{path.readlink()}', which does not exist: check the link"
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
    """Turn what goes wrong with ``file`` into a SourceError that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(
            f"'{file}' is gone: every worker must be able to open it; start again with what is there"
        ) from error
    except PermissionError as error:
        raise SourceError(f"'{file}' may not be read: give this user the right to read it") from error
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise SourceError(f"'{file}' cannot be read ({_first_line(error)}): {what_to_do}") from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
