"""The methods of ``Stream`` that compute its rows now and return them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sabotnb.api.fluent.stream_base import StreamBase
from sabotnb.api.running import collecting
from sabotnb.api.running.pandas_frames import pandas_frame
from sabotnb.api.running.preview import Preview, preview
from sabotnb.api.verbs.verb_options import Duration, seconds
from sabotnb.expr import python_rows
from sabotnb.extras import demand

if TYPE_CHECKING:  # only for annotations: importing sabotnb loads neither pandas nor polars
    import pandas as pd
    import polars as pl


class ResultMethods(StreamBase):
    """Previews, and all rows in the format of a library."""

    __slots__ = ()

    def head(self, n: int = 5, timeout: Duration | float = "2s") -> Preview:
        """Preview the first ``n`` rows, computed from a sample in this process, in a fraction of a second.

        Reads the first ``Config.preview_rows`` rows of each source. After ``timeout`` it returns the rows so far
        (endless sources are read for most of that time); the preview says whether its numbers are partial.

        ``flights.head(10)``
        """
        return preview(self.flow, n, seconds(timeout) or 0.0)

    def to_arrow(self) -> pa.Table:
        """Run now, on the open env or else in this process, and return all rows. Bounded streams only.

        It runs once more if a worker process is lost.
        """
        return pa.Table.from_batches(collecting.all_batches(self.flow), schema=self.schema)

    collect = to_arrow

    def to_pandas(self) -> pd.DataFrame:
        """Like ``to_arrow``, as a pandas frame. Integers with nulls that doubles would round get a nullable type."""
        return pandas_frame(self.to_arrow())

    def to_polars(self) -> pl.DataFrame:
        """Like ``to_arrow``, as a polars frame."""
        demand("polars", "to_polars()")
        import polars as pl

        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def to_rows(self) -> list[dict[str, Any]]:
        """Like ``to_arrow``, as a list of dicts."""
        return python_rows(self.to_arrow())

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return collecting.batches_of(self.flow)
