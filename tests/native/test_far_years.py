"""Calendar functions in all years that a type holds; NumPy counts years in 64 bits and is the oracle."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sabotnb as sb
from sabotnb import col
from sabotnb.errors import SabotnbError
from sabotnb.native import floor_months

KINDS = {"D": pa.date32(), "s": pa.timestamp("s"), "ms": pa.timestamp("ms"), "us": pa.timestamp("us")}
YEARS = st.integers(-290_000, 290_000)
DAYS = st.builds(lambda year, day: (year - 1970) * 146_097 // 400 + day, YEARS, st.integers(0, 365))


def fields(days: np.ndarray) -> dict[str, np.ndarray]:
    years, months = days.astype("datetime64[Y]"), days.astype("datetime64[M]")
    weekday = (days.astype(np.int64) + 3) % 7
    thursday = days - weekday + 3
    first = thursday.astype("datetime64[Y]").astype("datetime64[D]")
    return {
        "year": years.astype(np.int64) + 1970,
        "quarter": months.astype(np.int64) % 12 // 3 + 1,
        "month": months.astype(np.int64) % 12 + 1,
        "day": (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
        "day_of_year": (days - years.astype("datetime64[D]")).astype(np.int64) + 1,
        "weekday": weekday + 1,
        "week": (thursday - first).astype(np.int64) // 7 + 1,
    }


@settings(max_examples=50, deadline=None)
@given(st.lists(DAYS, min_size=1, max_size=5), st.sampled_from(list(KINDS)))
def test_fields_of_the_calendar(days: list[int], unit: str) -> None:
    moments = np.array(days).view("datetime64[D]")
    column = pa.array([*moments.astype(f"datetime64[{unit}]").astype(np.int64), None])
    column = column.cast(pa.int32()).view(KINDS[unit]) if unit == "D" else column.view(KINDS[unit])
    stream = sb.Stream.from_arrow(pa.table({"t": column}))
    found = stream.select(**{name: getattr(col("t").dt, name)() for name in fields(moments)}).to_arrow()
    for name, expected in fields(moments).items():
        assert found[name].to_pylist() == [*expected.tolist(), None], name


@settings(max_examples=50, deadline=None)
@given(st.lists(DAYS, min_size=1, max_size=5), st.sampled_from(list(KINDS)), st.sampled_from([1, 3, 7, 12]))
def test_months(days: list[int], unit: str, multiple: int) -> None:
    moments = np.array(days).view("datetime64[D]")
    numbers = pa.array([*moments.astype(f"datetime64[{unit}]").astype(np.int64), None])
    column = numbers.cast(pa.int32()).view(KINDS[unit]) if unit == "D" else numbers.view(KINDS[unit])
    months = moments.astype("datetime64[M]").astype(np.int64) // multiple * multiple
    expected = months.view("datetime64[M]").astype(f"datetime64[{unit}]").astype(np.int64).tolist()
    whole = pa.int32() if unit == "D" else pa.int64()
    assert floor_months(column, multiple).cast(whole).to_pylist() == [*expected, None]


FAR = {
    "32768-06-01": "32768-06-01",
    "40000-02-29": "40000-02-29",
    "-40000-02-29": "-40000-02-29",
    "2024-01-01": "2024-01-01",
    "-0044-03-15": "-0044-03-15",
}


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("s"), pa.timestamp("s", "UTC")])
def test_text_of_far_years(kind: pa.DataType) -> None:
    column = pa.array(np.array(list(FAR), "datetime64[s]")).cast(pa.timestamp("s")).cast(kind)
    made = sb.Stream.from_arrow(pa.table({"t": column})).select(t=col("t").cast("string")).to_arrow()["t"].to_pylist()
    assert [text[: len(day)] for text, day in zip(made, FAR.values(), strict=True)] == list(FAR.values())
    assert {text[len(day) :] for text, day in zip(made, FAR.values(), strict=True)} == {
        "" if pa.types.is_date(kind) else " 00:00:00" + ("Z" if kind.tz else "")
    }


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_formats_of_far_years_are_refused(zone: str | None) -> None:
    column = pa.array(np.array(["40000-02-29"], "datetime64[us]")).cast(pa.timestamp("us", zone))
    with pytest.raises(SabotnbError, match="a year beyond 30,000 cannot be written"):
        sb.Stream.from_arrow(pa.table({"t": column})).select(t=col("t").dt.strftime("%Y")).to_rows()


def test_years_on_the_clock_of_a_zone() -> None:
    column = pa.array(np.array(["40000-12-31T20:00:00", "2023-12-31T20:00:00"], "datetime64[us]"))
    stream = sb.Stream.from_arrow(pa.table({"t": column.cast(pa.timestamp("us", "Asia/Tokyo"))}))
    found = stream.select(y=col("t").dt.year(), m=col("t").dt.month(), f=col("t").dt.truncate("1y").dt.year())
    assert found.to_rows() == [{"y": 40001, "m": 1, "f": 40001}, {"y": 2024, "m": 1, "f": 2024}]


@pytest.mark.parametrize("value", ["40000-02-29", "-0044-03-15"])
def test_names_of_folders_refuse_years_that_are_not_read_back(tmp_path: Path, value: str) -> None:
    given = sb.Stream.from_arrow(pa.table({"t": pa.array(np.array([value], "datetime64[us]")), "n": [1]}))
    with sb.local(processes=False), pytest.raises(SabotnbError, match="which the name of a folder cannot hold"):
        given.sink_parquet(tmp_path, partition_by="t").run().wait()


def test_windows_of_months() -> None:
    column = pa.array(np.array(["40000-02-29", "40000-03-01", "40000-03-31"], "datetime64[us]"))
    stream = sb.Stream.from_arrow(pa.table({"t": column}), event_time="t").window(sb.tumbling("1mo"))
    found = stream.agg(n=sb.count()).to_arrow()
    starts = np.array(["40000-02-01", "40000-03-01"], "datetime64[us]").astype(np.int64)
    assert found["window_start"].cast(pa.int64()).to_pylist() == starts.tolist()
    assert found["n"].to_pylist() == [1, 2]
