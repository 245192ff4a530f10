"""Which announcements in the runtime folder are of clusters that run."""

import os
import subprocess
import sys

import psutil
import pytest

from sabotnb.cluster.announcement import Announcement, announce_local, find_announced
from sabotnb.cluster.user_folders import runtime_folder


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return runtime_folder()


def of_this_process(address="tls://127.0.0.1:1"):
    return Announcement.of_this_process(address, 1, 2, "certificate", "key")


def test_the_process_of_a_pid_is_told_from_a_later_one():
    assert of_this_process().alive
    assert not Announcement("tls://127.0.0.1:1", os.getpid(), 1, 2, psutil.Process().create_time() - 10).alive


def test_a_process_that_has_ended_and_was_not_waited_for_is_not_alive():
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        began = psutil.Process(ended.pid).create_time()
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(ended.pid).status() == psutil.STATUS_ZOMBIE
        assert not Announcement("tls://127.0.0.1:1", ended.pid, 1, 2, began).alive


def test_files_that_are_no_announcements_are_left_alone(folder):
    strange = {"a.json": "", "b.json": "[1]", "c.json": "{", "d.json": '{"address": 1}', "e.json": "\0"}
    for name, text in strange.items():
        (folder / name).write_text(text)
    (folder / "f.json").symlink_to(folder / "nowhere")
    path = announce_local(of_this_process())
    assert find_announced("tls://127.0.0.1:1") == of_this_process()
    assert find_announced("tls://127.0.0.1:2") is None
    assert {entry.name for entry in folder.iterdir()} == {*strange, "f.json", path.name}
