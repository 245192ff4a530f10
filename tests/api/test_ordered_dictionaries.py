"""Ordered dictionaries (pandas' ordered categoricals): ordered as their categories are listed, never as text."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

import sabotnb as sb
from sabotnb import col
from sabotnb.errors import SabotnbError
from sabotnb.testing import Harness

SIZES = ["S", "M", "L", "XL"]
GIVEN = ["L", "S", "M", "XL", None, "S", "M"]
SORTED = ["S", "S", "M", "M", "L", "XL", None]
COUNTS = [("S", 2), ("M", 2), ("L", 1), ("XL", 1), (None, 1)]


def frame(values: list[str | None] = GIVEN, categories: list[str] = SIZES) -> pd.DataFrame:
    sizes = pd.Categorical(values, categories=categories, ordered=True)
    return pd.DataFrame({"size": sizes, "n": range(len(values)), "g": [at // 3 for at in range(len(values))]})


def stream(*args: Any) -> sb.Stream:
    return sb.Stream.from_pandas(frame(*args))


def sizes(of: sb.Stream) -> list[str | None]:
    return [row["size"] for row in of.to_rows()]


BACKWARDS = SIZES[::-1]


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        (lambda s: s.sort("size"), SORTED),
        (lambda s: s.sort("size", descending=True), [*SORTED[-2::-1], None]),
        (lambda s: s.top(2, by="size"), ["XL", "L"]),
        (lambda s: s.top(3, by="size", reverse=True), ["S", "S", "M"]),
        (lambda s: s.group_by("g").top(1, by="size").sort("g"), ["L", "XL", "M"]),
        (lambda s: s.distinct("size").sort("size"), ["S", "M", "L", "XL", None]),
        (lambda s: s.filter(col("size") < "L").sort("n"), ["S", "M", "S", "M"]),
        (lambda s: s.filter(col("size") >= "L").sort("n"), ["L", "XL"]),
        (lambda s: s.filter(sb.lit("M") > col("size")), ["S", "S"]),
        (lambda s: s.filter(col("size").is_between("M", "L")), ["L", "M", "M"]),
        (lambda s: s.filter(col("size").is_between("M", "L", closed="none")), []),
        (lambda s: s.filter((col("n") < 1) | (col("size") > "M")), ["L", "XL"]),
        (lambda s: s.with_columns(t=col("size")).filter(col("size") <= col("t")), [v for v in GIVEN if v]),
        (lambda s: s.filter(col("size") == "M"), ["M", "M"]),
        (lambda s: s.filter(col("size").is_in(["S", "no size"])), ["S", "S"]),
        (lambda s: s.filter(col("size").cast("string") < "M"), ["L"]),
        (lambda s: s.filter(col("size").is_null()).filter(col("size") < "S"), []),
        (lambda s: s.group_by("g").agg(size=col("size").max()).sort("size"), ["M", "L", "XL"]),
        (lambda s: s.group_by("g").agg(size=col("size").min()).sort("g"), ["S", "S", "M"]),
        (lambda s: s.group_by("g").agg(size=col("size").first(by="n")).sort("size", "g"), ["M", "L", "XL"]),
        (lambda s: s.union(stream(["S"], SIZES[:2])).sort("size"), ["S", *SORTED]),
        (lambda s: stream(["S"], SIZES[:2]).union(s).sort("size"), ["S", *SORTED]),
        (lambda s: s.map_batches(lambda batch: batch).sort("size"), [*sorted(SORTED[:-1]), None]),
    ],
)
def test_the_order_of_categories(verb: Callable[[sb.Stream], sb.Stream], expected: list[str | None]):
    assert sizes(verb(stream())) == expected


def test_aggregates_of_and_by_categories():
    (row,) = (
        stream()
        .agg(
            low=col("size").min(),
            high=col("size").max(),
            at_low=col("n").arg_min("size"),
            at_high=col("n").arg_max("size"),
            last=col("n").last(by="size"),
            best=col("size").top_k(2),
            all=col("size").collect_list(),
            different=col("size").n_unique(),
            known=col("size").count(),
        )
        .to_rows()
    )
    assert row == {
        "low": "S",
        "high": "XL",
        "at_low": 1,
        "at_high": 3,
        "last": 3,
        "best": ["XL", "L"],
        "all": GIVEN,
        "different": 4,
        "known": 6,
    }


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_keys_keep_all_categories(parts: int):
    table = pa.Table.from_pandas(frame(), preserve_index=False)
    streams = [sb.Stream.from_arrow(table.slice(at, -(-7 // parts))) for at in range(0, 7, -(-7 // parts))]
    both = sb.union(*streams)
    counted = both.group_by("size").agg(n=sb.count())
    assert [(row["size"], row["n"]) for row in counted.sort("size").to_rows()] == COUNTS
    summed = both.select("size", n=sb.lit(1)).group_by("size").reduce(lambda a, b: {"n": a["n"] + b["n"]})
    assert [(row["size"], row["n"]) for row in summed.sort("size").to_rows()] == COUNTS
    for chunk in counted.to_arrow()["size"].chunks:
        assert chunk.type.ordered
        assert chunk.dictionary.to_pylist() == SIZES


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        (lambda s: s.filter(col("size") < "XXL"), "'XXL' is not a category of 'size', which has S < M < L < XL"),
        (lambda s: s.filter(col("size").is_between("S", "s")), "'s' is not a category of 'size'"),
        (lambda s: s.filter(col("size") < 5), "int64 has no place in the order of categories; compare text"),
        (lambda s: s.filter(col("size") < col("size").cast("string")), "string has no place in the order"),
        (
            lambda s: s.with_columns(size=col("size").clip("S", "XS")),
            "'XS' is not a category of 'size', which has S < M",
        ),
        (
            lambda s: s.select(size=col("size").fill_null("?")),
            r"Use one of them, or text: col\('size'\).cast\('string'\)",
        ),
        (
            lambda s: s.select(size=sb.when(col("n") > 1).then(col("size")).otherwise("s")),
            "'s' is not a category of 'size'",
        ),
        (lambda s: s.select(size=sb.coalesce(col("size"), col("n"))), "int64 has no place in the order of categories"),
        (lambda s: s.select(size=col("size").fill_null(5)), "int64 has no place in the order of categories"),
        (lambda s: s.select(size=sb.when(col("n")).then(col("size")).otherwise("S")), "when needs a boolean"),
        (
            lambda s: s.map_batches(typed, schema={"size": ORDERED}).select(size=col("size").fill_null("S")),
            "the categories of 'size' are not known before the job runs, so 'S' may be none",
        ),
        (
            lambda s: s.join(stream(["L"], BACKWARDS).select("g", t="size"), on="g").select(
                x=sb.coalesce(col("size"), col("t"))
            ),
            "'size' and 't' meet two orders of categories: S < M < L < XL, and XL < L < M < S. Give both the same",
        ),
        (lambda s: s.join(stream(["L"], BACKWARDS), on="size", how="full"), "'size' meets two orders of categories"),
        (lambda s: s.union(stream(["L"], BACKWARDS)), "'size' meets two orders of categories: .* < .*cast"),
        (lambda s: s.union(s.with_columns(size=col("size").cast("string"))), "ordered=1"),
        (
            lambda s: s.join(stream(["L"], BACKWARDS).select("g", t="size"), on="g").filter(col("size") < col("t")),
            "two orders of categories: S < M < L < XL, and XL < L < M < S",
        ),
        (lambda s: s.with_columns(t=col("n").cast("string").cast(ORDERED)), "a cast does not tell the order"),
        (lambda s: s.agg(x=col("size").quantile(0.5)), "quantile takes numbers"),
        (
            lambda s: s.map_rows(lambda row: row, schema={"size": ORDERED, "n": int, "g": int}),
            "the order of its categories",
        ),
        (lambda s: s.map_batches(lambda batch: batch, schema={"size": ORDERED, "n": int, "g": int}), "tell the order"),
        (lambda _: stream(["a"], ["a", "b"]).union(stream(["c"], ["c"])).sort("size"), "a < b"),
    ],
)
def test_an_order_that_nothing_tells_is_refused(verb: Callable[[sb.Stream], sb.Stream], message: str):
    with pytest.raises(SabotnbError, match=message):
        verb(stream()).to_rows()


ORDERED = pa.dictionary(pa.int32(), pa.string(), ordered=True)


def typed(batch: pa.RecordBatch) -> pa.RecordBatch:
    codes = pa.array([SIZES.index(value) if value else None for value in batch["size"].to_pylist()], pa.int32())
    return pa.record_batch({"size": pa.DictionaryArray.from_arrays(codes, SIZES, ordered=True)})


BIG = sb.when(col("n") > 4).then("XL")
LAZY = 100 // (col("n") - 3) > 20  # not defined in row 3


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (col("size").fill_null("M"), ["L", "S", "M", "XL", "M", "S", "M"]),
        (col("size").fill_null(None), GIVEN),
        (col("size").clip("M", "L"), ["L", "M", "M", "L", None, "M", "M"]),
        (col("size").clip("M"), ["L", "M", "M", "XL", None, "M", "M"]),
        (col("size").clip(upper=col("t")), ["L", "S", "M", "L", None, "S", "M"]),
        (sb.coalesce(col("size"), col("t")), ["L", "S", "M", "XL", "L", "S", "M"]),
        (sb.coalesce(None, col("size"), sb.lit("S")), ["L", "S", "M", "XL", "S", "S", "M"]),
        (BIG.otherwise(col("size")), ["L", "S", "M", "XL", None, "XL", "XL"]),
        (BIG.when(col("n") < 2).then(col("size")).otherwise(None), ["L", "S", None, None, None, "XL", "XL"]),
        (sb.when(col("size") < "L").then(col("size")).otherwise("L"), ["L", "S", "M", "L", "L", "S", "M"]),
        (
            sb.when(col("n") == 3).then("S").when(LAZY).then(col("t")).otherwise(col("size")),
            ["L", "S", "M", "S", "L", "L", "L"],
        ),
    ],
)
def test_a_choice_of_ordered_values_keeps_the_order(expr: Any, expected: list[str | None]):
    given = stream().join(stream(["L"] * 7, SIZES[:3]).select("n", t="size"), on="n").sort("n")
    chosen = given.select("n", size=expr)
    assert sizes(chosen) == expected
    assert chosen.schema.field("size").type.ordered
    for chunk in chosen.to_arrow()["size"].chunks:
        assert chunk.type.ordered
        assert chunk.dictionary.to_pylist() == SIZES
    in_order = sorted(filter(None, expected), key=SIZES.index)
    assert sizes(chosen.sort("size")) == in_order + [None] * (len(expected) - len(in_order))
    above = [value for value in expected if value and SIZES.index(value) > 1]
    assert sizes(chosen.filter(col("size") > "M").sort("n")) == above


def test_a_choice_of_columns_whose_order_is_not_known_before():
    made = stream().map_batches(typed, schema={"size": ORDERED}).select(size=sb.coalesce(col("size"), col("size")))
    assert sizes(made.sort("size")) == SORTED


def test_pandas_parquet_files_with_statistics_of_text(tmp_path):
    frame().to_parquet(tmp_path / "a.parquet")
    frame(["M", "XL"]).to_parquet(tmp_path / "b.parquet")
    read = sb.Stream.from_parquet(tmp_path)
    assert read.schema.field("size").type.ordered
    assert sizes(read.sort("size")) == ["S", "S", "M", "M", "M", "L", "XL", "XL", None]
    assert sorted(sizes(read.filter(col("size") > "M"))) == ["L", "XL", "XL"]
    assert sorted(sizes(read.filter(col("size").is_between("S", "M")))) == ["M", "M", "M", "S", "S"]


@pytest.mark.parametrize("kind", ["parquet", "ipc"])
def test_files_keep_the_order(tmp_path, kind: str):
    both = stream(["S"], SIZES[:2]).union(stream())
    with sb.local(processes=False):
        getattr(both, f"sink_{kind}")(tmp_path / "all").run().wait()
        getattr(both, f"sink_{kind}")(tmp_path / "parts", partition_by="g").run().wait()
        getattr(both, f"sink_{kind}")(tmp_path / "names", partition_by="size").run().wait()
        ranged = both.range_partition("size").to_arrow()
    assert sorted(filter(None, ranged["size"].to_pylist())) == sorted(["S", *SORTED[:-1]])
    for folder in ("all", "parts"):
        read = getattr(sb.Stream, f"from_{kind}")(tmp_path / folder)
        assert sizes(read.sort("size")) == ["S", *SORTED]


def test_a_parquet_column_without_a_dictionary_has_no_order(tmp_path):
    frame().to_parquet(tmp_path / "a.parquet", use_dictionary=False)
    with pytest.raises(SabotnbError, match="no dictionary of the ordered column 'size', so nothing tells its order"):
        sb.Stream.from_parquet(tmp_path).sort("size").to_rows()
    read = sb.Stream.from_parquet(tmp_path, schema={"size": "string"})
    assert sizes(read.sort("size")) == ["L", "M", "M", "S", "S", "XL", None]


def test_enums_of_polars(tmp_path):
    given = pl.DataFrame({"size": pl.Series(GIVEN, dtype=pl.Enum(SIZES)), "n": range(len(GIVEN))})
    given.write_parquet(tmp_path / "a.parquet")
    for read in (sb.Stream.from_arrow(given), sb.Stream.from_parquet(tmp_path)):
        assert sizes(read.sort("size")) == SORTED
        assert sizes(read.filter(col("size") > "M").sort("n")) == ["L", "XL"]


def short(values: list[str], known: list[str]) -> pa.Table:
    codes = pa.array([known.index(value) for value in values], pa.int8())
    return pa.table({"size": pa.DictionaryArray.from_arrays(codes, pa.array(known), ordered=True)})


SHORT = short(["S", "S"], ["S"])
LONG = short(["S", "L"], ["S", "M", "L"])
LATER = [
    (col("size") > "M", ["L"]),
    (col("size") < "M", ["S", "S", "S"]),
    (sb.lit("M") <= col("size"), ["L"]),
    (col("size").is_between("M", "L"), ["L"]),
    (col("size").is_between("S", "M"), ["S", "S", "S"]),
    (~(col("size") > "M"), ["S", "S", "S"]),
    (sb.when(col("size") > "M").then(1).otherwise(0) == 1, ["L"]),
]


def in_memory(tables: list[pa.Table], _: Any) -> sb.Stream:
    return sb.union(*map(sb.Stream.from_arrow, tables))


def in_chunks(tables: list[pa.Table], _: Any) -> sb.Stream:
    return sb.Stream.from_arrow(pa.concat_tables(tables))


def in_parquet(tables: list[pa.Table], folder: Any) -> sb.Stream:
    for number, table in enumerate(tables):
        pq.write_table(table, folder / f"{number}.parquet")
    return sb.Stream.from_parquet(folder)


def in_ipc(tables: list[pa.Table], folder: Any) -> sb.Stream:
    for number, table in enumerate(tables):
        feather.write_feather(table, folder / f"{number}.arrow")
    return sb.Stream.from_ipc(folder)


@pytest.mark.parametrize("given", [in_memory, in_chunks, in_parquet, in_ipc])
@pytest.mark.parametrize("tables", [[SHORT, LONG], [LONG, SHORT], [SHORT, SHORT, LONG]], ids=["01", "10", "001"])
def test_a_constant_may_be_a_category_of_another_batch(tmp_path, given: Any, tables: list[pa.Table]):
    read = given(tables, tmp_path)
    for predicate, expected in LATER:
        extra = ["S", "S"] * (len(tables) - 2) if "S" in expected else []
        assert sorted(sizes(read.filter(predicate))) == [*expected[:1], *sorted(extra + expected[1:])]
        flags = read.with_columns(f=predicate).to_rows()
        assert sorted(row["size"] for row in flags if row["f"]) == [*expected[:1], *sorted(extra + expected[1:])]


@pytest.mark.parametrize("given", [in_memory, in_chunks, in_parquet, in_ipc])
def test_a_constant_that_no_batch_lists_is_refused_at_the_end(tmp_path, given: Any):
    read = given([SHORT, LONG], tmp_path)
    for predicate in (col("size") < "XXL", col("size").is_between("S", "XXL"), sb.lit("XXL") > col("size")):
        for verb in (read.filter, lambda predicate: read.select(f=predicate)):
            with pytest.raises(SabotnbError, match="'XXL' is not a category of 'size', which has S < M < L"):
                verb(predicate).to_rows()


def test_every_slice_of_a_table_tells_the_whole_order():
    read = in_chunks([SHORT, LONG], None)
    assert {tuple(chunk.dictionary.to_pylist()) for chunk in read.to_arrow()["size"].chunks} == {("S", "M", "L")}
    backwards = in_chunks([LONG, short(["L"], ["L", "S"])], None)
    assert sorted(sizes(backwards)) == ["L", "L", "S"]
    with pytest.raises(SabotnbError, match="two orders of categories"):
        backwards.filter(col("size") > "M").to_rows()


def test_range_partitions_of_dictionaries_of_several_lengths():
    low, high = short(["S"] * 1000, ["S"]), short(["L"] * 3000, ["S", "M", "L"])
    both = sb.union(sb.Stream.from_arrow(low), sb.Stream.from_arrow(high)).range_partition("size")
    with sb.local(processes=False):
        assert sorted(both.to_arrow()["size"].to_pylist()) == ["L"] * 3000 + ["S"] * 1000


@pytest.mark.parametrize("tables", [[SHORT, LONG], [LONG, SHORT]], ids=["01", "10"])
def test_a_task_knows_categories_that_only_other_tasks_read(tables: list[pa.Table]):
    both = in_memory(tables, None)
    with Harness.of(both.filter(col("size") > "M")) as task:
        assert task.push(SHORT.to_batches()[0]).end().rows == []
    with Harness.of(both.filter(col("size") < "L")) as task:
        assert task.push(SHORT.to_batches()[0]).end().rows == [{"size": "S"}] * 2
    with Harness.of(both.select(size=col("size").clip("M"))) as task:
        assert task.push(SHORT.to_batches()[0]).end().rows == [{"size": "M"}] * 2
    with (
        Harness.of(both.filter(col("size") > "XXL")) as task,
        pytest.raises(SabotnbError, match="'XXL' is not a category"),
    ):
        task.push(SHORT.to_batches()[0]).end()


@pytest.mark.parametrize("given", [in_chunks, in_parquet, in_ipc])
@pytest.mark.parametrize(
    "verb",
    [
        lambda s: s.filter(col("size") > "M"),
        lambda s: s.select(size=col("size").fill_null("S")),
        lambda s: s.sort("size"),
        lambda s: s.top(1, by="size"),
        lambda s: s.agg(low=col("size").min()),
        lambda s: s.agg(n=col("size").first(by="size")),
        lambda s: s.group_by("size").agg(n=sb.count()),
        lambda s: s.union(s),
    ],
)
def test_two_orders_in_one_source_are_refused_when_the_plan_is_written(tmp_path, given: Any, verb: Any):
    read = given([LONG, short(["L"], ["L", "S"])], tmp_path)
    with pytest.raises(SabotnbError, match="'size' meets two orders of categories: S < M < L, and L < S"):
        verb(read)


def test_orders_of_a_plan_are_not_in_schemas_of_rows(tmp_path):
    read = in_parquet([SHORT, LONG], tmp_path)
    chosen = read.select("size", t=col("size").fill_null("S"))
    grouped = read.group_by("size").agg(low=col("size").min())
    for made in (read, chosen, grouped, sb.union(read, read), chosen.sort("t"), chosen.map_batches(lambda rows: rows)):
        schemas = [made.schema, made.to_arrow().schema, made.head().to_arrow().schema, *(it.schema for it in made)]
        assert [field.metadata for schema in schemas for field in schema] == [None] * len(made.schema) * len(schemas)
    with sb.local(processes=False):
        chosen.sink_ipc(tmp_path / "out").run().wait()
    for file in (tmp_path / "out").glob("*.arrow"):
        assert [field.metadata for field in feather.read_table(file).schema] == [None, None]


def test_windows_keep_the_order_and_plan_it():
    table = pa.Table.from_pandas(frame(), preserve_index=False)
    times = pa.array(range(0, 7_000_000, 1_000_000), pa.timestamp("us"))
    read = sb.Stream.from_arrow(table.append_column("t", times), event_time="t")
    largest = read.window(sb.tumbling("4s")).agg(size=col("size").max())
    (batch, *_) = largest
    assert [field.metadata for field in batch.schema] == [None] * 3
    assert sizes(largest.select(size=col("size").clip("M", "L")).sort("size")) == ["M", "L"]


CODES = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], pa.int8()), pa.array(["z", "a"]), ordered=True)
LISTS = pa.ListArray.from_arrays([0, 2, 2, 3], CODES)
NESTED = {
    "list": (LISTS, [["a", "z"], [], ["a"]]),
    "struct": (pa.StructArray.from_arrays([CODES], ["x"]), [{"x": "a"}, {"x": "z"}, {"x": "a"}]),
    "deep": (pa.StructArray.from_arrays([LISTS], ["x"]), [{"x": ["a", "z"]}, {"x": []}, {"x": ["a"]}]),
}


@pytest.mark.parametrize("kind", ["parquet", "ipc"])
@pytest.mark.parametrize(("column", "rows"), NESTED.values(), ids=NESTED)
def test_files_refuse_an_order_inside_other_types(tmp_path, kind: str, column: pa.Array, rows: list[Any]):
    given = sb.Stream.from_arrow(pa.table({"v": column}))
    with pytest.raises(SabotnbError, match=r"files would lose the order of its categories\. Write text: ") as refused:
        getattr(given, f"sink_{kind}")(tmp_path / "out")
    advice = str(refused.value).partition("Write text: ")[2]
    plain = eval("given" + advice, {"given": given, "col": col, "pa": pa})
    with sb.local(processes=False):
        getattr(plain, f"sink_{kind}")(tmp_path / "out").run().wait()
    assert [row["v"] for row in getattr(sb.Stream, f"from_{kind}")(tmp_path / "out").to_rows()] == rows


def test_lists_of_collected_categories_keep_their_order_but_not_in_files(tmp_path):
    made = stream().agg(best=col("size").top_k(2))
    assert sizes(made.select(size=col("best").list.get(0))) == ["XL"]
    with pytest.raises(SabotnbError, match="lose the order"):
        made.sink_parquet(tmp_path)
