"""Calls and operators that are not there: what is said to whom writes them."""

import datetime as dt
import math
import re

import pytest

import sabotnb as sb
from sabotnb import col, errors

ROWS = [{"a": 1, "b": 2.25, "s": "q", "l": [5, 6], "st": {"x": 1}}]
REFUSED = [
    ("s.filter(a=1)", ".filter() has no argument 'a'. It takes *conditions. Write .filter(col('a') == 1)"),
    ("s.sort('a', ascending=False)", "Write .sort('x', descending=True)"),
    ("s.sort('a', desc=True)", "Write .sort('x', descending=True)"),
    ("s.sort(by='a')", ".sort() has no argument 'by'. It takes *columns, descending=False. Write .sort('a')"),
    ("s.sort('a', nulls_last=True)", "nulls come last, always"),
    ("s.rename(a='z')", "Write .rename({'a': 'z'})"),
    ("s.rename(columns={'a': 'z'})", "Write .rename({'a': 'z'})"),
    ("sb.Stream.from_csv('x.csv', dtypes={})", "Write sb.Stream.from_csv('data.csv', schema={'x': 'int64'})"),
    ("sb.Stream.from_csv('x.csv', skiprows=1)", "Write sb.Stream.from_pandas(pd.read_csv('data.csv', skiprows=1))"),
    ("sb.Stream.from_parquet('x', columns=['a'])", "Write sb.Stream.from_parquet('data.parquet').select('x')"),
    ("s.join(s, using='a')", "Write .join(other, on='a')"),
    ("s.asof_join(s, by='a')", "Write .asof_join(other, on='a')"),
    ("s.asof_join(s, on='a', strategy='nearest')", "Write .asof_join(other, on='s', direction='nearest')"),
    ("s.interval_join(s, on='a', lower='0s')", "Write .interval_join(other, on='s', between=('-5m', '5m'))"),
    ("s.interval_join(s, on='a')", "Write .interval_join(other, on='s', between=('0s', '10m'))"),
    ("sb.sliding('1h')", "needs every. It takes size, every, offset=None, time='event'. Write sb.sliding('1h', every"),
    ("sb.sliding('2h', slide='1h')", "Write sb.sliding('2h', every='1h')"),
    (
        "sb.tumbling()",
        "time='event'. Write sb.tumbling('1h')",
    ),
    ("sb.tumbling('1h', every='5m')", "Write sb.sliding('1h', every='5m')"),
    ("sb.session()", "Write sb.session('30m')"),
    ("sb.count_window()", "Write sb.count_window(10)"),
    ("sb.until()", "Write sb.until('expires')"),
    ("s.map_rows(print, returns={})", "Write .map_rows(fn, schema={'x': 'int64'})"),
    ("s.sink_csv('out', mod='error')", "Did you mean mode='error'?"),
    ("s.head(limit=3)", "Write .head(3)"),
    ("s.head(1, 2, 3)", ".head() got 3 positional arguments, and takes 2. It takes n=5, timeout='2s'"),
    ("s.map_rows()", ".map_rows() needs fn. It takes fn, schema=None, on_error='fail'"),
    ("s.to_pandas(1)", "It takes no arguments. Write .to_pandas()"),
    ("col('a').fill_null(strategy='forward')", "Write col('x').fill_null(0)"),
    ("col('a').round(ndigits=1)", "Write col('x').round(1)"),
    ("col('a', 'b')", "sb.col() got 2 positional arguments, and takes 1. It takes name. Write stream.select('x', 'y')"),
    ("sb.when(col('a') > 1, 2)", "Write sb.when(col('x') > 1).then(2).otherwise(3)"),
    ("col('s').str.contains()", ".contains() needs pattern. It takes pattern, literal=False"),
    ("col('s').str.contains('a', regex=False)", "Write col('s').str.contains('ab', literal=True)"),
    ("sb.local(n_workers=3)", "Write sb.local(workers=3)"),
    ("sb.Stream([{'a': 1}])", "a stream begins with a source"),
    ("s['a']", "a column is col('a') in an expression, or a stream of its own: .select('a')"),
    ("s[['a', 'b']]", ".select('a', 'b')"),
    ("s[col('a') > 1]", ".filter(col('a') > 1)"),
    ("s[:3]", ".head(3)"),
    ("s[0]", ".head(5), .select('x')"),
    ("s.__setitem__('z', 1)", ".with_columns(z=1)"),
    ("len(s)", ".agg(n=sb.count()).to_rows()"),
    ("s + s", ".union(other)"),
    ("'a' in s", "'a' in stream.schema.names"),
    ("s.group_by('a')['b']", ".agg(b=col('b').sum())"),
    ("list(s.group_by('a'))", ".agg(n=sb.count())"),
    ("col('s').str[0:2]", ".str.slice(0, 2)"),
    ("col('s').str[3:]", ".str.slice(3)"),
    ("col('s').str[0]", ".str.slice(0, 1)"),
    ("col('st')['x']", "col('st').struct.field('x')"),
    ("col('l')[0]", "col('l').list.get(0)"),
    ("len(col('s'))", "col('s').str.len()"),
    ("list(col('l').list)", ".list.get(0)"),
]


@pytest.mark.parametrize(("code", "message"), REFUSED, ids=[code for code, _ in REFUSED])
def test_calls_say_what_they_take(code: str, message: str) -> None:
    with pytest.raises(errors.InvalidUse) as raised:
        eval(code, {"s": sb.Stream.from_rows(ROWS), "sb": sb, "col": col})
    assert message in str(raised.value)
    assert isinstance(raised.value, TypeError)


CALLS_OF_WINDOWS = [
    f"sb.{window}({first}{keyword}={value})"
    for window in ("tumbling", "sliding", "session", "count_window")
    for first in ("", "'5m', ", "'90s', ", "timedelta(hours=1), ")
    for keyword in ("every", "slide", "step", "hop", "period", "length", "duration", "timeout")
    for value in ("'1h'", "'1m'", "timedelta(minutes=5)")
]


def test_what_is_advised_for_a_window_runs() -> None:
    names = {"sb": sb, "timedelta": dt.timedelta, "datetime": dt}
    for code in CALLS_OF_WINDOWS:
        try:
            eval(code, names)
        except errors.InvalidUse as error:
            advice = re.search(r"Write (sb\..*)$", str(error))
            assert advice is None or eval(advice[1], names).kind, code
        except errors.TypeMismatch:
            pass


WORKS = [
    (lambda: round(col("b"), 1), 2.2),
    (lambda: round(col("b")), 2.0),
    (lambda: math.floor(col("b")), 2.0),
    (lambda: math.ceil(col("b")), 3.0),
    (lambda: +col("b"), 2.25),
    (lambda: col("l").list[-1], 6),
    (lambda: col("st").struct["x"], 1),
]


@pytest.mark.parametrize(("write", "value"), WORKS)
def test_operations_of_python_that_columns_have(write, value: object) -> None:
    assert sb.Stream.from_rows(ROWS).select(z=write()).to_rows() == [{"z": value}]


def test_a_type_error_of_the_users_function_stays_what_it_is() -> None:
    with pytest.raises(errors.UserFunctionError, match="missing 1 required positional argument"):
        sb.Stream.from_rows(ROWS).map_rows(lambda row, other: row)
