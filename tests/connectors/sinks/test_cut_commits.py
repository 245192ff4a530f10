"""Output of runs that go on: each stored cut is committed once, also when its commit is cut short or repeated."""

import itertools
import os
from pathlib import Path

import pytest
from sink_runs import SinkRun, killed, numbers, stopped

from sabotnb.connectors.sinks import folder_locks
from sabotnb.connectors.sinks.claims import PREPARED
from sabotnb.errors import SinkError
from sabotnb.protocol import LineageCut
from sabotnb.protocol.ids import RunId


def lineage(*cuts):
    """Cuts, each by the number of its run, its epoch and its number."""
    return [LineageCut(RunId("job", run), epoch, cut) for run, epoch, cut in cuts]


def hidden(folder):
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize("mode", ["error", "append", "overwrite"])
def test_the_output_of_a_cut_is_visible_while_the_run_goes_on(tmp_path, mode):
    out = tmp_path / "out"
    SinkRun(out, number=1, mode=mode).finish(100)
    run = SinkRun(out, number=2, mode=mode).open()
    old = [100] if mode == "append" else []
    run.committer().commit_cut(1, run.write(1, 2, cut=1))
    assert numbers(out) == [1, 2, *old]
    second = run.write(3, cut=2)
    assert numbers(out) == [1, 2, *old]
    run.committer().commit_cut(2, second)
    assert run.write(cut=3) == []
    run.committer().commit_cut(3, [])
    last = run.write(4)
    run.close()
    run.committer().commit(last)
    assert numbers(out) == [1, 2, 3, 4, *old]
    assert hidden(tmp_path) == []


def test_committing_a_cut_again_changes_nothing(tmp_path):
    out = tmp_path / "out"
    run = SinkRun(out).open()
    first, second = run.write(1, cut=1), run.write(2, cut=2)
    for cut, prepared in ((1, first), (1, first), (2, second), (1, first), (2, [*first, *second])):
        run.committer().commit_cut(cut, prepared)
    assert numbers(out) == [1, 2]
    run.close()


def test_a_cut_that_was_not_stored_is_committed_with_the_next(tmp_path):
    run = SinkRun(tmp_path / "out").open()
    first, second = run.write(1, cut=1), run.write(2, cut=2)
    run.committer().commit_cut(2, [*first, *second])
    assert numbers(tmp_path / "out") == [1, 2]
    run.close()


def test_files_that_were_removed_after_their_commit_stay_removed(tmp_path):
    run = SinkRun(tmp_path / "out").open()
    first = run.write(1, cut=1)
    run.committer().commit_cut(1, first)
    for file in (tmp_path / "out").iterdir():
        file.unlink()
    run.committer().commit_cut(1, first)
    run.committer().commit_cut(2, [*first, *run.write(2, cut=2)])
    last = run.write(3)
    run.close()
    run.committer().commit([*first, *last])
    assert numbers(tmp_path / "out") == [2, 3]


def test_a_later_epoch_commits_what_an_earlier_one_prepared(tmp_path):
    out = tmp_path / "out"
    first = SinkRun(out).open()
    cut_1, cut_2, lost = first.write(1, cut=1), first.write(2, cut=2), first.write(3, cut=3)
    first.committer().commit_cut(1, cut_1)
    first.close()
    second = SinkRun(out, epoch=2, lineage=lineage((1, 1, 2)))
    second.committer().commit_cut(2, cut_2)  # before the tasks of the epoch open
    assert numbers(out) == [1, 2]
    second.open()
    with pytest.raises(SinkError, match="has started again, so this commit is out of date"):
        first.committer().commit_cut(3, lost)
    with pytest.raises(SinkError, match="has started again"):
        first.committer().commit(lost)
    first.committer().abort(lost)
    second.committer().commit_cut(3, second.write(3, cut=3))
    last = second.write(4)
    second.close()
    second.committer().commit(last)
    assert numbers(out) == [1, 2, 3, 4]
    assert hidden(tmp_path) == []


def test_a_bounded_run_commits_what_all_epochs_prepared_at_its_end(tmp_path):
    out = tmp_path / "out"
    SinkRun(out, number=1).finish(100)
    first = SinkRun(out, number=2).open()
    cut_1, _lost = first.write(1, cut=1), first.write(2, cut=2)
    first.close()
    second = SinkRun(out, number=2, epoch=2, lineage=lineage((2, 1, 1))).open()
    cut_3, last = second.write(2, cut=3), second.write(3)
    second.close()
    assert numbers(out) == [100]
    second.committer().commit([*cut_1, *cut_3, *last])
    assert numbers(out) == [1, 2, 3]
    assert hidden(tmp_path) == []


def test_an_abort_removes_what_is_not_committed(tmp_path):
    out = tmp_path / "out"
    SinkRun(out, number=1).finish(100)
    run = SinkRun(out, number=2).open()
    run.committer().commit_cut(1, run.write(1, cut=1))
    second = run.write(2, 3, cut=2)
    assert killed(lambda: run.committer().commit_cut(2, second), 4)
    assert numbers(out) != [1]
    run.close()
    run.committer().abort([])
    assert numbers(out) == [1]
    assert hidden(tmp_path) == []


def test_an_abort_before_the_first_commit_leaves_the_old_output(tmp_path):
    out = tmp_path / "out"
    SinkRun(out, number=1).finish(100)
    run = SinkRun(out, number=2).open()
    run.write(1, cut=1)
    run.close()
    run.committer().abort([])
    assert numbers(out) == [100]
    assert hidden(tmp_path) == []


def test_a_run_without_rows_at_its_end_adds_no_empty_file_to_committed_cuts(tmp_path):
    run = SinkRun(tmp_path / "out").open()
    run.committer().commit_cut(1, run.write(1, cut=1))
    run.close()
    restarted = SinkRun(tmp_path / "out", epoch=2, lineage=lineage((1, 1, 1))).open()
    last = restarted.write()
    restarted.close()
    assert [file["rows"] for prepared in last for file in prepared.payload["files"]] == [0]
    restarted.committer().commit(last)
    assert numbers(tmp_path / "out") == [1]
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_foreign_data_is_refused_at_the_first_commit_of_a_run_only(tmp_path):
    out = tmp_path / "out"
    run = SinkRun(out).open()
    first = run.write(1, cut=1)
    (out / "mine.csv").write_text("n\n100\n")
    with pytest.raises(SinkError, match=r"has files that sabotnb did not write, such as 'mine\.csv'"):
        run.committer().commit_cut(1, first)
    (out / "mine.csv").unlink()
    run.committer().commit_cut(1, first)
    (out / "mine.csv").write_text("n\n100\n")
    run.committer().commit_cut(2, run.write(2, cut=2))
    assert numbers(out) == [1, 2]
    assert (out / "mine.csv").exists()
    run.close()


@pytest.mark.parametrize(("mode", "kept"), [("error", []), ("overwrite", []), ("append", [100])])
def test_a_run_that_goes_back_to_an_earlier_cut_replaces_the_files_of_later_ones(tmp_path, mode, kept):
    out = tmp_path / "out"
    SinkRun(out, number=1, mode="append").finish(100)
    run = SinkRun(out, number=2, mode="append").open()
    for cut in (1, 2, 3):
        run.committer().commit_cut(cut, run.write(cut, cut=cut))
    last = run.write(4)
    run.close()
    run.committer().commit(last)
    back = SinkRun(out, number=3, mode=mode, lineage=lineage((2, 1, 1))).open()
    back.committer().commit_cut(4, back.write(20, cut=4))
    back.close()
    assert numbers(out) == [1, 20, *kept]


def test_a_restart_from_an_older_cut_than_the_committed_one_replaces_the_files_of_later_cuts(tmp_path):
    out = tmp_path / "out"
    run = SinkRun(out).open()
    for cut in (1, 2):
        run.committer().commit_cut(cut, run.write(cut, cut=cut))
    run.close()
    back = SinkRun(out, epoch=2, lineage=lineage((1, 1, 1))).open()
    for cut in (3, 4):
        back.committer().commit_cut(cut, back.write(cut, cut=cut))
    back.close()
    assert numbers(out) == [1, 3, 4]


def test_going_back_replaces_runs_that_continue_the_cut_and_no_run_that_began_at_the_beginning(tmp_path):
    out = tmp_path / "out"
    SinkRun(out, number=1, mode="append").finish(100)
    savepoint = SinkRun(out, number=2, mode="append").open()
    savepoint.committer().commit_cut(1, savepoint.write(1, cut=1))
    savepoint.close()
    savepoint.committer().commit([])
    SinkRun(out, number=3, mode="append", lineage=lineage((2, 1, 1))).finish(20)
    SinkRun(out, number=4, mode="append", lineage=lineage((2, 1, 1), (3, 1, 1))).finish(30)
    SinkRun(out, number=5, mode="append").finish(200)
    assert numbers(out) == [1, 20, 30, 100, 200]
    back = lineage((2, 1, 1), (3, 1, 1))
    SinkRun(out, number=6, mode="append", lineage=back).finish(40)
    assert numbers(out) == [1, 20, 40, 100, 200]
    SinkRun(out, number=7, mode="append", lineage=lineage((2, 1, 1))).finish(50)
    assert numbers(out) == [1, 50, 100, 200]


def gone_back(out, mode):
    """The second epoch of a run, restored from its first cut although three are committed; 100 was there before."""
    SinkRun(out, number=1, mode=mode).finish(100)
    first = SinkRun(out, number=2, mode=mode).open()
    for cut in (1, 2, 3):
        first.committer().commit_cut(cut, first.write(cut, cut=cut))
    first.close()
    return SinkRun(out, number=2, epoch=2, mode=mode, lineage=lineage((2, 1, 1))).open()


@pytest.mark.parametrize(("mode", "kept"), [("error", []), ("append", [100])])
def test_later_epochs_also_replace_what_one_that_went_back_has_left(tmp_path, mode, kept):
    out = tmp_path / "out"
    second = gone_back(out, mode)
    prepared = second.write(4, cut=4)  # it is stored, but the scheduler ends before its commit
    second.close()
    third = SinkRun(out, number=2, epoch=3, mode=mode, lineage=lineage((2, 1, 1), (2, 2, 4)))
    third.committer().commit_cut(4, prepared)
    assert numbers(out) == [1, 4, *kept]
    last = third.open().write(5)
    third.close()
    third.committer().commit(last)
    assert numbers(out) == [1, 4, 5, *kept]


def test_a_run_that_went_back_and_has_written_nothing_leaves_only_what_leads_to_it(tmp_path):
    out = tmp_path / "out"
    second = gone_back(out, "error")
    second.close()
    second.committer().commit([])
    assert numbers(out) == [1]
    assert hidden(tmp_path) == []


def test_an_abort_after_going_back_removes_only_what_the_epoch_has_not_committed(tmp_path):
    for step in itertools.count(1):
        out = tmp_path / str(step) / "out"
        second = gone_back(out, "error")
        last = second.write(20)  # the number of its cut is one that is committed
        second.close()
        crashed = killed(lambda second=second, last=last: second.committer().commit(last), step)
        second.committer().abort(last)
        assert numbers(out) in ([1, 2, 3], [1, 20])
        assert hidden(tmp_path) == []
        if not crashed:
            break
    assert step > 10


@pytest.mark.parametrize(("mode", "kept"), [("error", []), ("overwrite", []), ("append", [100])])
def test_an_epoch_that_goes_back_still_replaces_older_output(tmp_path, mode, kept):
    out = tmp_path / "out"
    SinkRun(out, number=1, mode=mode).finish(100)
    first = SinkRun(out, number=2, mode=mode).open()
    prepared, _lost = first.write(1, cut=1), first.write(2, cut=2)
    first.close()
    second = SinkRun(out, number=2, epoch=2, mode=mode, lineage=lineage((2, 1, 1)))
    second.committer().commit_cut(1, prepared)
    assert numbers(out) == [1, *kept]
    second.open()
    second.committer().commit_cut(3, second.write(2, cut=3))
    second.close()
    assert numbers(out) == [1, 2, *kept]


@pytest.mark.parametrize("partition_by", [(), pytest.param(("k",), marks=pytest.mark.slow)])
@pytest.mark.parametrize(("mode", "kept"), [("overwrite", []), ("append", [100])])
def test_a_first_commit_that_is_killed_anywhere_is_finished_by_an_epoch_that_went_back(
    tmp_path, mode, kept, partition_by
):
    for step in itertools.count(1):
        out = tmp_path / str(step) / "out"
        options = {"number": 2, "mode": mode, "partition_by": partition_by}
        SinkRun(out, **{**options, "number": 1}).finish(100)
        first = SinkRun(out, **options).open()
        cuts = [first.write(cut, cut=cut) for cut in (1, 2)]
        first.close()
        crashed = killed(lambda first=first, cuts=cuts: first.committer().commit_cut(2, [*cuts[0], *cuts[1]]), step)
        second = SinkRun(out, epoch=2, lineage=lineage((2, 1, 1)), **options)
        second.committer().commit_cut(1, cuts[0])
        second.open()
        prepared = second.write(3, cut=3)
        second.close()
        killed(lambda second=second, prepared=prepared: second.committer().commit_cut(3, prepared), step)
        third = SinkRun(out, epoch=3, lineage=lineage((2, 1, 1), (2, 2, 3)), **options)
        third.committer().commit_cut(3, prepared)
        assert numbers(out) == [1, 3, *kept], step
        third.committer().commit([])
        assert numbers(out) == [1, 3, *kept], step
        assert hidden(tmp_path) == []
        if not crashed:
            break
    assert step > 10


@pytest.mark.parametrize(("mode", "kept"), [("error", []), ("overwrite", []), ("append", [100])])
def test_a_run_that_ends_at_a_savepoint_before_its_first_commit_leaves_older_output_to_the_next(tmp_path, mode, kept):
    out = tmp_path / "out"
    SinkRun(out, number=1, mode=mode).finish(100)
    ended = SinkRun(out, number=2, mode=mode).open()
    assert ended.write(cut=1) == []
    ended.close()
    ended.committer().commit([])
    assert numbers(out) == [100]
    run = SinkRun(out, number=3, mode=mode, lineage=lineage((2, 1, 1))).open()
    run.committer().commit_cut(1, run.write(1, cut=1))
    run.close()
    assert numbers(out) == [1, *kept]


@pytest.mark.parametrize("continued", [7, 1], ids=["other numbers", "the same number"])
def test_a_run_commits_what_the_run_that_it_continues_has_prepared(tmp_path, continued):
    out = tmp_path / "out"
    parent = SinkRun(out, number=1).open()
    prepared = parent.write(1, cut=continued)
    parent.close()
    (waiting,) = tmp_path.rglob(PREPARED)
    os.utime(waiting, (0, 0))
    run = SinkRun(out, number=2, lineage=lineage((1, 1, continued)))
    run.committer().commit_cut(continued, prepared)
    assert numbers(out) == [1]
    run.open()
    run.committer().commit_cut(1, run.write(2, cut=1))  # its cuts may count from 1
    assert numbers(out) == [1, 2]
    last = run.write(3)
    run.close()
    run.committer().commit(last)
    assert numbers(out) == [1, 2, 3]
    assert hidden(tmp_path) == []


OUTPUTS = {
    "replaced": {"mode": "overwrite", "partition_by": ()},
    "appended": {"mode": "append", "partition_by": ()},
    "partitioned": {"mode": "overwrite", "partition_by": ("k",)},
}


class Outputs:
    """Two folders with old output, and a run that has prepared two cuts and its end."""

    def __init__(self, folder: Path, options):
        self.folder = folder
        self.folders = folder / "left", folder / "right"
        self.options = options
        self.old = [100, 101, 102]
        self.make(1).finish(*self.old)
        self.run = self.make(2).open()
        self.cuts = [self.run.write(1, 2, 3, cut=1), self.run.write(4, 5, cut=2), self.run.write(6)]
        self.run.close()
        if options["mode"] != "append":
            self.old = []

    def make(self, number, **options):
        return SinkRun(*self.folders, number=number, **options, **self.options)

    def commit(self, upto, epoch=1):
        """Commit up to a cut, in the epoch of the tasks or one that is restored from that cut."""
        leading = lineage((2, 1, upto)) if epoch > 1 else []
        committer = self.make(2, epoch=epoch, lineage=leading).committer()
        for cut in range(1, min(upto, 2) + 1):
            committer.commit_cut(cut, self.cuts[cut - 1])
        if upto == 3:
            committer.commit(self.cuts[2])

    def shown(self):
        return [numbers(folder) for folder in self.folders]


@pytest.mark.parametrize("upto", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("options", OUTPUTS.values(), ids=OUTPUTS)
def test_a_commit_that_is_killed_anywhere_is_finished_by_another_process(tmp_path, options, upto):
    rows = {1: [1, 2, 3], 2: [1, 2, 3, 4, 5], 3: [1, 2, 3, 4, 5, 6]}
    for step in itertools.count(1):
        outputs = Outputs(tmp_path / str(step), options)
        outputs.commit(upto - 1)
        crashed = killed(lambda outputs=outputs: outputs.commit(upto), step)
        for shown in outputs.shown():
            assert len(shown) == len(set(shown))
        outputs.commit(upto, epoch=2)
        assert outputs.shown() == [[*rows[upto], *outputs.old]] * 2, step
        outputs.commit(3, epoch=2)
        assert outputs.shown() == [[*rows[3], *outputs.old]] * 2, step
        assert hidden(outputs.folder) == []
        if not crashed:
            break
    assert step > 10


@pytest.mark.parametrize("upto", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("options", OUTPUTS.values(), ids=OUTPUTS)
def test_a_commit_that_was_stopped_changes_nothing_when_it_goes_on_later(tmp_path, monkeypatch, options, upto):
    monkeypatch.setattr(folder_locks, "LOCK_SECONDS", 0.0)
    for step in itertools.count(1):
        outputs = Outputs(tmp_path / str(step), options)
        outputs.commit(upto - 1)
        with stopped(lambda outputs=outputs: outputs.commit(upto), step) as sleeps:
            outputs.commit(3)
            outputs.make(3).finish(7, 8)
            expected = outputs.shown()
        later = [7, 8] if options["mode"] == "overwrite" else [1, 2, 3, 4, 5, 6, 7, 8, *outputs.old]
        assert outputs.shown() == expected == [later] * 2, step
        assert hidden(outputs.folder) == []
        if not sleeps:
            break
    assert step > 10


def test_a_stopped_task_that_opens_after_its_run_was_committed_leaves_nothing(tmp_path):
    out = tmp_path / "deep" / "out"
    SinkRun(out).finish(1)
    for late in (SinkRun(out), SinkRun(out, epoch=2), SinkRun(tmp_path / "never" / "made")):
        late.open().close()
    assert numbers(tmp_path) == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def test_a_stopped_task_that_opens_after_its_run_has_started_again_is_refused(tmp_path):
    run = SinkRun(tmp_path / "out", epoch=2).open()
    with pytest.raises(SinkError, match="goes on without this task"):
        SinkRun(tmp_path / "out").open()
    last = run.write(1)
    run.close()
    run.committer().commit(last)
    assert numbers(tmp_path / "out") == [1]
    assert hidden(tmp_path) == []


def test_the_end_of_a_task_that_is_committed_with_a_cut_stays_committed(tmp_path):
    out = tmp_path / "out"
    ending, going_on = SinkRun(out).open(), SinkRun(out).open()
    ended = ending.write(1)  # the input of these tasks ends before the first cut
    ending.close()
    going_on.committer().commit_cut(1, [*ended, *going_on.write(2, cut=1)])
    assert numbers(out) == [1, 2]
    going_on.close()
    going_on.committer().abort([])
    assert numbers(out) == [1, 2]
