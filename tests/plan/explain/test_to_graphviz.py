import graphviz
import pyarrow as pa

from sabotnb.expr import col
from sabotnb.graph import EdgeHint, EdgeType, Filter, Sink, Source

NUMBERS = pa.schema([("x", pa.int64())])
CHAIN = {"numbers": Source("rows", NUMBERS), "late": Filter(col("x") > 15), "out": Sink("parquet", {"path": "out"})}

SOURCE = """\
digraph job {
	graph [rankdir=LR]
	node [shape=box style=rounded]
	n0 [label="numbers\\nsource: rows: x" color="#14a394"]
	n1 [label="late\\nfilter: col('x') > 15" color="#6b7a90"]
	n2 [label="out\\nsink: parquet out" color="#d97706"]
	n0 -> n1 [label=""]
	n1 -> n2 [label="hash(x)"]
}
"""


def test_a_job_graph_is_a_digraph(job):
    drawn = job(CHAIN, "numbers > late > out", hints={"late > out": EdgeHint(EdgeType.HASH, ("x",))}).to_graphviz()
    assert isinstance(drawn, graphviz.Digraph)
    assert drawn.source == SOURCE


def test_names_are_escaped(job):
    chain = {"<b>a:b</b>": Source("rows", NUMBERS), 'c\\"d' + "e" * 10_000: Sink("collect")}
    source = job(chain).connect(*chain).to_graphviz().source
    assert '"<b>a:b</b>\\n' in source
    assert "n0 -> n1" in source
    assert max(map(len, source.splitlines())) < 160
