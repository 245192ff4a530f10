"""What methods of other libraries are called here, for who types the name that the hand knows."""

from __future__ import annotations

_CALLED = {
    ".with_columns(name=...)": ("with_column", "withColumn", "assign", "mutate"),
    ".filter(...)": ("where", "query"),
    ".group_by(...)": ("groupby", "groupBy", "group"),
    ".partition_by(...)": ("keyBy", "keyed"),
    ".map_rows(fn) or .map_batches(fn)": ("apply", "flatMap", "map_partitions"),
    ".join(...)": ("merge", "join_asof", "merge_asof"),
    ".sort(...)": ("sort_values", "order_by", "orderBy", "sort_by"),
    ".distinct(...)": ("unique", "drop_duplicates", "dropDuplicates"),
    ".union(...)": ("concat", "vstack", "unionByName"),
    ".rebalance() or .partition_by(...)": ("repartition", "shuffle"),
    ".head(n)": ("limit", "take", "show", "first", "sample"),
    ".agg(n=sb.count())": ("count", "len", "size"),
    ".to_arrow(), .to_pandas() or .to_polars()": ("compute", "execute", "fetch"),
    ".schema": ("columns", "dtypes", "collect_schema", "printSchema"),
    ".sink_parquet(folder)": ("write_parquet", "to_parquet"),
    ".sink_csv(folder)": ("write_csv", "to_csv"),
    ".sink_json(folder)": ("write_json", "write_ndjson", "to_json"),
    ".sink_callback(fn)": ("foreach", "for_each", "foreachBatch", "sink"),
}
_HERE = {name: here for here, names in _CALLED.items() for name in names}


def here(name: str) -> str | None:
    """What to write on a stream for the method ``name`` of polars, pandas, Spark or Flink; None if none has it."""
    return _HERE.get(name)
