"""A sort whose rows go to files returns what one does that holds them in memory."""

import math
import random
import tempfile
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.config import Config
from sabotnb.errors import OutOfMemory
from sabotnb.graph import Sort
from sabotnb.testing import Harness

SCHEMA = pa.schema(
    {
        "n": pa.int64(),
        "x": pa.float64(),
        "s": pa.string(),
        "d": pa.dictionary(pa.int32(), pa.string()),
        "l": pa.list_(pa.int64()),
    }
)
FEW = Config(batch_rows=7, sort_bytes=300)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "n": st.integers(0, 3) | st.none(),
            "x": st.sampled_from([0.0, -0.0, 1.5, math.nan, math.inf, None]),
            "s": st.text("ab", max_size=2) | st.none(),
            "d": st.sampled_from(["u", "v", "w", None]),
            "l": st.lists(st.integers(0, 9), max_size=2),
        }
    ),
    max_size=12,
)
SORTS = [
    Sort(("n",), (False,)),
    Sort(("x", "s"), (True, False)),
    Sort(("d", "n"), (False, True)),
]


def run(spec, batches, config, move_after=None):
    """The sorted rows; behind batch ``move_after`` the state goes to another task."""
    harness = Harness(spec, SCHEMA, config=config)
    for number, rows in enumerate(batches):
        harness.push(rows)
        if number == move_after:
            old, harness = harness, Harness(spec, SCHEMA, config=config)
            for group in old.states["rows"].groups():
                harness.states["rows"].load(group, old.states["rows"].freeze([group]).export(group))
    return repr(harness.end().rows)


@given(spec=st.sampled_from(SORTS), batches=st.lists(ROWS, min_size=1, max_size=8), moved=st.integers(0, 8))
@settings(max_examples=15, deadline=None)
def test_results_do_not_depend_on_files(spec, batches, moved):
    expected = run(spec, batches, replace(FEW, sort_bytes=1 << 30))
    assert run(spec, batches, FEW) == expected
    assert run(spec, batches, FEW, moved) == expected


def numbers(seed, rows=1000):
    draw = random.Random(seed)
    return [{"n": draw.randrange(1 << 40), "x": None, "s": "text", "d": "u", "l": []} for _ in range(rows)]


def test_files_are_counted_and_are_not_memory():
    config = Config(sort_bytes=100_000)
    with Harness(SORTS[0], SCHEMA, config=config) as harness:
        for seed in range(20):
            harness.push(numbers(seed))
        spilled = harness._context.counters.spilled_bytes
        assert spilled > 500_000
        assert harness.state_size[1] <= 100_000
        rows = harness.end().rows
    assert [row["n"] for row in rows] == sorted(row["n"] for seed in range(20) for row in numbers(seed))


def test_files_have_no_names(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Harness(SORTS[0], SCHEMA, config=FEW) as harness:
        harness.push(numbers(1))
        assert list(tmp_path.iterdir()) == []
        assert len(harness.end().rows) == 1000


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with (
        Harness(SORTS[0], SCHEMA, config=FEW) as harness,
        pytest.raises(
            OutOfMemory, match=r"cannot be written to '.*missing': No such file or directory. Make room there"
        ),
    ):
        harness.push(numbers(1))


def test_ordered_columns_stay_in_memory():
    schema = pa.schema({"c": pa.dictionary(pa.int32(), pa.string(), ordered=True)})
    column = pa.DictionaryArray.from_arrays(pa.array([1, 0] * 500, pa.int32()), ["low", "high"], ordered=True)
    with Harness(Sort(("c",), (False,)), schema, config=FEW) as harness:
        harness.push(pa.RecordBatch.from_arrays([column], schema=schema))
        assert harness._context.counters.spilled_bytes == 0
        assert [row["c"] for row in harness.end().rows] == ["low"] * 500 + ["high"] * 500
