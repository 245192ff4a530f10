"""Draws stored cuts with every field of theirs."""

from hypothesis import strategies as st

from sabotnb.protocol import (
    Committable,
    CutKind,
    RunId,
    SourceState,
    Split,
    StateFile,
    StoredCut,
    TaskId,
    TaskSnapshot,
)

NAMES = st.text(min_size=1, max_size=6)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=3)
SPLITS = st.builds(Split, NAMES, OBJECTS, INTEGERS, st.integers(0, 1 << 40), st.none() | st.integers(0, 1 << 40))
COMMITTABLES = st.lists(st.builds(Committable, NAMES, OBJECTS), max_size=3).map(tuple)
PATHS = st.sampled_from(["/other/x.state", "s3://bucket/x.state", "STORAGE/job/1/2-e1/v-0.state"])
TEXTS = st.lists(NAMES, max_size=3).map(tuple)
SNAPSHOTS = st.builds(
    TaskSnapshot,
    st.none() | st.builds(StateFile, PATHS, st.integers(0, 1 << 40), st.integers(0, (1 << 32) - 1)),
    st.none() | st.builds(SourceState, st.lists(SPLITS, max_size=2).map(tuple), TEXTS),
    st.dictionaries(NAMES, OBJECTS, max_size=2),
    st.dictionaries(st.text(max_size=5), INTEGERS, max_size=2),
    COMMITTABLES,
    st.booleans(),
)


@st.composite
def stored_cuts(draw, storage):
    """A cut whose state files are in ``storage`` or elsewhere."""
    run = RunId(draw(NAMES), draw(st.integers(0, 1 << 60)))
    tasks = st.builds(TaskId, st.just(run), NAMES, st.integers(0, 1 << 20))
    snapshots = SNAPSHOTS.map(lambda snapshot: in_storage(snapshot, storage))
    return StoredCut(
        run,
        draw(st.integers(1, 1 << 60)),
        draw(st.integers(1, 1 << 60)),
        draw(st.sampled_from(CutKind)),
        draw(st.integers(1, 32_768)),
        draw(st.dictionaries(NAMES, st.integers(1, 1000), max_size=3)),
        draw(st.dictionaries(NAMES, TEXTS, max_size=3)),
        draw(st.dictionaries(tasks, snapshots, max_size=4)),
        draw(st.dictionaries(NAMES, TEXTS, max_size=3)),
        draw(COMMITTABLES),
        draw(st.text(max_size=5)),
        draw(st.floats(0, 1e12)),
        draw(st.floats(0, 1e6)),
    )


def in_storage(snapshot, storage):
    """``snapshot`` with the real path of ``storage``."""
    if snapshot.file is None:
        return snapshot
    file = StateFile(snapshot.file.path.replace("STORAGE", storage), snapshot.file.nbytes, snapshot.file.checksum)
    return TaskSnapshot(
        file, snapshot.source, snapshot.memos, snapshot.event_times, snapshot.committables, snapshot.ended
    )
