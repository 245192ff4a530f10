"""Results that a cut found computed and not sent are saved, by key group, and sent by the task that owns them."""

import pyarrow as pa
import pytest

from sabotnb.errors import CheckpointError
from sabotnb.native import hash_rows, key_groups
from sabotnb.protocol import Scope
from sabotnb.task import unsent_results
from sabotnb.task.unsent_results import UnsentResults

MAIN = pa.schema({"k": pa.string(), "n": pa.int64()})


def batch(**columns):
    return pa.RecordBatch.from_pydict(columns)


def main(*numbers):
    return pa.RecordBatch.from_pylist([{"k": f"k{n % 5}", "n": n} for n in numbers], schema=MAIN)


def unsent(outs, keys=("k",), groups=4):
    made = UnsentResults(keys, groups)
    for out in outs:
        made.add(out)
    return made


def moved(state, keys=("k",), groups=4, chosen=None):
    """A new state with the groups that are ``chosen``, by default all."""
    made, frozen = UnsentResults(keys, groups), state.freeze(state.groups())
    for group in state.groups() if chosen is None else chosen:
        made.load(group, frozen.export(group))
    return made


def drained(state):
    while state:
        yield state.pop()


def rows(state):
    return [row for out in drained(state) if isinstance(out, pa.RecordBatch) for row in out.to_pylist()]


def test_results_leave_in_their_order():
    state = unsent([main(1, 2), ("late", batch(x=[1])), main(3)])
    assert list(drained(state)) == [main(1, 2), ("late", batch(x=[1])), main(3)]
    assert not state


def test_results_without_keys_are_restored_in_their_order():
    state = moved(unsent([main(1, 2), ("late", batch(x=[1])), main(3)], keys=()), keys=())
    assert state.spec.scope is Scope.TASK
    assert list(drained(state)) == [main(1, 2), ("late", batch(x=[1])), main(3)]


@pytest.mark.parametrize("chosen", [[0, 1], [2], [3]])
def test_a_row_goes_with_the_group_of_its_key(chosen):
    numbers = range(40)
    state = unsent([main(*numbers[:25]), main(*numbers[25:])])
    assert state.spec.scope is Scope.KEYED
    groups = key_groups(hash_rows([main(*numbers)["k"]]), 4).to_pylist()
    expected = [n for n, group in zip(numbers, groups, strict=True) if group in chosen]
    assert sorted(row["n"] for row in rows(moved(state, chosen=chosen))) == expected


def test_rows_of_a_key_stay_in_their_order():
    restored = rows(moved(unsent([main(7, 2, 12), main(22, 17)])))
    assert [row["n"] for row in restored] == [7, 2, 12, 22, 17]


def test_a_side_output_is_restored_once():
    late = ("late", batch(x=[1, 2]))
    assert next(drained(moved(unsent([late, main(1)])))) == late


def test_what_is_frozen_stays_while_results_are_sent():
    state = unsent([main(1), main(2)], keys=())
    frozen = state.freeze(state.groups())
    state.pop()
    state.add(main(3))
    restored = UnsentResults((), 4)
    restored.load(0, frozen.export(0))
    assert [row["n"] for row in rows(restored)] == [1, 2]
    assert [row["n"] for row in rows(state)] == [2, 3]


def test_a_group_is_dropped():
    state = unsent([main(*range(40))])
    held = len(rows(moved(state, chosen=[1])))
    state.drop(1)
    assert rows(moved(state, chosen=[1])) == []
    assert len(rows(state)) == 40 - held


def test_results_are_limited_by_their_bytes(monkeypatch):
    monkeypatch.setattr(unsent_results, "LIMIT_BYTES", 100)
    state = unsent([batch(x=[1] * 12)], keys=())
    assert not state.full
    assert state.size() == (0, 96)
    state.add(batch(x=[1]))
    assert state.full
    state.pop()
    assert not state.full
    assert state.size() == (0, 8)


def test_empty_results_are_not_kept():
    assert not unsent([main(), ("late", main())])


def test_results_of_other_types_are_refused():
    frozen = unsent([main(1)], keys=()).freeze([0])
    restored = UnsentResults((), 1, pa.schema({"k": pa.string(), "n": pa.float64()}))
    with pytest.raises(CheckpointError, match="have 'n' as int64, and the operator returns double now"):
        restored.load(0, frozen.export(0))
