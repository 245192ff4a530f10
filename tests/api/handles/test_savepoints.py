from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sabotnb.api.handles.savepoints import Savepoint, check_dropped, checkpoints_frame, cut_to_start_from
from sabotnb.errors import CheckpointError
from sabotnb.protocol import (
    CheckpointingStatus,
    CheckpointStatus,
    CutKind,
    JobState,
    JobTopology,
    RunId,
    RunStatus,
    StateFile,
    StoredCut,
    TaskId,
    TaskSnapshot,
)
from sabotnb.storage import write_cut

RUN = RunId("hours", 7)
TASK = TaskId(RUN, "window_0", 0)


def cut(number=3, name="before"):
    snapshot = TaskSnapshot(StateFile("state", 2_000_000, 1))
    return StoredCut(
        RUN,
        1,
        number,
        CutKind.SAVEPOINT,
        128,
        {"window_0": 1},
        {"window_0": ("window_0",)},
        {TASK: snapshot},
        name=name,
    )


def test_a_savepoint_says_what_it_is_and_where():
    savepoint = Savepoint(cut(), "/ckpt")
    assert (savepoint.job, savepoint.id, savepoint.path) == ("hours", 3, "/ckpt/hours/7/3-e1")
    assert repr(savepoint) == "savepoint 3 'before' of job 'hours', 2.0 MB in /ckpt/hours/7/3-e1"


def test_a_run_starts_from_a_savepoint_its_path_its_name_or_its_number(tmp_path):
    stored = cut()
    path = write_cut(str(tmp_path), stored)
    for given in (Savepoint(stored, str(tmp_path)), path, "before", 3, np.int64(3)):
        assert cut_to_start_from(given, "hours", str(tmp_path)).cut == 3
    assert cut_to_start_from(None, "hours", str(tmp_path)) is None


@pytest.mark.parametrize(
    ("given", "job", "message"),
    [
        (True, "hours", r"start_from=True is a bool, not a checkpoint"),
        (
            pd.Series({"id": 3, "kind": "savepoint"}),
            "hours",
            r"start_from=id .* is a Series, not a checkpoint",
        ),
        (2.5, "hours", r"start_from=2.5 is a float, not a checkpoint"),
        (
            3,
            None,
            r"start_from=3 names a checkpoint of a job, and this run has no name\. .*\.run\('hours', start_from=3\)",
        ),
        ("after", "hours", r"no checkpoint 'after' in .*; it has 'before'\. .*\.run\('hours', start_from='before'\)"),
        (99, "hours", r"no checkpoint 99 in .*\.run\('hours', start_from='before'\)"),
        ("before", "days", r"there are some of 'hours'\. .*path: \.run\('days', start_from='.*/hours/7/3-e1'\)"),
        ("missing/path", "hours", r"missing"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, given, job, message):
    write_cut(str(tmp_path), cut())
    with pytest.raises(CheckpointError, match=message):
        cut_to_start_from(given, job, str(tmp_path))


def test_only_operators_of_the_savepoint_can_be_dropped():
    check_dropped(cut(), ("window_0",))
    message = r"drop_state names 'window0', and savepoint 3 of 'hours' has 'window_0'\. .*\(drop_state=\['window_0'\]\)"
    with pytest.raises(CheckpointError, match=message):
        check_dropped(cut(), ("window_0", "window0"))


def status_of(storage, *checkpoints):
    return RunStatus(
        run=RUN,
        owner="me",
        state=JobState.RUNNING,
        submitted=0.0,
        started=1.0,
        changed=1.0,
        topology=JobTopology({}),
        checkpoints=checkpoints,
        checkpointing=CheckpointingStatus(storage=str(storage)),
    )


def shown(number=2, **more):
    return CheckpointStatus(cut=number, kind=CutKind.CHECKPOINT, name="", epoch=1, began=10.0, seconds=0.5, **more)


def test_checkpoints_are_a_frame(tmp_path):
    checkpoint = shown(rows=70, nbytes={"hours/window_0[0]": 5, "hours/window_0[1]": 7, "hours/join[0]": 1})
    (row,) = checkpoints_frame(status_of(tmp_path, checkpoint), 12.0).to_dict("records")
    at = row.pop("at")
    assert row == {
        "id": 2,
        "kind": "checkpoint",
        "name": "",
        "seconds": 0.5,
        "bytes": 13,
        "rows": 70,
        "usable": False,
        "operators": {"window_0": 12, "join": 1},
        "path": f"{tmp_path}/hours/7/2-e1",
    }
    assert at.tz is not None


def test_checkpoints_that_are_kept_with_all_their_files_can_be_used(tmp_path):
    for number in (1, 2, 3):
        state = tmp_path / f"{number}.state"
        state.touch()
        snapshot = TaskSnapshot(StateFile(str(state), 2, 1))
        write_cut(str(tmp_path), replace(cut(number), tasks={TASK: snapshot}))
    (tmp_path / "3.state").unlink()
    checkpoints = [shown(1, kept=False), shown(2), shown(3), shown(4)]
    frame = checkpoints_frame(status_of(tmp_path, *checkpoints), 12.0)
    assert frame["usable"].to_list() == [False, True, False, False]
    assert cut_to_start_from(2, "hours", str(tmp_path)).cut == 2
