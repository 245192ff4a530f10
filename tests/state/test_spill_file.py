"""Batches in a file without a name."""

import resource
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from sabotnb.errors import OutOfMemory
from sabotnb.state import SpillFile

MB = 1 << 20


def batch(start, rows=100):
    words = pa.array([f"word {number % 7}" for number in range(rows)]).dictionary_encode()
    return pa.record_batch([pa.array(range(start, start + rows)), words], names=["n", "w"])


def open_files(folder):
    """The files in ``folder`` that this process has open, also without a name."""
    targets = (str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink())
    return [target for target in targets if target.startswith(str(folder))]


def test_batches_are_read_while_others_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    counted = []
    file = SpillFile(counted.append)
    with ThreadPoolExecutor(2) as pool:
        reads = [pool.submit(file.read, file.append(batch(start))) for start in range(200)]
        assert [read.result() for read in reads] == [batch(start) for start in range(200)]
    assert list(tmp_path.iterdir()) == []
    assert len(counted) == 200
    assert len(open_files(tmp_path)) == 1
    del file, reads
    assert open_files(tmp_path) == []


def test_a_file_that_cannot_grow_fails_with_its_folder_and_setting(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    file = SpillFile(lambda _nbytes: None)
    first = file.append(batch(0))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MB, limits[1]))
    try:
        with pytest.raises(OutOfMemory, match=rf"'{tmp_path}': File too large. .* by SABOTNB_STATE_BYTES"):
            file.append(batch(0, MB))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read(first) == batch(0)
