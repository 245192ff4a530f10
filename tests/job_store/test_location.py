"""Where a store may be, and how users write it."""

import pytest
from sqlalchemy.engine import make_url

from sabotnb.errors import EnvError, StoreError
from sabotnb.job_store.location import check_file_system, data_folder, file_system, location, shown, written_location

MOUNTS = r"""
/dev/vda / ext4 rw,relatime 0 0
server:/home /home nfs4 rw 0 0
/dev/vdb /home/local xfs rw 0 0
me@host: /mnt/with\040space fuse.sshfs rw 0 0
none /scratch tmpfs rw 0 0
server:/scratch /scratch nfs rw 0 0
"""


@pytest.fixture
def mounts(tmp_path):
    path = tmp_path / "mounts"
    path.write_text(MOUNTS.lstrip())
    return str(path)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/jobs.db", "ext4"),
        ("/home/me/jobs.db", "nfs4"),
        ("/home/local/jobs.db", "xfs"),
        ("/homes/jobs.db", "ext4"),
        ("/mnt/with space/jobs.db", "fuse.sshfs"),
        ("/scratch/jobs.db", "nfs"),
    ],
)
def test_the_deepest_mount_counts_and_the_last_one_there(mounts, path, kind):
    assert file_system(path, mounts) == kind


def test_a_network_file_system_is_refused(mounts):
    with pytest.raises(StoreError, match=r"network file system \(nfs4\).*or pass store='postgresql://user@host/data"):
        check_file_system("/home/me/jobs.db", mounts)
    check_file_system("/home/local/jobs.db", mounts)


def test_the_default_is_a_file_in_the_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SABOTNB_DATA", str(tmp_path / "data"))
    assert location("").database == str(tmp_path / "data" / "jobs.db")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_data_folder_that_others_may_enter_is_refused(monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o755)
    monkeypatch.setenv("SABOTNB_DATA", str(tmp_path / "data"))
    with pytest.raises(EnvError, match=r"may be entered by other users \(its mode is 755\): chmod 700"):
        data_folder()


def test_paths_and_urls_are_written_so_that_other_processes_understand_them(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert written_location("jobs.db") == written_location("sqlite:///jobs.db") == f"sqlite:///{tmp_path}/jobs.db"
    assert written_location(tmp_path / "a b.db") == f"sqlite:///{tmp_path}/a b.db"
    assert written_location("postgres://me:s@host/db") == "postgresql+psycopg://me:s@host/db"


@pytest.mark.parametrize("store", ["mysql://host/db", "sqlite://", "sqlite:///:memory:", "://", "http://host"])
def test_what_cannot_be_a_store_is_refused(store):
    with pytest.raises(StoreError, match="or the path of an SQLite file"):
        written_location(store)


def test_passwords_are_not_shown():
    assert shown(make_url("postgresql://me:secret@host/db")) == "postgresql://me:***@host/db"
