"""``Preview``: the first rows of a stream, computed from the first rows of its sources."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from sabotnb.api.running.pandas_frames import pandas_frame
from sabotnb.api.running.sampled_run import SourceSample, collected, run_on_sample
from sabotnb.api.running.updated_rows import newest
from sabotnb.api.stream_node import StreamPlan, is_bounded
from sabotnb.config import Config
from sabotnb.display import operator_labels, theme
from sabotnb.display import row_table as tables
from sabotnb.errors import SchemaError
from sabotnb.expr import whole
from sabotnb.foreign import Hinted
from sabotnb.native import without_orders

if TYPE_CHECKING:  # only for annotations: importing sabotnb must not load pandas
    import pandas as pd


ENDLESS_PART = 0.8
"""Of the time: endless sources are read for so long, and what becomes of their rows has the rest."""


@dataclass(frozen=True, slots=True)
class Preview(Hinted):
    """Rows to look at. ``complete``: every source was read to its end, so that no value is partial."""

    table: pa.Table
    note: str
    complete: bool

    def to_arrow(self) -> pa.Table:
        """Return the rows."""
        return self.table

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas frame."""
        return pandas_frame(self.table)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return f"{tables.text(self.table)}\n{self.note}"

    def _repr_html_(self) -> str:
        return theme.panel(tables.html(self.table) + theme.sentences([self.note]))


def preview(flow: StreamPlan, n: int, timeout: float) -> Preview:
    """Return the first ``n`` rows of ``flow`` over the first ``Config.preview_rows`` rows of each source."""
    n = whole(n, SchemaError(f"head({n!r}): give a whole number of rows, 0 or more"), 0)
    until = time.monotonic() + timeout
    part = timeout if is_bounded(flow) else timeout * ENDLESS_PART
    run = run_on_sample(collected(flow), Config.from_environment().preview_rows, part, until=until)
    updates, batches, rows = flow.type.key is not None, [], 0
    for batch in run.batches:
        batches.append(batch if updates else batch.slice(0, n - rows))
        rows += batches[-1].num_rows
        if rows >= n and not updates:
            break
    ran_out = run.ran_out()
    run.batches.close()
    table = newest(pa.Table.from_batches(batches, schema=without_orders(flow.schema)), flow.type.key).slice(0, n)
    if ran_out:
        longer = "" if rows else f": give it longer, .head(timeout='{max(10, timeout * 10):g}s')"
        return Preview(table, f"preview of what was made in {timeout:g} s: numbers are partial{longer}", complete=False)
    complete = all(sample.complete for sample in run.sources)
    return Preview(table, _note(run.sources, complete=complete), complete)


def _note(samples: tuple[SourceSample, ...], *, complete: bool) -> str:
    if complete:
        read = sum(sample.data.num_rows for sample in samples)
        return f"complete: {operator_labels.count(read)} read"
    partial = next(sample for sample in samples if not sample.complete)
    of = f" of {partial.total:,}" if partial.total is not None else ""
    return f"preview of the first {partial.data.num_rows:,}{of} rows: numbers are partial"
