"""Hints for names of other libraries, looked up on columns and on their methods for text, times, lists and structs.

See ``method_names`` for the form of these tables.
"""

from __future__ import annotations

from sabotnb.foreign.hints import WITH_STATE, Hint, rolling

EXPR = {
    Hint("col('x').is_in([1, 2])", keeps_arguments=True): ("isin", "in_", "contains_any"),
    Hint("col('x').is_between(1, 2)", keeps_arguments=True): ("between",),
    Hint("col('x').is_null()"): ("isnull", "isna", "isNull", "is_none"),
    Hint("col('x').is_not_null()"): ("notnull", "notna", "isNotNull", "drop_nulls", "dropna"),
    Hint("col('x').fill_null(0)"): ("fillna", "fill_nan", "ifnull", "nvl", "coalesce", "forward_fill", "ffill"),
    Hint("col('x').cast('int64')"): ("astype", "to_integer", "to_float", "to_string", "to_physical"),
    Hint("col('x').alias('z')"): ("name", "as_", "label", "rename", "suffix", "prefix"),
    Hint("col('x').n_unique()"): ("nunique", "count_distinct", "approx_count_distinct", "unique", "distinct"),
    Hint("col('x').quantile(0.5)"): ("median",),
    Hint("col('x').quantile(0.95)"): ("percentile", "percentile_approx", "approx_percentile"),
    Hint("stream.group_by('x').agg(n=sb.count()).top(1, by='n')", "mode is not there yet; count the values"): ("mode",),
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
    ): ("over",),
    Hint("stream.select('s', 'x').group_by('s').process(P)", WITH_STATE): (
        "shift",
        "diff",
        "cum_sum",
        "cumsum",
        "cum_count",
        "pct_change",
        "lag",
        "lead",
    ),
    **rolling("stream.group_by('s')"),
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

TEXT = {
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

TIME = {
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

LIST = {
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

STRUCT = {Hint("col('r').struct.field('f')"): ("get", "get_field", "getField", "fields", "unnest", "rename_fields")}
