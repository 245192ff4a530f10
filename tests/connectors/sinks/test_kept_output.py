"""Output of a run that failed or was canceled: what its last cut needs stays for the run that goes on from it."""

import itertools
import os

import pytest
from sink_runs import SCHEMA, SinkRun, killed, numbers, stopped

from sabotnb import connectors
from sabotnb.connectors.sinks import folder_locks
from sabotnb.connectors.sinks.kept_output import hidden_folders_of, remove_prepared
from sabotnb.errors import SinkError
from sabotnb.protocol import LineageCut, OperatorContext, RunId

MODES = pytest.mark.parametrize("mode", ["error", "append", "overwrite"])


def at_cut(run, cut):
    return (LineageCut(RunId("job", run), 1, cut),)


def failed(*folders, number=2, **options):
    """A bounded run that failed after its second cut: its committer, all it prepared, and what its last cut needs."""
    run = SinkRun(*folders, number=number, **options).open()
    kept = [*run.write(1, 2, cut=1), *run.write(3, cut=2)]
    prepared = [*kept, *run.write(4, cut=3)]
    run.close()
    return run.committer(), prepared, kept


def going_on(*folders, number=3, cut=2, after=2, **options):
    return SinkRun(*folders, number=number, lineage=at_cut(after, cut), **options)


def finish_from(run, inherited, *values):
    run.committer().check(inherited)
    run.open()
    last = run.write(*values)
    run.close()
    run.committer().commit([*inherited, *last])


def leftovers(folder):
    """The hidden folders, and files that have no final names."""
    return [path for path in folder.rglob("*") if path.name.startswith(".") or path.name.endswith(".partial")]


@MODES
@pytest.mark.parametrize("partition_by", [[], ["k"]])
@pytest.mark.parametrize("count", [1, 2])
def test_a_failed_run_keeps_what_its_last_cut_needs_and_the_next_one_commits_it(tmp_path, mode, partition_by, count):
    outs = [tmp_path / f"out-{at}" for at in range(count)]
    options = {"mode": mode, "partition_by": partition_by}
    SinkRun(*outs, number=1, **options).finish(100)
    old = [100] if mode == "append" else []
    committer, prepared, kept = failed(*outs, **options)
    committer.abort(prepared, kept)
    committer.abort(prepared, kept)
    assert [numbers(out) for out in outs] == [[100]] * count
    files = {path for path in leftovers(tmp_path) if path.is_file()}
    assert len(files) == sum(len(part.payload["files"]) for part in kept)
    finish_from(going_on(*outs, **options), kept, 5)
    assert [numbers(out) for out in outs] == [[1, 2, 3, 5, *old]] * count
    assert leftovers(tmp_path) == []


def test_a_run_without_a_stored_cut_leaves_nothing(tmp_path):
    committer, prepared, _ = failed(tmp_path / "made" / "out")
    committer.abort(prepared)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", ["error", "append"])
def test_a_crash_at_any_step_of_the_abort_loses_and_doubles_no_row(tmp_path, mode):
    for step in itertools.count(1):
        outs = [tmp_path / str(step) / f"out-{at}" for at in range(2)]
        SinkRun(*outs, number=1, mode=mode).finish(100)
        committer, prepared, kept = failed(*outs, mode=mode, partition_by=["k"])
        crashed = killed(lambda c=committer, p=prepared, k=kept: c.abort(p, k), step)
        committer.abort(prepared, kept)
        assert [numbers(out) for out in outs] == [[100]] * 2
        finish_from(going_on(*outs, mode=mode, partition_by=["k"]), kept, 5)
        assert [numbers(out) for out in outs] == [[1, 2, 3, 5, *([100] if mode == "append" else [])]] * 2
        assert leftovers(outs[0].parent) == []
        if not crashed:
            break
    assert step > 10


@pytest.mark.parametrize("endless", [False, True])
def test_a_crash_at_any_step_of_the_commit_of_the_next_run_loses_and_doubles_no_row(tmp_path, endless):
    for step in itertools.count(1):
        outs = [tmp_path / str(step) / f"out-{at}" for at in range(2)]
        SinkRun(*outs, number=1).finish(100)
        committer, prepared, kept = failed(*outs)
        committer.abort(prepared, kept)
        run = going_on(*outs).open()
        if endless:
            crashed = killed(lambda r=run, k=kept: r.committer().commit_cut(2, k), step)
            run.committer().commit_cut(2, kept)
            last = run.write(5)
        else:
            last = [*kept, *run.write(5)]
        run.close()
        if not endless:
            crashed = killed(lambda r=run, p=last: r.committer().commit(p), step)
        run.committer().commit(last)
        assert [numbers(out) for out in outs] == [[1, 2, 3, 5]] * 2
        assert leftovers(outs[0].parent) == []
        if not crashed:
            break
    assert step > 10


def test_a_stopped_abort_that_goes_on_late_takes_nothing_from_the_run_that_went_on(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_locks, "LOCK_SECONDS", 0.01)
    for step in itertools.count(1):
        out = tmp_path / str(step) / "out"
        committer, prepared, kept = failed(out)
        with stopped(lambda c=committer, p=prepared, k=kept: c.abort(p, k), step) as late:
            committer.abort(prepared, kept)
            run = going_on(out).open()
            run.committer().commit_cut(2, kept)
        last = run.write(5)
        run.close()
        run.committer().commit(last)
        assert numbers(out) == [1, 2, 3, 5]
        assert leftovers(out.parent) == []
        if not late:
            break
    assert step > 5


@pytest.mark.parametrize("act", ["commit", "commit_cut", "keep"])
def test_a_late_committer_of_the_failed_run_changes_nothing(tmp_path, act):
    out = tmp_path / "out"
    committer, prepared, kept = failed(out)
    committer.abort(prepared, kept)
    before = leftovers(tmp_path)
    if act == "keep":
        assert committer.keep(prepared) == ""
    else:
        with pytest.raises(SinkError, match="run the job again"):
            committer.commit_cut(2, kept) if act == "commit_cut" else committer.commit(prepared)
    assert (numbers(out) if out.exists() else [], leftovers(tmp_path)) == ([], before)
    finish_from(going_on(out), kept, 5)
    assert numbers(out) == [1, 2, 3, 5]


def test_a_task_of_the_failed_run_that_opens_late_is_refused_and_leaves_what_is_kept(tmp_path):
    out = tmp_path / "out"
    committer, prepared, kept = failed(out)
    committer.abort(prepared, kept)
    with pytest.raises(SinkError, match="is over"):
        SinkRun(out, number=2).open()
    finish_from(going_on(out), kept, 5)
    assert numbers(out) == [1, 2, 3, 5]


def test_what_is_kept_keeps_no_other_job_from_the_output(tmp_path):
    out = tmp_path / "out"
    committer, prepared, kept = failed(out)
    committer.abort(prepared, kept)
    assert not out.exists()
    spec = SinkRun(out, number=9).specs["sink_0"]
    connectors.check_output(spec, "another")
    sink = connectors.sink(spec, SCHEMA)
    sink.open(OperatorContext(RunId("another", 9), "sink_0", 0, 1, 128))
    sink.close()


@pytest.mark.parametrize(
    ("mode", "refusal"),
    [("error", "job@3 began without this checkpoint, and replaced its output"), ("append", "3 files are gone")],
)
def test_a_run_that_begins_at_the_beginning_removes_what_was_kept_when_it_commits(tmp_path, mode, refusal):
    out = tmp_path / "out"
    committer, prepared, kept = failed(out, mode=mode)
    committer.abort(prepared, kept)
    SinkRun(out, number=3, mode=mode).finish(7)
    assert (numbers(out), leftovers(tmp_path)) == ([7], [])
    with pytest.raises(SinkError, match=refusal):
        going_on(out, number=4, mode=mode).committer().check(kept)


def test_an_endless_run_that_begins_at_the_beginning_removes_what_was_kept_with_its_first_commit(tmp_path):
    out = tmp_path / "out"
    committer, prepared, kept = failed(out)
    committer.abort(prepared, kept)
    run = SinkRun(out, number=3).open()
    assert len(leftovers(tmp_path)) > 2
    run.committer().commit_cut(1, run.write(7, cut=1))
    assert list(tmp_path.glob(".sabotnb-*-2.*")) == []
    run.close()
    run.committer().commit([])


def test_a_run_that_fails_before_it_commits_leaves_what_an_earlier_one_has_kept(tmp_path):
    out = tmp_path / "out"
    committer, prepared, kept = failed(out)
    committer.abort(prepared, kept)
    again, others, own = failed(out, number=3)
    again.abort(others, own)
    fresh, nothing, _ = failed(out, number=4)
    fresh.abort(nothing)
    finish_from(going_on(out, number=5), kept, 5)
    assert (numbers(out), leftovers(tmp_path)) == ([1, 2, 3, 5], [])


def test_a_run_that_fails_before_it_commits_leaves_what_a_killed_one_has_prepared(tmp_path):
    out = tmp_path / "out"
    first = SinkRun(out, number=2).open()
    kept = first.write(1, 2, 3, cut=1)
    first.kill()
    fresh, nothing, _ = failed(out, number=3)
    fresh.abort(nothing)
    finish_from(going_on(out, number=4), kept, 5)
    assert (numbers(out), leftovers(tmp_path)) == ([1, 2, 3, 5], [])


def test_a_run_that_went_on_and_failed_keeps_what_both_have_prepared(tmp_path):
    out = tmp_path / "out"
    committer, prepared, kept = failed(out)
    committer.abort(prepared, kept)
    second = going_on(out).open()
    own = second.write(5, cut=1)
    after = second.write(6, cut=2)
    second.close()
    second.committer().abort([*kept, *own, *after], [*kept, *own])
    lineage = (*at_cut(2, 2), *at_cut(3, 1))
    third = SinkRun(out, number=4, lineage=lineage)
    finish_from(third, [*kept, *own], 7)
    assert (numbers(out), leftovers(tmp_path)) == ([1, 2, 3, 5, 7], [])


def test_files_of_all_epochs_are_kept(tmp_path):
    out = tmp_path / "out"
    first = SinkRun(out, number=2).open()
    cut_1, _lost = first.write(1, cut=1), first.write(9, cut=2)
    first.close()
    second = SinkRun(out, number=2, epoch=2, lineage=at_cut(2, 1)).open()
    cut_3, after = second.write(2, cut=3), second.write(3, cut=4)
    second.close()
    second.committer().abort([*cut_1, *cut_3, *after], [*cut_1, *cut_3])
    assert len([path for path in leftovers(tmp_path) if path.is_file()]) == 2
    third = SinkRun(out, number=3, lineage=(*at_cut(2, 1), LineageCut(RunId("job", 2), 2, 3)))
    finish_from(third, [*cut_1, *cut_3], 4)
    assert (numbers(out), leftovers(tmp_path)) == ([1, 2, 4], [])


@MODES
def test_a_cut_of_an_endless_run_whose_commit_is_cut_short_is_hidden_again_and_committed_by_the_next(tmp_path, mode):
    for step in itertools.count(1):
        out = tmp_path / str(step) / "out"
        SinkRun(out, number=1, mode=mode).finish(100)
        old = [100] if mode == "append" else []
        run = SinkRun(out, number=2, mode=mode).open()
        run.committer().commit_cut(1, run.write(1, cut=1))
        second, after = run.write(2, 3, cut=2), run.write(4, cut=3)
        run.close()
        crashed = killed(lambda r=run, p=second: r.committer().commit_cut(2, p), step)
        run.committer().abort([*second, *after], second)
        assert numbers(out) in ([1, *old], [1, 2, 3, *old])
        finish_from(going_on(out, mode=mode), second, 5)
        assert (numbers(out), leftovers(out.parent)) == ([1, 2, 3, 5, *old], [])
        if not crashed:
            break


def test_a_hidden_folder_that_was_removed_is_refused_with_the_files(tmp_path):
    out = tmp_path / "out"
    committer, prepared, kept = failed(out)
    committer.abort(prepared, kept)
    remove_prepared(hidden_folders_of(kept))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SinkError, match=r"files are gone whose rows are before the checkpoint, such as '.*/out/part-"):
        going_on(out).committer().check(kept)


def test_a_folder_that_is_written_to_is_not_removed_with_cuts(tmp_path):
    run = SinkRun(tmp_path / "out").open()
    prepared = run.write(1, cut=1)
    remove_prepared(hidden_folders_of(prepared))
    run.committer().commit_cut(1, prepared)
    run.close()
    assert numbers(tmp_path / "out") == [1]


def test_the_output_folder_may_have_no_room_beside_it(tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    tmp_path.chmod(0o555)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user can write everywhere")
    try:
        committer, prepared, kept = failed(out)
        committer.abort(prepared, kept)
        finish_from(going_on(out), kept, 5)
        assert (numbers(out), leftovers(tmp_path)) == ([1, 2, 3, 5], [])
    finally:
        tmp_path.chmod(0o755)
