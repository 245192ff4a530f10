"""Every hint can be run, and hides no name that is there."""

import datetime as dt

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.api import sink, stream
from sabotnb.api.running import preview
from sabotnb.expr import When, namespaces
from sabotnb.foreign.method_names import HINTS
from sabotnb.operators.process.batch_handles import BatchHandle
from sabotnb.operators.process.contexts import BatchContext, RowContext
from sabotnb.operators.process.row_handles import RowList, RowMap, RowValue
from sabotnb.testing import Harness

ROW = {"x": 1, "y": 2, "s": "a", "t": dt.datetime(2013, 1, 1), "l": [1, 2], "r": {"f": 1}}
OWNERS = {
    "Stream": stream.Stream,
    "Grouped": stream.Grouped,
    "Windowed": sb.Windowed,
    "Expr": sb.Expr,
    "TextMethods": namespaces.TextMethods,
    "TimeMethods": namespaces.TimeMethods,
    "ListMethods": namespaces.ListMethods,
    "StructMethods": namespaces.StructMethods,
    "Preview": preview.Preview,
    "Sink": sink.Sink,
    "When": When,
    "Env": sb.Env,
    "sabotnb.datasets": sb.datasets,
    "sabotnb": sb,
}


class P(sb.KeyedProcess):
    output = {"x": "int64"}

    def on_row(self, row, ctx):
        yield {"x": row["x"]}


class WithSideInput(P):
    def on_side_row(self, row, ctx):
        pass


RECEIVERS = {
    "Stream": lambda s: s,
    "Grouped": lambda s: (s.with_event_time("t") if "t" in s.schema.names else s).group_by("s"),
    "Windowed": lambda s: s.with_event_time("t").group_by("s").window(sb.tumbling("1h")),
    "Preview": lambda s: s.head(),
}
IN_PROCESS_FUNCTIONS = {
    "RowContext": RowContext,
    "BatchContext": BatchContext,
    "RowValue": RowValue,
    "RowList": RowList,
    "RowMap": RowMap,
    "BatchHandle": BatchHandle,
}
LEFT_OUT = ("sb.local(", "sb.connect(", "sb.jobs(", ".run(", "sb.datasets.", "env.")
"""What needs a cluster or a download."""
HINTED = sorted({(owner, hint.code) for owner, hints in HINTS.items() for hint in hints.values()})
OF_STREAMS = [one for one in HINTED if one[0] in OWNERS and not any(name in one[1] for name in LEFT_OUT)]
OF_FUNCTIONS = [one for one in HINTED if one[0] in IN_PROCESS_FUNCTIONS]


@pytest.mark.parametrize(("owner", "code"), OF_STREAMS)
def test_a_hint_can_be_run(owner: str, code: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = pa.table({"x": [1]})
    (tmp_path / "data").mkdir()
    pyarrow.parquet.write_table(table, "data/a.parquet")
    pyarrow.csv.write_csv(table, "data/a.csv")
    pyarrow.feather.write_feather(table, "data/a.arrow")
    (tmp_path / "data/a.json").write_text('{"x": 1}\n')
    kept = ["s", "x", "t"] if ".sink_" in code else list(ROW)  # a CSV file holds no lists
    s = sb.Stream.from_rows([{name: ROW[name] for name in kept}])
    names = {"sb": sb, "col": col, "stream": s, "other": s.select("s"), "table": table, "frame": table.to_pandas()}
    names |= {"rows": lambda: [{"x": 1}], "function": lambda x: x, "receiver": RECEIVERS.get(owner, lambda s: s)(s)}
    names["other"] = s if "union" in code else s.select("s")
    names["P"] = WithSideInput if "side_input" in code else P
    made = eval(f"receiver{code}" if code.startswith(".") else code, names)
    if isinstance(made, sb.Expr) and owner != "sabotnb" and code != "sb.count()":
        s.agg(z=made) if made.node.__class__.__name__ == "Aggregated" else s.select(z=made)


BY_ROW = """
class P(sb.KeyedProcess):
    output = {"x": "int64"}
    sides = {"alerts": {"x": "int64"}}
    value, values, map = sb.value("int64"), sb.list_state("int64"), sb.map_state("string", "int64")

    def on_row(self, row, ctx):
        row, at, value = {"x": row["x"]}, None, 5
        self.map["a"] = 1
        CODE
        yield from ()

    def on_timer(self, at, ctx):
        yield from ()
"""
BY_BATCH = """
class P(sb.KeyedProcess):
    output = {"x": "int64"}
    sides = {"alerts": {"x": "int64"}}
    value = sb.value("int64")

    def on_batch(self, batch, ctx):
        row = batch.select(["x"])
        at, value = None, batch["x"]
        CODE
        yield from ()

    def on_timer(self, at, ctx):
        yield from ()
"""


@pytest.mark.parametrize(("owner", "code"), OF_FUNCTIONS)
def test_a_hint_in_a_process_function_can_be_run(owner: str, code: str) -> None:
    if owner.startswith("Batch"):
        source = BY_BATCH.replace("CODE", code.replace("'10m'", "batch['t']"))  # with batches, a time for each key
    else:
        source = BY_ROW.replace("CODE", code)
    names = {"sb": sb}
    exec(source, names)
    with Harness(names["P"], key="s") as harness:
        harness.push([{"s": "a", "x": 1, "t": dt.datetime(2013, 1, 1)}])


def test_no_name_is_hidden() -> None:
    owners = OWNERS | IN_PROCESS_FUNCTIONS
    hidden = [(owner, name) for owner, hints in HINTS.items() for name in hints if hasattr(owners[owner], name)]
    assert hidden == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("s.groupby", "'Stream' object has no attribute 'groupby'; write .group_by('s').agg(n=sb.count())"),
        ("s.groupby('x')", "write .group_by('x').agg(n=sb.count())"),  # without source text, as in python -c
        ("w.sum('y')", "write .agg(col('y').sum())"),
        ("s.groupby(str('x'))", "write .group_by('s').agg(n=sb.count())"),
        ("s.limit", "a stream cannot be cut to its first rows yet; head shows them: .head(5)"),
        ("s.resample", "write .with_event_time('t').window(sb.tumbling('1h')).agg(n=sb.count())"),
        ("s.sum", "write .agg(col('x').sum())"),
        ("s.T", "its rows in pandas can: .to_pandas().T"),
        ("s.lazy", "write .to_arrow()"),
        ("s.toPandas", "write .to_pandas()"),
        ("s.assign_timestamps", "write .with_event_time('t')"),
        ("s.unpivot", "unpivot is not there yet"),
        ("s.pivot_table", "pivot is not there yet"),
        ("s.process", "write .group_by('s').process(P)"),
        ("s.connect", "on_side_row of a class: .group_by('s').process(P, side_input=other)"),
        ("s.crossJoin", "a join on a key that all rows have: .with_columns(one=sb.lit(1)).join("),
        ("s.join_where", "a filter has the other conditions: .join(other, on='s').filter(col('x') > 1)"),
        ("s.left_join", "write .join(other, on='s', how='left')"),
        ("s.coGroup", "a full join has the rows of both sides: .join(other, on='s', how='full')"),
        ("s.temporal_join", ".with_event_time('t').asof_join("),
        ("s.flatMap", "a function may return a list of rows: .map_rows(lambda row: row)"),
        ("s.shift", "can store the row before: .group_by('s').process(P)"),
        ("s.rolling_mean", ".group_by('s').window(sb.count_window(3, every=1)).agg(col('x').mean())"),
        ("s.mode", "count the values: .group_by('x').agg(n=sb.count()).top(1, by='n')"),
        ("s.get_side_output", ".agg(n=sb.count()).side('late')"),
        ("s.sessions", ".window(sb.session('30m')).agg(n=sb.count())"),
        ("s.group_by('s').group_by_dynamic", "write .window(sb.tumbling('1h')).agg(n=sb.count())"),
        ("s.group_by('s').tumbling", "write .window(sb.tumbling('1h')).agg(n=sb.count())"),
        ("col('x').mode", "count the values: stream.group_by('x').agg(n=sb.count()).top(1, by='n')"),
        ("col('x').shift", "can store the row before: stream.select('s', 'x').group_by('s').process(P)"),
        ("col('x').rolling_mean", ".window(sb.count_window(3, every=1)).agg(col('x').mean())"),
        ("sb.functions", "functions are methods of columns: col('x').sum()"),
        ("sb.SlidingEventTimeWindows", "write sb.sliding('1h', every='5m')"),
        ("sb.SlidingWindows", "write sb.sliding('1h', every='5m')"),
        ("sb.EventTimeSessionWindows", "write sb.session('30m')"),
        ("sb.FixedWindows", "write sb.tumbling('1h')"),
        ("sb.Tumble", "write sb.tumbling('1h')"),
        ("sb.WatermarkStrategy", "write stream.with_event_time('t', max_delay='5s')"),
        ("sb.ValueState", "write sb.value('int64')"),
        ("s.keyBy", "to group them: .group_by('s').agg(n=sb.count())"),
        ("col.x", "write col('x')"),
        ("sb.Env.jobs", "write sb.jobs()"),
        ("s.sink_live().check", "the stream before its sink has it: stream.check()"),
        ("sb.datasets.flights", "write sb.datasets.nycflights13()"),
        ("sb.datasets.nycflights", "write sb.datasets.nycflights13()"),
        ("col('carrier').str.lenght", "write col('carrier').str.len()"),
        ("col('carrier').isnull", "write col('carrier').is_null()"),
        ("col('hired').dt.floor", "write col('hired').dt.truncate('1h')"),
        ("s.fliter", "did you mean 'filter'?"),
        ("s.x", "for its column write col('x')"),
        ("sb.Stream.from_kafka", "there is no such connector yet"),
        ("sb.Stream.from_polars", "write sb.Stream.from_arrow(table)"),
        ("s.group_by('s').count", "write .agg(n=sb.count())"),
        ("w.sum", "write .agg(col('x').sum())"),
        ("w.count", "write .agg(n=sb.count())"),
        ("w.quantile", "write .agg(col('x').quantile(0.5))"),
        ("w.x", "aggregate its column: .agg(x=col('x').max())"),
        ("w.sideOutputLateData", "late rows come with the results: .agg(n=sb.count()).side('late')"),
        ("w.topp", "did you mean 'top'?"),
        ("s.group_by('s').x", "aggregate its column: .agg(x=col('x').max())"),
        ("s.head().filter", "go on with the stream"),
        ("s.sink_parquet('out').start", "write .run()"),
        ("col('x').isin", "write col('x').is_in([1, 2])"),
        ("col('x').sum().over", "window functions are not there yet"),
        ("col('x').str.startswith", "write col('x').str.starts_with('ab')"),
        ("col('x').dt.floor", "write col('x').dt.truncate('1h')"),
        ("col('x').list.length", "write col('x').list.len()"),
        ("col('x').struct.get", "write col('x').struct.field('f')"),
        ("sb.when(col('x') > 1).otherwise", "write sb.when(col('x') > 1).then(2).otherwise(3)"),
        ("sb.read_csv", "write sb.Stream.from_csv('data/*.csv')"),
        ("sb.conect", "did you mean 'connect'?"),
    ],
)
def test_foreign_names_say_what_to_write(code: str, message: str) -> None:
    s = sb.Stream.from_rows([ROW])
    names = {"s": s, "w": RECEIVERS["Windowed"](s), "sb": sb, "col": col}
    with pytest.raises(AttributeError) as raised:
        eval(code, names)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("f.max('delay')", "write .agg(col('delay').max())"),
        ("f.quantile(0.9)", "write .agg(col('x').quantile(0.9))"),
        ("f.max('no_column')", "write .agg(col('x').max())"),
        ("f.group_by('carrier').mean()", "write .agg(col('x').mean())"),
        ("f.group_by('carrier').median('delay')", "write .agg(col('delay').quantile(0.5))"),
        ("sb.max('delay')", "write col('delay').max()"),
        ("sb.mean(col('delay'))", "write col('delay').mean()"),
        ("sb.session_window('1h')", "write sb.session('1h')"),
        ("f.tumbling('2h')", ".window(sb.tumbling('2h')).agg(n=sb.count())"),
        ("f.group_by('carrier').tumbling('2h')", "write .window(sb.tumbling('2h')).agg(n=sb.count())"),
        ("f.group_by_dynamic('t', every='2h')", ".window(sb.tumbling('2h')).agg(n=sb.count())"),
        ("f.process(clean)", "write .group_by('s').process(clean)"),
        ("f.left_join(f, 'carrier')", "write .join(other, on='carrier', how='left')"),
        ("col('delay').percentile(95)", "write col('delay').quantile(0.95)"),
        ("col('delay').percentile(0.5)", "write col('delay').quantile(0.5)"),
        ("col('delay').percentile()", "write col('delay').quantile(0.95)"),
        ("sb.read_csv('here.csv')", "write sb.Stream.from_csv('here.csv')"),
        ("sb.Stream.from_kafka('topic')", "sb.Stream.from_generator(rows, {'x': 'int64'}, bounded=False)"),
        ("f.sort(col('delay').desc())", "write stream.sort('delay', descending=True)"),
        ("f.sort(col('delay').asc())", "write stream.sort('delay')"),
        ("f.sort_values('delay')", "write .sort('delay', descending=False)"),
        ("f.sort_values('delay', ascending=False)", "write .sort('delay', descending=True)"),
        ("f.sort_values(by=['delay'], ascending=True)", "write .sort('delay', descending=False)"),
        ("f.nsmallest(3, 'delay')", "write .top(3, by='delay', reverse=True)"),
        ("f.groupby(['carrier'])", "write .group_by('carrier').agg(n=sb.count())"),
        ("f.limit(10)", "head shows them: .head(10)"),
        ("f.pipe(clean)", "call the function: clean(stream)"),
        ("f.apply(clean)", "write .map_rows(clean)"),
        ("f.keyBy('carrier')", "to group them: .group_by('carrier').agg(n=sb.count())"),
        ("f.write_parquet('here')", "write .sink_parquet('here')"),
        ("f.withColumnRenamed('carrier', 'c')", "write .rename({'carrier': 'c'})"),
        ("f.drop_duplicates(subset=['carrier'])", "write .distinct('carrier')"),
        ("f.over('carrier')", "agg(col('x').sum().alias('total')), on='carrier')"),
        ("col('delay').over('carrier')", ".group_by('carrier').agg(total=col('delay').sum()), on='carrier')"),
        ("col('carrier').isin(['a', 'b'])", "write col('carrier').is_in(['a', 'b'])"),
        ("col('carrier').str.startswith('b')", "write col('carrier').str.starts_with('b')"),
        ("col('delay').label('d')", "write col('delay').alias('d')"),
        ("getattr(f, 'max')('delay')", "write .agg(col('x').max())"),
    ],
)
def test_hints_have_the_typed_names(code: str, written: str, tmp_path) -> None:
    file = tmp_path / "typed.py"
    file.write_text(f"if True:\n    (\n        {code}\n    )\n")
    f = sb.Stream.from_rows([{"carrier": "AA", "delay": 1}])
    with pytest.raises(AttributeError) as raised:
        exec(compile(file.read_text(), str(file), "exec"), {"f": f, "sb": sb, "col": col, "clean": len})
    assert written in str(raised.value)
