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
