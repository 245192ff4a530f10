"""Files of cuts that no kept cut needs are removed, and no others."""

import os
from pathlib import Path

import pytest
from frozen_states import batch, state

from sabotnb.protocol import CutKind, RunId, StoredCut, TaskId, TaskSnapshot
from sabotnb.storage import remove_cuts, remove_incomplete_cuts, write_cut, write_states

RUN = RunId("job", 5)
TASK = TaskId(RUN, "v", 0)
STATES = [state("o", "s", {0: [batch(k=[1])]})]


def stored(storage, cut, *, epoch=1, kind=CutKind.CHECKPOINT, run=RUN, file=None):
    file = file or write_states(storage, run, epoch, cut, TASK, STATES)
    content = StoredCut(run, epoch, cut, kind, 128, {"v": 1}, {"v": ("o",)}, {TASK: TaskSnapshot(file)})
    write_cut(storage, content)
    return content


def abandoned(storage, cut, epoch=1):
    write_states(storage, RUN, epoch, cut, TASK, STATES)


def left(storage):
    """Files and folders of the run, below its folder."""
    top = Path(storage, "job", "5")
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file() or not any(path.iterdir()))


def test_only_kept_cuts_are_left(tmp_path):
    cuts = [stored(str(tmp_path), cut) for cut in (1, 2, 3)]
    assert remove_cuts(str(tmp_path), RUN, cuts[2:]) == []
    assert left(tmp_path) == ["3-e1/cut.json", "3-e1/v-0.state"]


def test_several_cuts_can_be_kept(tmp_path):
    cuts = [stored(str(tmp_path), cut) for cut in (1, 2, 3)]
    remove_cuts(str(tmp_path), RUN, [cuts[2], cuts[0]])
    assert left(tmp_path) == ["1-e1/cut.json", "1-e1/v-0.state", "3-e1/cut.json", "3-e1/v-0.state"]


def test_nothing_is_removed_unless_a_cut_is_stored(tmp_path):
    abandoned(str(tmp_path), 1)
    stored(str(tmp_path), 2)
    assert remove_cuts(str(tmp_path), RUN, []) == []
    assert left(tmp_path) == ["1-e1/v-0.state", "2-e1/cut.json", "2-e1/v-0.state"]


def test_cuts_that_may_be_under_way_are_left(tmp_path):
    last = stored(str(tmp_path), 3, epoch=2)
    abandoned(str(tmp_path), 4, epoch=2)
    abandoned(str(tmp_path), 1, epoch=3)
    remove_cuts(str(tmp_path), RUN, [last])
    assert left(tmp_path) == ["1-e3/v-0.state", "3-e2/cut.json", "3-e2/v-0.state", "4-e2/v-0.state"]


def test_abandoned_cuts_and_files_of_killed_writers_are_removed(tmp_path):
    abandoned(str(tmp_path), 1)
    abandoned(str(tmp_path), 9)  # of an epoch that has ended, so it can no longer be stored
    folder = tmp_path / "job" / "5" / "2-e1"
    folder.mkdir()
    (folder / ".v-0.state.0123abcd.partial").write_bytes(b"torn")
    last = stored(str(tmp_path), 3, epoch=2)
    remove_cuts(str(tmp_path), RUN, [last])
    assert left(tmp_path) == ["3-e2/cut.json", "3-e2/v-0.state"]


def test_incomplete_cuts_of_a_run_that_has_ended_are_removed(tmp_path):
    first = stored(str(tmp_path), 1)
    (tmp_path / "job" / "5" / "1-e1" / "cut.json").unlink()
    stored(str(tmp_path), 2, file=first.tasks[TASK].file)
    abandoned(str(tmp_path), 3)
    (tmp_path / "job" / "5" / "4-e2").mkdir()
    (tmp_path / "job" / "5" / "4-e2" / ".v-0.state.0123abcd.partial").write_bytes(b"torn")
    assert remove_incomplete_cuts(str(tmp_path), RUN) == []
    assert left(tmp_path) == ["1-e1/v-0.state", "2-e1/cut.json"]


def test_no_incomplete_cut_is_removed_while_a_cut_may_refer_to_it(tmp_path):
    stored(str(tmp_path), 1)
    abandoned(str(tmp_path), 2)
    (tmp_path / "job" / "5" / "1-e1" / "cut.json").write_text("torn")
    assert remove_incomplete_cuts(str(tmp_path), RUN) == [str(tmp_path)]
    assert left(tmp_path) == ["1-e1/cut.json", "1-e1/v-0.state", "2-e1/v-0.state"]


def test_a_file_that_a_kept_cut_refers_to_is_left(tmp_path):
    first = stored(str(tmp_path), 1)
    last = stored(str(tmp_path), 2, file=first.tasks[TASK].file)
    remove_cuts(str(tmp_path), RUN, [last])
    assert left(tmp_path) == ["1-e1/v-0.state", "2-e1/cut.json"]
    remove_cuts(str(tmp_path), RUN, [stored(str(tmp_path), 3)])
    assert left(tmp_path) == ["3-e1/cut.json", "3-e1/v-0.state"]


def test_savepoints_are_left(tmp_path):
    stored(str(tmp_path), 1, kind=CutKind.SAVEPOINT)
    remove_cuts(str(tmp_path), RUN, [stored(str(tmp_path), 2)])
    assert left(tmp_path) == ["1-e1/cut.json", "1-e1/v-0.state", "2-e1/cut.json", "2-e1/v-0.state"]


def test_a_file_that_a_savepoint_refers_to_is_left(tmp_path):
    first = stored(str(tmp_path), 1)
    stored(str(tmp_path), 2, kind=CutKind.SAVEPOINT, file=first.tasks[TASK].file)
    remove_cuts(str(tmp_path), RUN, [stored(str(tmp_path), 3)])
    assert left(tmp_path) == ["1-e1/v-0.state", "2-e1/cut.json", "3-e1/cut.json", "3-e1/v-0.state"]


def test_a_cut_whose_kind_cannot_be_read_is_left(tmp_path):
    stored(str(tmp_path), 1)
    stored(str(tmp_path), 2)
    torn = tmp_path / "job" / "5" / "1-e1" / "cut.json"
    torn.write_bytes(b"{")
    assert remove_cuts(str(tmp_path), RUN, [stored(str(tmp_path), 3)]) == [str(torn)]
    assert left(tmp_path) == ["1-e1/cut.json", "1-e1/v-0.state", "3-e1/cut.json", "3-e1/v-0.state"]


def test_other_runs_and_other_files_are_left(tmp_path):
    stored(str(tmp_path), 1, run=RunId("job", 4))
    (tmp_path / "job" / "5").mkdir(parents=True)
    (tmp_path / "job" / "5" / "notes.txt").write_text("mine")
    remove_cuts(str(tmp_path), RUN, [stored(str(tmp_path), 2)])
    assert (tmp_path / "job" / "4" / "1-e1" / "v-0.state").exists()
    assert left(tmp_path) == ["2-e1/cut.json", "2-e1/v-0.state", "notes.txt"]


def test_what_cannot_be_removed_is_returned(tmp_path):
    stored(str(tmp_path), 1)
    (tmp_path / "job" / "5" / "1-e1" / "v-0.state").unlink()
    folder = tmp_path / "job" / "5" / "1-e1" / "v-0.state"
    folder.mkdir()
    (folder / "mine").write_text("a folder that is not empty")
    last = stored(str(tmp_path), 2)
    assert remove_cuts(str(tmp_path), RUN, [last]) == [str(folder)]
    assert left(tmp_path) == ["1-e1/v-0.state/mine", "2-e1/cut.json", "2-e1/v-0.state"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove everything")
def test_a_folder_without_permission_is_not_an_error(tmp_path):
    stored(str(tmp_path), 1)
    folder = tmp_path / "job" / "5" / "1-e1"
    folder.chmod(0o500)
    last = stored(str(tmp_path), 2)
    try:
        assert remove_cuts(str(tmp_path), RUN, [last]) == [f"{folder}/cut.json", f"{folder}/v-0.state"]
    finally:
        folder.chmod(0o700)


def test_missing_storage_is_not_an_error(tmp_path):
    last = stored(str(tmp_path), 1)
    assert remove_cuts(str(tmp_path / "other"), RUN, [last]) == []


def test_objects_are_removed():
    first, last = (stored("memory://removal", cut) for cut in (1, 2))
    assert remove_cuts("memory://removal", RUN, [last]) == []
    import fsspec

    files = fsspec.filesystem("memory").find("/removal")
    assert files == ["/removal/job/5/2-e1/cut.json", "/removal/job/5/2-e1/v-0.state"]
    assert first.run == last.run
