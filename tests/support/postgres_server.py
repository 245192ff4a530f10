"""A PostgreSQL server of the system's binaries in a temporary folder, reachable by a unix socket only."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "postgres"


def binaries() -> Path | None:
    """Return the folder of the newest ``initdb``, which Debian keeps off PATH; None if there is none."""
    if on_path := shutil.which("initdb"):
        return Path(on_path).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


@contextmanager
def postgres_server(programs: Path) -> Iterator[str]:
    """Run a server while inside; yields the URL of its database."""
    # a short path: that of a unix socket has at most 107 bytes
    folder = Path(tempfile.mkdtemp(prefix="sabotnb-pg-"))
    data = folder / "data"
    if os.getuid() == 0:  # whom the server refuses
        shutil.chown(folder, USER)
    try:
        _run(programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "--no-sync")
        start(programs, folder)
        try:
            yield f"postgresql://{USER}@/{USER}?host={folder}"
        finally:
            _run(programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start_again(programs: Path, folder: Path) -> None:
    """Start a server that was killed; while its other processes end, it refuses to start."""
    for _ in range(50):
        try:
            start(programs, folder)
        except subprocess.CalledProcessError:
            continue
        return


def start(programs: Path, folder: Path) -> None:
    """Start the server in ``folder``."""
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    _run(programs / "pg_ctl", "-D", folder / "data", "-l", folder / "log", "-w", "-o", options, "start")


def _run(*command: str | Path) -> None:
    as_user = ("runuser", "-u", USER, "--") if os.getuid() == 0 else ()
    subprocess.run((*as_user, *map(str, command)), check=True, capture_output=True, cwd="/", timeout=60)
