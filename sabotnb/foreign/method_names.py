"""Table of hints for methods of polars, pandas, Spark, Flink and SQL, by the class on which users look them up.

Code that begins with a dot follows the object on which the name was looked up. ``x`` and ``y`` stand for columns of
numbers, ``s`` for a column of text, ``t`` for one of times.
"""

from __future__ import annotations

from collections.abc import Mapping

from sabotnb.foreign.expression_names import EXPR, LIST, STRUCT, TEXT, TIME
from sabotnb.foreign.hints import WITH_STATE, Hint, aggregating, joining, rolling
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
    Hint(".map_rows(lambda row: row)"): ("apply", "foreach_row", "iter_rows", "iterrows", "itertuples"),
    Hint(".map_rows(lambda row: row)", "a function may return a list of rows"): ("flatMap", "flatmap"),
    Hint(".map_batches(lambda batch: batch)"): ("map_partitions", "mapPartitions", "transform"),
    Hint(".group_by('s').process(P)"): ("process", "transformWithState", "flatMapGroupsWithState"),
    Hint(".group_by('s').process(P, side_input=other)", "rows of the other stream go to on_side_row of a class"): (
        "connect",
    ),
    **joining(),
    Hint(".join(other, on='s')"): ("merge",),
    Hint(".join(other, on='s', how='full')", "a full join has the rows of both sides"): (
        "coGroup",
        "cogroup",
        "co_group",
    ),
    Hint(".join(other, on='s').filter(col('x') > 1)", "joins have equal keys; a filter has the other conditions"): (
        "join_where",
    ),
    Hint(
        ".with_columns(one=sb.lit(1)).join(other.with_columns(one=sb.lit(1)), on='one').drop('one')",
        "a cross join is a join on a key that all rows have",
    ): ("crossJoin", "cross_join", "cartesian"),
    Hint(
        ".with_event_time('t').interval_join(stream.with_event_time('t'), on='s', between=('0s', '10m'))",
        "both streams need event time",
    ): (
        "intervalJoin",
        "join_interval",
        "window_join",
    ),
    Hint(
        ".with_event_time('t').asof_join(stream.with_event_time('t'), on='s')",
        "both streams need event time",
    ): ("join_asof", "merge_asof", "asof", "temporal_join", "temporalJoin", "join_temporal"),
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
        "tumbling",
        "tumbling_window",
    ),
    Hint(".with_event_time('t').window(sb.sliding('1h', every='5m')).agg(n=sb.count())"): (
        "sliding",
        "hopping",
        "hop",
        "sliding_window",
    ),
    Hint(".with_event_time('t').group_by('s').window(sb.session('30m')).agg(n=sb.count())"): (
        "session",
        "sessions",
        "session_window",
    ),
    Hint(
        ".with_event_time('t').window(sb.tumbling('1h')).agg(n=sb.count()).side('late')",
        "the result of a window, of a join by time or of a process function has sides",
    ): ("get_side_output", "getSideOutput", "side_output"),
    Hint(".group_by('x').agg(n=sb.count()).top(1, by='n')", "mode is not there yet; count the values"): ("mode",),
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
    ): ("over",),
    Hint(".group_by('s').process(P)", WITH_STATE): ("shift", "diff", "cum_sum", "cumsum", "lag", "lead", "pct_change"),
    **rolling(".group_by('s')"),
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
    Hint(".window(sb.sliding('1h', every='5m')).agg(n=sb.count())", "windows go by event time"): (
        "sliding",
        "sliding_window",
    ),
    Hint(".window(sb.session('30m')).agg(n=sb.count())", "windows go by event time"): (
        "session",
        "sessions",
        "session_window",
    ),
    Hint(".window(sb.tumbling('1h')).agg(n=sb.count())"): (
        "resample",
        "tumble",
        "windowBy",
        "window_by",
        "tumbling",
        "tumbling_window",
        "time_window",
        "group_by_dynamic",
        "groupby_dynamic",
    ),
    Hint(".process(P)", WITH_STATE): (
        "shift",
        "diff",
        "cum_sum",
        "cumsum",
        "flatMapGroupsWithState",
        "transformWithState",
    ),
    **rolling(""),
    Hint(".agg(n=sb.count()).filter(col('n') > 1)"): ("filter", "having", "where"),
    Hint(".agg(n=sb.count()).sink_parquet('out')"): ("sink_parquet", "sink_csv", "sink_json", "run", "to_arrow"),
    Hint(".agg(n=sb.count()).to_pandas()"): ("to_pandas", "to_polars", "to_rows", "collect"),
}

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
    Hint("sb.tumbling('1h')"): (
        "window",
        "tumble",
        "Tumble",
        "TumblingWindow",
        "TumblingWindows",
        "TumblingEventTimeWindows",
        "FixedWindows",
    ),
    Hint("sb.tumbling('1h', time='processing')"): ("TumblingProcessingTimeWindows",),
    Hint("sb.sliding('1h', every='5m', time='processing')"): ("SlidingProcessingTimeWindows",),
    Hint("sb.sliding('1h', every='5m')"): (
        "hop",
        "hopping",
        "Slide",
        "Hop",
        "SlidingWindow",
        "SlidingWindows",
        "SlidingEventTimeWindows",
        "rolling",
    ),
    Hint("sb.session('30m')"): (
        "session_window",
        "Session",
        "Sessions",
        "SessionWindow",
        "SessionWindows",
        "EventTimeSessionWindows",
    ),
    Hint("sb.global_window()"): ("GlobalWindows", "GlobalWindow"),
    Hint("stream.with_event_time('t', max_delay='5s')"): ("WatermarkStrategy", "watermark", "Watermark"),
    Hint("sb.value('int64')"): ("ValueState", "ValueStateDescriptor", "ReadModifyWriteStateSpec"),
    Hint("sb.list_state('int64')"): ("ListState", "ListStateDescriptor", "BagStateSpec"),
    Hint("sb.map_state('string', 'int64')"): ("MapState", "MapStateDescriptor"),
    Hint("sb.KeyedProcess"): ("KeyedProcessFunction", "ProcessFunction", "DoFn", "StatefulProcessor"),
    Hint("col('x').sum()", "functions are methods of columns"): ("functions", "F", "fn", "func"),
    Hint("sb.checkpoint('60s')", "a job takes it as run(checkpoint=...), and job.savepoint() takes one at once"): (
        "savepoint",
        "enable_checkpointing",
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
    "Expr": EXPR,
    "TextMethods": TEXT,
    "TimeMethods": TIME,
    "ListMethods": LIST,
    "StructMethods": STRUCT,
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
