"""A stored cut comes back as it was written, or its file is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from drawn_cuts import stored_cuts
from filled_dataclasses import filled
from frozen_states import RUN, TASK, batch, contents, state
from hypothesis import given, settings

from sabotnb.errors import CheckpointError
from sabotnb.protocol import (
    Committable,
    CutKind,
    LineageCut,
    RunId,
    SourceState,
    Split,
    StateFile,
    StoredCut,
    TaskId,
    TaskSnapshot,
)
from sabotnb.storage import StateReader, is_complete, jobs_with_cuts, list_cuts, read_cut, write_cut, write_states


def cut_of(tasks, *, run=RUN, epoch=2, cut=4, kind=CutKind.CHECKPOINT):
    return StoredCut(run, epoch, cut, kind, 128, {"aggregate_0": 2}, {"aggregate_0": ("aggregate_0",)}, tasks)


CUT = cut_of(
    {
        TASK: TaskSnapshot(
            source=SourceState((Split("a", {"row": 3}),), ("b",)),
            memos={"top_0": {"ended": [0, 1]}},
            event_times={"": 5},
            committables=(Committable("sink_0", {"files": ["x"]}),),
        )
    }
)


@given(cut=stored_cuts("memory://drawn"))
@settings(max_examples=100, deadline=None)
def test_any_cut_comes_back(cut):
    assert read_cut(write_cut("memory://drawn", cut)) == cut


def test_every_field_comes_back():
    cut = filled(StoredCut)
    assert read_cut(write_cut("memory://filled", cut)) == cut


def test_a_cut_is_complete_while_it_and_all_of_its_state_files_are_there(tmp_path):
    files = [tmp_path / name / "0.state" for name in ("own", "of an earlier cut")]
    for file in files:
        file.parent.mkdir()
        file.touch()
    tasks = {replace(TASK, index=index): TaskSnapshot(StateFile(str(file), 1, 1)) for index, file in enumerate(files)}
    path = write_cut(str(tmp_path), cut_of(tasks))
    assert is_complete(path)
    files[1].unlink()
    assert not is_complete(path)
    assert is_complete(write_cut(str(tmp_path), CUT))
    Path(path).write_bytes(Path(path).read_bytes()[:-9])
    assert not is_complete(path)
    assert not is_complete(str(tmp_path / "missing"))


def test_a_cut_is_named_by_its_file_or_its_folder(tmp_path):
    path = write_cut(str(tmp_path), CUT)
    assert path == f"{tmp_path}/flights%20of%202013%2F..%2Fx/3/4-e2/cut.json"
    assert read_cut(path) == read_cut(str(Path(path).parent)) == CUT


def test_a_cut_names_the_cuts_that_lead_to_it(tmp_path):
    cut = replace(CUT, lineage=(LineageCut(RunId("flights", 2), 1, 7), LineageCut(RunId("flights", 3), 2, 8)))
    assert read_cut(write_cut(str(tmp_path), cut)) == cut


def test_a_moved_storage_can_be_read(tmp_path):
    states = [state("o", "s", {0: [batch(k=[1])]})]
    file = write_states(str(tmp_path / "old"), RUN, 2, 4, TASK, states)
    path = write_cut(str(tmp_path / "old"), cut_of({TASK: TaskSnapshot(file)}))
    shutil.move(tmp_path / "old", tmp_path / "new")
    moved = read_cut(path.replace("/old/", "/new/")).tasks[TASK].file
    assert moved == replace(file, path=file.path.replace("/old/", "/new/"))
    assert contents(StateReader(moved)) == {("o", "s", 0): [{"k": 1}]}


def test_the_file_is_json(tmp_path):
    content = json.loads(Path(write_cut(str(tmp_path), CUT)).read_bytes())
    assert content["version"] == 1
    assert content["cut"]["tasks"]["aggregate_0[1]"]["source"] == {
        "opened": [{"id": "a", "position": {"row": 3}}],
        "finished": ["b"],
    }


def test_tuples_become_lists(tmp_path):
    memos = {"top_0": {"ended": (0, (1, 2))}}
    path = write_cut(str(tmp_path), cut_of({TASK: TaskSnapshot(memos=memos)}))
    assert read_cut(path).tasks[TASK].memos == {"top_0": {"ended": [0, [1, 2]]}}


@pytest.mark.parametrize("value", [b"bytes", {1: 2}, {3}])
def test_a_value_that_json_does_not_have_is_refused(tmp_path, value):
    with pytest.raises(CheckpointError, match=r"cut 4 of flights of 2013/../x@3 cannot be written: .* Let memos"):
        write_cut(str(tmp_path), cut_of({TASK: TaskSnapshot(memos={"o": {"x": value}})}))
    assert list(tmp_path.iterdir()) == []


def refusal(path):
    with pytest.raises(CheckpointError) as refused:
        read_cut(str(path))
    assert str(path) in str(refused.value)
    return str(refused.value)


def test_every_changed_byte_is_refused(tmp_path):
    path = Path(write_cut(str(tmp_path), CUT))
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
        refusal(path)


def test_every_shortened_file_is_refused(tmp_path):
    path = Path(write_cut(str(tmp_path), CUT))
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        refusal(path)


def test_a_missing_cut_is_named(tmp_path):
    assert "is missing" in refusal(tmp_path / "job" / "cut.json")


def signed(path, change):
    """Write what ``change`` makes of the content of a cut's file, with a right checksum."""
    import zlib

    content = json.loads(path.read_bytes())
    del content["checksum"]
    change(content)
    begin = json.dumps(content, indent=1).encode().removesuffix(b"\n}")
    path.write_bytes(begin + f',\n "checksum": {zlib.crc32(begin)}\n}}\n'.encode())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(version=2), "has format version 2, and this sabotnb reads up to 1"),
        (lambda content: content["cut"].update(epoch="2"), "does not describe a cut"),
        (lambda content: content["cut"].update(kind="other"), "does not describe a cut"),
        (lambda content: content["cut"].update(color="red"), "has no field color"),
        (lambda content: content["cut"].pop("run"), "does not describe a cut"),
        (lambda content: content["cut"].update(tasks={"a": {}}), "does not describe a cut"),
        (lambda content: content["cut"].update(tasks=[]), "does not describe a cut"),
        (lambda content: content["cut"].update(parallelism={"a": "x"}), "does not describe a cut"),
        (lambda content: content["cut"].update(committables=[3]), "does not describe a cut"),
        (lambda content: content.update(cut=None), "does not describe a cut"),
        (lambda content: content.pop("version"), "does not describe a cut"),
    ],
)
def test_content_of_another_kind_is_refused(tmp_path, change, message):
    path = Path(write_cut(str(tmp_path), CUT))
    signed(path, change)
    assert message in refusal(path)


@pytest.mark.parametrize("scheme", ["", "memory:/"])
def test_cuts_are_listed_from_the_oldest(tmp_path, scheme):
    storage = f"{scheme}{tmp_path}"
    assert list_cuts(storage, "job") == []
    assert jobs_with_cuts(storage) == []
    for number, epoch, cut in [(1, 1, 9), (1, 2, 3), (1, 1, 10), (2, 1, 1)]:
        write_cut(storage, cut_of({}, run=RunId("job/ä", number), epoch=epoch, cut=cut))
    write_states(storage, RunId("job/ä", 1), 1, 11, TaskId(RUN, "v", 0), [])  # a cut that was not completed
    assert [(c.run.number, c.epoch, c.cut) for c in list_cuts(storage, "job/ä")] == [
        (1, 1, 9),
        (1, 1, 10),
        (1, 2, 3),
        (2, 1, 1),
    ]
    assert [c.cut for c in list_cuts(storage, "job/ä", 2)] == [1]
    assert list_cuts(storage, "job/ä", 3) == []
    assert jobs_with_cuts(storage) == ["job/ä"]
    assert read_cut(list_cuts(storage, "job/ä")[-1].path).run == RunId("job/ä", 2)
