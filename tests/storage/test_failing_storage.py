"""A full disk, a quota, a read-only file system and a forbidden folder: said with path and reason, and nothing is left.

Small file systems are mounted in a namespace of the test's process, for which Linux has to allow ``unshare``.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "support" / "failing_storage.py"
CAN_MOUNT = shutil.which("unshare") is not None and subprocess.call(["unshare", "-rm", "true"]) == 0
mounts = pytest.mark.skipif(not CAN_MOUNT, reason="needs Linux with user namespaces")


def outcome(mode, storage, *, mount=None, at=None, **env):
    """What ``failing_storage.py`` prints; ``mount`` are the options of a file system for it, ``at`` this folder."""
    command = [sys.executable, str(SCRIPT), mode, str(storage)]
    if mount is not None:
        script = f'mount -t tmpfs -o {mount} none "$0" && exec "$@"'
        command = ["unshare", "-rm", "sh", "-c", script, str(at or storage), *command]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def said(path, reason, do):
    return f"the checkpoint file '{path}' cannot be written: {reason}. {do}, or choose another folder, such as"


def files(storage):
    folder = f"{storage}/flights%20of%202013%2F..%2Fx/3/1-e1"
    return [f"{folder}/aggregate_0-1.state", f"{folder}/cut.json"]


def check(result, storage, reason, do="Make room or repair the storage", files=files):
    for message, path in zip(result["said"], files(storage), strict=True):
        assert message.startswith(said(path, reason, do))
    assert result["left"] == []


@mounts
def test_a_full_disk(tmp_path):
    result = outcome("full", tmp_path, mount="size=400k")
    check(result, tmp_path, "no space left on device")
    assert result["later"] == "written"


def test_a_quota(tmp_path):
    result = outcome("limit", tmp_path)
    check(result, tmp_path, "file too large")
    assert result["later"] == "written"


@mounts
def test_a_read_only_file_system(tmp_path):
    result = outcome("plain", tmp_path, mount="ro")
    check(result, tmp_path, "read-only file system")


def test_a_folder_without_permission(tmp_path):
    result = outcome("forbidden", tmp_path)
    check(result, tmp_path, "permission denied", "Grant write permission")
    assert result["later"] == "written"


def test_a_file_where_the_folder_should_be(tmp_path):
    storage = tmp_path / "storage"
    storage.write_text("a file")
    check(outcome("plain", storage), storage, "not a directory")


@mounts
def test_a_full_disk_on_the_way_to_an_object_store(tmp_path):
    result = outcome("full", "memory://full", mount="size=400k", at=tmp_path, TMPDIR=str(tmp_path))
    check(
        result,
        "memory://full",
        "no space left on device",
        files=lambda storage: [f"{path}' by way of '{tmp_path}" for path in files(storage)],
    )
    assert result["later"] == "written"
