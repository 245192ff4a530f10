"""Table of hints for methods of polars, pandas, Spark, Flink and SQL, by the class on which users look them up.

Code that begins with a dot follows the object on which the name was looked up. ``x`` and ``y`` stand for columns of
numbers, ``s`` for a column of text, ``t`` for one of times.
"""

from __future__ import annotations

from collections.abc import Mapping

from sabotnb.foreign.hints import Hint, aggregating
from sabotnb.foreign.window_names import BATCH_CONTEXT, LIST_STATE, MAP_STATE, ROW_CONTEXT, VALUE_STATE, WINDOWED

_STREAM = {
    Hint(".with_columns(z=col('x') + 1)"): ("with_column", "withColumn", "assign", "mutate", "eval"),
    Hint(".filter(col('x') > 1)"): ("where", "query", "loc", "iloc", "remove"),
    Hint(".group_by('s').agg(n=sb.count())"): ("groupby", "groupBy", "group", "value_counts", "partition"),
    Hint(".group_by('s').agg(n=sb.count())", "to give rows of a key to one task write .partition_by; to group them"): (
        "keyBy",
        "keyed",
    ),
    Hint("function(stream)", "a stream has no .pipe; call the function"): ("pipe",),
    Hint(".map_rows(lambda row: row)"): ("apply", "flatMap", "foreach_row", "iter_rows", "iterrows", "itertuples"),
    Hint(".map_batches(lambda batch: batch)"): ("map_partitions", "mapPartitions", "transform", "process"),
    Hint(".join(other, on='s')"): ("merge", "join_where", "crossJoin"),
    Hint(
        ".with_event_time('t').asof_join(stream.with_event_time('t'), on='s')",
        "both streams need event time",
    ): ("join_asof", "merge_asof", "asof"),
    Hint(".sort('x', descending=False)"): ("sort_values", "order_by", "orderBy", "sort_by"),
    Hint(".top(5, by='x')"): ("top_k", "nlargest"),
    Hint(".top(5, by='x', reverse=True)"): ("bottom_k", "nsmallest"),
    Hint(".distinct('s')"): ("unique", "drop_duplicates", "dropDuplicates", "n_unique", "nunique"),
    Hint(".union(other)"): ("concat", "vstack", "unionByName", "append", "extend", "unionAll", "merge_sorted"),
    Hint(".rebalance()"): ("repartition", "shuffle", "coalesce", "rechunk"),
    Hint(".head(5)", "a stream cannot be cut to its first rows yet; head shows them"): (
        "limit",
        "take",
        "slice",
        "tail",
        "first",
        "last",
        "fetch",
    ),
    Hint(".head(5)"): ("show", "sample", "print", "display", "glimpse"),
    Hint(".agg(n=sb.count())"): ("count", "len", "size", "height", "shape"),
    **aggregating(".agg(col('x').{})", "n_unique", "nunique"),
    Hint(".agg(total=col('x').sum(), most=col('x').max())"): ("aggregate", "describe"),
    Hint(".to_arrow()"): ("compute", "execute", "collect_async", "persist", "cache", "lazy"),
    Hint(".to_pandas()"): ("toPandas", "to_df", "df"),
    Hint(".to_polars()"): ("pl",),
    Hint(".to_rows()"): ("to_dicts", "to_list", "tolist", "to_dict", "to_pylist", "rows", "execute_and_collect"),
    Hint(".schema"): ("dtypes", "collect_schema", "printSchema", "info"),
    Hint(".schema.names"): ("columns", "width"),
    Hint(".select('s', 'x')"): ("get", "get_column", "reindex", "select_dtypes"),
    Hint(".drop('x')"): ("drop_columns", "dropColumns", "pop", "delete"),
    Hint(".rename({'x': 'z'})"): ("withColumnRenamed", "with_columns_renamed", "rename_columns", "set_axis"),
    Hint(".with_columns(x=col('x').fill_null(0))"): ("fill_null", "fillna", "fill_nan", "ffill", "bfill", "na"),
    Hint(".filter(col('x').is_not_null())"): ("drop_nulls", "dropna", "drop_nans", "isna", "isnull"),
    Hint(".with_columns(x=col('x').cast('double'))"): ("cast", "astype", "convert_dtypes"),
    Hint(".with_event_time('t').window(sb.tumbling('1h')).agg(n=sb.count())"): (
        "resample",
        "group_by_dynamic",
        "groupby_dynamic",
        "rolling",
        "rolling_by",
        "tumble",
        "time_window",
        "windowAll",
    ),
    Hint(".map_rows(lambda row: [{**row, 'x': part} for part in [row['x']]])", "explode is not there yet"): (
        "explode",
    ),
    Hint(".with_columns(col('r').struct.field('f'))", "unnest is not there yet; name the fields"): ("unnest",),
    Hint(
        ".map_rows(lambda row: [{'name': name, 'value': row[name]} for name in ['x', 'y']])",
        "unpivot is not there yet; a function can do it",
    ): ("unpivot", "melt", "stack"),
    Hint(
        ".group_by('s').agg(one=sb.when(col('y') == 1).then(col('x')).sum())",
        "pivot is not there yet; aggregate each value of the key",
    ): ("pivot", "pivot_table", "crosstab"),
    Hint(".to_pandas().T", "a stream cannot be transposed; its rows in pandas can"): ("T", "transpose"),
    Hint(
        ".join(stream.group_by('s').agg(col('x').sum().alias('total')), on='s')",
        "window functions are not there yet; join what is aggregated",
    ): ("over", "shift", "diff", "cum_sum", "cumsum"),
    Hint(".with_event_time('t')"): (
        "withWatermark",
        "assign_timestamps_and_watermarks",
        "assign_timestamps",
        "assignTimestampsAndWatermarks",
        "with_watermark",
    ),
    Hint(".sink_parquet('out')"): ("write_parquet", "to_parquet", "write", "writeStream", "save", "sink_delta"),
    Hint(".sink_csv('out')"): ("write_csv", "to_csv"),
    Hint(".sink_json('out')"): ("write_json", "write_ndjson", "to_json", "sink_ndjson"),
    Hint(".sink_ipc('out')"): ("write_ipc", "to_feather"),
    Hint(".sink_callback(print)"): ("foreach", "for_each", "foreachBatch", "sink", "add_sink", "sink_batches"),
    Hint(".sink_callback(print)", "Kafka and SQL are not there yet; a function can write there"): (
        "sink_kafka",
        "sink_sql",
        "to_sql",
        "write_database",
    ),
    Hint(".run()"): ("start", "submit", "execute_async"),
    Hint("sb.Stream.from_arrow(table)"): ("from_polars", "from_table", "from_dataframe", "from_numpy", "from_dask"),
    Hint("sb.Stream.from_rows([{'x': 1}])"): (
        "from_dicts",
        "from_dict",
        "from_list",
        "from_records",
        "from_collection",
        "from_iterable",
        "from_pydict",
        "from_pylist",
    ),
    Hint("sb.Stream.from_parquet('data/*.parquet')"): ("read_parquet", "scan_parquet", "from_files"),
    Hint("sb.Stream.from_csv('data/*.csv')"): ("read_csv", "scan_csv", "from_text"),
    Hint("sb.Stream.from_json('data/*.json')"): (
        "read_json",
        "scan_ndjson",
        "read_ndjson",
        "from_ndjson",
        "from_jsonl",
    ),
    Hint("sb.Stream.from_ipc('data/*.arrow')"): ("from_feather", "read_ipc", "scan_ipc", "read_feather"),
    Hint(
        "sb.Stream.from_generator(rows, {'x': 'int64'}, bounded=False)",
        "there is no such connector yet; a generator can read from anywhere",
    ): (
        "from_kafka",
        "from_sql",
        "from_websocket",
        "from_socket",
        "from_database",
        "read_sql",
        "read_database",
        "from_delta",
        "from_iceberg",
        "readStream",
        "from_source",
        "add_source",
    ),
}

_GROUPED = {
    Hint(".agg(n=sb.count())"): ("count", "size", "len", "value_counts", "n_groups", "ngroups"),
    **aggregating(".agg(col('x').{})"),
    Hint(".agg(total=col('x').sum(), most=col('x').max())"): ("aggregate", "describe", "all", "select"),
    Hint(".top(1, by='x')"): ("head", "first", "nth", "limit", "nlargest", "idxmax"),
    Hint(".top(1, by='x', reverse=True)"): ("tail", "last", "nsmallest", "idxmin"),
    Hint(".agg(x=col('x').collect_list())"): ("apply", "map_groups", "transform", "pipe", "groups", "get_group"),
    Hint(".reduce(lambda left, right: left)"): ("fold", "aggregate_by", "combine"),
    Hint(".window(sb.sliding('1h', every='5m')).agg(n=sb.count())"): ("rolling", "hopping", "hop"),
    Hint(".window(sb.tumbling('1h')).agg(n=sb.count())"): ("resample", "tumble", "windowBy", "window_by"),
    Hint(".agg(n=sb.count()).filter(col('n') > 1)"): ("filter", "having", "where"),
    Hint(".agg(n=sb.count()).sink_parquet('out')"): ("sink_parquet", "sink_csv", "sink_json", "run", "to_arrow"),
    Hint(".agg(n=sb.count()).to_pandas()"): ("to_pandas", "to_polars", "to_rows", "collect"),
}

_EXPR = {
    Hint("col('x').is_in([1, 2])", keeps_arguments=True): ("isin", "in_", "contains_any"),
    Hint("col('x').is_between(1, 2)", keeps_arguments=True): ("between",),
    Hint("col('x').is_null()"): ("isnull", "isna", "isNull", "is_none"),
    Hint("col('x').is_not_null()"): ("notnull", "notna", "isNotNull", "drop_nulls", "dropna"),
    Hint("col('x').fill_null(0)"): ("fillna", "fill_nan", "ifnull", "nvl", "coalesce", "forward_fill", "ffill"),
    Hint("col('x').cast('int64')"): ("astype", "to_integer", "to_float", "to_string", "to_physical"),
    Hint("col('x').alias('z')"): ("name", "as_", "label", "rename", "suffix", "prefix"),
    Hint("col('x').n_unique()"): ("nunique", "count_distinct", "approx_count_distinct", "unique", "distinct"),
    Hint("col('x').quantile(0.5)"): ("median", "percentile"),
    Hint("col('x').mean()"): ("avg", "average"),
    Hint("col('x').collect_list()"): ("list_agg", "array_agg", "implode", "to_list", "tolist", "agg_groups"),
    Hint("col('x').arg_max(by='y')"): ("max_by", "idxmax"),
    Hint("col('x').arg_min(by='y')"): ("min_by", "idxmin"),
    Hint("sb.count()"): ("len", "size"),
    Hint("-col('x')"): ("neg", "negate"),
    Hint("col('x') ** 2"): ("pow", "square"),
    Hint("col('x') > 1"): ("gt",),
    Hint("col('x') >= 1"): ("ge",),
    Hint("col('x') < 1"): ("lt",),
    Hint("col('x') <= 1"): ("le",),
    Hint("col('x') == 1"): ("eq", "eq_missing"),
    Hint("col('x') != 1"): ("ne", "ne_missing"),
    Hint("(col('x') > 1) & (col('y') > 1)"): ("and_",),
    Hint("(col('x') > 1) | (col('y') > 1)"): ("or_",),
    Hint("(col('x') > 1) != (col('y') > 1)"): ("xor",),
    Hint("stream.agg(col('x').min())", "min() of booleans says whether all are true"): ("all",),
    Hint("stream.agg(col('x').max())", "max() of booleans says whether any is true"): ("any",),
    Hint("~(col('x') > 1)"): ("not_", "invert", "is_not"),
    Hint("sb.when(col('x') > 1).then(col('x'))"): ("filter", "where", "mask", "when", "if_else"),
    Hint("sb.when(col('x') == 1).then(2).otherwise(col('x'))"): ("replace", "replace_strict", "map_dict", "recode"),
    Hint("sb.udf('double')(function)(col('x'))"): ("map_elements", "map_batches", "apply", "map"),
    Hint("stream.sort('x')"): ("sort", "asc", "sort_by", "sort_values", "arg_sort", "asc_nulls_last"),
    Hint("stream.sort('x', descending=True)"): ("desc", "desc_nulls_last"),
    Hint("stream.top(5, by='x', rank='rank')"): ("rank", "top", "nlargest"),
    Hint(
        "stream.join(stream.group_by('s').agg(total=col('x').sum()), on='s')",
        "window functions are not there yet; join what is aggregated",
    ): (
        "over",
        "shift",
        "diff",
        "cum_sum",
        "cumsum",
        "cum_count",
        "rolling_mean",
        "rolling_sum",
        "pct_change",
        "lag",
        "lead",
    ),
    Hint("col('s').str.contains('ab')"): ("contains", "like", "ilike", "rlike", "match", "regexp_matches"),
    Hint("col('s').str.starts_with('ab')", keeps_arguments=True): ("startswith", "starts_with", "startsWith"),
    Hint("col('s').str.ends_with('ab')", keeps_arguments=True): ("endswith", "ends_with", "endsWith"),
    **{Hint(f"col('s').str.{name}()"): (name,) for name in ("lower", "upper", "strip")},
    Hint("col('s').str.strip()"): ("strip", "trim"),
    Hint("col('s').str.split(',')", keeps_arguments=True): ("split",),
    Hint("col('s').str.slice(0, 2)"): ("substr", "substring", "slice"),
    **{
        Hint(f"col('t').dt.{name}()"): (name,)
        for name in ("year", "quarter", "month", "week", "day", "weekday", "hour", "minute", "second", "date")
    },
    Hint("col('t').dt.truncate('1h')"): ("date_trunc", "truncate", "floor_dt", "dt_truncate"),
    Hint("col('t').dt.strftime('%Y-%m-%d')"): ("strftime", "date_format", "to_char"),
    Hint("col('s').str.to_datetime('%Y-%m-%d')"): ("to_datetime", "strptime", "to_date"),
    Hint("col('l').list.len()"): ("arr", "array"),
    Hint("stream.explain()"): ("explain", "schema", "dtype"),
    Hint("stream.head(5)"): ("head", "show", "limit", "tail", "sample", "collect", "to_numpy", "values"),
}

_TEXT = {
    Hint("col('s').str.lower()"): ("to_lowercase", "casefold", "lowercase"),
    Hint("col('s').str.upper()"): ("to_uppercase", "uppercase", "capitalize", "title", "to_titlecase"),
    Hint("col('s').str.strip()"): ("strip_chars", "trim"),
    Hint("col('s').str.strip_start()"): ("lstrip", "strip_chars_start", "ltrim", "strip_prefix", "removeprefix"),
    Hint("col('s').str.strip_end()"): ("rstrip", "strip_chars_end", "rtrim", "strip_suffix", "removesuffix"),
    Hint("col('s').str.starts_with('ab')", keeps_arguments=True): ("startswith", "startsWith"),
    Hint("col('s').str.ends_with('ab')", keeps_arguments=True): ("endswith", "endsWith"),
    Hint("col('s').str.contains('ab')"): ("match", "find", "like", "fullmatch", "contains_any", "search"),
    Hint("col('s').str.len()"): ("len_chars", "len_bytes", "length", "lenght", "size", "lengths", "n_chars"),
    Hint("col('s').str.slice(0, 2)"): ("substr", "substring", "head", "tail", "left", "right", "get"),
    Hint("col('s').str.replace_all('^.*(a+).*$', r'\\1')"): ("extract", "extract_all", "findall", "regexp_extract"),
    Hint("col('s').str.replace_all('a', 'b')"): ("sub", "regexp_replace", "replace_many", "translate"),
    Hint("col('s').str.split(',')"): ("split_exact", "splitn", "rsplit", "partition", "explode"),
    Hint("col('s').str.to_datetime('%Y-%m-%d')"): ("strptime", "to_date", "to_time", "parse"),
    Hint("col('s').cast('int64')"): ("to_integer", "to_decimal", "to_int"),
    Hint("col('s') + '!'"): ("concat", "cat", "join", "concat_str", "zfill", "pad_start", "pad_end"),
}

_TIME = {
    Hint("col('t').dt.truncate('1h')"): ("floor", "round", "ceil", "trunc", "date_trunc", "normalize"),
    Hint("col('t').dt.weekday()"): ("day_of_week", "dayofweek", "day_name", "isoweekday", "day_of_weeks"),
    Hint("col('t').dt.day_of_year()"): ("dayofyear", "ordinal_day"),
    Hint("col('t').dt.week()"): ("weekofyear", "isocalendar", "iso_week", "week_of_year"),
    Hint("col('t').dt.strftime('%H:%M')"): ("to_string", "format", "isoformat", "month_name", "time"),
    Hint("col('t').dt.convert_time_zone('Europe/Berlin')"): ("tz_convert", "tz_localize", "replace_time_zone", "tz"),
    Hint("col('t').dt.epoch('ms')"): ("timestamp", "to_epoch", "millisecond", "microsecond", "nanosecond"),
    Hint("col('t').dt.offset_by('1d')"): ("add", "shift", "add_business_days"),
    Hint("(col('t') - col('t')).dt.total_seconds()"): (
        "total_minutes",
        "total_hours",
        "total_days",
        "seconds",
        "days",
        "total_milliseconds",
        "total_microseconds",
    ),
    Hint("col('t').cast('timestamp[ms]')"): ("cast_time_unit", "as_unit", "with_time_unit"),
}

_LIST = {
    Hint("col('l').list.len()"): ("length", "lengths", "size", "count", "count_matches", "n_unique"),
    Hint("col('l').list.get(0)"): ("first", "element_at", "item", "head"),
    Hint("col('l').list.get(-1)"): ("last", "tail"),
    Hint("stream.map_rows(lambda row: {'total': sum(row['l'] or [])})", "a function can compute it"): (
        "sum",
        "mean",
        "min",
        "max",
        "contains",
        "join",
        "explode",
        "eval",
        "sort",
        "unique",
        "slice",
    ),
}

_STRUCT = {Hint("col('r').struct.field('f')"): ("get", "get_field", "getField", "fields", "unnest", "rename_fields")}

_PREVIEW = {
    Hint(".to_pandas()", "a preview has rows to look at; go on with the stream, or with"): (
        "filter",
        "select",
        "with_columns",
        "group_by",
        "sort",
        "join",
        "to_polars",
        "to_rows",
        "head",
        "sink_parquet",
        "run",
        "collect",
        "columns",
        "iloc",
        "loc",
    ),
    Hint(".to_arrow().schema"): ("schema", "dtypes"),
    Hint(".to_arrow().num_rows"): ("shape", "height", "count"),
}

_SINK = {
    Hint(".run()"): ("start", "execute", "compute", "collect", "submit", "write", "wait", "save", "awaitTermination"),
    Hint("stream.check()", "the stream before its sink has it"): ("check", "schema", "head"),
    Hint(".run().status"): ("status", "metrics", "result"),
}

_WHEN = {Hint("sb.when(col('x') > 1).then(2).otherwise(3)"): ("otherwise", "else_", "when", "alias", "end")}

_MODULE = {
    Hint("sb.Stream.from_parquet('data/*.parquet')"): ("read_parquet", "scan_parquet", "from_parquet"),
    Hint("sb.Stream.from_csv('data/*.csv')"): ("read_csv", "scan_csv", "from_csv"),
    Hint("sb.Stream.from_json('data/*.json')"): ("read_json", "scan_ndjson", "read_ndjson", "from_json"),
    Hint("sb.Stream.from_ipc('data/*.arrow')"): ("read_ipc", "scan_ipc", "read_feather", "from_ipc"),
    Hint("sb.Stream.from_pandas(frame)"): ("from_pandas", "DataFrame"),
    Hint("sb.Stream.from_arrow(table)"): ("from_arrow", "from_polars", "LazyFrame", "from_table", "table"),
    Hint("sb.Stream.from_rows([{'x': 1}])"): (
        "from_rows",
        "from_dicts",
        "from_dict",
        "from_records",
        "from_collection",
    ),
    Hint("sb.Stream.from_rate(10)"): ("from_rate", "range", "timer"),
    Hint("sb.Stream.from_generator(rows, {'x': 'int64'})"): (
        "from_generator",
        "from_iterable",
        "from_kafka",
        "from_sql",
    ),
    Hint("sb.union(stream, other)"): ("concat", "merge", "union_all", "vstack"),
    Hint("sb.count()"): ("len", "size", "n"),
    **aggregating("col('x').{}"),
    Hint("col('x').first(by='t')"): ("first",),
    Hint("col('x').last(by='t')"): ("last",),
    Hint("sb.when(col('x') > 1).then(2).otherwise(3)"): ("if_else", "case", "where", "iff", "ifelse"),
    Hint("sb.lit(1)"): ("literal", "const", "constant"),
    Hint("col('x')"): ("column", "field", "c", "element", "nth", "cols"),
    Hint("stream.select('x', 'y')"): ("all", "exclude", "selectors"),
    Hint("sb.local()"): ("LocalCluster", "start", "init", "env", "SparkSession", "Cluster"),
    Hint("sb.connect('tcp://host:8786')"): ("Client", "client"),
    Hint("sb.duration('1h')"): ("timedelta", "Duration", "interval", "hours", "minutes", "seconds"),
    Hint("sb.coalesce('x', 'y')"): ("ifnull", "nvl", "fill_null"),
    Hint("sb.datasets.nycflights13()"): ("nycflights13", "load_dataset", "data"),
    Hint("sb.jobs()"): ("list_jobs", "status", "ps"),
    Hint("sb.tumbling('1h')"): ("window", "tumble", "TumblingWindow", "TumblingEventTimeWindows"),
    Hint("sb.sliding('1h', every='5m')"): ("hop", "hopping", "SlidingWindow", "rolling"),
    Hint("sb.session('30m')"): ("session_window", "SessionWindow"),
    Hint("stream.sink_parquet('out').run()", "checkpoints and saved state are not there yet; start the job again"): (
        "checkpoint",
        "resume",
        "read_state",
        "savepoint",
    ),
}

_DATASETS = {
    Hint("sb.datasets.nycflights13()"): (
        "flights",
        "nycflights",
        "nyc_flights",
        "load",
        "load_dataset",
        "nycflights_13",
    ),
}

_ENV = {
    Hint("sb.jobs()"): ("jobs", "list_jobs", "ps", "status"),
    Hint("stream.run(env=env)"): ("run", "submit", "execute", "start"),
    Hint("env.close()"): ("stop", "shutdown", "disconnect", "terminate"),
    Hint("env.slots()"): ("agents", "nodes", "slots_free"),
}

_TABLES: Mapping[str, Mapping[Hint, tuple[str, ...]]] = {
    "Stream": _STREAM,
    "Grouped": _GROUPED,
    "Windowed": WINDOWED,
    "RowContext": ROW_CONTEXT,
    "BatchContext": BATCH_CONTEXT,
    "RowValue": VALUE_STATE,
    "RowList": LIST_STATE,
    "RowMap": MAP_STATE,
    "BatchHandle": VALUE_STATE,
    "Expr": _EXPR,
    "TextMethods": _TEXT,
    "TimeMethods": _TIME,
    "ListMethods": _LIST,
    "StructMethods": _STRUCT,
    "Preview": _PREVIEW,
    "Sink": _SINK,
    "When": _WHEN,
    "Env": _ENV,
    "sabotnb.datasets": _DATASETS,
    "sabotnb": _MODULE,
}
HINTS: Mapping[str, Mapping[str, Hint]] = {
    where: {name: hint for hint, names in table.items() for name in names} for where, table in _TABLES.items()
}
"""All hints, by the name of a class (or of the module ``sabotnb``), then by the foreign name."""
