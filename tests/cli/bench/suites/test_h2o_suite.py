import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from sabotnb.cli.bench.compare.suite import FILE_KINDS
from sabotnb.cli.bench.suites.h2o_suite import SUITE

ROWS = 50_000


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("h2o")
    SUITE.write(folder, ROWS, FILE_KINDS["polars-zstd"])
    return {path.name: pq.read_table(path) for path in folder.iterdir()}


def test_groups_have_the_values_of_the_definition(tables):
    groups = tables["groups"]
    assert groups.num_rows == ROWS
    ranges = {
        name: tuple(pc.min_max(groups[name]).as_py().values()) for name in ("id1", "id3", "id4", "id6", "v1", "v2")
    }
    assert ranges == {
        "id1": ("id001", "id100"),
        "id3": ("id0000000001", "id0000000500"),
        "id4": (1, 100),
        "id6": (1, 500),
        "v1": (1, 5),
        "v2": (1, 15),
    }


def test_nine_tenths_of_the_keys_meet(tables):
    left, right = (set(tables[name]["id3"].to_pylist()) for name in ("x", "big"))
    assert len(left) == len(right) == ROWS
    assert len(left & right) == ROWS * 9 // 10
    small = tables["small"]["id1"].to_pylist()
    assert (len(small), len(set(small)), len(set(tables["x"]["id1"].to_pylist()) & set(small))) == (10, 10, 9)


def test_texts_are_the_same_keys(tables):
    assert {name: table.num_rows for name, table in tables.items() if name != "groups"} == {
        "x": ROWS,
        "small": 10,
        "medium": 50,
        "big": ROWS,
    }
    for number in (1, 2, 3):
        texts = [f"id{key}" for key in tables["x"][f"id{number}"].to_pylist()]
        assert tables["x"][f"id{number + 3}"].to_pylist() == texts
