"""Functions of users that go wrong on worker processes, and what their scripts print in a terminal."""

import math
import os
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import errors

pytestmark = pytest.mark.cluster

FLIGHTS = sb.Stream.from_rows([{"carrier": "AA", "delay": n - 3} for n in range(10)])
SCRIPT = """\
import sabotnb as sb

FLIGHTS = sb.Stream.from_rows([{"carrier": "AA", "delay": n - 3} for n in range(10)])


def share(row):
    return {"share": of(row["delay"])}


def of(delay):
    return 60 // delay


def main():
    with sb.local(workers=2):
        FLIGHTS.map_rows(share, schema={"share": "int64"}).named("shares").sink_csv("out").run("daily").wait()


if __name__ == "__main__":
    main()
"""
TERMINAL = """\
ZeroDivisionError: integer division or modulo by zero

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "daily.py", line 20, in <module>
    main()
  File "daily.py", line 16, in main
    FLIGHTS.map_rows(share, schema={"share": "int64"}).named("shares").sink_csv("out").run("daily").wait()
  File "boundary.py", in called
    raise error
sabotnb.errors.JobFailed: job 'daily' failed: shares: share (daily.py:6) raised ZeroDivisionError: \
integer division or modulo by zero  daily.py:11: return 60 // delay
  daily.py:7, in share
    return {"share": of(row["delay"])}
  daily.py:11, in of
    return 60 // delay
ZeroDivisionError: integer division or modulo by zero
rows it was given:
carrier  delay
AA       0
correct it, or set such rows aside: on_error='side', and read them from .side('errors')
"""


def failure(job):
    with pytest.raises(errors.JobFailed) as caught:
        job.wait(timeout=60)
    return caught.value


def test_a_script_prints_the_users_lines_and_rows_and_nothing_of_ours(tmp_path):
    (tmp_path / "daily.py").write_text(SCRIPT)
    call = [sys.executable, "daily.py"]
    told = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=90)
    printed = re.sub(r'File ".*?([^/"]+)"', r'File "\1"', told.stderr)
    printed = re.sub(r'("boundary.py"), line \d+', r"\1", re.sub(r" *[\^~]+\n", "", printed))
    assert printed == TERMINAL
    assert list(tmp_path.glob("out/**/*")) == []


WRONG = {
    "type": (lambda batch: 5, r"gave int; it must give a RecordBatch"),
    "nothing": (lambda batch: None, r"gave None instead of a batch; does it lack a return\?"),
    "columns": (lambda batch: batch.select(["delay"]), r"it lacks 'carrier'; declared are carrier, delay; correct it"),
    "types": (lambda batch: batch.set_column(1, "delay", batch["carrier"]), r"'delay' .*string.*int64"),
    "lengths": (lambda batch: {"carrier": ["AA"], "delay": [1, 2]}, r"length"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_result_that_was_not_declared(env, tmp_path, written, kind):
    function, says = WRONG[kind]
    stream = FLIGHTS.map_batches(function, schema=FLIGHTS.schema).named("wrong")
    error = failure(stream.sink_csv(tmp_path / "out").run("wrong result"))
    assert re.search(rf"wrong: <lambda> \(test_functions\.py:\d+\) .*{says}", str(error)), str(error)
    assert isinstance(error.reason, errors.UserFunctionError)
    assert error.reason.sample.startswith("carrier  delay")
    assert written() == []


def test_a_mask_of_another_length(env, tmp_path):
    error = failure(FLIGHTS.filter(lambda batch: [True]).sink_csv(tmp_path / "out").run("short mask"))
    assert "gave 1 values for 10 rows; a filter gives one boolean per row" in str(error)


def test_a_column_of_another_type(env, tmp_path):
    half = sb.udf(pa.int64())(lambda column: column.cast("double"))
    error = failure(FLIGHTS.with_columns(half=half(sb.col("delay"))).sink_csv(tmp_path / "out").run("halves"))
    assert "declares int64, but returned double; cast its result, or declare that type" in str(error)


def test_a_function_that_ends_its_process(env, tmp_path, written):
    stream = FLIGHTS.map_batches(lambda batch: os._exit(3), schema=FLIGHTS.schema)
    error = failure(stream.sink_csv(tmp_path / "out").run("suicide"))
    assert isinstance(error.reason, errors.AgentLost)
    assert "was lost: its connection was closed, while it ran 'map_0', as a worker before it did. " in str(error)
    assert str(error).endswith("Try the function on a few rows with .head(), then run the job again.")
    assert written() == []
    env.cluster.jobs.wait_agents(2, 60)


def crashing(*marks):
    """Rows of a function that ends its process once for each file of ``marks`` that does not exist yet."""

    def crash(batch):
        for mark in marks:
            if not mark.exists():
                mark.touch()
                os._exit(3)
        return batch

    return FLIGHTS.map_batches(crash, schema=FLIGHTS.schema)


def test_rows_that_are_collected_survive_a_lost_worker(env, tmp_path):
    assert len(crashing(tmp_path / "1").to_rows()) == 10
    env.cluster.jobs.wait_agents(2, 60)


def test_rows_that_are_collected_survive_no_function_that_crashes_twice(env, tmp_path):
    with pytest.raises(errors.JobFailed, match="a user function probably crashes the worker") as caught:
        crashing(tmp_path / "1", tmp_path / "2").to_rows()
    assert isinstance(caught.value.reason, errors.AgentLost)
    env.cluster.jobs.wait_agents(2, 60)


def test_a_module_that_is_here_alone(env, tmp_path, monkeypatch, written):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "geo_of_test.py").write_text("def same(batch):\n    return batch\n")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    import geo_of_test

    sink = FLIGHTS.map_batches(geo_of_test.same, schema=FLIGHTS.schema).sink_csv(tmp_path / "out")
    error = failure(sink.run("geo"))
    assert isinstance(error.reason, errors.ModuleMissing)
    found = re.search(r"agent-\d+ has no module geo_of_test \(geo_of_test\.py:1\): (env\.upload\('.*'\))$", str(error))
    assert written() == []
    eval(found[1], {"env": env})
    assert sink.run("geo").wait(timeout=60).rows_out == 10


def squares(batch):
    with ProcessPoolExecutor(1) as pool:
        return pa.record_batch({"square": list(pool.map(math.sqrt, batch["delay"].to_pylist()[3:]))})


def test_a_function_that_starts_processes(env):
    rows = FLIGHTS.map_batches(squares, schema={"square": "double"}).to_rows()
    assert [row["square"] for row in rows] == [math.sqrt(n) for n in range(7)]


CANCELED_IN_CLEANUP = """\
import threading

import sabotnb as sb


def unhurried():
    try:
        yield
    finally:
        while True:
            pass


def dropped(row):
    generator = unhurried()
    next(generator)
    print("started", flush=True)
    del generator  # where Python cannot raise what interrupts it
    return row


if __name__ == "__main__":
    with sb.local(workers=1):
        job = sb.Stream.from_rate(10).map_rows(dropped, schema={"value": "int64"}).select("value").sink_live().run()
        job.wait_changed(timeout=10)
        while not job.metrics()["rows_in"].sum():
            job.wait_changed(timeout=1)
        job.cancel()
"""


def test_a_cancel_in_a_finalizer_prints_nothing(tmp_path):
    script = tmp_path / "canceled.py"
    script.write_text(CANCELED_IN_CLEANUP)
    done = subprocess.run([sys.executable, script], check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0
    assert "started" in done.stdout
    assert done.stderr == ""
