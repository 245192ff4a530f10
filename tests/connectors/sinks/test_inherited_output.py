"""Output that a run prepared up to a cut, and that a run which goes on from there has to commit."""

import pytest
from sink_runs import SinkRun, numbers

from sabotnb.errors import SinkError
from sabotnb.protocol import LineageCut, RunId

CUT_1 = (LineageCut(RunId("job", 1), 1, 1),)
GONE = r"gone whose rows are before the checkpoint, such as '.*part-.*'.*Put moved files back, or .*fresh=True\)$"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def prepared(*folders, **options):
    """What run 1 has prepared at its first cut, whose process is gone."""
    run = SinkRun(*folders, **options).open()
    inherited = run.write(1, 2, cut=1)
    run.close()
    return run, inherited


def following(*folders, number=2, **options):
    return SinkRun(*folders, number=number, lineage=CUT_1, **options).open()


@pytest.mark.parametrize("mode", ["error", "append", "overwrite"])
@pytest.mark.parametrize("when", ["before the run reads", "at its end"])
def test_what_an_earlier_run_has_prepared_is_committed_once(out, mode, when):
    SinkRun(out, number=0, mode=mode).finish(100)
    _, inherited = prepared(out, mode=mode)
    old = [100] if mode == "append" else []
    run = following(out, mode=mode)
    run.committer().check(inherited)
    assert numbers(out) == [100]
    if when == "before the run reads":
        run.committer().commit_cut(1, inherited)
        run.committer().commit_cut(1, inherited)
        assert numbers(out) == [1, 2, *old]
        inherited = []
    last = run.write(3)
    run.close()
    run.committer().commit([*inherited, *last])
    assert numbers(out) == [1, 2, 3, *old]
    assert list(out.parent.rglob("*.partial")) == []


@pytest.mark.parametrize("lost", ["aborted", "moved"])
@pytest.mark.parametrize("step", ["check", "commit_cut", "commit"])
def test_a_run_is_refused_if_files_that_it_goes_on_from_are_gone(out, lost, step):
    first, inherited = prepared(out)
    if lost == "aborted":
        first.committer().abort(inherited)
    else:
        first.committer().commit(inherited)
        next(out.glob("part-*")).unlink()
    run = following(out)
    act = getattr(run.committer(), step)
    with pytest.raises(SinkError, match=GONE):
        act(1, inherited) if step == "commit_cut" else act(inherited)
    run.close()


def test_what_is_committed_already_costs_nothing_and_stays_whatever_becomes_of_the_run(out):
    first, inherited = prepared(out)
    first.committer().commit(inherited)
    run = following(out)
    run.committer().commit_cut(1, inherited)
    last = run.write(3)
    run.close()
    assert "'part-" not in run.committer().keep([*inherited, *last])
    assert numbers(out) == [1, 2]
    run.committer().abort([*inherited, *last])
    assert numbers(out) == [1, 2]


def test_a_run_that_fails_leaves_what_it_has_inherited_to_the_next_one(out):
    _, inherited = prepared(out)
    failed = following(out)
    own = failed.write(3)
    failed.close()
    failed.committer().abort([*inherited, *own])
    assert numbers(out) == []
    run = following(out, number=3)
    run.committer().check(inherited)
    last = run.write(4)
    run.close()
    run.committer().commit([*inherited, *last])
    assert numbers(out) == [1, 2, 4]


@pytest.mark.parametrize("change", ["another folder", "another operator", "no sink"])
def test_output_that_is_not_committed_is_refused_if_the_job_does_not_write_there_any_more(tmp_path, out, change):
    _, inherited = prepared(out)
    run = SinkRun(*[] if change == "no sink" else [tmp_path / "new"], number=2, lineage=CUT_1)
    if change == "another operator":
        run.specs = {"other": SinkRun(out, number=2).specs["sink_0"]}
    with pytest.raises(SinkError, match=r"not committed to '.*out' yet, .* Write there as before, or begin"):
        run.committer().check(inherited)


def lineage(*cuts):
    """Cuts, each by the number of its run, its epoch and its number."""
    return [LineageCut(RunId("job", run), epoch, cut) for run, epoch, cut in cuts]


def committing(*folders, number, cuts, before=(), epoch=1, mode="error", first=0):
    """Let a run commit its cuts, each with one row; what it has prepared at the last one."""
    run = SinkRun(*folders, number=number, epoch=epoch, mode=mode, lineage=lineage(*before)).open()
    for cut in cuts:
        prepared = run.write(first + cut, cut=cut)
        run.committer().commit_cut(cut, prepared)
    run.close()
    return prepared


def checked(*folders, before, number=9, mode="error", inherited=()):
    """Begin a run from the last cut of ``before``: True, or why it is refused."""
    try:
        SinkRun(*folders, number=number, mode=mode, lineage=lineage(*before)).committer().check(list(inherited))
    except SinkError as error:
        return str(error)
    return True


@pytest.mark.parametrize("mode", ["error", "append", "overwrite"])
def test_a_cut_whose_output_another_run_has_replaced_is_refused_and_what_leads_to_that_run_is_not(tmp_path, out, mode):
    second = tmp_path / "second"
    last = committing(out, second, number=1, cuts=(1, 2, 3), mode=mode)
    committing(out, number=2, cuts=(1,), before=[(1, 1, 1)], mode=mode, first=20)
    assert numbers(out) == [1, 21]
    for inherited in ((), last):
        assert checked(out, second, before=[(1, 1, 3)], mode=mode, inherited=inherited) == (
            f"job@2 went on from checkpoint 1 of job@1, and replaced later output in '{out}'. Begin from that "
            "checkpoint or one of job@2, write to another folder, or begin without saved state: "
            ".run('job', fresh=True)"
        )
    assert checked(out, second, before=[(1, 1, 1)], mode=mode) is True
    assert checked(out, second, before=[(1, 1, 1), (2, 1, 1)], mode=mode) is True
    assert checked(second, before=[(1, 1, 3)], mode=mode, inherited=last) is True
    assert checked(tmp_path / "new", before=[(1, 1, 3)], mode=mode) is True


def test_a_cut_is_refused_if_a_run_has_gone_on_from_the_one_that_replaced_its_output(out):
    committing(out, number=1, cuts=(1, 2, 3))
    committing(out, number=2, cuts=(1,), before=[(1, 1, 2)], first=20)
    committing(out, number=3, cuts=(1,), before=[(1, 1, 2), (2, 1, 1)], first=30)
    assert numbers(out) == [1, 2, 21, 31]
    assert "job@2 went on from checkpoint 2 of job@1" in checked(out, before=[(1, 1, 3)])
    for before in ([(1, 1, 1)], [(1, 1, 2)], [(1, 1, 2), (2, 1, 1)], [(1, 1, 2), (2, 1, 1), (3, 1, 1)]):
        assert checked(out, before=before) is True


def test_a_cut_that_a_later_epoch_of_its_run_has_left_behind_is_refused(out):
    committing(out, number=1, cuts=(1, 2, 3))
    committing(out, number=1, epoch=2, cuts=(4,), before=[(1, 1, 1)])
    assert "job@1 went on from checkpoint 1 of job@1" in checked(out, before=[(1, 1, 3)])
    assert checked(out, before=[(1, 1, 1), (1, 2, 4)]) is True


def test_a_cut_that_was_gone_on_from_can_be_begun_from_again_also_if_its_files_were_moved(out):
    committing(out, number=1, cuts=(1, 2, 3))
    for file in list(out.iterdir()):
        file.unlink()
    committing(out, number=2, cuts=(1,), before=[(1, 1, 3)], first=20)
    assert checked(out, before=[(1, 1, 3)]) is True


@pytest.mark.parametrize(("mode", "refused"), [("overwrite", True), ("error", True), ("append", False)])
def test_a_cut_whose_output_was_replaced_by_a_run_that_began_at_the_beginning_is_refused(out, mode, refused):
    committing(out, number=1, cuts=(1, 2), mode="append")
    committing(out, number=2, cuts=(1,), mode=mode, first=20)
    answer = checked(out, before=[(1, 1, 2)], mode="append")
    if refused:
        assert "job@2 began without this checkpoint, and replaced its output in" in answer
    else:
        assert answer is True
    committing(out, number=3, cuts=(1,), mode=mode, first=30)
    assert checked(out, before=[(3, 1, 1)], mode=mode) is True


def test_a_fork_into_another_folder_needs_no_files_that_were_replaced(tmp_path, out):
    last = committing(out, number=1, cuts=(1, 2))
    fork = [tmp_path / "fork"]
    next(file for file in out.iterdir() if numbers(out) == [1, 2] and "c2." in file.name).unlink()
    assert "gone" in checked(*fork, before=[(1, 1, 2)], inherited=last)
    committing(out, number=2, cuts=(1,), before=[(1, 1, 1)], first=20)
    assert checked(*fork, before=[(1, 1, 2)], inherited=last) is True


def test_output_that_is_committed_stays_where_it_is_if_the_job_writes_elsewhere(tmp_path, out):
    first, inherited = prepared(out)
    first.committer().commit(inherited)
    run = following(tmp_path / "new")
    run.committer().check(inherited)
    run.committer().commit_cut(1, inherited)
    last = run.write(3)
    run.close()
    run.committer().commit([*inherited, *last])
    assert (numbers(out), numbers(tmp_path / "new")) == ([1, 2], [3])
