"""Stores that cannot be used are refused with what to do; an older sabotnb does not touch a newer store."""

import os
import subprocess
import sys

import pytest
from sqlalchemy import create_engine, text

from sabotnb.errors import StoreError
from sabotnb.job_store import JobStore
from sabotnb.job_store.location import location


def change(url, statement):
    engine = create_engine(location(url))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_a_store_is_opened_again_with_what_it_has(url):
    JobStore.open(url).close()
    again = JobStore.open(url)
    assert again.runs() == []
    again.close()


@pytest.mark.parametrize(
    ("version", "advice"),
    [(2, r"Upgrade it: pip install --upgrade sabotnb$"), (0, r"use another: sb\.local\(store='jobs\.sqlite'\)$")],
)
def test_a_store_of_another_version_is_refused(url, version, advice):
    JobStore.open(url).close()
    change(url, f"UPDATE sabotnb_version SET version = {version}")
    with pytest.raises(StoreError, match=rf"has version {version}, and this sabotnb reads version 1\. .*{advice}"):
        JobStore.open(url)


def test_other_tables_of_a_database_are_left_alone(url):
    change(url, "CREATE TABLE runs (mine integer)")
    store = JobStore.open(url)
    store.close()
    change(url, "INSERT INTO runs VALUES (1)")


def test_a_store_is_open_to_its_user_alone(tmp_path):
    old = os.umask(0)
    try:
        store = JobStore.open(f"sqlite:///{tmp_path}/new/jobs.db")
        store.claim("hours")
    finally:
        os.umask(old)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()}
    store.close()
    assert modes == {"jobs.db": 0o600, "jobs.db-wal": 0o600, "jobs.db-shm": 0o600}
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path):
    path = tmp_path / "jobs.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match=r"jobs.db is damaged \(file is not a database\)\. Move the file away"):
        JobStore.open(f"sqlite:///{path}")
    assert path.read_bytes() == b"not a database" * 100


def test_a_damaged_page_is_said(tmp_path):
    path = tmp_path / "jobs.db"
    JobStore.open(f"sqlite:///{path}").close()
    content = bytearray(path.read_bytes())
    content[100:4096] = os.urandom(3996)  # the schema
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"jobs.db is damaged \(.*malformed.*\)\. Move the file away"):
        JobStore.open(f"sqlite:///{path}")


READ_ONLY = """
import os, sys
import sqlalchemy.dialects.sqlite.pysqlite
from sabotnb.errors import StoreError
from sabotnb.job_store import JobStore
if os.getuid() == 0:
    os.setuid(65534)  # root may write everywhere
try:
    JobStore.open(sys.argv[1])
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("existing", [True, False])
def test_a_store_that_may_not_be_written_is_refused(tmp_path, existing):
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "jobs.db"
    if existing:
        JobStore.open(f"sqlite:///{path}").close()
        path.chmod(0o444)
    for above in (folder, *list(folder.parents)[:3]):  # pytest's folders are closed to others
        above.chmod(0o555 if above == folder else 0o755)
    command = [sys.executable, "-c", READ_ONLY, f"sqlite:///{path}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "jobs.db is not writable" in ran.stdout, ran.stderr
    assert "Set SABOTNB_DATA to a folder of your own, or pass store='postgresql://user@host/database'" in ran.stdout


def test_a_server_that_does_not_answer_is_said_without_the_password(tmp_path):
    with pytest.raises(StoreError, match=r"does not answer .*Check that its database runs") as refused:
        JobStore.open(f"postgresql://me:secret@/jobs?host={tmp_path}")
    assert "secret" not in str(refused.value)


def test_opening_a_store_twice_in_a_process_keeps_the_locks_of_the_first(tmp_path):
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    first = JobStore.open(url)
    JobStore.open(url).close()
    # the last process to close a database removes its WAL: without the locks of the first store, this one would
    look = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM sabotnb_runs'); c.close()"
    subprocess.run([sys.executable, "-c", look, str(tmp_path / "jobs.db")], check=True)
    assert (tmp_path / "jobs.db-wal").exists()
    assert first.runs() == []
    first.close()
