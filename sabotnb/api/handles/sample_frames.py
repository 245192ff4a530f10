"""``job.samples()``: late and failing rows as a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sabotnb.graph import ERRORS, LATE, LATE_COLUMN

if TYPE_CHECKING:  # only for annotations: importing sabotnb must not load pandas
    import pandas as pd

COLUMNS = ("operator", "kind", "reason", "time")
ERROR = "error"


def samples_frame(answers: Sequence[Mapping[str, Any]], operator: str | None) -> pd.DataFrame:
    """The rows of all tasks, the newest last: operator, kind, reason, time, then the columns of the rows."""
    import pandas as pd

    frames = [_frame(answer) for answer in answers if operator in (None, answer["operator"])]
    if not frames:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(frames, ignore_index=True).sort_values("time", kind="stable", ignore_index=True)


def _frame(answer: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    frame = pa.ipc.open_stream(answer["batch"]).read_all().to_pandas()
    kind = answer["kind"]
    reason = frame.pop({LATE: LATE_COLUMN, ERRORS: ERROR}.get(kind, "reason"))
    if kind == LATE:
        reason = "late by " + reason.astype(str)
    about = {"operator": answer["operator"], "kind": kind, "reason": reason}
    made = pd.DataFrame({**about, "time": pd.Timestamp(answer["time"], unit="s", tz="UTC")}, index=frame.index)
    columns = frame.rename(columns={name: f"{name}_row" for name in COLUMNS if name in frame})
    joined: pd.DataFrame = pd.concat([made.astype(dict.fromkeys(about, object)), columns.astype(object)], axis=1)
    return joined
