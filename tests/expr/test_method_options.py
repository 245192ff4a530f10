"""Constant arguments of methods: what is not of their kind is refused where it is written, with what to write."""

import datetime as dt

import numpy as np
import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.errors import TypeMismatch

REFUSED = [
    (lambda x: x.str.contains(5), ".str.contains takes text for pattern, not 5 (int); write .str.contains('ab')"),
    (lambda x: x.str.contains("a", literal=1), "takes True or False for literal, not 1 (int)"),
    (lambda x: x.str.contains(col("y")), "takes text for pattern, not col('y') (Expr)"),
    (lambda x: x.str.starts_with(("a", "b")), "write .str.starts_with('a') | col('x').str.starts_with('b')"),
    (lambda x: x.str.ends_with(b"a"), "takes text for suffix, not b'a' (bytes)"),
    (lambda x: x.str.strip(5), "takes text or None for characters, not 5 (int)"),
    (lambda x: x.str.strip_start(5), "takes text or None for characters, not 5 (int)"),
    (lambda x: x.str.strip_end(5), "takes text or None for characters, not 5 (int)"),
    (lambda x: x.str.replace("b", None), ".str.replace takes text for value, not None (NoneType)"),
    (lambda x: x.str.replace_all("b", 5), "takes text for value, not 5 (int)"),
    (lambda x: x.str.slice("a"), ".str.slice takes a whole number for offset, not 'a' (str); write .str.slice(0, 2)"),
    (lambda x: x.str.slice(0, 1.5), "takes a whole number or None for length, not 1.5 (float)"),
    (lambda x: x.str.slice(0, -1), "slice takes a length of 0 or more, not -1; write .str.slice(0, 2)"),
    (lambda x: x.str.split(5), "takes text for by, not 5 (int); write .str.split(',')"),
    (lambda x: x.str.to_datetime(5), "takes text or None for format, not 5 (int)"),
    (lambda x: x.list.get("a"), ".list.get takes a whole number for index, not 'a' (str); write .list.get(0)"),
    (lambda x: x.list.get(index=True), "takes a whole number for index, not True (bool)"),
    (lambda x: x.struct.field(5), ".struct.field takes text for name, not 5 (int)"),
    (lambda x: x.log("e"), "log takes a number or None for base, not 'e' (str); write .log(10)"),
    (lambda x: x.log(col("y")), "log takes a number or None for base, not col('y') (Expr)"),
    (lambda x: x.round(col("y")), "round takes a whole number for decimals, not col('y') (Expr); write .round(2)"),
    (lambda x: x.round(1.5), "round takes a whole number for decimals, not 1.5 (float)"),
    (lambda x: x.top_k(k=True), "top_k takes a whole number of at least 1, not True; write .top_k(3)"),
    (lambda x: x.dt.strftime(5), ".dt.strftime takes text for format, not 5 (int); write .dt.strftime('%Y-%m-%d')"),
    (lambda x: x.dt.convert_time_zone(5), "takes text for zone, not 5 (int)"),
    (lambda x: x.dt.convert_time_zone("America/New_Yrok"), "no time zone 'America/New_Yrok'; write 'America/New_York'"),
    (lambda x: x.dt.convert_time_zone("?"), "write a name such as 'Europe/Berlin', or an offset, '+02:00'"),
    (lambda x: x.cast("timestamp[us, tz=Europe/Berln]"), "no time zone 'Europe/Berln'; write 'Europe/Berlin'"),
]


@pytest.mark.parametrize(("write", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_arguments_of_another_kind_are_refused(write, message: str) -> None:
    with pytest.raises(TypeMismatch) as raised:
        write(col("x"))
    assert message in str(raised.value)


VALUES = {"s": "abc", "l": [1, 2], "x": 8.0, "t": dt.datetime(2013, 7, 1, 12)}
TAKEN = [
    (col("s").str.slice(np.int64(1), np.int8(1)), "b"),
    (col("l").list.get(np.int64(-1)), 2),
    (col("x").log(np.float32(2)), 3.0),
    (col("x").log(np.int64(2)), 3.0),
    (col("s").str.strip(np.str_("c")), "ab"),
    (col("t").dt.convert_time_zone("+02:00").dt.hour(), 14),
    (col("t").dt.convert_time_zone("Europe/Berlin").dt.hour(), 14),
    (col("s").str.replace_all("[a-b]", "<$0>"), "<a><b>c"),
    (col("s").str.replace_all("(a)(b)", "${2}$1"), "bac"),
    (col("s").str.replace_all("(a)(b)", r"\2\1"), "bac"),
    (col("s").str.replace("c", "$$1"), "ab$1"),
    (col("s").str.replace("c", "$"), "ab$"),
    (col("s").str.replace("c", "$1", literal=True), "ab$1"),
    (col("t").dt.strftime("%Y %j %a %H:%M:%S.%f %%"), "2013 182 Mon 12:00:00.000000 %"),
]


@pytest.mark.parametrize(("expr", "value"), TAKEN, ids=[str(expr) for expr, _ in TAKEN])
def test_numpys_values_and_polars_groups_are_taken(expr: sb.Expr, value: object) -> None:
    stream = sb.Stream.from_rows([VALUES]).select(z=expr)
    assert stream.to_rows() == [{"z": value}]
    assert stream.to_job_graph().to_dict()


BOUND = [
    (col("t").dt.strftime("%Q"), "no '%Q'; write '%Y-%m-%d %H:%M:%S', and '%%' for a percent sign"),
    (col("t").dt.strftime("%s"), "for seconds since 1970 write .dt.epoch('s')"),
    (col("t").dt.strftime("%-d"), "no '%-'"),
    (col("t").dt.strftime("100%"), "no '%'"),
    (col("s").str.replace("a", "$1"), "and $$ for a dollar sign"),
    (col("s").str.replace("a", "${name}"), "number it, $1 to $9, or write $$"),
    (col("s").str.replace("a", "$10"), "number it, $1 to $9, or write $$"),
]


@pytest.mark.parametrize(("expr", "message"), BOUND, ids=[str(expr) for expr, _ in BOUND])
def test_formats_and_groups_that_are_not_there_are_refused_when_written(expr: sb.Expr, message: str) -> None:
    with pytest.raises(TypeMismatch) as raised:
        sb.Stream.from_rows([VALUES]).select(z=expr)
    assert message in str(raised.value)
