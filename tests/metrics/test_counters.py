from sabotnb.metrics import TaskCounters


def test_late_rows_are_counted_by_operator_and_in_total():
    counters = TaskCounters()
    for operator, rows in [("a", 2), ("b", 3), ("a", 4)]:
        counters.count_late(operator, rows)
    assert (counters.late, counters.late_rows) == (9, {"a": 6, "b": 3})


def test_a_snapshot_does_not_change():
    counters = TaskCounters(watermarks={"a": 5}, late_rows={"a": 1}, late=1, spilled_bytes=7, cut_pause=0.5)
    snapshot = counters.snapshot()
    assert snapshot == counters
    counters.count_late("a", 1)
    counters.watermarks["a"] = 6
    assert (snapshot.late_rows, snapshot.watermarks) == ({"a": 1}, {"a": 5})
