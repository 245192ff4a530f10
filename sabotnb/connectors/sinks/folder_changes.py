"""The changes that sinks and committers make to folders; each is a step that tests can observe, or crash at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sabotnb import durable
from sabotnb.errors import SinkError

OnChange = Callable[[str], None]

_observers: list[OnChange] = []


@contextmanager
def before_changes(observer: OnChange) -> Iterator[None]:
    """Call ``observer`` before each change that this process makes in the block, with what it is about to do."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


def note_change(what: str, path: Path) -> None:
    """Tell the observers of a change that is about to be made to ``path``."""
    for observer in _observers:
        observer(f"{what} {path}")


def make_folder(folder: Path) -> list[Path]:
    """Create ``folder`` and its missing parents, and make their names durable; returns those created, deepest first."""
    if not folder.exists():
        note_change("make", folder)
    return durable.make_folder(folder, sync_folder)


def rename(source: Path, target: Path) -> None:
    """Rename a file or a folder; replaces a file of that name, and an empty folder."""
    note_change(f"rename to {target}:", source)
    source.replace(target)


def sync_file(path: Path) -> None:
    """Make the content of a file durable."""
    note_change("sync", path)
    with path.open("rb+") as opened:
        os.fsync(opened.fileno())


def sync_folder(folder: Path) -> None:
    """Make creations, renames and removals in ``folder`` durable, where the platform can."""
    note_change("sync", folder)
    durable.sync_folder(folder)


def write_whole(path: Path, text: str) -> None:
    """Replace the content of a file durably: a reader sees the old or the new one, also after a power failure."""
    begun = path.with_name(f"{path.name}.begun")
    note_change("write", begun)
    begun.write_text(text)
    sync_file(begun)
    rename(begun, path)
    sync_folder(path.parent)


def remove_file(output: Path, file: str) -> None:
    """Remove ``file`` below ``output`` if it is there, and the folders that are empty without it."""
    note_change("remove", output / file)
    (output / file).unlink(missing_ok=True)
    remove_empty_folders(output, file)


def remove_empty_folders(output: Path, file: str) -> None:
    """Remove the folders between ``output`` and ``file`` that are empty."""
    for folder in (output / file).parents:
        if folder == output:
            return
        try:
            folder.rmdir()
        except FileNotFoundError:  # another process removes it too
            continue
        except OSError:  # it is not empty
            return


def remove_tree(folder: Path) -> None:
    """Remove ``folder`` with what is in it, if it is there."""
    note_change("remove", folder)
    with suppress(FileNotFoundError):  # another process removes it too
        shutil.rmtree(folder)


def remove_if_empty(folder: Path) -> None:
    """Remove ``folder``, unless something is in it, or it cannot be removed."""
    note_change("remove if empty", folder)
    with suppress(OSError):
        folder.rmdir()


@contextmanager
def writing(output: Path) -> Iterator[None]:
    """Turn an OSError raised in the block into a SinkError that names ``output``."""
    try:
        yield
    except PermissionError as error:
        raise SinkError(f"'{output}' is not writable: grant write permission or choose another folder") from error
    except FileNotFoundError as error:
        raise SinkError(
            f"'{error.filename or output}' is gone, or cannot be made there: run the job again, or give another folder"
        ) from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)  # Arrow puts sentences around it
        raise SinkError(
            f"writing into '{output}' failed ({reason}): make room there, or give another folder"
        ) from error
