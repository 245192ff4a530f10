"""Rows as a small table, including values that Python cannot represent."""

import pyarrow as pa

from sabotnb.display import row_table
from sabotnb.widgets import samples

FAR = pa.table({"n": [1, None], "t": pa.array([2**60, 5], pa.timestamp("us"))})


def test_timestamps_outside_the_range_of_python_are_shown_as_numbers() -> None:
    written = row_table.text(FAR)
    assert [line.split() for line in written.splitlines()[2:]] == [
        ["1", "<timestamp[us]:", "1152921504606846976>"],
        ["null", "1970-01-01", "00:00:00.000005"],
    ]
    assert "1152921504606846976" in row_table.html(FAR)
    assert samples.rows(FAR, 10)[0] == ("1", "<timestamp[us]: 1152921504606846976>")
