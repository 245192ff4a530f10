"""The line of the user's code that calls sabotnb."""

import linecache
from types import CodeType

import pytest

from sabotnb.blobs import Origin, call_site, line_label
from sabotnb.expr import col


def written(source: str, filename: str = "/home/ada/etl.py") -> CodeType:
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return compile(source, filename, "exec")


def test_a_file_and_its_line():
    namespace: dict[str, Origin] = {}
    exec(written("x = 1\nhere = site()\n"), {"site": call_site}, namespace)
    assert namespace["here"] == Origin("etl.py:2", "here = site()")


def test_in_a_long_statement_it_is_the_line_with_the_name():
    source = "both = (\n    col('carrier'),\n    [col('dep_delay')],\n)\n"
    namespace: dict[str, tuple] = {}
    exec(written(source), {"col": call_site}, namespace)
    assert [origin.where for origin in (namespace["both"][0], *namespace["both"][1])] == ["etl.py:2", "etl.py:3"]


def test_frames_of_sabotnb_are_not_the_users():
    assert col("x").node.origin.where.startswith("test_origin.py:")


@pytest.fixture
def shell():
    interactive = pytest.importorskip("IPython.core.interactiveshell")
    shell = interactive.InteractiveShell.instance()
    shell.history_manager.enabled = False
    yield shell
    interactive.InteractiveShell.clear_instance()


def test_a_cell_and_its_line(shell):
    shell.user_ns["site"] = call_site
    shell.run_cell("1 + 1", store_history=True)
    shell.run_cell("x = 1\nhere = site()", store_history=True)
    assert shell.user_ns["here"] == Origin(f"cell [{shell.execution_count - 1}], line 2", "here = site()")


def test_a_file_that_is_no_cell_keeps_its_name_in_a_notebook(shell):
    assert line_label("/home/ada/geo.py", 7) == "geo.py:7"
