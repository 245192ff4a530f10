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

ROW = {"x": 1, "y": 2, "s": "a", "t": dt.datetime(2013, 1, 1), "l": [1, 2], "r": {"f": 1}}
OWNERS = {
    "Stream": stream.Stream,
    "Grouped": stream.Grouped,
    "Expr": sb.Expr,
    "TextMethods": namespaces.TextMethods,
    "TimeMethods": namespaces.TimeMethods,
    "ListMethods": namespaces.ListMethods,
    "StructMethods": namespaces.StructMethods,
    "Preview": preview.Preview,
    "Sink": sink.Sink,
    "When": When,
    "sabotnb": sb,
}
RECEIVERS = {
    "Stream": lambda s: s,
    "Grouped": lambda s: s.group_by("s"),
    "Preview": lambda s: s.head(),
}
LEFT_OUT = ("sb.local(", "sb.connect(", "sb.jobs(", ".run(", "sb.datasets.")
"""What needs a cluster or a download."""
HINTED = sorted({(owner, hint.code) for owner, hints in HINTS.items() for hint in hints.values()})


@pytest.mark.parametrize(("owner", "code"), [hint for hint in HINTED if not any(n in hint[1] for n in LEFT_OUT)])
def test_a_hint_can_be_run(owner: str, code: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = pa.table({"x": [1]})
    (tmp_path / "data").mkdir()
    pyarrow.parquet.write_table(table, "data/a.parquet")
    pyarrow.csv.write_csv(table, "data/a.csv")
    pyarrow.feather.write_feather(table, "data/a.arrow")
    (tmp_path / "data/a.json").write_text('{"x": 1}\n')
    kept = ["s", "x"] if ".sink_" in code else list(ROW)  # a CSV file holds no lists
    s = sb.Stream.from_rows([{name: ROW[name] for name in kept}])
    names = {"sb": sb, "col": col, "stream": s, "other": s.select("s"), "table": table, "frame": table.to_pandas()}
    names |= {"rows": lambda: [{"x": 1}], "function": lambda x: x, "receiver": RECEIVERS.get(owner, lambda s: s)(s)}
    names["other"] = s if "union" in code else s.select("s")
    made = eval(f"receiver{code}" if code.startswith(".") else code, names)
    if isinstance(made, sb.Expr) and owner != "sabotnb" and code != "sb.count()":
        s.agg(z=made) if made.node.__class__.__name__ == "Aggregated" else s.select(z=made)


def test_no_name_is_hidden() -> None:
    hidden = [(owner, name) for owner, hints in HINTS.items() for name in hints if hasattr(OWNERS[owner], name)]
    assert hidden == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("s.groupby", "'Stream' object has no attribute 'groupby'; write .group_by('s').agg(n=sb.count())"),
        ("s.limit", "a stream cannot be cut to its first rows yet; head shows them: .head(5)"),
        ("s.window", "windows are not there yet"),
        ("s.sum", "write .agg(total=col('x').sum(), most=col('x').max())"),
        ("s.fliter", "did you mean 'filter'?"),
        ("s.x", "for its column write col('x')"),
        ("sb.Stream.from_kafka", "there is no such connector yet"),
        ("sb.Stream.from_polars", "write sb.Stream.from_arrow(table)"),
        ("s.group_by('s').count", "write .agg(n=sb.count())"),
        ("s.group_by('s').x", "aggregate its column: .agg(x=col('x').max())"),
        ("s.head().filter", "go on with the stream"),
        ("s.sink_parquet('out').start", "write .run()"),
        ("col('x').isin", "write col('x').is_in([1, 2])"),
        ("col('x').sum().over", "window functions are not there yet"),
        ("col('x').str.startswith", "write col('s').str.starts_with('ab')"),
        ("col('x').dt.floor", "write col('t').dt.truncate('1h')"),
        ("col('x').list.length", "write col('l').list.len()"),
        ("col('x').struct.get", "write col('r').struct.field('f')"),
        ("sb.when(col('x') > 1).otherwise", "write sb.when(col('x') > 1).then(2).otherwise(3)"),
        ("sb.read_csv", "write sb.Stream.from_csv('data/*.csv')"),
        ("sb.conect", "did you mean 'connect'?"),
    ],
)
def test_foreign_names_say_what_to_write(code: str, message: str) -> None:
    with pytest.raises(AttributeError) as raised:
        eval(code, {"s": sb.Stream.from_rows([ROW]), "sb": sb, "col": col})
    assert message in str(raised.value)
