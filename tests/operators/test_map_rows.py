"""map_rows: what functions may give, and what is said of what they may not."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from sabotnb.blobs import capture
from sabotnb.errors import UserFunctionError
from sabotnb.graph import MapRows, OnError
from sabotnb.operators.map_rows import PIECE_ROWS
from sabotnb.testing import Harness

INPUT = pa.schema([("x", pa.int64()), ("s", pa.dictionary(pa.int32(), pa.string()))])
OUTPUT = pa.schema([("y", pa.float64()), ("s", pa.string())])
ROWS = [{"x": 4, "s": "a"}, {"x": 0, "s": None}, {"x": None, "s": "b"}]
HALVES = [{"y": 2.0, "s": "a"}, {"y": 0.0, "s": None}, {"y": None, "s": "b"}]


def rows(fn: Callable[..., Any], **options: Any) -> Harness:
    return Harness(MapRows(capture(fn, "map_rows"), OUTPUT, **options), INPUT)


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (lambda row: {"y": row["x"] and row["x"] / 2, "s": row["s"]}, HALVES),
        (lambda row: {"s": row["s"]} if row["s"] else None, [{"y": None, "s": "a"}, {"y": None, "s": "b"}]),
        (lambda row: [{"y": row["x"]}] * (row["x"] or 0), [{"y": 4.0, "s": None}] * 4),
        (
            lambda row: ({"y": number} for number in range(2) if row["s"] == "a"),
            [{"y": 0.0, "s": None}, {"y": 1.0, "s": None}],
        ),
    ],
)
def test_map_rows(fn, expected: list[dict[str, object]]):
    with rows(fn) as harness:
        assert harness.push(ROWS).end().rows == expected


def test_rows_come_in_small_pieces():
    with rows(lambda row: [row and {"y": 1.0}] * 3) as harness:
        sizes = [batch.num_rows for batch in harness.push([{"x": 1}] * (PIECE_ROWS + 1)).batches]
    assert sizes == [PIECE_ROWS, PIECE_ROWS, PIECE_ROWS, 3]


@pytest.mark.parametrize(
    ("fn", "message", "sample"),
    [
        (lambda row: {"y": 1 / row["x"]}, "raised ZeroDivisionError: division by zero", "x  s\n0  null"),
        (lambda row: {"y": row["s"]}, "gave 'y' = 'a' (str), declared is double; correct it, or declare", "x  s\n4  a"),
        (lambda row: row["x"], "gave 4 (int); it must give a dict, None, or an iterable of dicts", "x  s\n4  a"),
        (lambda row: [row["x"]], "gave 4 (int); it must give a dict", "x  s\n4  a"),
        (lambda row: "text", "gave 'text' (str); it must give a dict", "x  s\n4  a"),
        (lambda row: {"z": 1}, "gave a row with 'z', declared are y, s; correct it, or declare", "x  s\n4  a"),
    ],
)
def test_a_wrong_result_of_a_row_shows_the_row(fn, message: str, sample: str):
    with rows(fn) as harness, pytest.raises(UserFunctionError) as raised:
        harness.push(ROWS)
    assert message in str(raised.value)
    assert raised.value.sample == sample


def test_rows_that_fail_go_to_the_side_one_by_one():
    def reciprocal(row: dict[str, Any]) -> dict[str, Any]:
        return {"y": 1 / row["x"], "s": row["s"]}

    with rows(reciprocal, on_error=OnError.SIDE) as harness:
        harness.push(ROWS)
        assert harness.rows == [{"y": 0.25, "s": "a"}]
        assert harness.side("errors") == [
            {"x": 0, "s": None, "error": "ZeroDivisionError: division by zero"},
            {"x": None, "s": "b", "error": "TypeError: unsupported operand type(s) for /: 'int' and 'NoneType'"},
        ]


def test_a_result_that_does_not_fit_goes_to_the_side_too():
    with rows(lambda row: {"y": row["s"]}, on_error=OnError.SIDE) as harness:
        harness.push(ROWS)
        assert harness.rows == [{"y": None, "s": None}]
        assert ["gave 'y' = 'a' (str)" in row["error"] for row in harness.side("errors")] == [True, False]
