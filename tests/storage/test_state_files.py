"""What is written to a state file comes back, or the file is refused with its name."""

import struct
from pathlib import Path

import pyarrow as pa
import pytest
from frozen_states import RUN, TASK, batch, contents, state
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.errors import CheckpointError, StorageUnreachable
from sabotnb.protocol import RunId, Scope, StateFile, StateSpec, TaskId
from sabotnb.storage import FrozenState, StateReader, state_reader, state_writer, write_states

STATES = [
    state("sum_0", "aggregates", {0: [batch(k=[1, 2], total=[3, 4])], 7: [batch(k=[5], total=[6])]}, version=2),
    state("join_1", "right", {3: [batch(s=["a"]), batch(s=["b", None])]}, scope=Scope.BROADCAST),
]
SMALL = [state("o", "s", {0: [batch(k=[1])]})]
ROWS = {
    ("sum_0", "aggregates", 0): [{"k": 1, "total": 3}, {"k": 2, "total": 4}],
    ("sum_0", "aggregates", 7): [{"k": 5, "total": 6}],
    ("join_1", "right", 3): [{"s": "a"}, {"s": "b"}, {"s": None}],
}


def written(storage, states=STATES, cut=4):
    return write_states(str(storage), RUN, 2, cut, TASK, states)


def test_all_states_come_back(tmp_path):
    file = written(tmp_path)
    reader = StateReader(file)
    assert contents(reader) == ROWS
    assert contents(StateReader(file.path)) == ROWS
    assert [(stored.operator, stored.spec, stored.schema) for stored in reader.states()] == [
        ("sum_0", StateSpec("aggregates", Scope.KEYED, 2), STATES[0].schema),
        ("join_1", StateSpec("right", Scope.BROADCAST, 1), STATES[1].schema),
    ]
    assert [(stored.rows, sorted(stored.groups)) for stored in reader.states()] == [(3, [0, 7]), (3, [3])]
    assert reader.task == TASK


def test_a_file_is_below_the_storage_whatever_the_job_is_called(tmp_path):
    file = written(tmp_path)
    assert file.path == f"{tmp_path}/flights%20of%202013%2F..%2Fx/3/4-e2/aggregate_0-1.state"
    assert file.nbytes == Path(file.path).stat().st_size
    for job in ("..", ".", "a" * 300, "é" * 200, "a/b"):
        run = RunId(job, 1)
        file = write_states(str(tmp_path / "in"), run, 1, 1, TaskId(run, job, 0), STATES)
        assert Path(file.path).parents[3] == tmp_path / "in"
        assert contents(StateReader(file)) == ROWS


def test_a_written_file_leaves_nothing_else(tmp_path):
    file = written(tmp_path)
    written(tmp_path)  # the same cut again, as by a second attempt
    assert list(Path(file.path).parent.iterdir()) == [Path(file.path)]


def test_groups_that_are_not_there_have_no_rows(tmp_path):
    reader = StateReader(written(tmp_path))
    assert list(reader.batches("sum_0", "aggregates", 1)) == []
    assert list(reader.batches("sum_0", "other", 0)) == []
    assert list(reader.batches("other", "aggregates", 0)) == []


def test_a_task_without_states_has_a_file_too(tmp_path):
    assert StateReader(written(tmp_path, [])).states() == ()


def test_a_relative_storage_has_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert written("ckpt").path.startswith(f"{tmp_path}/ckpt/")
    assert contents(StateReader(written(f"file://{tmp_path}/ckpt"))) == ROWS


@pytest.mark.parametrize("url", ["memory://ckpt", "memory://ckpt/deep/"])
def test_a_url_of_fsspec_is_a_storage(url):
    file = written(url)
    assert file.path == f"{url.rstrip('/')}/flights%20of%202013%2F..%2Fx/3/4-e2/aggregate_0-1.state"
    assert contents(StateReader(file)) == ROWS


def test_a_protocol_that_is_not_installed_is_named():
    with pytest.raises(
        CheckpointError, match=r"'nosuch://bucket/.*' cannot be used for checkpoints: Protocol not known"
    ):
        written("nosuch://bucket")


def dictionaries(values):
    return pa.DictionaryArray.from_arrays(pa.array(range(len(values)), pa.int32()), pa.array(values))


@pytest.mark.parametrize(
    "batches",
    [
        [batch(d=dictionaries(["a", "b"])), batch(d=dictionaries(["c"]))],
        [batch(d=pa.array([[1], None, []])), batch(d=pa.array([[2, 3]]))],
        [batch(d=pa.array([None, None], pa.null()))],
        [pa.RecordBatch.from_arrays([pa.ListArray.from_arrays([0, 2], dictionaries(["x", "y"]))], ["d"])],
        [batch(d=pa.array([b"\x00\xff"], pa.binary(2))), batch(d=pa.array([None], pa.binary(2)))],
    ],
)
def test_types(tmp_path, batches):
    reader = StateReader(written(tmp_path, [state("o", "s", {0: batches})]))
    assert pa.Table.from_batches(reader.batches("o", "s", 0)).equals(pa.Table.from_batches(batches))


def test_slices_are_written_without_the_rest(tmp_path):
    large = batch(k=list(range(100_000)), s=["text"] * 100_000)
    file = written(tmp_path, [state("o", "s", {0: [large.slice(50_000, 3)]})])
    assert file.nbytes < 4096
    assert contents(StateReader(file))["o", "s", 0] == large.slice(50_000, 3).to_pylist()


def test_a_large_group_is_read_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(state_writer, "SEGMENT_BYTES", 1 << 10)
    batches = [batch(k=list(range(start, start + 50))) for start in range(0, 1000, 50)]
    reader = StateReader(written(tmp_path, [state("o", "s", {5: batches})]))
    (stored,) = reader.states()
    assert len(stored.groups[5]) > 5
    assert all(segment.nbytes < 3 << 10 for segment in stored.groups[5])
    assert [row["k"] for row in contents(reader)["o", "s", 5]] == list(range(1000))


def test_batches_are_exported_one_by_one(tmp_path):
    """The writer never holds a second batch beside the one that it encodes."""
    alive = []

    class Counted:
        def export(self, group):
            for start in range(4):
                alive.append(start)
                yield batch(k=[start])

    frozen = FrozenState("o", StateSpec("s"), batch(k=[0]).schema, [0], Counted())
    assert [row["k"] for row in contents(StateReader(written(tmp_path, [frozen])))["o", "s", 0]] == [0, 1, 2, 3]
    assert alive == [0, 1, 2, 3]


def test_each_group_is_released_when_it_is_exported(tmp_path):
    calls = []

    class Noted:
        def export(self, group):
            for number in range(2):
                yield batch(k=[number])
                calls.append(("exported", group, number))

        def release(self, group):
            calls.append(("released", group))

    written(tmp_path, [FrozenState("o", StateSpec("s"), batch(k=[0]).schema, [2, 5], Noted())])
    assert calls == [
        call for group in (2, 5) for call in (("exported", group, 0), ("exported", group, 1), ("released", group))
    ]


def test_a_state_that_raises_leaves_no_file(tmp_path):
    class Raises:
        def export(self, group):
            yield batch(k=[1])
            raise ZeroDivisionError

    frozen = FrozenState("o", StateSpec("s"), batch(k=[0]).schema, [0], Raises())
    with pytest.raises(ZeroDivisionError):
        written(tmp_path, [frozen])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


VALUES = st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(max_size=5) | st.none()), max_size=20)


@given(groups=st.dictionaries(st.integers(0, 32_767), st.lists(VALUES, min_size=1, max_size=3), max_size=5))
@settings(max_examples=30, deadline=None)
def test_any_rows_come_back(tmp_path_factory, groups):
    schema = pa.schema({"k": pa.int64(), "s": pa.string()})
    batches = {
        group: [pa.RecordBatch.from_pylist([{"k": k, "s": s} for k, s in rows], schema) for rows in several]
        for group, several in groups.items()
    }
    states = [state("o", "s", batches)] if groups else []
    reader = StateReader(written(tmp_path_factory.mktemp("any"), states))
    rows = {("o", "s", group): [row for b in several for row in b.to_pylist()] for group, several in batches.items()}
    assert contents(reader) == rows


# What is refused


def refusal(path, expected=None):
    """The message with which a file is refused, wherever that happens."""
    with pytest.raises(CheckpointError) as refused:
        contents(StateReader(expected or str(path)))
    assert str(path) in str(refused.value)
    return str(refused.value)


def test_every_changed_byte_is_refused(tmp_path):
    path = Path(written(tmp_path, SMALL).path)
    data = path.read_bytes()
    for at in range(len(data)):
        for flipped in (1 << at % 8, 0xFF):
            path.write_bytes(data[:at] + bytes([data[at] ^ flipped]) + data[at + 1 :])
            assert "damaged" in (message := refusal(path)) or "truncated" in message


def test_every_shortened_file_is_refused(tmp_path):
    file = written(tmp_path, SMALL)
    path = Path(file.path)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        refusal(path)
        assert "instead of" in refusal(path, file)


def test_every_lengthened_file_is_refused(tmp_path):
    path = Path(written(tmp_path).path)
    data = path.read_bytes()
    for changed in (data + b"\0", data + data, b"\0" + data, data[:16] + b"\0" * 8 + data[16:], b"", b"\0" * 500):
        path.write_bytes(changed)
        refusal(path)


def test_a_missing_file_is_named(tmp_path):
    file = written(tmp_path)
    Path(file.path).unlink()
    assert "is missing. Start from another checkpoint" in refusal(file.path, file)
    assert "is missing" in refusal("memory://nothing/x.state")


def test_storage_that_is_away_says_nothing_about_its_files(tmp_path):
    file = written(tmp_path / "storage")
    (tmp_path / "storage").rename(tmp_path / "away")
    with pytest.raises(StorageUnreachable, match=r"is missing, with all others of its run\. Mount the storage"):
        StateReader(file)
    (tmp_path / "away").rename(tmp_path / "storage")
    assert contents(StateReader(file)) == ROWS


def test_a_missing_file_of_storage_that_is_there_is_lost(tmp_path):
    file = written(tmp_path)
    Path(file.path).unlink()
    with pytest.raises(CheckpointError) as lost:
        StateReader(file)
    assert type(lost.value) is CheckpointError


def test_a_file_that_cannot_be_read_may_be_whole(tmp_path):
    path = Path(written(tmp_path).path)
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(StorageUnreachable, match=r"cannot be read: too many levels of symbolic links\. Repair"):
        StateReader(str(path))


def test_a_folder_is_refused(tmp_path):
    assert "cannot be read: is a directory" in refusal(tmp_path)


def test_a_later_version_is_refused_with_what_to_do(tmp_path):
    path = Path(written(tmp_path).path)
    data = bytearray(path.read_bytes())
    data[8:12] = data[-12:-8] = struct.pack("<I", 7)
    path.write_bytes(data)
    assert "has format version 7, and this sabotnb reads up to 1. Install a newer one: pip install" in refusal(path)


def test_another_file_of_this_name_is_refused(tmp_path):
    first = written(tmp_path / "a")
    other = written(tmp_path / "a", [state("sum_0", "aggregates", {0: [batch(k=[1, 2], total=[3, 5])]})])
    assert "is not the file that the checkpoint refers to" in refusal(first.path, first)
    same_size = StateFile(other.path, other.nbytes, other.checksum ^ 1)
    assert "its checksum differs" in refusal(other.path, same_size)


def test_groups_can_be_read_in_any_order(tmp_path, monkeypatch):
    groups = {group: [batch(k=list(range(group, group + 40)))] for group in range(20)}
    file = written(tmp_path, [state("o", "s", groups)])
    for ahead in (0, 700, 1 << 20):
        monkeypatch.setattr(state_reader, "AHEAD_BYTES", ahead)
        reader = StateReader(file)
        for group in (3, 4, 2, 19, 0, 1, 1):
            assert list(reader.batches("o", "s", group)) == groups[group]


def test_a_file_that_is_replaced_while_it_is_read_is_refused(tmp_path):
    reader = StateReader(written(tmp_path))
    written(tmp_path, [state("sum_0", "aggregates", {0: [batch(k=[9, 9], total=[9, 9])]})])
    with pytest.raises(CheckpointError):
        contents(reader)
