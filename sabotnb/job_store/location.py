"""Where the job store is: a file in the user's data folder, another SQLite file, or a PostgreSQL database."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from sabotnb import extras
from sabotnb.cache import data_root
from sabotnb.errors import StoreError
from sabotnb.private_files import private_folder

FILE = "jobs.db"

_CLIENTS = ("sshfs", "s3fs", "gcsfuse", "glusterfs", "juicefs", "rclone", "davfs2")

NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ncpfs", "coda", "davfs"),
        *("ceph", "glusterfs", "lustre", "gpfs", "beegfs", "orangefs", "pvfs2"),
        *(f"fuse.{client}" for client in _CLIENTS),
    }
)
"""Types of file systems on which the locks of SQLite do not hold between hosts, as ``/proc/mounts`` has them."""

ADVICE = "pass store='postgresql://user@host/database'"


def data_folder() -> Path:
    """Return the folder of data to keep (``cache.data_root``), made for this user alone if it is missing.

    Raises:
        EnvError: it is not a folder, or others may enter it.
    """
    return private_folder(data_root(), "set SABOTNB_DATA to a folder of your own")


def written_location(store: str | os.PathLike[str]) -> str:
    """Return ``store``, the URL of a database or the path of an SQLite file, as a URL that every process understands.

    Raises:
        StoreError: it is neither.
    """
    text = os.fspath(store)
    if "://" not in text:
        return URL.create("sqlite", database=str(Path(text).expanduser().absolute())).render_as_string()
    return location(text).render_as_string(hide_password=False)


def location(store: str) -> URL:
    """Return the URL of ``store``; of the file in the data folder if it is empty. StoreError if it cannot be one."""
    if not store:
        return URL.create("sqlite", database=str(data_folder() / FILE))
    try:
        url = make_url(store)
    except ArgumentError as error:
        raise StoreError(f"{store!r} is not the URL of a job store; {ADVICE}, or the path of an SQLite file") from error
    backend = {"postgres": "postgresql"}.get(url.get_backend_name(), url.get_backend_name())
    if backend == "sqlite" and url.database not in (None, "", ":memory:"):
        return url.set(database=str(Path(url.database).expanduser().absolute()))
    if backend == "postgresql":
        extras.demand("psycopg", "a job store on PostgreSQL")
        return url.set(drivername="postgresql+psycopg")
    raise StoreError(f"{shown(url)} cannot be a job store; {ADVICE}, or the path of an SQLite file")


def shown_location(store: str) -> str:
    """Return where ``store`` is, as people read it: the path of the file, or the URL without its password."""
    url = location(store)
    return str(url.database) if url.get_backend_name() == "sqlite" else shown(url)


def shown(url: URL) -> str:
    """Return ``url`` without its password."""
    return url.render_as_string(hide_password=True)


def check_file_system(path: Path, mounts: str = "/proc/mounts") -> None:
    """Refuse to keep ``path`` on a network file system: hosts that share it would not see each other's locks.

    Raises:
        StoreError: it is on one.
    """
    kind = file_system(path, mounts)
    if kind in NETWORK:
        raise StoreError(
            f"the job store {path} is on a network file system ({kind}), where SQLite loses data. "
            f"Set SABOTNB_DATA to a local folder, or {ADVICE}"
        )


def file_system(path: Path, mounts: str = "/proc/mounts") -> str:
    """Return the type of the file system that ``path`` is on; empty if that is not known."""
    try:
        lines = Path(mounts).read_text().splitlines()
    except OSError:
        return ""
    real, deepest, kind = os.path.realpath(path), -1, ""
    for line in lines:
        _, point, listed, *_ = line.split(" ")
        mounted = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), point)  # a space is written \040
        inside = real == mounted or real.startswith(mounted.rstrip("/") + "/")
        if inside and len(mounted) >= deepest:  # the last of several mounts at one point hides the others
            deepest, kind = len(mounted), listed
    return kind
