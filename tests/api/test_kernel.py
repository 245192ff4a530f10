"""The API inside a real notebook kernel: cells own their jobs, errors name the cell, streams show their card."""

import re

import pytest
from kernels import running_kernel

pytestmark = pytest.mark.cluster

START = """
import sabotnb as sb
from sabotnb import col
env = sb.local(workers=2, slots=4)
numbers = sb.Stream.from_rows([{"x": x, "even": x % 2 == 0} for x in range(100)])
"""
RUN = """
job = sb.Stream.from_rate(10).filter(col("value") >= {low}).sink_live().run()
print(job.name, job.run_id.number)
"""


@pytest.fixture(scope="module")
def kernel():
    with running_kernel(START, "env.close()") as kernel:
        yield kernel


def test_a_stream_shows_its_card(kernel):
    shown = kernel.run("numbers.group_by('even').agg(n=sb.count())")
    assert "<svg" in shown["text/html"]
    assert "hash(even)" in shown["text/plain"]


def test_a_misspelt_column_fails_at_its_cell_and_line(kernel):
    shown = kernel.run("late = numbers\nlate.filter(col('evn') == 1)")
    assert shown["error"].startswith("ColumnNotFound: 'evn'  cell [")
    assert ", line 2" in shown["error"]
    assert "did you mean 'even' (bool)?" in shown["error"]


def test_errors_show_lines_of_cells_and_none_of_ours(kernel):
    wrong = kernel.run("numbers.select('nothing')")["traceback"]
    failed = kernel.run(
        "def halved(row):\n    by = 0\n    return {'x': row['x'] // by}\n"
        "numbers.map_rows(halved, schema={'x': 'int64'}).sink_live().run('halves').wait()"
    )["traceback"]
    assert "sabotnb/" not in wrong
    assert "sabotnb/" not in failed
    assert re.search(r"-> 1 numbers.select\('nothing'\)", wrong)
    assert re.search(r"-> 4 numbers.map_rows\(halved", failed)
    assert re.search(r"cell \[\d+\], line 3, in halved\n    return", failed)


def test_running_a_cell_again_attaches_and_a_changed_cell_goes_on(kernel):
    first = kernel.run(RUN.format(low=0), cell="a1b2c3d4-e5f6")["stdout"]
    again = kernel.run(RUN.format(low=0), cell="a1b2c3d4-e5f6")["stdout"]
    changed = kernel.run(RUN.format(low=1), cell="a1b2c3d4-e5f6")["stdout"]
    elsewhere = kernel.run(RUN.format(low=1), cell="ffffffff-0000")["stdout"]
    assert first == again
    assert first.split()[0] == changed.split()[0] == "cell-a1b2c3d4"
    assert int(changed.split()[1]) > int(first.split()[1])
    assert elsewhere.split()[0] == "cell-ffffffff"


def test_an_interrupt_ends_the_waiting_and_not_the_job(kernel):
    kernel.run("job = sb.Stream.from_rate(10).sink_live().run('lasting')")
    code = "import _thread, threading; threading.Timer(0.2, _thread.interrupt_main).start(); job.wait()"
    shown = kernel.run(code)
    assert shown["error"] == (
        "KeyboardInterrupt: job 'lasting' keeps running: job.wait() waits again, job.cancel() ends it"
    )
    assert "threading.py" not in shown["traceback"]
    assert kernel.run("print(job.status.state)")["stdout"] == "RUNNING\n"
    assert kernel.run("job.cancel()") == {}


def test_functions_of_cells_run_on_workers(kernel):
    kernel.run(
        "import pyarrow.compute as pc\ndef negate(batch):\n    return batch.set_column(0, 'x', pc.negate(batch['x']))"
    )
    shown = kernel.run("print(numbers.map_batches(negate).agg(low=col('x').min()).to_rows())")
    assert shown == {"stdout": "[{'low': -99}]\n"}


def test_waiting_works_with_await(kernel):
    shown = kernel.run("print((await numbers.sink_live().run('awaited')).name)")
    assert shown == {"stdout": "awaited\n"}
