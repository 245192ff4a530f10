"""Folders of our own are refused when somebody else could have made them, or may look into them."""

import errno
import os
import stat
from contextlib import contextmanager

import pytest

from sabotnb.cluster.announcement import find_detached
from sabotnb.errors import EnvError
from sabotnb.private_files import open_private, private_folder, write_private

OTHER_UID = 65534


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


@contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_a_folder_that_is_missing_is_made_for_its_owner_alone(tmp_path):
    with umask(0):
        folder = private_folder(tmp_path / "a" / "b", "move")
    assert (mode(folder), private_folder(folder, "move")) == (0o700, folder)


@pytest.mark.parametrize("wide", [0o755, 0o701, 0o770, 0o1777])
def test_a_folder_that_others_may_enter_is_refused(tmp_path, wide):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(wide)
    with pytest.raises(EnvError, match=rf"its mode is {wide:o}\): chmod 700 {folder}"):
        private_folder(folder, "move")


def link(path):
    (path.parent / "target").mkdir(mode=0o700)
    path.symlink_to(path.parent / "target")


def dangling_link(path):
    path.symlink_to(path.parent / "nowhere")


def file(path):
    path.touch()


@pytest.mark.parametrize("make", [link, dangling_link, file])
def test_what_is_no_folder_is_refused(tmp_path, make):
    make(tmp_path / "not")
    with pytest.raises(EnvError, match="not is a link or a file, not a folder: remove it, or move"):
        private_folder(tmp_path / "not", "move")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of another user's")
def test_a_folder_of_another_user_is_refused(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, OTHER_UID, OTHER_UID)
    with pytest.raises(EnvError, match=rf"theirs belongs to another user \(uid {OTHER_UID}\): move"):
        private_folder(folder, "move")
    with pytest.raises(EnvError, match="belongs to another user"):
        find_detached(folder)


def test_a_private_file_is_never_open_to_others_and_replaced_at_once(tmp_path):
    path = tmp_path / "secret.json"
    path.write_text("old")
    path.chmod(0o644)
    (tmp_path / "secret.new").symlink_to(tmp_path / "elsewhere")
    with umask(0), path.open() as before:
        write_private(path, "new")
        assert before.read() == "old"
    assert (path.read_text(), mode(path)) == ("new", 0o600)
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret.json"]


def test_a_file_is_not_reached_through_a_link(tmp_path):
    (tmp_path / "target").write_text("kept")
    (tmp_path / "log").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        open_private(tmp_path / "log")
    assert (tmp_path / "target").read_text() == "kept"
