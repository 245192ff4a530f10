"""Where the hidden folder of a run is: beside the output, or inside it where no other place allows a rename."""

import json
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest
from sink_runs import SinkRun, numbers

from sabotnb import connectors
from sabotnb.connectors.sinks import folder_changes
from sabotnb.connectors.sinks.hidden_folders import LONGEST_TAG, HiddenName, places, tag_of
from sabotnb.errors import SinkError
from sabotnb.graph import Sink
from sabotnb.protocol.ids import RunId


def hidden(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def test_the_hidden_folder_is_beside_the_output_and_goes_with_the_run(tmp_path):
    run = SinkRun(tmp_path / "out").open()
    assert hidden(tmp_path) == [".sabotnb-out+job-1.aa01"]
    assert list((tmp_path / "out").iterdir()) == []
    last = run.write(1)
    run.close()
    run.committer().commit(last)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_folder_is_read_by_polars_while_a_run_appends_to_it(tmp_path):
    out = tmp_path / "out"
    SinkRun(out, number=1).finish(1, 2)
    run = SinkRun(out, number=2, mode="append").open()
    run.write(3)
    assert sorted(pl.read_csv(str(out))["n"].to_list()) == [1, 2]
    run.close()
    run.committer().abort([])


def test_the_hidden_folder_is_beside_the_folder_that_a_link_leads_to(tmp_path):
    (tmp_path / "real" / "out").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "out")
    run = SinkRun(tmp_path / "link").open()
    assert hidden(tmp_path) == []
    assert hidden(tmp_path / "real") == [".sabotnb-out+job-1.aa01"]
    last = run.write(1)
    run.close()
    run.committer().commit(last)
    assert numbers(tmp_path / "real" / "out") == [1]
    assert hidden(tmp_path / "real") == []


@pytest.mark.parametrize("end", ["commit", "abort"])
def test_the_hidden_folder_is_inside_where_the_parent_cannot_have_it(tmp_path, end):
    out = tmp_path / "out"

    def refuse(change):
        if change.startswith(f"rename to {tmp_path}/.sabotnb-"):
            raise PermissionError(13, "Permission denied")

    with folder_changes.before_changes(refuse):
        run = SinkRun(out).open()
        assert (hidden(tmp_path), hidden(out)) == ([], [".sabotnb-+job-1.aa01"])
        with pytest.raises(SinkError, match=f"job 'job' is writing into '{out}'"):
            connectors.check_output(Sink("csv", {"path": str(out)}), "other")
        last = run.write(1)
        run.close()
    run.committer().commit_cut(1, run.write(cut=1))
    getattr(run.committer(), end)(last)
    assert hidden(tmp_path) == []
    assert numbers(tmp_path) == ([1] if end == "commit" else [])
    assert not out.exists() or hidden(out) == []


def test_the_hidden_folder_is_inside_an_output_that_is_a_mount_point(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", out], capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a file system")
    try:
        run = SinkRun(out).open()
        assert (hidden(tmp_path), hidden(out)) == ([], [".sabotnb-+job-1.aa01"])
        run.committer().commit_cut(1, run.write(1, cut=1))
        last = run.write(2)
        run.close()
        run.committer().commit(last)
        assert numbers(out) == [1, 2]
        assert hidden(out) == []
    finally:
        subprocess.run(["umount", out], check=True)


@pytest.mark.parametrize("output", ["out", "a+b-c", "%41", "x" * 255, "\N{SNOWMAN}" * 85])
@pytest.mark.parametrize("job", ["job", "a-1.b", "x" * 200])
def test_names_say_which_run_writes_into_which_output(tmp_path, output, job):
    beside, inside = places(tmp_path / output, RunId(job, 12345), "9c01ab77")
    name = HiddenName.parse(beside.name)
    assert name == HiddenName(tag_of(output), RunId(job, 12345), "9c01ab77")
    assert str(name) == beside.name
    assert len(name.tag) <= LONGEST_TAG
    assert HiddenName.parse(inside.name) == HiddenName("", RunId(job, 12345), "9c01ab77")
    assert len(beside.name) <= 255


@pytest.mark.parametrize("other", [f"{'x' * 254}y", "x" * 254])
def test_outputs_with_long_names_do_not_share_a_hidden_folder(other):
    assert tag_of("x" * 255) != tag_of(other)


@pytest.mark.parametrize("name", [".sabotnb-x", "sabotnb-out+job-1", ".sabotnb-out+job", ".sabotnb-out+job-1.zz"])
def test_other_names_are_not_those_of_runs(name):
    assert HiddenName.parse(name) is None


def test_output_beside_that_of_another_job_is_free(tmp_path):
    run = SinkRun(tmp_path / "out").open()
    connectors.check_output(Sink("csv", {"path": str(tmp_path / "out-2")}), "other")
    with pytest.raises(SinkError, match="job 'job' is writing into"):
        connectors.check_output(Sink("csv", {"path": str(tmp_path)}), "other")
    run.close()


def test_what_a_list_of_made_folders_names_is_removed_only_if_it_is_empty(tmp_path):
    out = tmp_path / "a" / "out"
    run = SinkRun(out).open()
    (listed,) = tmp_path.rglob("made.folders")
    assert json.loads(listed.read_text()) == [str(out), str(out.parent)]
    Path(tmp_path / "a" / "notes.txt").write_text("of a user")
    run.close()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["notes.txt"]


def test_a_task_opens_although_another_has_just_removed_the_folder_as_unused(tmp_path):
    out, removed = tmp_path / "out", []

    def remove(change):
        if change == f"sync {tmp_path}" and not removed:
            out.rmdir()
            removed.append(out)

    with folder_changes.before_changes(remove):
        run = SinkRun(out).open()
    assert removed
    (listed,) = tmp_path.rglob("made.folders")
    assert json.loads(listed.read_text()) == [str(out)]
    run.close()
    assert list(tmp_path.iterdir()) == []


def test_a_task_that_meets_the_end_of_its_run_while_it_opens_removes_the_folders_that_it_made(tmp_path):
    out = tmp_path / "a" / "out"

    def end(change):
        if change.startswith("claim "):
            shutil.rmtree(Path(change.removeprefix("claim ")).parent)

    with folder_changes.before_changes(end), pytest.raises(SinkError):
        SinkRun(out).open()
    assert list(tmp_path.iterdir()) == []
