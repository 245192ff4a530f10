"""Frozen aggregates that another thread exports: some groups at once, the others batch by batch."""

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from sabotnb.graph.specs import AggregateColumn
from sabotnb.state import GroupedAggregates, frozen

KEYS = pa.schema({"k": pa.int64()})
COLUMNS = [
    AggregateColumn("rows", "count"),
    AggregateColumn("total", "sum", "k"),
    AggregateColumn("least", "min", "k"),
    AggregateColumn("name", "max", "s"),
]
SCHEMA = pa.schema({"k": pa.int64(), "s": pa.string()})
ROWS = 10_000


def batch(start):
    numbers = range(start, start + ROWS)
    return pa.record_batch({"k": [*numbers], "s": [str(number) for number in numbers]}, SCHEMA)


def state(*batches, keys=KEYS, groups=8):
    made = GroupedAggregates(keys, COLUMNS, SCHEMA, groups)
    for rows in batches:
        made.update(rows)
    return made


def exported(view, groups):
    return {group: pa.Table.from_batches(view.export(group)).to_pylist() for group in groups}


@pytest.fixture
def other_thread():
    with ThreadPoolExecutor(1) as pool:
        yield lambda call, *args: pool.submit(call, *args).result()


@pytest.mark.parametrize("copied_bytes", [0, 1, 150_000, 64 << 20])
def test_groups_are_exported_as_they_were_however_many_are_copied_at_once(other_thread, monkeypatch, copied_bytes):
    monkeypatch.setattr(frozen, "COPIED_BYTES", copied_bytes)
    changed = state(batch(0))
    groups, view, expected = changed.groups(), changed.freeze(changed.groups()), exported(state(batch(0)), range(8))
    found = {}
    for part in (groups[3:5], groups[:3], groups[5:]):
        found |= other_thread(exported, view, part)
        changed.update(batch(ROWS // 2))
    assert found == expected
    assert exported(view, groups) == expected
    assert exported(changed, groups) == exported(state(batch(0), *[batch(ROWS // 2)] * 3), groups)


def saved(view):
    """The rows of each group that were saved, of those groups whose rows are not copied."""
    return {number: group.rows.saved for number, group in view._groups.items() if hasattr(group.rows, "saved")}


def test_groups_that_are_copied_save_no_rows_and_their_number_is_bounded(other_thread, monkeypatch):
    monkeypatch.setattr(frozen, "COPIED_BYTES", 150_000)
    changed = state(batch(0))
    view = changed.freeze(changed.groups())
    changed.update(batch(0))
    assert sum(saved(view).values()) == ROWS
    other_thread(view.export, 0)
    copied = 8 - len(saved(view))
    assert 0 < copied < 8
    assert [*saved(view)] == list(range(copied, 8))
    again = changed.freeze([0])
    changed.update(batch(0))
    assert saved(again)[0] > 0
    other_thread(again.export, 0)
    assert saved(again) == {}


def test_an_export_in_the_thread_of_the_task_copies_one_batch_at_a_time():
    changed = state(batch(0))
    view = changed.freeze(changed.groups())
    assert sum(rows.num_rows for rows in view.export(0)) > 0
    assert len(saved(view)) == 8


def test_a_key_without_rows_is_exported(other_thread):
    view = state(keys=pa.schema([])).freeze([0])
    assert other_thread(exported, view, [0]) == exported(state(keys=pa.schema([])), [0])


def test_released_groups_are_free_and_the_others_are_exported(other_thread):
    changed = state(batch(0))
    groups = changed.groups()
    view, expected = changed.freeze(groups), exported(changed, groups)
    for group in groups[:5]:
        view.release(group)
    changed.update(batch(0))
    assert other_thread(exported, view, groups[5:]) == {group: expected[group] for group in groups[5:]}
    assert [*saved(view)] == []
