"""Lists the files below a folder or of a glob, each once, even if symbolic links lead to it in several ways.

Links to folders are followed, except a link to a folder that contains the link, which would be a cycle. A folder that
can be reached in several ways is entered once, by a path without links if there is one. A link to a file that is also
found by its own name is left out.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

Hidden = Callable[[str], bool]

_Id = tuple[int, int]


def is_private(name: str) -> bool:
    """True for names that readers of folders skip: they begin with ``.`` or ``_`` and are not ``key=value``."""
    return name.startswith((".", "_")) and "=" not in name


def is_dotted(name: str) -> bool:
    """True for names that no wildcard matches: they begin with ``.`` and are not ``key=value``."""
    return name.startswith(".") and "=" not in name


def files_below(folder: str | os.PathLike[str]) -> list[str]:
    """Files below ``folder`` whose names make them data; those of a folder come before those of its subfolders."""
    folders = _folders(os.fspath(folder), is_private)
    data = [_joined(parent, name) for parent, names in folders for name in names if not name.startswith((".", "_"))]
    return sorted(_without_repetitions(data), key=_by_folder)


def files_of_glob(pattern: str) -> list[str]:
    """Files that match ``pattern``, by name; ``**`` stands for any number of folders."""
    return sorted(_without_repetitions(file for file in _expanded(pattern) if not Path(file).is_dir()))


def fixed_part(pattern: str) -> str:
    """The folder that contains all matches of ``pattern``: its parts before the first one with a wildcard."""
    parts = Path(pattern).parts
    fixed = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return str(Path(*parts[:fixed]))


def _expanded(pattern: str) -> Iterator[str]:
    parts = Path(pattern).parts
    if "**" not in parts:
        yield from glob.iglob(pattern)  # noqa: PTH207 - the pattern may be absolute
        return
    at = parts.index("**")
    rest = parts[at + 1 :] or ("*",)
    for top in glob.iglob(str(Path(*parts[:at]))):  # noqa: PTH207
        if Path(top).is_dir():
            for folder, _ in _folders(top, is_dotted):
                yield from _expanded(str(Path(glob.escape(folder), *rest)))


def _folders(top: str, hidden: Hidden) -> Iterator[tuple[str, list[str]]]:
    """``top`` and the folders below it, each once, with the names of the files in it."""
    entered: set[_Id] = set()
    plain, links = [top], list[str]()  # links are entered last, so that a folder keeps its path without links
    while plain or links:
        folder = plain.pop() if plain else links.pop(0)
        try:
            identity = _identity(folder)
            if identity in entered:
                continue
            entered.add(identity)
            names = []
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if not _is_folder(entry):
                        names.append(entry.name)
                    elif hidden(entry.name):
                        continue
                    elif not entry.is_symlink():
                        plain.append(entry.path)
                    elif not _is_cycle(entry.path):
                        links.append(entry.path)
        except FileNotFoundError:  # removed meanwhile
            continue
        yield folder, names


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a loop
        return False


def _is_cycle(link: str) -> bool:
    """True if ``link`` leads to a folder that it is in."""
    inside, target = Path(link).parent.resolve(), Path(link).resolve()
    return inside.is_relative_to(target)


def _without_repetitions(files: Iterable[str]) -> Iterable[str]:
    """``files`` without links to others of them."""
    parents: dict[str, str] = {}
    real: dict[str, str] = {}
    for file in files:
        parent, name = os.path.split(file)
        if parent not in parents:
            parents[parent] = os.path.realpath(parent)
        path = _joined(parents[parent], name)
        real[file] = os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114 - as in _joined
    first_names: dict[str, str] = {}
    for file in sorted(real, key=lambda file: (real[file] != file, file)):  # a file's own name before links to it
        first_names.setdefault(real[file], file)
    return first_names.values()


def _by_folder(file: str) -> list[tuple[bool, str]]:
    *folders, name = file.split(os.sep)  # noqa: PTH206 - as in _joined
    return [*((True, folder) for folder in folders), (False, name)]


def _joined(folder: str, name: str) -> str:
    """Join as ``Path`` does, in a tenth of the time: there may be thousands of files."""
    return os.path.join(folder, name)  # noqa: PTH118


def _identity(path: str) -> _Id:
    status = Path(path).stat()
    return status.st_dev, status.st_ino
