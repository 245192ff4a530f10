"""Run as a process of its own: writes checkpoints to a storage that fails, and prints what was said and is left.

``failing_storage.py MODE STORAGE``: ``full`` fills the disk first and makes room later, ``limit`` may write 64 KB per
file, ``forbidden`` has no right to write, ``plain`` changes nothing.
"""

import json
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from frozen_states import RUN, TASK, state

from sabotnb.errors import CheckpointError
from sabotnb.protocol import CutKind, StateFile, StoredCut, TaskSnapshot
from sabotnb.storage import StateReader, write_cut, write_states

OTHER_USER = 65534


def numbers(rows):
    """A batch that does not compress."""
    return pa.record_batch({"k": pa.array(np.random.default_rng(0).integers(0, 1 << 62, rows))})


def tried(write):
    """What ``write`` says."""
    try:
        write()
    except CheckpointError as error:
        return str(error)
    return "written"


def main(mode, storage):
    """Write a large state file and a large cut, and a small state file in the end."""
    folder = Path(tempfile.gettempdir()) if "://" in storage else Path(storage)
    large = [state("o", "s", {group: [numbers(5_000)] for group in range(10)})]
    snapshot = TaskSnapshot(StateFile("x", 1, 1), memos={"o": {"text": "x" * 400_000}})
    cut = StoredCut(RUN, 1, 1, CutKind.CHECKPOINT, 128, {}, {}, {TASK: snapshot})
    filler = folder / "filler"
    if mode == "full":
        filler.write_bytes(b"0" * 200_000)
    if mode == "limit":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, resource.RLIM_INFINITY))
    if mode == "forbidden":
        folder.chmod(0o500)
        if os.geteuid() == 0:
            os.setresuid(OTHER_USER, OTHER_USER, 0)
    said = [tried(lambda: write_states(storage, RUN, 1, 1, TASK, large)), tried(lambda: write_cut(storage, cut))]
    if mode == "forbidden":
        os.setresuid(-1, os.getresuid()[2], -1)
    left = [str(path) for path in folder.rglob("*") if path.is_file() and path != filler]
    if mode == "full":
        filler.unlink()
    if mode == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if mode == "forbidden":
        folder.chmod(0o700)
    small = [state("o", "s", {0: [numbers(10)]})]
    later = tried(lambda: StateReader(write_states(storage, RUN, 1, 2, TASK, small)))
    sys.stdout.write(json.dumps({"said": said, "left": left, "later": later}))


if __name__ == "__main__":
    main(*sys.argv[1:])
