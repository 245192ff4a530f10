"""Tables of arguments that other libraries have, by the sabotnb method to which users pass them."""

from __future__ import annotations

from collections.abc import Mapping

_DESCENDING = ".sort('x', descending=True)"
_NULLS = ".sort('x'): nulls come last, always"

KEYWORDS: Mapping[str, Mapping[str, str]] = {
    "sort": {
        **dict.fromkeys(("ascending", "desc", "reverse", "asc", "order"), _DESCENDING),
        **dict.fromkeys(("by", "key", "columns", "on", "subset"), ".sort({value})"),
        **dict.fromkeys(("nulls_last", "na_position", "nulls_first"), _NULLS),
    },
    "join": {
        **dict.fromkeys(("by", "using", "key", "keys"), ".join(other, on={value})"),
        **dict.fromkeys(("suffixes", "rsuffix", "lsuffix"), ".join(other, on='s', suffix='_other')"),
        "type": ".join(other, on='s', how={value})",
        "broadcast": ".join(other, on='s', strategy='broadcast')",
    },
    "asof_join": {
        "by": ".asof_join(other, on={value})",
        **{f"{side}_by": f".asof_join(other, {side}_on={{value}})" for side in ("left", "right")},
        "strategy": ".asof_join(other, on='s', direction={value})",
    },
    "interval_join": dict.fromkeys(
        ("lower", "upper", "low", "high", "lower_bound", "upper_bound", "within", "window"),
        ".interval_join(other, on='s', between=('-5m', '5m'))",
    ),
    "tumbling": {
        **dict.fromkeys(("every", "slide", "step", "hop"), "sb.sliding({longer}, every={shorter})"),
        **dict.fromkeys(("period", "length", "duration"), "sb.tumbling({value})"),
    },
    "sliding": {
        **dict.fromkeys(("slide", "step", "hop", "period"), "sb.sliding({longer}, every={shorter})"),
        **dict.fromkeys(("length", "duration"), "sb.sliding({longer}, every={shorter})"),
    },
    "session": dict.fromkeys(("timeout", "size", "every"), "sb.session({value})"),
    "distinct": dict.fromkeys(("subset", "on", "columns"), ".distinct({value})"),
    "drop": dict.fromkeys(("columns", "labels"), ".drop({value})"),
    "top": {
        **dict.fromkeys(("ascending", "descending", "desc"), ".top(5, by='x', reverse=True)"),
        **dict.fromkeys(("k", "limit"), ".top({value}, by='x')"),
        **dict.fromkeys(("on", "key", "columns"), ".top(5, by={value})"),
    },
    "head": dict.fromkeys(("limit", "rows", "k"), ".head({value})"),
    "map_rows": {
        **dict.fromkeys(("returns", "return_dtype", "returnType", "meta"), ".map_rows(fn, schema={'x': 'int64'})"),
        "axis": ".map_rows(fn)",
    },
    "map_batches": dict.fromkeys(
        ("returns", "return_dtype", "returnType", "meta"), ".map_batches(fn, schema={'x': 'int64'})"
    ),
    "fill_null": dict.fromkeys(("strategy", "method", "limit"), "col('x').fill_null(0)"),
    "round": dict.fromkeys(("digits", "ndigits", "places"), "col('x').round({value})"),
    "cast": dict.fromkeys(("dtype", "type"), "col('x').cast({value})"),
    "is_between": dict.fromkeys(("inclusive", "low", "high"), "col('x').is_between(1, 2, closed='left')"),
    "quantile": dict.fromkeys(("interpolation", "quantile"), "col('x').quantile(0.5)"),
    "contains": dict.fromkeys(("regex", "case", "na", "strict"), "col('s').str.contains('ab', literal=True)"),
    "replace": dict.fromkeys(("regex", "n", "case"), "col('s').str.replace('a', 'b', literal=True)"),
    "replace_all": dict.fromkeys(("regex", "n", "case"), "col('s').str.replace_all('a', 'b', literal=True)"),
    "local": {
        **dict.fromkeys(("n_workers", "n", "parallelism"), "sb.local(workers={value})"),
        **dict.fromkeys(("threads_per_worker", "nthreads", "threads", "slot"), "sb.local(slots={value})"),
    },
    "run": {
        **dict.fromkeys(("workers", "tasks", "n_workers"), ".run(parallelism={value})"),
        **dict.fromkeys(("wait", "timeout", "block"), ".run().wait(timeout='60s')"),
        "job_name": ".run({value})",
    },
    "named": {
        **dict.fromkeys(("workers", "tasks", "n_tasks"), ".named('name', parallelism={value})"),
        "resources": ".named('name', tags='gpu')",
    },
    "from_pandas": dict.fromkeys(("preserve_index", "npartitions"), "sb.Stream.from_pandas(frame.reset_index())"),
    **{
        f"sink_{kind}": {
            **dict.fromkeys(("overwrite", "append", "exist_ok"), f".sink_{kind}('out', mode='overwrite')"),
            **dict.fromkeys(("partition_cols", "partitionBy"), f".sink_{kind}('out', partition_by={{value}})"),
        }
        for kind in ("parquet", "csv", "json", "ipc")
    },
}
"""Code to write instead of a keyword, with names as in ``method_names``; ``{value}`` stands for the user's argument.

``{longer}`` and ``{shorter}`` stand for two durations: the user's argument and the first positional one of the call.
"""

SOURCES = ("from_parquet", "from_csv", "from_json", "from_ipc")
SOURCE_KEYWORDS: Mapping[str, str] = {
    **dict.fromkeys(("dtype", "dtypes", "schema_overrides", "types"), ", schema={'x': 'int64'})"),
    **dict.fromkeys(("columns", "usecols"), ").select('x')"),
    **dict.fromkeys(("n_rows", "nrows"), ").head(5)"),
    **dict.fromkeys(("parse_dates", "try_parse_dates"), ", schema={'t': 'timestamp[us]'})"),
}
"""Code to write after ``sb.Stream.from_csv('data.csv'`` instead of a keyword."""

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "separator": ("sep", "delimiter", "delim"),
    "has_header": ("header", "skip_header"),
    "null_values": ("na_values", "nulls", "null_value"),
    "encoding": ("charset",),
    "schema": ("names", "new_columns"),
}
"""Options of sources, each with the names that other libraries have for it."""

POSITIONAL: Mapping[str, str] = {
    "when": "sb.when(col('x') > 1).then(2).otherwise(3)",
    "then": "sb.when(col('x') > 1).then(2).otherwise(3)",
    "col": "stream.select('x', 'y')",
    "count": "col('x').count()",
    "sum": "(col('x') + col('y')).sum()",
    "is_in": "col('x').is_in([1, 2])",
    "fill_null": "col('x').fill_null(0)",
    "rename": ".rename({'x': 'z'})",
    "range_partition": ".range_partition('x')",
    "partition_by": ".partition_by(['s', 'x'])",
    "sink_live": ".sink_live(keep=1000)",
    "to_pandas": ".to_pandas()",
    "cast": "col('x').cast('int64')",
}
"""Code to write instead of a call with too many positional arguments, by method."""

MISSING: Mapping[str, str] = {
    "tumbling": "sb.tumbling('1h')",
    "sliding": "sb.sliding('1h', every='5m')",
    "session": "sb.session('30m')",
    "count_window": "sb.count_window(10)",
    "until": "sb.until('expires')",
    "interval_join": ".interval_join(other, on='s', between=('0s', '10m'))",
    "window": ".window(sb.tumbling('1h'))",
}
"""Code to write instead of a call without an argument that it needs, by method."""
