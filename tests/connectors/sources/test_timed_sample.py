import math
import time

import pyarrow as pa

from sabotnb import connectors
from sabotnb.connectors import TimedSample

TABLE = pa.table({"n": range(1000)})


def read(rows):
    (split,) = rows.splits()
    return [batch.num_rows for batch in rows.batches(split, 300)]


def test_batches_grow_while_there_is_time():
    rows = TimedSample(connectors.table(TABLE), math.inf)
    assert read(rows) == [1, 8, 64, 300, 212, 300, 115]
    assert not rows.ran_out


def test_nothing_more_is_read_when_time_is_up():
    rows = TimedSample(connectors.table(TABLE), time.monotonic() - 1)
    assert read(rows) == []
    assert rows.ran_out


def test_slow_batches_do_not_grow():
    rows = TimedSample(connectors.table(TABLE), time.monotonic() + 3600)
    rows._part = 0.0  # whatever a batch takes is long
    assert read(rows) == [1] * 1000
