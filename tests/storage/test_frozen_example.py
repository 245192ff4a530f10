"""Every later version reads the files of version 1.

``version_1`` is never written again: a new version of the format gets a folder of its own beside it. ``local`` was
written to a folder, ``lz4`` to a URL.
"""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from frozen_states import contents

from sabotnb.protocol import (
    Committable,
    CutKind,
    RunId,
    Scope,
    SourceState,
    Split,
    StateFile,
    StateSpec,
    StoredCut,
    TaskId,
    TaskSnapshot,
)
from sabotnb.storage import StateReader, list_cuts, read_cut

EXAMPLES = Path(__file__).parent / "version_1"
RUN = RunId("daily report", 1764500000000)
LEFT = datetime(2013, 1, 1, 5, 15)
SCHEMAS = {
    "aggregates": pa.schema({"carrier": pa.string(), "n": pa.int64(), "delay": pa.list_(pa.float64())}),
    "right": pa.schema({"tailnum": pa.dictionary(pa.int32(), pa.string()), "left": pa.timestamp("us")}),
}
ROWS = {
    ("aggregate_0", "aggregates", 3): [
        {"carrier": "UA", "n": 2, "delay": [1.5, -3.0]},
        {"carrier": None, "n": 1, "delay": None},
    ],
    ("aggregate_0", "aggregates", 127): [{"carrier": "é", "n": 0, "delay": []}],
    ("join_1", "right", 0): [{"tailnum": "N14228", "left": LEFT}, {"tailnum": None, "left": None}],
}


def cut_in(folder, checksums):
    """The cut of the examples."""
    files = [
        StateFile(f"{folder}/daily%20report/1764500000000/7-e2/aggregate_0-{index}.state", nbytes, checksum)
        for index, (nbytes, checksum) in enumerate(checksums)
    ]
    opened = Split("a.parquet:0", {"file": "a.parquet", "row": 1000}, -5, 1 << 20, 4096)
    committable = Committable("sink_0", {"files": [{"hidden": "x", "final": "y", "rows": 3}]})
    return StoredCut(
        RUN,
        2,
        7,
        CutKind.SAVEPOINT,
        128,
        {"source_0": 1, "aggregate_0": 2},
        {"source_0": ("source_0", "filter_0"), "aggregate_0": ("aggregate_0", "join_1", "sink_0")},
        {
            TaskId(RUN, "source_0", 0): TaskSnapshot(source=SourceState((opened,), ("b.parquet",))),
            TaskId(RUN, "aggregate_0", 0): TaskSnapshot(
                files[0], None, {"join_1": {"ended": [1]}}, {"aggregate_0": 5, "": 4}, (committable,)
            ),
            TaskId(RUN, "aggregate_0", 1): TaskSnapshot(files[1], ended=True),
        },
        {"source_0": ("c.parquet",)},
        (committable,),
        "before the upgrade",
        1764500001.25,
        0.5,
    )


def cases(checksums):
    return [pytest.param(name, files, id=name) for name, files in checksums.items()]


CHECKSUMS = {"local": [(3025, 2839022719), (138, 1984468571)], "lz4": [(3466, 3183783489), (138, 1984468571)]}


@pytest.mark.parametrize(("name", "checksums"), cases(CHECKSUMS))
def test_version_1_is_read(name, checksums):
    folder = EXAMPLES / name
    (listed,) = list_cuts(str(folder), "daily report")
    cut = read_cut(listed.path)
    assert cut == cut_in(folder, checksums)
    snapshots = [snapshot for task, snapshot in cut.tasks.items() if task.vertex == "aggregate_0"]
    first, second = [StateReader(snapshot.file) for snapshot in snapshots]
    assert contents(first) == ROWS
    assert contents(second) == {}
    assert [(stored.spec, stored.schema) for stored in first.states()] == [
        (StateSpec("aggregates", Scope.KEYED, 2), SCHEMAS["aggregates"]),
        (StateSpec("right", Scope.BROADCAST, 1), SCHEMAS["right"]),
    ]
