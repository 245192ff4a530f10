"""``job.samples()``: late and failing rows as a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # only for annotations: importing sabotnb must load neither pandas nor Dask
    import pandas as pd

    from sabotnb.cluster import SampledRows

COLUMNS = ("operator", "kind", "reason", "time")


def samples_frame(samples: Sequence[SampledRows]) -> pd.DataFrame:
    """The rows of all tasks, the newest last: operator, kind, reason, time, then the columns of the rows."""
    import pandas as pd

    if not samples:
        return pd.DataFrame(columns=list(COLUMNS))
    frames = [_frame(rows) for rows in samples]
    return pd.concat(frames, ignore_index=True).sort_values("time", kind="stable", ignore_index=True)


def _frame(rows: SampledRows) -> pd.DataFrame:
    import pandas as pd

    frame = rows.table.to_pandas()
    about = {"operator": rows.operator, "kind": rows.kind, "reason": list(rows.reasons)}
    made = pd.DataFrame({**about, "time": pd.Timestamp(rows.time, unit="s", tz="UTC")}, index=frame.index)
    columns = frame.rename(columns={name: f"{name}_row" for name in COLUMNS if name in frame})
    joined: pd.DataFrame = pd.concat([made.astype(dict.fromkeys(about, object)), columns.astype(object)], axis=1)
    return joined
