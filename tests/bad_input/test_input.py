"""Files that change, break or are empty: what a job on worker processes says about them."""

import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import sabotnb as sb
from sabotnb import errors

pytestmark = pytest.mark.cluster

ROWS = pa.table({"a": pa.array(range(20_000)), "s": [str(n) for n in range(20_000)]})


@pytest.fixture
def parquet(tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(ROWS, path)
    return path


def failure(job):
    with pytest.raises(errors.JobFailed) as caught:
        job.wait(timeout=60)
    return caught.value


def test_a_file_that_is_removed_before_the_run(env, parquet, tmp_path):
    rows = sb.Stream.from_parquet(parquet)
    parquet.unlink()
    with pytest.raises(errors.SourceError, match=r"in\.parquet' is gone: .*; re-run to read the new contents"):
        rows.sink_csv(tmp_path / "out").run("removed")


def test_a_file_that_is_written_anew_before_the_run(env, parquet, tmp_path, written):
    rows = sb.Stream.from_parquet(parquet)
    pq.write_table(ROWS.rename_columns(["b", "s"]), parquet)
    error = failure(rows.sink_csv(tmp_path / "out").run("changed"))
    assert isinstance(error.reason, errors.SourceError)
    assert str(error).endswith("in.parquet' no longer has column 'a': re-run to read the new contents")
    assert written() == []


def test_a_damaged_file_fails_the_job_by_name(env, parquet, tmp_path, written):
    whole = bytearray(parquet.read_bytes())
    whole[200:4000] = bytes(byte ^ 0x5A for byte in whole[200:4000])
    parquet.write_bytes(whole)
    error = failure(sb.Stream.from_parquet(parquet).sink_csv(tmp_path / "out").run("damaged"))
    assert isinstance(error.reason, errors.SourceError)
    assert str(error).startswith(f"job 'damaged' failed: source_0: '{parquet}' cannot be read (")
    assert str(error).endswith("check that it is whole and of this format, or write it again")
    assert written() == []


BAD_LINES = {
    "csv": (
        "a,b\n" + "1,x\n" * 400_000 + "one,x\n",
        400_002,
        "column 'a' is int64 by the rows before, but has 'one' here",
    ),
    "csv fields": ("a,b\n" + "1,x\n" * 400_000 + "1,x,9\n", 400_002, "3 fields, but the header has 2"),
    "json": (
        '{"a": 1}\n' * 200_000 + '{"a": "one"}\n',
        200_001,
        "field 'a' is int64 by the rows before, but has 'one' here",
    ),
    "json broken": ('{"a": 1}\n' * 200_000 + '{"a": 1,\n', 200_001, "this is not JSON"),
}


@pytest.mark.parametrize("kind", BAD_LINES)
def test_a_line_far_behind_the_first_ones_is_named_by_its_number(env, tmp_path, written, kind):
    text, line, says = BAD_LINES[kind]
    path = tmp_path / f"in.{kind.split()[0]}"
    path.write_text(text)
    describe = sb.Stream.from_csv if path.suffix == ".csv" else sb.Stream.from_json
    error = failure(describe(path).sink_parquet(tmp_path / "out").run("bad line"))
    assert f"'{path}', line {line}: {says}" in str(error)
    assert "correct the file" in str(error)
    assert written() == []


EMPTY = {
    "from_parquet": lambda path: pq.write_table(pa.table({"a": pa.array([], pa.int64())}), path),
    "from_csv": lambda path: path.write_text("a\n"),
    "from_ipc": lambda path: pa.ipc.new_file(str(path), pa.schema({"a": pa.int64()})).close(),
}


@pytest.mark.parametrize("describe", EMPTY)
def test_no_rows_are_a_result_with_a_schema(env, tmp_path, describe):
    path = tmp_path / "empty"
    EMPTY[describe](path)
    rows = getattr(sb.Stream, describe)(path, schema={"a": pa.int64()})
    done = rows.sink_parquet(tmp_path / "out").run("no rows").wait(timeout=60)
    assert (done.rows_in, done.rows_out) == (0, 0)
    assert ds.dataset(tmp_path / "out").schema == pa.schema({"a": pa.int64()})
    assert rows.agg(n=sb.count(), total=sb.col("a").sum()).to_rows() == [{"n": 0, "total": None}]


UNREADABLE = """
import sys
import sabotnb as sb
from sabotnb import errors

for act in (
    lambda: sb.Stream.from_parquet("closed.parquet"),
    lambda: sb.Stream.from_csv("closed"),
    lambda: sb.Stream.from_rows([{"a": 1}]).sink_csv("closed/out").run(env=sb.local(processes=False)),
):
    try:
        act()
    except errors.SabotnbError as error:
        print(error)
"""


def test_what_this_user_may_not_read_or_write(parquet, tmp_path):
    parquet.rename(tmp_path / "closed.parquet").chmod(0)
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "a.csv").write_text("a\n1\n")
    (tmp_path / "closed" / "a.csv").chmod(0)
    (tmp_path / "closed").chmod(0o500)
    rights = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if os.geteuid() == 0 else []
    call = [*rights, sys.executable, "-c", UNREADABLE]
    told = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert told.stdout.splitlines() == [
        f"'{tmp_path}/closed.parquet' is not readable: grant this user read permission",
        f"'{tmp_path}/closed/a.csv' is not readable: grant this user read permission",
        f"'{tmp_path}/closed' is not writable: grant write permission or choose another folder",
    ], told.stderr
