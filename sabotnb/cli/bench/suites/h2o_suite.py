"""The group-by and join questions of h2oai's db-benchmark, over data drawn as its R scripts define them.

G1: 100 groups (``K``), no nulls, not sorted (``G1_1e7_1e2_0_0`` at ten million rows). J1: the large left table and
three right tables of a millionth, a thousandth and the whole of its rows; nine tenths of the keys of each meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sabotnb.cli.bench.compare.ordinary_files import rows_per_file, write_table
from sabotnb.cli.bench.compare.suite import FileKind, QueryCase, Suite

FILES = 40
GROUPS = 100
LEAST_ROWS = 10
"""Of a right table: what the millionth part of ten million rows has."""

Keys = npt.NDArray[np.int32]


def _write(folder: Path, size: float, kind: FileKind) -> None:
    rows = int(size)
    write_table(folder / "groups", _group_tables(rows), kind)
    for name, table in _join_tables(rows).items():
        write_table(folder / name, table, kind)


def _spans(rows: int) -> Iterator[tuple[int, int]]:
    step = rows_per_file(rows, FILES)
    return ((start, min(start + step, rows)) for start in range(0, rows, step))


def _group_tables(rows: int) -> Iterator[pa.Table]:
    small, large = GROUPS, max(rows // GROUPS, 1)
    for start, stop in _spans(rows):
        random, count = np.random.default_rng([1, start]), stop - start
        ids = [random.integers(1, limit + 1, count, dtype=np.int32) for limit in (small, small, large) * 2]
        yield pa.table(
            {
                "id1": _texts("id%03d", ids[0]),
                "id2": _texts("id%03d", ids[1]),
                "id3": _texts("id%010d", ids[2]),
                "id4": ids[3],
                "id5": ids[4],
                "id6": ids[5],
                "v1": random.integers(1, 6, count, dtype=np.int32),
                "v2": random.integers(1, 16, count, dtype=np.int32),
                "v3": random.uniform(0, 100, count).round(6),
            }
        )


def _join_tables(rows: int) -> dict[str, Iterator[pa.Table]]:
    random = np.random.default_rng(2)
    sizes = [max(rows // 1_000_000, LEAST_ROWS), max(rows // 1000, LEAST_ROWS), rows]
    left, right = zip(*(_split_keys(size, random) for size in sizes), strict=True)
    tables = {"x": _keyed_tables([_all_of(keys, rows, random) for keys in left], "v1", rows, 3)}
    for number, (name, size) in enumerate(zip(("small", "medium", "big"), sizes, strict=True)):
        drawn = [_all_of(keys, size, random) for keys in right[: number + 1]]
        tables[name] = _keyed_tables(drawn, "v2", size, 4 + number)
    return tables


def _split_keys(size: int, random: np.random.Generator) -> tuple[Keys, Keys]:
    """Keys of the left and of the right table: nine tenths of ``size`` in both, one tenth in each alone."""
    keys = random.permutation(size + size // 10).astype(np.int32) + 1
    common = size - size // 10
    return keys[:size], np.concatenate([keys[:common], keys[size:]])


def _all_of(keys: Keys, rows: int, random: np.random.Generator) -> Keys:
    """``rows`` keys in random order: every key (as far as there is room), then further draws."""
    if len(keys) > rows:
        return random.permutation(keys)[:rows]
    return random.permutation(np.concatenate([keys, random.choice(keys, rows - len(keys))]))


def _keyed_tables(keys: list[Keys], value: str, rows: int, seed: int) -> Iterator[pa.Table]:
    """Columns id1 and so on of numbers, id4 and so on of the same as text, and a value."""
    for start, stop in _spans(rows):
        random = np.random.default_rng([seed, start])
        columns = {f"id{number}": drawn[start:stop] for number, drawn in enumerate(keys, 1)}
        columns |= {f"id{number}": _texts("id%d", drawn[start:stop]) for number, drawn in enumerate(keys, 4)}
        yield pa.table(columns | {value: random.uniform(0, 100, stop - start).round(6)})


def _texts(form: str, numbers: Keys) -> pa.DictionaryArray:
    distinct, codes = np.unique(numbers, return_inverse=True)
    return pa.DictionaryArray.from_arrays(codes.astype(np.int32), [form % number for number in distinct.tolist()])


SUITE = Suite(
    name="h2o",
    cases=(
        QueryCase("g1", "sum v1 by id1", ("groups",)),
        QueryCase("g2", "sum v1 by id1, id2", ("groups",)),
        QueryCase("g3", "sum v1, mean v3 by id3", ("groups",)),
        QueryCase("g4", "mean v1, v2, v3 by id4", ("groups",)),
        QueryCase("g5", "sum v1, v2, v3 by id6", ("groups",)),
        QueryCase("g6", "median, sd v3 by id4, id5", ("groups",)),
        QueryCase("g7", "max v1 - min v2 by id3", ("groups",)),
        QueryCase("g8", "largest two v3 by id6", ("groups",)),
        QueryCase("g9", "regression v1, v2 by id2, id4", ("groups",)),
        QueryCase("g10", "sum v3, count by id1 to id6", ("groups",), weight=4),
        QueryCase("j1", "small inner on id1", ("x", "small"), weight=4),
        QueryCase("j2", "medium inner on id2", ("x", "medium"), weight=4),
        QueryCase("j3", "medium left on id2", ("x", "medium"), weight=4),
        QueryCase("j4", "medium inner on id5 (text)", ("x", "medium"), weight=4),
        QueryCase("j5", "big inner on id3", ("x", "big"), weight=6),
    ),
    queries={
        "sabotnb": "sabotnb.cli.bench.suites.h2o_streams",
        "polars": "sabotnb.cli.bench.suites.h2o_polars",
        "duckdb": "sabotnb.cli.bench.suites.h2o_sql",
    },
    write=_write,
    size=10_000_000,
    unit="rows",
    kind="polars-zstd",
    version=1,
)
