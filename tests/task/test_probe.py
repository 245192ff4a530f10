import itertools

import pyarrow as pa
import pytest

from sabotnb.metrics import TaskCounters
from sabotnb.task import probe as probes
from sabotnb.task.probe import Probe
from sabotnb.task.probes import UNREAD_SECONDS, Probes
from sabotnb.testing import ManualClock


def batch(*values, **more):
    return pa.record_batch({"x": pa.array(values, pa.int64()), **more})


def seen_by(*batches):
    probe = Probe(0.0)
    for rows in batches:
        probe.record(rows)
    return probe.sample()


def read(data):
    return pa.ipc.open_stream(data).read_all().to_pydict()


@pytest.mark.parametrize(("rows", "last"), [(1, [6]), (3, [4, 5, 6]), (4, [3, 4, 5, 6]), (50, [1, 2, 3, 4, 5, 6])])
def test_the_last_rows_are_returned_in_order(rows, last):
    assert read(seen_by(batch(1, 2, 3), batch(4), batch(5, 6)).last(rows)) == {"x": last}


def test_a_probe_without_rows_has_an_empty_sample():
    sample = seen_by()
    assert (sample.last(5), sample.hot(["x"]), sample.seen) == (b"", [], 0)


def test_old_batches_are_dropped_and_the_last_is_always_kept(monkeypatch):
    monkeypatch.setattr(probes, "KEPT_ROWS", 3)
    sample = seen_by(batch(1, 2), batch(3), batch(4))
    assert (read(sample.last(9)), sample.rows, sample.seen) == ({"x": [3, 4]}, 2, 4)
    assert seen_by(batch(*range(10))).rows == 10


def test_the_memory_that_a_probe_keeps_alive_is_limited():
    large = batch(1, s=pa.array(["x" * (probes.KEPT_BYTES // 2)]))
    assert seen_by(*[large] * 5).rows == 1


def test_a_sample_of_large_rows_has_fewer_rows():
    rows = batch(*range(40), s=pa.array(["x" * (probes.SAMPLE_BYTES // 4)] * 40))
    assert read(seen_by(rows).last(40))["x"] == [38, 39]


def test_a_sample_has_only_the_dictionary_values_of_its_rows():
    texts = pa.array([f"a long text with number {n}" for n in range(10_000)])
    indices = pa.array([7, None, 9_000, 7], pa.int16())
    column = pa.DictionaryArray.from_arrays(indices, texts)
    data = seen_by(batch(1, 2, 3, 4, s=column)).last(3)
    assert len(data) < 2000
    assert pa.ipc.open_stream(data).schema.field("s").type == column.type
    assert read(data)["s"] == [None, texts[9_000].as_py(), texts[7].as_py()]


def test_hot_keys_are_counted_over_all_kept_rows():
    rows = [
        batch(1, 1, 2, s=pa.array(["a", "a", None])),
        batch(1, 1, 3, s=pa.array(["b", "a", None]).dictionary_encode()),
    ]
    assert seen_by(*rows[:1]).hot(["x"]) == [("1", 2), ("2", 1)]
    assert seen_by(*rows[:1]).hot(["x", "s"]) == [("1, a", 2), ("2, null", 1)]
    assert seen_by(rows[1]).hot(["s"])[0][1] == 1
    assert seen_by(batch(*itertools.chain(*([n] * n for n in range(1, 9))))).hot(["x"]) == [
        (str(n), n) for n in (8, 7, 6, 5, 4)
    ]
    assert seen_by(batch(1)).hot(["gone"]) == []


def probes_of(clock):
    return Probes(TaskCounters(operators={"a": 0, "b": 0}), clock)


def test_only_the_probed_operator_is_recorded():
    built = probes_of(ManualClock())
    built.note("a", batch(1))
    probe_a = built.probe("a")
    built.note("a", batch(2))
    built.note("b", batch(3))
    assert built.probe("a") is probe_a
    assert read(probe_a.sample().last(5)) == {"x": [2]}


def test_a_probe_that_is_no_longer_read_is_removed():
    clock = ManualClock()
    built = probes_of(clock)
    probe_a = built.probe("a")
    clock.advance(UNREAD_SECONDS - 1)
    built.probe("a")
    clock.advance(UNREAD_SECONDS - 1)
    built.remove_unread()
    assert built.probe("a") is probe_a
    clock.advance(UNREAD_SECONDS)
    built.remove_unread()
    built.note("a", batch(1))
    assert probe_a.sample().seen == 0
    assert built.probe("a") is not probe_a


def test_a_probe_of_an_ended_task_does_not_wait():
    built = probes_of(ManualClock())
    probe_a = built.probe("a")
    built.close()
    probe_a.wait_seen(60)
    assert probe_a.sample().seen == 0
