"""Which cuts a run can go back to, and which checkpoints the job store drops."""

import pytest

from sabotnb.execution import is_dropped, kept_cuts
from sabotnb.protocol import CutKind, LineageCut, RunId, StoredCut

RUN = RunId("job", 7)


def cut(number, epoch=1, *lineage, kind=CutKind.CHECKPOINT):
    leading = tuple(LineageCut(RUN, *one) for one in lineage)
    return StoredCut(RUN, epoch, number, kind, 0, {}, {}, {}, lineage=leading)


SAVEPOINT = cut(3, kind=CutKind.SAVEPOINT)


@pytest.mark.parametrize(
    ("cuts", "kept"),
    [
        ([cut(1), cut(2)], [1, 2]),
        ([cut(1), cut(2), SAVEPOINT, cut(4), cut(5)], [2, 3, 4, 5]),
        ([cut(1), cut(2), cut(3, 2, (1, 2))], [1, 2, 3]),
        ([cut(1), cut(2), cut(3), cut(4, 2, (1, 1))], [1, 4]),
        ([cut(1), SAVEPOINT, cut(4, 2, (1, 1)), cut(5, 3, (1, 1), (2, 4))], [1, 4, 5]),
    ],
    ids=["few", "the last three", "a later epoch", "went back", "went back in an earlier epoch"],
)
def test_a_run_can_go_back_to_the_last_checkpoints_that_lead_to_the_newest(cuts, kept):
    assert [kept.cut for kept in kept_cuts(cuts)] == kept


@pytest.mark.parametrize(
    ("known", "kept", "dropped"),
    [
        ([cut(1), cut(2), cut(3), cut(4)], [cut(2), cut(3), cut(4)], [1]),
        ([cut(1), cut(2), cut(3, 2, (1, 1))], [cut(1), cut(3, 2, (1, 1))], [2]),
        ([cut(1), cut(2), SAVEPOINT, cut(4, 2, (1, 1))], [cut(1), cut(4, 2, (1, 1))], [2]),
        ([cut(1), cut(2), cut(3)], [cut(1), cut(2)], []),
    ],
    ids=["old", "left behind", "not savepoints", "not a newer one"],
)
def test_the_job_store_drops_checkpoints_that_are_old_or_lead_to_none_that_is_kept(known, kept, dropped):
    assert [cut.cut for cut in known if is_dropped(cut, kept)] == dropped
