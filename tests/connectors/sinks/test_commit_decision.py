"""One decision holds for an epoch, also when a task that started late makes its folder again."""

import pytest

from sabotnb.connectors.sinks.commit_decision import ABORTED, COMMITTED, PAST, begin_epoch, decide, decided
from sabotnb.connectors.sinks.folder_changes import before_changes


@pytest.mark.parametrize("first", [COMMITTED, ABORTED])
@pytest.mark.parametrize("second", [COMMITTED, ABORTED])
def test_the_first_decision_holds_although_the_folder_was_made_again(tmp_path, first, second):
    folder = tmp_path / "e1"
    folder.mkdir()
    (folder / "rows").touch()
    assert decide(folder, first) == first
    folder.mkdir()
    assert decide(folder, second) == first
    assert decided(folder) == first


def test_a_decision_that_another_process_makes_at_the_same_time_holds(tmp_path):
    folder = tmp_path / "e1"
    folder.mkdir()

    def overtake(change):
        if change.startswith("rename") and not (tmp_path / "e1.committed").exists():
            folder.rename(tmp_path / "e1.committed")
            (tmp_path / "e1.committed" / "rows").touch()
            folder.mkdir()  # by a task that started late

    with before_changes(overtake):
        assert decide(folder, COMMITTED) == COMMITTED
    assert decided(folder) == COMMITTED


def test_nothing_is_decided_for_an_epoch_that_is_over(tmp_path):
    assert decide(tmp_path / "e1", COMMITTED) is None


def test_a_later_epoch_makes_earlier_ones_past(tmp_path):
    assert begin_epoch(tmp_path, 1) is None
    assert begin_epoch(tmp_path, 3) is None
    assert decide(tmp_path / "e1", COMMITTED) == PAST
    assert decide(tmp_path / "e3", COMMITTED) == COMMITTED
    assert begin_epoch(tmp_path, 4) == COMMITTED
