"""What users read when an expression does not fit: golden texts."""

import linecache
from collections.abc import Callable

import pyarrow as pa
import pytest

from sabotnb import expr
from sabotnb.errors import ColumnNotFound, TypeMismatch
from sabotnb.expr import col, lit, when

FLIGHTS = pa.schema(
    [
        ("carrier", pa.dictionary(pa.int32(), pa.string())),
        ("dep_delay", pa.float64()),
        ("flight", pa.int32()),
        ("late", pa.bool_()),
        ("time_hour", pa.timestamp("us")),
        ("tags", pa.list_(pa.string())),
    ]
)


def bound(source: str) -> str:
    """The error of an expression that is written in a file of its own."""
    linecache.cache["/home/ada/etl.py"] = (len(source), None, source.splitlines(keepends=True), "/home/ada/etl.py")
    code = compile(source, "/home/ada/etl.py", "eval")
    with pytest.raises((ColumnNotFound, TypeMismatch)) as raised:
        expr.bind(eval(code), FLIGHTS)
    return f"{type(raised.value).__name__}: {raised.value}"


GOLDEN = {
    'col("dep_dleay") > 15': """\
ColumnNotFound: 'dep_dleay'  etl.py:1
    col("dep_dleay") > 15
         ^^^^^^^^^
did you mean 'dep_delay' (double)? It has: carrier, dep_delay, flight, late, time_hour, tags""",
    "(col('late')\n & (col('CARIER') == 'AA'))": """\
ColumnNotFound: 'CARIER'  etl.py:2
    & (col('CARIER') == 'AA'))
            ^^^^^^
did you mean 'carrier' (dictionary<values=string, indices=int32, ordered=0>)? It has: carrier, dep_delay, flight, \
late, time_hour, tags""",
    "col('x')": """\
ColumnNotFound: 'x'  etl.py:1
    col('x')
         ^
It has: carrier, dep_delay, flight, late, time_hour, tags""",
    "col('carrier') + 1": """\
TypeMismatch: col('carrier') + 1  etl.py:1
    col('carrier') + 1
         ^^^^^^^
+ needs numbers, these are string and int64; cast the text: .cast('double')""",
    "col('time_hour').is_in(['noon'])": """\
TypeMismatch: col('time_hour').is_in(['noon'])  etl.py:1
    col('time_hour').is_in(['noon'])
         ^^^^^^^^^
'noon' is not a timestamp[us]: Failed to parse string: 'noon' as a scalar of type timestamp[us]; \
write it as ISO 8601""",
    "col('tags').is_between(col('tags'), col('tags'))": """\
TypeMismatch: col('tags').is_between(col('tags'), col('tags'))  etl.py:1
    col('tags').is_between(col('tags'), col('tags'))
         ^^^^
list<item: string> cannot be compared; compare a part of it: .struct.field('x'), .list.get(0)""",
    "col('flight') == 'AA'": """\
TypeMismatch: col('flight') == 'AA'  etl.py:1
    col('flight') == 'AA'
         ^^^^^^
int32 and string have no common type; cast one of them: .cast('int32')""",
    "(col('dep_delay') > 0) & col('flight')": """\
TypeMismatch: (col('dep_delay') > 0) & col('flight')  etl.py:1
    (col('dep_delay') > 0) & col('flight')
          ^^^^^^^^^
& needs booleans, this is int32; compare it with something, and put comparisons in parentheses: (a > 1) & (b < 2)""",
    "col('late') * 2": """\
TypeMismatch: col('late') * 2  etl.py:1
    col('late') * 2
         ^^^^
* needs numbers, these are bool and int64; cast the boolean: .cast('int64')""",
    "col('flight').str.upper()": """\
TypeMismatch: col('flight').str.upper()  etl.py:1
    col('flight').str.upper()
         ^^^^^^
.str.upper needs text, this is int32; cast it first: .cast('string')""",
    "col('carrier').dt.hour()": """\
TypeMismatch: col('carrier').dt.hour()  etl.py:1
    col('carrier').dt.hour()
         ^^^^^^^
.dt.hour needs a date or timestamp, this is string; parse it first: .str.to_datetime()""",
    "col('carrier').str.contains('(')": """\
TypeMismatch: col('carrier').str.contains(pattern='(')  etl.py:1
    col('carrier').str.contains('(')
         ^^^^^^^
Invalid regular expression: missing ): (; for plain text write literal=True""",
    "col('time_hour') > 'soon'": """\
TypeMismatch: col('time_hour') > 'soon'  etl.py:1
    col('time_hour') > 'soon'
         ^^^^^^^^^
'soon' is not a timestamp[us]: Failed to parse string: 'soon' as a scalar of type timestamp[us]; \
write it as ISO 8601""",
    "col('tags') == col('tags')": """\
TypeMismatch: col('tags') == col('tags')  etl.py:1
    col('tags') == col('tags')
         ^^^^
list<item: string> cannot be compared; compare a part of it: .struct.field('x'), .list.get(0)""",
    "when(col('flight')).then(1)": """\
TypeMismatch: when(col('flight')).then(1).otherwise(None)  etl.py:1
    when(col('flight')).then(1)
              ^^^^^^
when needs a boolean, this is int32; compare it with something""",
    "col('late').cast('date')": """\
TypeMismatch: col('late').cast('date32[day]')  etl.py:1
    col('late').cast('date')
         ^^^^
bool cannot be cast to date32[day]; go over text: .cast('string').cast(...)""",
}


@pytest.mark.parametrize("source", GOLDEN)
def test_golden(source: str):
    assert bound(source) == GOLDEN[source]


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda: bool(col("x") > 1), "write & | ~ instead of and, or, not"),
        (lambda: (col("x") > 1) and (col("y") > 1), "(col('x') > 1) & (col('y') < 2)"),
        (lambda: 1 < col("x") < 2, "instead of a < x < b write x.is_between(a, b)"),
        (lambda: col("x") == None, "write col('x').is_null()"),  # noqa: E711
        (lambda: col("x") != None, "write col('x').is_not_null()"),  # noqa: E711
        (lambda: 1 in col("x"), "write col('x').is_in([...])"),
        (lambda: list(col("x")), "run the stream and iterate over that"),
        (lambda: col("x").is_in("AA"), "write is_in(['AA'])"),
        (lambda: col("x").is_in([1.0, float("nan")]), "write x.is_in([...]) | x.is_nan()"),
        (lambda: col("x").is_in([1, "a"]), "the values of is_in must have one type"),
        (lambda: col(1), "for a constant write lit(1)"),
        (lambda: lit(object()), "cannot be a literal"),
        (lambda: lit(300, "int8"), "300 (int) does not fit int8"),
        (lambda: col("x").cast("int46"), "there is no type 'int46'"),
        (lambda: col("x").quantile(50), "a quantile is between 0 and 1, not 50; the median is 0.5"),
        (lambda: col("x").top_k(0), "top_k takes a whole number of at least 1, not 0"),
        (lambda: col("x").dt.truncate("5M"), "is it 'm' for minutes or '1mo' for a month"),
        (lambda: col("x").dt.truncate(15), "15 has no unit"),
        (lambda: col("x").dt.truncate("0s"), "truncate takes a positive duration"),
        (lambda: col("x").dt.epoch("min"), "epoch takes 's', 'ms', 'us' or 'ns', not 'min'"),
        (expr.coalesce, "coalesce() has nothing to choose from"),
    ],
)
def test_what_python_cannot_spell(write: Callable[[], object], message: str):
    with pytest.raises(TypeMismatch) as raised:
        write()
    assert message in str(raised.value)


def test_of_a_long_line_the_part_around_the_name_is_shown():
    _, line, carets, _ = bound(f"{'1 + ' * 60}col('flght')").splitlines()
    assert line[carets.index("^") : carets.rindex("^") + 1] == "flght"
    assert len(line) < 125


def test_many_columns_are_not_all_listed():
    wide = pa.schema([(f"c{number}", pa.int8()) for number in range(40)])
    with pytest.raises(ColumnNotFound) as raised:
        expr.bind(col("zzz"), wide)
    assert str(raised.value).endswith("c14, c15 and 24 more")


def test_text_of_an_expression_is_how_it_is_written():
    for text in (
        "when(col('x') > 1).then('a').otherwise(None)",
        "((col('x') + 1) * 2).alias('y')",
        "~(col('a') & (col('b') | col('c')))",
        "col('x').is_in([1, 2, 3, 4, 5, ...])",
    ):
        source = text.replace(", ...]", ", 6, 7]")
        assert repr(eval(source, {"col": col, "when": when})) == text
