"""Hints for names of Flink, Beam, Spark, pandas and polars, looked up on windows and in process functions.

See ``method_names`` for the form of these tables.
"""

from __future__ import annotations

from sabotnb.foreign.hints import Hint, aggregating

_WHOLE = ".agg(x=col('x').collect_list())"

WINDOWED = {
    Hint(".agg(n=sb.count())"): ("count", "size", "len", "value_counts", "n_groups", "ngroups"),
    **aggregating(".agg(col('x').{})"),
    Hint(".agg(total=col('x').sum(), most=col('x').max())"): ("aggregate", "describe", "all", "select", "combine"),
    Hint(".top(1, by='x')"): ("head", "first", "nth", "limit", "nlargest", "idxmax", "max_by", "maxBy"),
    Hint(".top(1, by='x', reverse=True)"): ("tail", "nsmallest", "idxmin", "min_by", "minBy"),
    Hint(".latest()"): ("last",),
    Hint(_WHOLE, "a list has all rows of the window"): ("apply", "process", "map_groups", "transform", "collect_list"),
    Hint(".reduce(lambda left, right: left)"): ("fold", "reduce_window"),
    Hint(".agg(n=sb.count()).filter(col('n') > 1)"): ("filter", "having", "where"),
    Hint(".agg(n=sb.count()).with_columns(z=col('n') + 1)"): ("map", "map_rows", "map_batches", "with_columns"),
    Hint(".agg(n=sb.count()).sink_parquet('out')"): ("sink_parquet", "sink_csv", "sink_json", "run", "to_arrow"),
    Hint(".agg(n=sb.count()).sink_live()"): ("sink_live", "print", "show"),
    Hint(".agg(n=sb.count()).to_pandas()"): ("to_pandas", "to_polars", "to_rows", "collect"),
    Hint(".agg(n=sb.count()).side('late')", "late rows come with the results"): (
        "side",
        "side_output_late_data",
        "sideOutputLateData",
        "late",
    ),
    Hint("stream.with_event_time('t').group_by('s').window(sb.tumbling('1h')).agg(n=sb.count())", "keys come first"): (
        "group_by",
        "groupby",
        "groupBy",
        "key_by",
        "keyBy",
        "partition_by",
    ),
    Hint("stream.with_event_time('t').window(sb.tumbling('1h'), lateness='30m').agg(n=sb.count())"): (
        "allowed_lateness",
        "allowedLateness",
        "with_allowed_lateness",
    ),
    Hint("stream.with_event_time('t').window(sb.tumbling('1h'), early='5s').agg(n=sb.count())"): (
        "trigger",
        "early",
        "evictor",
    ),
}

ROW_CONTEXT = {
    Hint("ctx.event_time"): ("timestamp", "time", "element_timestamp", "current_watermark"),
    Hint("ctx.now"): ("current_processing_time", "processing_time", "clock"),
    Hint("ctx.key"): ("get_current_key", "current_key", "keys"),
    Hint("ctx.timer('10m')"): (
        "timer_service",
        "register_event_time_timer",
        "set_timer",
        "register_timer",
        "schedule",
        "call_later",
    ),
    Hint("ctx.timer('10m', time='processing')"): ("register_processing_time_timer", "set_processing_timer"),
    Hint("at == self.value.get()", "a timer cannot be removed; store its time, and compare it in on_timer"): (
        "cancel_timer",
        "delete_timer",
        "delete_event_time_timer",
        "delete_processing_time_timer",
        "remove_timer",
    ),
    Hint("ctx.emit('alerts', row)"): ("output", "side_output", "side", "send", "tag"),
    Hint("yield row", "rows of the main output are yielded"): ("collect", "out", "collector", "forward"),
}

BATCH_CONTEXT = {hint: names for hint, names in ROW_CONTEXT.items() if hint.code not in ("ctx.event_time", "ctx.key")}
BATCH_CONTEXT |= {
    Hint("ctx.keys"): ("key", "get_current_key", "current_key"),
    Hint("batch.column('t')", "each row of the batch has its time"): ("event_time", "timestamp", "time"),
}

_READ = {Hint("self.value.get()"): ("value", "read", "load", "state")}
_CLEAR = {Hint("self.value.clear()"): ("delete", "remove", "reset")}

VALUE_STATE = {
    **_READ,
    **_CLEAR,
    Hint("self.value.set(value)"): ("update", "put", "write", "assign", "store"),
}
LIST_STATE = {
    **_READ,
    **_CLEAR,
    Hint("self.values.append(value)"): ("add", "push"),
    Hint("self.values.extend([value])"): ("add_all", "addAll"),
    Hint("self.values.set([value])"): ("update", "put", "write", "assign", "store"),
}
MAP_STATE = {
    Hint("self.map['a'] = value", "it is used as a dict"): ("put", "set", "add", "update", "write", "setdefault"),
    Hint("'a' in self.map", "it is used as a dict"): ("contains", "has_key"),
    Hint("self.map.items()", "it is used as a dict"): ("entries", "iterator", "to_dict", "value", "read"),
    Hint("self.map.pop('a')", "it is used as a dict"): ("remove", "delete"),
    Hint("len(self.map) == 0", "it is used as a dict"): ("is_empty", "isEmpty"),
}
