"""Rows with keys, numbers and text, and verbs over them: drawn inputs of operators that group rows."""

import pyarrow as pa
from hypothesis import strategies as st

from sabotnb.blobs import capture
from sabotnb.expr.aggregates import type_to_text
from sabotnb.graph.specs import AggregateColumn

SCHEMA = pa.schema({"k": pa.dictionary(pa.int32(), pa.string()), "n": pa.int64(), "x": pa.int64(), "s": pa.string()})
CATEGORIES = {
    "k": list("cebda"),
    "s": ["yyy", "x", "xyx", "", "yx", "xx", "yxy", "y", "xxx", "yy", "xy", "yyx", "xxy", "xyy", "yxx"],
}
ORDERED = pa.schema(
    [SCHEMA.field(name).with_type(pa.dictionary(pa.int32(), pa.string(), ordered=True)) for name in ("k", "s")]
    + [SCHEMA.field("n"), SCHEMA.field("x")]
)
ROW = st.fixed_dictionaries(
    {
        "k": st.none() | st.sampled_from("abcde"),
        "n": st.none() | st.integers(0, 2),
        "x": st.none() | st.integers(0, 9),
        "y": st.integers(0, 9),
        "s": st.none() | st.text("xy", max_size=3),
    }
)


class Total:
    def __init__(self):
        self.seen = []

    def update(self, values):
        self.seen += values.drop_null().to_pylist()

    def merge(self, other):
        self.seen += other.seen

    def result(self):
        return sum(self.seen)


COLUMNS = (
    AggregateColumn("rows", "count"),
    AggregateColumn("total", "sum", "x"),
    AggregateColumn("text", "max", "s"),
    AggregateColumn("texts", "n_unique", "s"),
    AggregateColumn("median", "quantile", "x", options={"q": 0.5}),
    AggregateColumn("own", "custom", "x", options={"returns": type_to_text(pa.int64())}, function=capture(Total, "")),
)
BY_ORDER = (
    AggregateColumn("first", "arg_min", "x", by="s"),
    AggregateColumn("last", "last", "s", by="x"),
    AggregateColumn("best", "top_k", "s", options={"k": 2}),
    AggregateColumn("all", "collect_list", "s", by="x"),
)


def batch_of(rows, schema):
    """Rows as a batch; dictionaries of ordered columns end with the last category that is needed."""
    columns = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if getattr(field.type, "ordered", False):
            codes = [None if value is None else CATEGORIES[field.name].index(value) for value in values]
            known = CATEGORIES[field.name][: max((code + 1 for code in codes if code is not None), default=0)]
            dictionary = pa.array(known, pa.string())
            columns.append(pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), dictionary, ordered=True))
        else:
            columns.append(pa.array(values, pa.string() if field.name == "k" else field.type).cast(field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)
