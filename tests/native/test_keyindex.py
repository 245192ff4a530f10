"""Keys to slots against a Python dict of canonical values."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.errors import TypeMismatch
from sabotnb.native import canonical, hash_rows, key_groups
from sabotnb.native.keyindex import KeyIndex, codes

MISSING = 0xFFFFFFFF


def plain(value):
    if isinstance(value, float):
        return "nan" if math.isnan(value) else ("float", value + 0.0)
    return value.encode() if isinstance(value, str) else value


def rows_of(columns):
    values = [column.cast(pa.int64()) if pa.types.is_temporal(column.type) else column for column in decoded(columns)]
    return [tuple(map(plain, row)) for row in zip(*(column.to_pylist() for column in values), strict=True)]


def decoded(columns):
    return [canonical.decoded(column) for column in columns]


def ticks(column):
    """Times as numbers: Python has no values for all of them."""
    if not pa.types.is_temporal(column.type):
        return column
    return column.view(pa.int64() if column.type.bit_width == 64 else pa.int32())


def keys_of(columns):
    return rows_of([ticks(column) for column in decoded(columns)])


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_row_finds_its_key(data, key_arrays):
    rows = data.draw(st.integers(0, 60))
    columns = data.draw(st.lists(key_arrays(rows), min_size=1, max_size=3))
    groups = data.draw(st.sampled_from([1, 2, 128]))
    cut = data.draw(st.integers(0, rows))
    index = KeyIndex([column.type for column in columns], groups)
    keys = keys_of(columns)
    slot_of, fresh = {}, []
    for start, stop in ((0, cut), (cut, rows), (0, rows)):
        found = index.upsert([column[start:stop] for column in columns], fresh=True)
        owners = np.zeros(stop - start, int) if found.groups is None else found.groups
        for key, group, slot in zip(keys[start:stop], owners, found.slots, strict=True):
            assert slot_of.setdefault(key, (group, slot)) == (group, slot)
        fresh += [start + int(row) for row in found.fresh]
    assert len(set(slot_of.values())) == len(slot_of)
    assert index.sizes().sum() == len(slot_of)
    assert fresh == [keys.index(key) for key in slot_of]
    for (group, slot), key in ((place, key) for key, place in slot_of.items()):
        stored = index.view(int(group)).keys(int(slot), int(slot) + 1)
        assert [column.type for column in stored] == index.types
        assert keys_of(stored) == [key]


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_groups_are_those_of_the_shuffle(data, key_arrays):
    columns = data.draw(st.lists(key_arrays(40), min_size=1, max_size=2))
    found = KeyIndex([column.type for column in columns], 16).upsert(columns)
    assert found.groups.tolist() == key_groups(hash_rows(columns), 16).to_pylist()


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_find_gives_what_upsert_gave(data, key_arrays):
    columns = data.draw(st.lists(key_arrays(40), min_size=1, max_size=2))
    index = KeyIndex([column.type for column in columns], 4)
    index.upsert([column[:20] for column in columns])
    known = set(keys_of([column[:20] for column in columns]))
    found = index.find(columns)
    assert [slot != MISSING for slot in found.slots] == [key in known for key in keys_of(columns)]
    again = index.upsert(columns)
    present = found.slots != MISSING
    assert (again.slots[present] == found.slots[present]).all()


def test_growing_keeps_slots():
    values = np.random.default_rng(1).permutation(50_000)
    index = KeyIndex([pa.int64()])
    first = index.upsert([pa.array(values)])
    assert first.slots.tolist() == list(range(50_000))
    assert index.view().keys()[0].equals(pa.array(values))
    assert (index.find([pa.array(values[::-1])]).slots == first.slots[::-1]).all()


@given(data=st.data(), kind=st.sampled_from([pa.int64(), pa.string()]), groups=st.sampled_from([1, 4]))
@settings(max_examples=30, deadline=None)
def test_keys_that_were_expected_get_the_slots_of_others(data, kind, groups):
    values = np.random.default_rng(1).permutation(12_000)
    everything = pa.array(values).cast(kind)
    index, grown = KeyIndex([kind], groups), KeyIndex([kind], groups)
    for _ in range(3):
        low, high = sorted(data.draw(st.lists(st.integers(0, len(values)), min_size=2, max_size=2)))
        column = everything[low:high]
        for group in range(groups):
            index.expect(group, data.draw(st.sampled_from([0, 1, 300, 2_500, 9_000])))
        assert (index.upsert([column]).slots == grown.upsert([column]).slots).all()
        gone = column[: data.draw(st.integers(0, 200))]
        assert (index.remove([gone]).slots == grown.remove([gone]).slots).all()
        assert (index.find([everything]).slots == grown.find([everything]).slots).all()
        for group in range(groups):
            assert index.size(group) == grown.size(group)


@pytest.mark.parametrize("keys", [1, 17, 1_000, 2_457, 2_458, 4_000, 100_000])
def test_keys_that_were_expected_need_no_more_memory(keys):
    index = KeyIndex([pa.int64()])
    index.upsert([pa.array([-1])])
    index.expect(0, keys + 1)
    expected = index.nbytes()
    found = index.upsert([pa.array(np.arange(keys))])
    assert found.slots.tolist() == list(range(1, keys + 1))
    assert index.nbytes() == expected
    assert expected < 64 * keys + 2_000


def test_a_view_keeps_its_keys_when_more_are_expected():
    index = KeyIndex([pa.string()])
    index.upsert([pa.array(["a", None, "b"])])
    view = index.view()
    index.expect(0, 5_000)
    assert index.find([pa.array(["b", "a", None, "c"])]).slots.tolist() == [2, 0, 1, MISSING]
    assert view.keys()[0].to_pylist() == ["a", None, "b"]
    index.drop(0)
    assert view.keys()[0].to_pylist() == ["a", None, "b"]


def test_small_key_groups_take_a_wide_dictionary():
    column = pa.DictionaryArray.from_arrays(
        pa.array([70_000, None, 70_000]), pa.array([str(i) for i in range(100_000)])
    )
    index = KeyIndex([column.type])
    assert index.upsert([column]).slots.tolist() == [0, 1, 0]
    assert index.view().keys()[0].to_pylist() == ["70000", None]


@given(data=st.data(), low=st.sampled_from([-(2**63), -3, 0, 2**63 - 6, 2**63 - 2, 2**64 - 6]))
@settings(max_examples=40, deadline=None)
def test_integers_close_together_are_numbered(data, low):
    kind = pa.int64() if low < 2**63 - 5 else pa.uint64()
    values = data.draw(st.lists(st.none() | st.integers(low, low + 5), min_size=100, max_size=100))
    columns = [pa.array(values, kind), pa.array(["a", "b"] * 50).dictionary_encode()]
    places, firsts = codes(columns)
    rows = list(zip(*(column.to_pylist() for column in columns), strict=True))
    assert [rows[firsts[place].as_py()] for place in places] == rows
    found = KeyIndex([kind, pa.string()], 4).upsert(columns)
    assert found.groups.tolist() == key_groups(hash_rows(columns), 4).to_pylist()


def test_integers_far_apart_are_not_numbered():
    assert codes([pa.array([0, 2**40] * 50)]) is None
    assert codes([pa.array(range(1000))]) is None


def test_within_keeps_the_given_groups():
    outer = KeyIndex([pa.string()], 8).upsert([pa.array(["a", "b", "a", "c"])])
    pairs = KeyIndex([pa.uint32(), pa.int64()], 8)
    found = pairs.upsert([pa.array(outer.slots), pa.array([1, 1, 1, 2])], fresh=True, within=outer)
    assert found.groups.tolist() == outer.groups.tolist()
    assert found.fresh.tolist() == [0, 1, 3]


def test_drop_and_clear_forget():
    index = KeyIndex([pa.string()], 4)
    found = index.upsert([pa.array(["a", "b", "c", "d", None])])
    gone = int(found.groups[0])
    index.drop(gone)
    assert index.size(gone) == 0
    assert index.nbytes(gone) == 0
    left = [slot != MISSING for slot in index.find([pa.array(["a", "b", "c", "d", None])]).slots]
    assert left == [group != gone for group in found.groups]
    index.clear()
    assert index.sizes().sum() == 0
    assert set(index.find([pa.array(["a", "b", None])]).slots.tolist()) == {MISSING}


@given(data=st.data(), kind=st.sampled_from(["int", "text", "both"]), groups=st.sampled_from([1, 4]))
@settings(max_examples=100, deadline=None)
def test_removed_keys_free_their_slots(data, kind, groups):
    types = {"int": [pa.int64()], "text": [pa.string()], "both": [pa.string(), pa.int64()]}[kind]
    index, slot_of, views = KeyIndex(types, groups), {}, []

    def columns_of(keys):
        texts = [None if key is None else "x" * key for key in keys]
        columns = {"int": [keys], "text": [texts], "both": [texts, keys]}[kind]
        return [pa.array(column, data_type) for column, data_type in zip(columns, types, strict=True)]

    def places(found):
        groups_of = np.zeros(len(found), int) if found.groups is None else found.groups
        return [None if slot == MISSING else (group, slot) for group, slot in zip(groups_of, found.slots, strict=True)]

    steps = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(["add", "add", "remove", "view", "release"]),
                st.lists(st.none() | st.integers(0, 60), min_size=1, max_size=40),
            ),
            max_size=12,
        )
    )
    for step, keys in steps:
        match step:
            case "add":
                found = index.upsert(columns_of(keys), fresh=True)
                assert {keys[row] for row in found.fresh} == set(keys) - set(slot_of)
                slot_of |= dict(zip(keys, places(found), strict=True))
            case "remove":
                expected = [slot_of.pop(key, None) for key in keys]
                assert places(index.remove(columns_of(keys))) == expected
            case "view":
                views.append(([index.view(group) for group in range(groups)], dict(slot_of)))
            case "release":
                views = views[1:]
        assert len(set(slot_of.values())) == len(slot_of)
        assert index.sizes().sum() == len(slot_of)
        everything = [None, *range(61)]
        assert places(index.find(columns_of(everything))) == [slot_of.get(key) for key in everything]
        for seen, then in [*views, ([index.view(group) for group in range(groups)], slot_of)]:
            for group, view in enumerate(seen):
                slots = view.slots()
                keys_now = keys_of(view.take(slots))
                known = {slot: key for key, (at, slot) in then.items() if at == group}
                assert sorted(known) == slots.tolist()
                assert keys_now == keys_of(columns_of([known[slot] for slot in slots]))
                view.keys()


def test_slots_of_removed_keys_are_used_again():
    index = KeyIndex([pa.int64()])
    index.upsert([pa.array(range(10_000))])
    view = index.view()
    for start in range(10_000, 60_000, 10_000):
        index.remove([pa.array(range(start - 10_000, start - 1))])
        index.upsert([pa.array(range(start, start + 9_999))])
        if start == 10_000:
            assert index.extents()[0] > 10_000  # the view reads the keys of free slots
            assert view.keys()[0].equals(pa.array(range(10_000)))
            del view
    assert index.extents()[0] < 20_000
    index.remove(index.view().take(index.view().slots()))
    assert index.extents().tolist() == [0]
    assert index.nbytes() == 0


def test_heaps_of_removed_texts_do_not_grow():
    index = KeyIndex([pa.string()])
    for start in range(0, 100_000, 1000):
        index.upsert([pa.array([f"{key:0100}" for key in range(start, start + 1000)])])
        index.remove([pa.array([f"{key:0100}" for key in range(start, start + 999)])])
    assert index.size() == 100
    assert index.nbytes() < 1_000_000
    assert index.view().take(index.view().slots())[0].to_pylist() == [
        f"{key:0100}" for key in range(999, 100_000, 1000)
    ]


def unmixed(hashes):
    """The int64 keys with these hashes in an index of one group: the inverse of ``mix64``."""

    def unshift(x, shift):
        y = x
        for _ in range(64 // shift):
            y = x ^ (y >> np.uint64(shift))
        return y

    x = unshift(hashes, 31) * np.uint64(pow(0x94D049BB133111EB, -1, 2**64))
    x = unshift(x, 27) * np.uint64(pow(0xBF58476D1CE4E5B9, -1, 2**64))
    return unshift(x, 30).view(np.int64)


@pytest.mark.parametrize("shift", [16, 32])
def test_keys_with_almost_one_hash_are_told_apart(shift):
    keys = unmixed((np.arange(6000, dtype=np.uint64) << np.uint64(shift)) + np.uint64(12345))
    index = KeyIndex([pa.int64()])
    assert index.upsert([pa.array(keys)]).slots.tolist() == list(range(6000))
    assert index.find([pa.array(keys[::-1])]).slots.tolist() == list(range(6000))[::-1]
    assert index.remove([pa.array(keys[::2])]).slots.tolist() == list(range(0, 6000, 2))
    assert (index.find([pa.array(keys)]).slots == MISSING).tolist() == [True, False] * 3000


def test_a_list_cannot_be_a_key():
    with pytest.raises(TypeMismatch, match="cannot be a key"):
        KeyIndex([pa.list_(pa.int8())])


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_view_keeps_the_keys_that_were_there(data, key_arrays):
    rows = data.draw(st.integers(0, 60))
    columns = data.draw(st.lists(key_arrays(rows), min_size=1, max_size=3))
    groups = data.draw(st.sampled_from([1, 4]))
    cut = data.draw(st.integers(0, rows))
    index = KeyIndex([column.type for column in columns], groups)
    index.upsert([column[:cut] for column in columns])
    views = [index.view(group) for group in range(groups)]
    before = [keys_of(index.view(group).keys()) for group in range(groups)]
    match data.draw(st.sampled_from(["keep", "clear", "drop"])):
        case "clear":
            index.clear()
        case "drop":
            index.drop(0)
    index.upsert(columns)
    later = [index.view(group).keys() for group in range(groups)]
    index = None
    for view, keys in zip(views, before, strict=True):
        assert len(view) == len(keys)
        assert keys_of(view.keys()) == keys
        some = data.draw(st.lists(st.integers(0, len(keys) - 1), max_size=5)) if keys else []
        assert keys_of(view.take(np.array(some, np.int64))) == [keys[slot] for slot in some]
        assert keys_of(view.take(np.array(some, np.int64), 1)) == [keys[slot][:1] for slot in some]
    assert sorted(map(str, set(keys_of(columns)))) == sorted(str(key) for found in later for key in keys_of(found))


def test_a_slot_that_is_not_there_is_refused():
    index = KeyIndex([pa.int64()])
    index.upsert([pa.array([5])])
    for slot in (-1, 1):
        with pytest.raises(IndexError, match="of 1"):
            index.view().take(np.array([slot]))
