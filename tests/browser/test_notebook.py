"""Cards, previews, jobs and errors in a real JupyterLab."""

import re

import pytest

pytestmark = pytest.mark.browser

STREAM = """
import sabotnb as sb
from sabotnb import col
numbers = sb.Stream.from_rows([{"x": x, "even": x % 2 == 0} for x in range(20_000)])
by = numbers.filter(col("x") >= 10).group_by("even").agg(n=sb.count()).named("by_even", parallelism=2)
"""
CLUSTER = "env = sb.local(workers=1)"


def test_a_stream_shows_its_columns_and_its_picture(jupyterlab):
    with jupyterlab.notebook("card.ipynb", [STREAM, "by", "by.head(5)", "numbers.head(2)"]) as notebook:
        notebook.run_all()
        card = notebook.outputs(1).first
        assert "by_even" in card.inner_text()
        assert "group_by(even): final values (input is bounded)" in card.inner_text()
        assert [cell.inner_text() for cell in card.locator("td").all()] == ["even", "bool", "key", "n", "int64", ""]
        picture = card.locator("svg")
        assert {"source_0", "filter_0", "by_even", "hash(even)"} <= set(picture.locator("text").all_text_contents())
        assert "preview of the first 10,000 of 20,000 rows: numbers are partial" in notebook.text(2)
        assert notebook.outputs(3).locator("tbody td").all_inner_texts() == ["0", "True", "1", "False"]
        assert notebook.problems == []


def test_pictures_fit_the_page_and_follow_its_theme(jupyterlab):
    chain = "long = numbers\nfor least in range(30):\n    long = long.filter(col('x') > least)\nlong"
    with jupyterlab.notebook("themes.ipynb", [STREAM, "by", chain]) as notebook:
        notebook.run_all()
        notebook.page.set_viewport_size({"width": 700, "height": 900})
        for cell in (1, 2):
            page, card = notebook.page.locator(".jp-Notebook").bounding_box(), notebook.outputs(cell).bounding_box()
            assert card["x"] + card["width"] <= page["x"] + page["width"]
        letters = notebook.outputs(2).locator("svg text").first.bounding_box()
        assert letters["height"] > 8
        brightness = "element => getComputedStyle(element).fill.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"
        title = notebook.outputs(1).locator("svg text").get_by_text("source_0", exact=True)
        light = title.evaluate(brightness)
        notebook.theme("JupyterLab Dark")
        assert title.evaluate(brightness) > light + 300


def test_names_of_columns_are_escaped(jupyterlab):
    name = "<script>window.caught = 1</script><img src=x onerror='window.caught = 1'>"
    cells = [STREAM, f"odd = numbers.rename({{'x': {name!r}}})\nodd", f"odd.group_by({name!r}).agg(n=sb.count())"]
    with jupyterlab.notebook("names.ipynb", [*cells, "odd.head(1)"]) as notebook:
        notebook.run_all()
        assert all("<script>window" in notebook.text(cell) for cell in (1, 2, 3))
        assert notebook.page.evaluate("window.caught") is None


def test_a_job_runs_from_a_cell_and_an_interrupt_leaves_it_running(jupyterlab):
    cells = [
        STREAM + CLUSTER,
        "sorted(by.to_rows(), key=str)",
        "by.sink_live().run('counts').wait()",
        "endless = sb.Stream.from_rate(100).sink_live().run('endless')\nendless",
        "endless.wait()",
        "print(endless.status.state)",
        "endless.cancel()\nendless.wait(timeout=20)",
        "env.close()",
    ]
    with jupyterlab.notebook("jobs.ipynb", cells) as notebook:
        for cell in range(4):
            notebook.run(cell)
        assert "[{'even': False, 'n': 9995}, {'even': True, 'n': 9995}]" in notebook.text(1)
        assert re.search(r"counts FINISHED: 20,000 rows in, 2 rows out", notebook.text(2))
        assert re.search(r"endless\s+(DEPLOYING|RUNNING)", notebook.text(3))
        notebook.start(4)
        notebook.interrupt()
        notebook.wait_idle()
        assert "KeyboardInterrupt: job 'endless' keeps running: job.wait() waits again" in notebook.text(4)
        assert notebook.run(5).strip() == "RUNNING"
        assert "JobCanceled" in notebook.run(6)
        assert notebook.run(7) == ""
        assert notebook.problems == []


def test_a_function_that_fails_shows_the_users_own_lines(jupyterlab):
    failing = "def halved(row):\n    by = 0\n    return {'x': row['x'] // by}\n"
    cells = [
        STREAM + CLUSTER,
        failing + "numbers.map_rows(halved, schema={'x': 'int64'}).sink_live().run('fails').wait()",
    ]
    with jupyterlab.notebook("failures.ipynb", [*cells, "env.close()"]) as notebook:
        notebook.run(0)
        shown = notebook.run(1)
        assert "ZeroDivisionError" in shown
        assert "cell [2], line 3, in halved\n    return {'x': row['x'] // by}" in shown
        assert "sabotnb/" not in shown
        notebook.run(2)
        assert notebook.problems == []
