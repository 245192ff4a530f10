"""Whole files in local folders, and objects at the URLs that fsspec knows.

A file is there completely or not at all: a local one is written under a temporary name, synced and renamed; an object
is collected in a local temporary file and sent in one go. Errors of the file system become a CheckpointError that names
the file.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias

import pyarrow as pa

from sabotnb.durable import make_folder, sync_folder
from sabotnb.errors import StorageUnreachable
from sabotnb.storage.checkpoint_faults import reading, truncated, writing

PARTIAL = ".partial"
"""The end of the name of a file that is not complete."""

Bytes: TypeAlias = "bytes | pa.Buffer"


class FileAccess(Protocol):
    """Reads, writes, lists and removes files; paths are those that ``absolute`` returns. Methods block on I/O."""

    compression: ClassVar[str | None]
    """The compression of Arrow buffers that pays here."""

    def write(self, path: str, chunks: Iterable[Bytes]) -> None:
        """Write a file of these bytes, whole or not at all, and create its folder; replaces a file of this name."""
        ...

    def size(self, path: str) -> int:
        """The number of bytes of a file."""
        ...

    def read(self, path: str, start: int, nbytes: int) -> pa.Buffer:
        """Exactly these bytes of a file, in aligned memory."""
        ...

    def names(self, folder: str) -> list[str]:
        """The names of the files and folders in ``folder``; none if it does not exist."""
        ...

    def remove(self, path: str) -> bool:
        """Remove a file, or a folder if it is empty; False if that is impossible."""
        ...


def is_url(path: str) -> bool:
    """True for paths that only fsspec knows."""
    return "://" in path and not path.startswith(("file://", "local://"))


def absolute(path: str) -> str:
    """The absolute path of a local folder or file; a URL without slashes at its end."""
    if is_url(path):
        return path.rstrip("/")
    return str(Path(path.partition("://")[2] if "://" in path else path).expanduser().absolute())


def access_to(path: str) -> FileAccess:
    """What reads and writes files at ``path``; StorageUnreachable if a package for its URL is missing."""
    return ObjectAccess(path) if is_url(path) else LocalAccess()


class LocalAccess:
    """Files in local folders, or in folders that every host mounts."""

    # LZ4 costs 14 ms for 9.4 MB of typical state; writing them without costs 3 ms and saves the reader 2 ms.
    compression: ClassVar[str | None] = None

    def write(self, path: str, chunks: Iterable[Bytes]) -> None:
        target = Path(path)
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}{PARTIAL}")
        try:
            with writing(path):
                make_folder(target.parent)
                with partial.open("xb") as opened:
                    for chunk in chunks:
                        opened.write(chunk)
                    opened.flush()
                    os.fsync(opened.fileno())
                partial.rename(target)
                sync_folder(target.parent)
        except BaseException:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise

    def size(self, path: str) -> int:
        with reading(path, self.names):
            return Path(path).stat().st_size

    def read(self, path: str, start: int, nbytes: int) -> pa.Buffer:
        buffer = pa.allocate_buffer(nbytes)
        rest = memoryview(buffer).cast("B")
        with reading(path, self.names), Path(path).open("rb", buffering=0) as opened:
            opened.seek(start)
            while rest and (count := opened.readinto(rest)):
                rest = rest[count:]
        if rest:
            raise truncated(path)
        return buffer

    def names(self, folder: str) -> list[str]:
        with reading(folder, self.names):
            try:
                return sorted(path.name for path in Path(folder).iterdir())
            except (FileNotFoundError, NotADirectoryError):
                return []

    def remove(self, path: str) -> bool:
        try:
            if Path(path).is_dir():
                Path(path).rmdir()
            else:
                Path(path).unlink(missing_ok=True)
        except OSError:
            return False
        return True


class ObjectAccess:
    """Objects of a store, or files of a remote file system, by URL."""

    compression: ClassVar[str | None] = "lz4"  # on the way to an object store, bytes cost more than the processor

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            self._files: Any = fsspec.core.url_to_fs(url)[0]
        except (ImportError, ValueError) as error:  # the protocol's package is missing, or there is no such protocol
            raise StorageUnreachable(
                f"'{url}' cannot be used for checkpoints: {error}. Use a folder that every agent can write to, such as "
                "sb.checkpoint('60s', storage='/shared/checkpoints')"
            ) from error

    def write(self, path: str, chunks: Iterable[Bytes]) -> None:
        by_way_of = f"{path}' by way of '{tempfile.gettempdir()}"
        with writing(by_way_of), tempfile.NamedTemporaryFile(prefix="sabotnb-", suffix=PARTIAL) as spooled:
            for chunk in chunks:
                spooled.write(chunk)
            spooled.flush()
            with writing(path, anything=True):
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._files.put_file(spooled.name, path)

    def size(self, path: str) -> int:
        with reading(path, self.names, anything=True):
            return int(self._files.info(path)["size"])

    def read(self, path: str, start: int, nbytes: int) -> pa.Buffer:
        with reading(path, self.names, anything=True):
            data = self._files.cat_file(path, start=start, end=start + nbytes) if nbytes else b""
        if len(data) != nbytes:
            raise truncated(path)
        return pa.py_buffer(data)

    def names(self, folder: str) -> list[str]:
        with reading(folder, self.names, anything=True):
            try:
                self._files.invalidate_cache()
                listed = self._files.ls(folder, detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
        return sorted({name.rstrip("/").rpartition("/")[2] for name in listed} - {""})

    def remove(self, path: str) -> bool:
        try:
            if self._files.isdir(path):
                self._files.rmdir(path)
            elif self._files.exists(path):
                self._files.rm_file(path)
        except Exception:  # noqa: BLE001 - file systems of fsspec raise errors of their own
            return False
        return True
