"""Output that failed runs keep for their checkpoints goes with the checkpoints."""

from dataclasses import replace

import pytest
from sink_runs import SinkRun, numbers
from stored_runs import RUN

from sabotnb.cluster.unneeded_output import goes_on_from, remove_unneeded_output
from sabotnb.errors import CheckpointError
from sabotnb.protocol import CutKind, StoredCut
from sabotnb.storage import write_cut


@pytest.fixture
def kept(tmp_path):
    """A cut of a run that failed, whose output is prepared in ``out``."""
    run = SinkRun(tmp_path / "out").open()
    prepared = run.write(1, 2, cut=1)
    run.close()
    run.committer().abort(prepared, prepared)
    return StoredCut(RUN, 1, 1, CutKind.CHECKPOINT, 0, {}, {}, {}, committables=tuple(prepared))


def hidden(folder):
    return list(folder.glob(".sabotnb-*"))


def test_the_output_of_dropped_cuts_is_removed(tmp_path, kept):
    path = write_cut(str(tmp_path / "ckpt"), kept)
    assert len(hidden(tmp_path)) == 1
    remove_unneeded_output([path], [], [])
    assert hidden(tmp_path) == []
    assert not (tmp_path / "out").exists()
    remove_unneeded_output([path, str(tmp_path / "gone.json")], [], [])


@pytest.mark.parametrize("needs", ["a later cut", "a run that begins"])
def test_output_that_another_run_goes_on_from_stays(tmp_path, kept, needs):
    path = write_cut(str(tmp_path / "ckpt"), kept)
    later = write_cut(str(tmp_path / "ckpt"), replace(kept, run=replace(RUN, number=RUN.number + 1)))
    remove_unneeded_output([path], *([[later], []] if needs == "a later cut" else [[], [kept]]))
    assert len(hidden(tmp_path)) == 1
    (tmp_path / "ckpt").rename(tmp_path / "away")
    with pytest.raises(CheckpointError):
        remove_unneeded_output([path], [later], [])
    assert numbers(tmp_path / "out") == []


def test_the_jobs_that_went_on_from_a_job_are_found_at_any_distance():
    starts = [("c", "b"), ("b", "a"), ("a", "a"), ("other", "c2"), ("d", "c")]
    assert goes_on_from("a", starts) == {"a", "b", "c", "d"}
    assert goes_on_from("b", starts) == {"b", "c", "d"}
