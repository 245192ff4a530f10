"""Which cuts a run of the job store goes on from."""

from pathlib import Path

import pytest
from stored_runs import RUN, checkpointed

from sabotnb.cluster.resumable_runs import find_resumable
from sabotnb.errors import CheckpointError, StorageUnreachable
from sabotnb.job_store import CutRecord, JobStore
from sabotnb.protocol import CutKind, JobVertex, LineageCut, StoredCut
from sabotnb.storage import write_cut


@pytest.fixture
def store(tmp_path):
    opened = JobStore.open(f"sqlite:///{tmp_path}/jobs.db")
    opened.claim("hours")
    opened.begin(RUN, checkpointed())
    opened.keep_request(RUN, checkpointed(), {})
    yield opened
    opened.close()


def stored(store, storage, kinds):
    """Store cuts of these kinds, c or s; returns the paths of their descriptions."""
    paths = []
    for number, letter in enumerate(kinds, 1):
        kind = CutKind.CHECKPOINT if letter == "c" else CutKind.SAVEPOINT
        path = write_cut(str(storage), StoredCut(RUN, 1, number, kind, 0, {}, {}, {}))
        store.store_cut(CutRecord(RUN, epoch=1, cut=number, kind=kind.value, storage=str(storage), path=path))
        paths.append(Path(path))
    return paths


def found(store):
    return [cut.cut for cut in find_resumable(store, "hours", None).cuts]


@pytest.mark.parametrize(
    ("kinds", "expected"), [("cccc", [2, 3, 4]), ("csccs", [1, 2, 3, 4, 5]), ("ccsccs", [2, 3, 4, 5, 6])]
)
def test_a_run_goes_on_from_its_last_checkpoints_and_the_savepoints_between_them(tmp_path, store, kinds, expected):
    stored(store, tmp_path / "ckpt", kinds)
    assert found(store) == expected


@pytest.mark.parametrize("bounded", [False, True])
def test_a_savepoint_that_the_run_went_back_behind_is_refused_if_its_output_was_replaced(tmp_path, store, bounded):
    vertices = (JobVertex("read", 1, reads=True, bounded=bounded),)
    store.keep_request(RUN, checkpointed(vertices=vertices, commits=True), {})
    stored(store, tmp_path / "ckpt", "cs")
    cut = StoredCut(RUN, 2, 3, CutKind.CHECKPOINT, 0, {}, {}, {}, lineage=(LineageCut(RUN, 1, 1),))
    path = write_cut(str(tmp_path / "ckpt"), cut)
    store.store_cut(CutRecord(RUN, epoch=2, cut=3, kind="checkpoint", storage=str(tmp_path / "ckpt"), path=path))
    assert find_resumable(store, "hours", 1).cuts[-1].cut == 1
    if bounded:  # its output is committed at its end
        assert find_resumable(store, "hours", 2).cuts[-1].cut == 2
    else:
        with pytest.raises(CheckpointError, match=r"went back behind savepoint 2.*: sb\.resume\('hours'\)$"):
            find_resumable(store, "hours", 2)


def test_a_cut_that_is_damaged_is_skipped_and_one_that_cannot_be_read_now_is_not(tmp_path, store):
    *_, last = stored(store, tmp_path / "ckpt", "ccc")
    written = last.read_bytes()
    last.write_text("torn")
    assert found(store) == [1, 2]
    last.unlink()
    last.symlink_to(last)
    with pytest.raises(StorageUnreachable, match="cannot be read"):
        find_resumable(store, "hours", None)
    last.unlink()
    last.write_bytes(written)
    assert found(store) == [1, 2, 3]
