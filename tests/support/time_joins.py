"""Drawn rows, batches and watermarks for joins by time, and DuckDB beside them."""

from collections import Counter
from itertools import groupby

import duckdb
import pyarrow as pa
from hypothesis import strategies as st

from sabotnb.config import Config
from sabotnb.operators import create
from sabotnb.protocol import CLOCK, MIN_WATERMARK, EndReason, OperatorContext

TIME = pa.timestamp("us")
LEFT = pa.schema({"k": pa.dictionary(pa.int32(), pa.string()), "t": TIME, "e": TIME, "n": pa.int64()})
RIGHT = pa.schema({"k": pa.string(), "t": TIME, "m": pa.int64()})
SCHEMAS = (LEFT, RIGHT)
PORTS = (0, 1, 2, 3)

KEY = st.none() | st.sampled_from("abc")
AT = st.integers(0, 30)
LEFT_ROW = st.tuples(KEY, AT, st.none() | AT, st.integers(0, 3))
RIGHT_ROW = st.tuples(KEY, AT, st.integers(0, 3))
EVENTS = st.lists(
    st.tuples(st.just(0), LEFT_ROW)
    | st.tuples(st.just(1), RIGHT_ROW)
    | st.tuples(st.just(2), st.tuples(LEFT_ROW, AT))
    | st.tuples(st.just(3), st.tuples(RIGHT_ROW, AT))
    | st.tuples(st.just("watermark"), AT)
    | st.tuples(st.just("cut"), st.just(None)),
    max_size=40,
)
"""Rows of both ports in an order (2 and 3: with clocks); a batch ends where that changes, at a cut and a watermark."""


def batch_of(port, rows):
    schema = SCHEMAS[port]
    columns = [
        pa.array(values).cast(_word(field.type)) for values, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays([c.cast(f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def _word(data_type):
    return pa.int64() if pa.types.is_timestamp(data_type) or pa.types.is_integer(data_type) else pa.string()


class Run:
    """An operator that was fed with events: its rows, those that are late, and the watermark that left."""

    def __init__(self, spec, events, limit=65_536, move=False):
        self.spec, self.rows, self.late = spec, [], []
        self.arrived = ([], [])  # all rows, each with its clock behind
        self.sizes = []
        self._limit = limit
        self.watermark = self.released = MIN_WATERMARK
        self._time = None
        self.operator = self._opened()
        for (kind, _), group in groupby(enumerate(events), lambda item: (item[1][0], item[1][0] in PORTS or item[0])):
            rows = [content for _, (_, content) in group]
            if kind == "watermark":
                self._advance(rows[0])
            elif kind in PORTS:
                self._push(kind, rows)
            elif move:
                self._move()
        for port in (0, 1):
            self._collect(self.operator.on_end(port, EndReason.EXHAUSTED))

    def _opened(self):
        operator = create(self.spec, SCHEMAS)
        self.context = OperatorContext("job", "join_0", 0, 1, 4, Config(batch_rows=self._limit))
        operator.open(self.context)
        return operator

    def _move(self):
        """Continue with another operator that has the watermark and the state of the one before."""
        states = dict(self.context.states)
        self.operator = self._opened()
        self._collect(self.operator.on_watermark(self.watermark))
        for spec, state in self.context.states.items():
            before = next(old for old_spec, old in states.items() if old_spec.name == spec.name)
            for group in before.groups():
                state.load(group, before.export(group))

    @property
    def in_time(self):
        """The rows of both ports that are not behind their clock."""
        return tuple([row[:-1] for row in rows if row[1] >= row[-1]] for rows in self.arrived)

    def _push(self, kind, rows):
        port, clocks = kind % 2, None
        if kind > 1:
            rows, clocks = zip(*rows, strict=True)
        batch = batch_of(port, rows)
        if clocks is not None:
            batch = batch.append_column(CLOCK, pa.array(clocks, pa.int64()))
        for row, clock in zip(rows, clocks or [self.watermark] * len(rows), strict=True):
            self.arrived[port].append((*row, max(clock, self.watermark)))
        self._collect(self.operator.process(port, batch))

    def _advance(self, us):
        self.watermark = max(self.watermark, us)
        self._collect(self.operator.on_watermark(self.watermark))
        self.released = max(self.released, self.operator.output_watermark(self.watermark))
        assert self.released <= self.watermark

    def _collect(self, outs):
        for out in outs:
            if isinstance(out, tuple):
                self.late += out[1].to_pylist()
                continue
            self.sizes.append(out.num_rows)
            time = self._time_of(out.schema)
            if time is not None and self.watermark > MIN_WATERMARK:
                times = out[time].cast(pa.int64()).drop_null().to_numpy() - (time == "window_end")
                assert (times >= self.released).all()
            self.rows += [tuple(row.values()) for row in numbered(out).to_pylist()]

    def _time_of(self, schema):
        if "window_end" in schema.names:
            return "window_end"
        for name in ("join_time", "t_right" if getattr(self.spec, "is_right_later", False) else "t"):
            if name in schema.names:
                return name
        return None


def numbered(batch):
    """Times as numbers."""
    columns = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def by_duckdb(query, in_time):
    """The rows of a query over the tables l and r, with the clocks in c if the rows have them."""
    columns = (["k", "t", "e", "n", "c"], ["k", "t", "m", "c"])
    with duckdb.connect() as connection:
        for name, rows, known in zip("lr", in_time, columns, strict=True):
            values = list(zip(*rows, strict=True)) or [()] * len(known)
            names = known[: len(values)]
            types = [pa.string() if column == "k" else pa.int64() for column in names]
            arrays = [pa.array(column, kind) for column, kind in zip(values, types, strict=True)]
            connection.register(name, pa.table(arrays, names=names))
        return Counter(connection.sql(query).fetchall())
