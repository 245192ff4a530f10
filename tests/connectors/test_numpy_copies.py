import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb.connectors import maybe_of_numpy, unshared

DAYS = pd.to_datetime(["2024-05-06", "2024-05-07"])


@pytest.mark.parametrize("of", [sb.Stream.from_pandas, sb.Stream.from_arrow])
def test_a_change_of_the_frame_does_not_change_the_stream(of):
    changes = {
        "int": ([1, 2], 9),
        "float": ([1.5, np.nan], 9.5),
        "text": (["a", "b"], "z"),
        "bool": ([True, True], False),
        "category": (pd.Categorical(["a", "b"]), "b"),
        "time": (pd.to_datetime(["2024-05-06", "2024-05-07"]), pd.Timestamp("2030-01-01")),
        "zoned": (
            pd.to_datetime(["2024-05-06", "2024-05-07"]).tz_localize("UTC"),
            pd.Timestamp("2030-01-01", tz="UTC"),
        ),
        "nullable": (pd.array([1, None], "Int64"), 9),
        "arrow": (pd.array([1, 2], "int64[pyarrow]"), 9),
    }
    frame = pd.DataFrame({name: values for name, (values, _) in changes.items()})
    stream = of(frame)
    before = stream.to_rows()
    for name, (_, value) in changes.items():
        frame.loc[0, name] = value
    assert stream.to_rows() == before
    assert stream.schema.names == list(changes)


def test_arrays_that_arrow_took_over_from_numpy_are_copied_and_no_others():
    ours = np.arange(3)
    table = pa.table({"n": ours, "s": ["a", "b", "c"], "own": pa.array([1, None, 3])})
    assert maybe_of_numpy(table) == {"n"}
    stream = sb.Stream.from_arrow(table)
    ours[0] = 7
    assert stream.to_arrow()["n"].to_pylist() == [0, 1, 2]


def test_only_named_columns_are_copied():
    table = pa.table({"a": [1], "b": [2]})
    copied = unshared(table, ["b"])
    address = [[one.column(name).chunk(0).buffers()[1].address for name in "ab"] for one in (table, copied)]
    assert address[0][0] == address[1][0]
    assert address[0][1] != address[1][1]
    assert copied.equals(table)


ROWS = 100_000
NUMBERS = np.arange(ROWS, dtype=np.int32)
PARENTS = {
    "numbers": pa.array(NUMBERS),
    "dictionary": pa.DictionaryArray.from_arrays(pa.array(np.zeros(ROWS, np.int32)), ["x"]),
    "list": pa.ListArray.from_arrays(pa.array(NUMBERS), pa.array(NUMBERS[:-1].copy())),
    "struct": pa.StructArray.from_arrays([pa.array(NUMBERS)], ["x"]),
    "map": pa.MapArray.from_arrays(pa.array(NUMBERS), pa.array(NUMBERS[:-1].copy()), pa.array(["a"] * (ROWS - 1))),
}


@pytest.mark.parametrize("kind", PARENTS)
def test_of_a_slice_only_its_rows_are_copied(kind: str):
    part = pa.table({"x": PARENTS[kind].slice(50_000, 10)})
    assert maybe_of_numpy(part) == {"x"}
    stream = sb.Stream.from_arrow(part)
    assert stream.to_arrow()["x"].to_pylist() == part["x"].to_pylist()
    assert stream.flow.node.spec.table.data.get_total_buffer_size() < 1000


def test_a_slice_of_a_frame_is_copied_alone():
    stream = sb.Stream.from_pandas(pd.DataFrame({"x": NUMBERS, "c": pd.Categorical(NUMBERS % 3)}).iloc[70:80])
    assert stream.flow.node.spec.table.data.get_total_buffer_size() < 1000


def test_numbers_inside_lists_and_structs_are_copied_too():
    ours = np.arange(4)
    nested = {
        "list": pa.ListArray.from_arrays(pa.array([0, 2, 4], pa.int32()), pa.array(ours)),
        "struct": pa.StructArray.from_arrays([pa.array(ours)], ["x"]).slice(0, 2),
    }
    stream = sb.Stream.from_arrow(pa.table(nested))
    before = stream.to_rows()
    ours[:] = 9
    assert stream.to_rows() == before
