"""The widget of a job in a real page: its views, its buttons, and its card at the end."""

import re
from contextlib import contextmanager

import pytest
from job_view import SECONDS, JobView
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

BOTH = pytest.mark.parametrize("app", ["lab", "notebook"])
START = """
import sabotnb as sb
from sabotnb import col
env = sb.local(workers=2, slots=16, detached=True)
"""
KEYED = """
rows = sb.Stream.from_rate(2000, n=50_000_000).with_columns(k=col("value") % 7).named("rows")
counted = rows.group_by("k").agg(n=sb.count(), total=col("value").sum()).named("by_k", parallelism=2)
job = counted.sink_live().run({name!r})
job
"""
EXACT = """
import pandas as pd
read = pd.DataFrame({"value": range(job.wait().rows_in)})
expected = read.value.groupby(read.value % 7).agg(["count", "sum"]).reset_index().to_numpy().tolist()
print(len(read) > 0, sorted(job.rows.to_pandas().to_numpy().tolist()) == expected)
"""


@contextmanager
def opened(jupyterlab, name, *cells, app="lab"):
    """Open a notebook with a session; afterwards its page must have no errors."""
    page = {"viewport": {"width": 1200, "height": 1000}}
    with jupyterlab.notebook(f"{name}.ipynb", [START, *cells], app=app, **page) as notebook:
        assert notebook.run(0) == ""
        yield notebook
        assert notebook.problems == []


def shown(notebook, cell):
    return JobView(notebook.outputs(cell).first)


@BOTH
def test_a_keyed_job_is_watched_paused_and_stopped_and_its_result_is_exact(jupyterlab, app):
    with opened(jupyterlab, f"steered_{app}", KEYED.format(name=f"steered_{app}"), EXACT, app=app) as notebook:
        notebook.run(1)
        view = shown(notebook, 1)
        view.state("RUNNING")
        view.says(view.node("source_0"), r"source_0 · rows.*, running, .*[1-9]\d*(\.\d)?k?/s, busy \d+ %")
        view.says(view.node("by_k"), r"by_k · sink_0, .* 2 of 2 tasks run")
        expect(view.figure("in")).to_have_text(re.compile(r"k/s$"), timeout=SECONDS)
        expect(view.sentence()).to_contain_text(
            re.compile("source_0|by_k"), timeout=SECONDS
        )  # the busiest differs between machines
        view.click("Pause")
        view.state("PAUSED")
        expect(view.figure("in")).to_have_text("0/s", timeout=SECONDS)
        view.click("Resume")
        view.state("RUNNING")
        expect(view.figure("in")).not_to_have_text("0/s", timeout=SECONDS)
        view.click("Stop")
        view.card("FINISHED")
        assert notebook.run(2).strip() == "True True"
        notebook.save()
        notebook.restart()
        notebook.reload()
        view.card("FINISHED")
        text = r"FINISHED\s+[\d.]+ s · stopped after less than 1 % of its input · [\d,]+ rows in · 7 rows out"
        assert re.search(text, view.output.inner_text())
        assert "by_k" in view.output.locator("svg text").all_text_contents()


def test_a_failing_function_shows_the_users_lines_at_its_operator(jupyterlab):
    failing = (
        "def halved(row):\n    by = 3_000 - row['value']\n    return {'x': row['value'] // by}\n"
        "job = sb.Stream.from_rate(2000).map_rows(halved, schema={'x': 'int64'}).sink_live().run('fails')\njob"
    )
    with opened(jupyterlab, "fails", failing, "job.wait()") as notebook:
        notebook.run(1)
        view = shown(notebook, 1)
        view.card("FAILED")
        text = view.output.inner_text()
        assert "ZeroDivisionError" in text
        assert re.search(r"cell \[2\], line 3, in halved\s+return \{'x': row\['value'\] // by\}", text)
        assert "3000" in text  # the row it happened at
        assert "sabotnb/" not in text
        assert "ZeroDivisionError" in notebook.run(2)


@BOTH
def test_views_of_one_job_agree_and_a_restarted_kernel_attaches_to_it(jupyterlab, app):
    name = f"shared_{app}"
    attached = f"again = sb.attach({name!r})\nagain"
    cells = [KEYED.format(name=name), "job", attached, "again.cancel()"]
    with opened(jupyterlab, name, *cells, app=app) as notebook:
        notebook.run(1)
        notebook.run(2)
        first, second = shown(notebook, 1), shown(notebook, 2)
        second.state("RUNNING")
        second.click("Pause")
        first.state("PAUSED")
        first.click("Resume")
        second.state("RUNNING")
        notebook.restart()
        assert notebook.run(0) == ""
        notebook.run(3)
        attached = shown(notebook, 3)
        attached.state("RUNNING")
        attached.click("Pause")
        attached.state("PAUSED")
        attached.click("Cancel")
        attached.click("Yes, cancel")
        attached.card("CANCELED")


@BOTH
def test_a_reloaded_page_keeps_the_final_state_of_its_job(jupyterlab, app):
    name = f"reloaded_{app}"
    with opened(jupyterlab, name, KEYED.format(name=name), "_ = job.wait()", app=app) as notebook:
        notebook.run(1)
        shown(notebook, 1).state("RUNNING")
        notebook.save()
        notebook.reload()
        view = shown(notebook, 1)
        view.state("RUNNING")
        view.click("Stop")
        view.card("FINISHED")
        assert notebook.run(2) == ""
        notebook.save()
        notebook.restart()
        notebook.reload()
        view.card("FINISHED")
        assert notebook.run(0) == ""
        notebook.run(1)
        view.state("RUNNING")
        view.click("Stop")
        view.card("FINISHED")


@BOTH
def test_lists_and_tables_handle_keys_and_cells_are_unchanged(jupyterlab, app):
    with opened(jupyterlab, f"keys_of_lists_{app}", KEYED.format(name=f"keys_of_lists_{app}"), app=app) as notebook:
        notebook.run(1)
        view = shown(notebook, 1)
        view.state("RUNNING")
        view.node("source_0").press("Enter")
        details = view.output.get_by_role("complementary", name="Details")
        details.get_by_role("tab", name="Sample").click()
        which = details.get_by_role("combobox")
        before = which.input_value()
        notebook.press_until("Tab", which)
        notebook.press("ArrowUp", "x", "d", "d")
        expect(which).to_be_focused()
        expect(which).not_to_have_value(before)
        details.get_by_role("tab", name="Tasks").click()
        tasks = details.locator(".sabot-scrolled")
        tasks.focus()
        notebook.press("ArrowRight", "b", "x", "d", "d")
        expect(tasks).to_be_focused()
        notebook.page.wait_for_function("node => node.scrollLeft > 0", arg=tasks.element_handle())
        view.button("Pause").focus()
        notebook.press("b", "x", "d", "d")
        assert notebook.page.locator(".jp-Notebook .jp-Cell").count() == 2
        view.click("Stop")
        view.card("FINISHED")


def test_markup_in_names_and_values_is_text(jupyterlab):
    markup = "<img src=x onerror='document.title=1'>"
    hostile = (
        f"markup = {markup!r}\n"
        "rows = sb.Stream.from_rate(500).with_columns(**{markup: sb.lit(markup)}).named(markup)\n"
        "job = rows.filter(col('value') >= 0).named('n' * 10_000).sink_live().run(markup)\njob"
    )
    with opened(jupyterlab, "markup", hostile) as notebook:
        notebook.run(1)
        view = shown(notebook, 1)
        view.state("RUNNING")
        view.node("source_0").click()
        details = view.output.get_by_role("complementary", name="Details")
        details.get_by_role("tab", name="Sample").click()
        expect(details.get_by_role("cell", name=markup).first).to_be_visible(timeout=SECONDS)
        assert view.output.locator("img").count() == 0
        view.click("Stop")
        view.card("FINISHED")
        expect(view.output).to_contain_text(markup)
        assert view.output.locator("img[src=x]").count() == 0


def test_two_pages_of_a_notebook_agree(jupyterlab):
    with opened(jupyterlab, "twice", KEYED.format(name="twice"), "_ = job.wait()") as notebook:
        notebook.run(1)
        first = shown(notebook, 1)
        first.state("RUNNING")
        notebook.save()
        with jupyterlab.another_page("twice.ipynb") as later:
            second = shown(later, 1)
            second.state("RUNNING")
            second.click("Pause")
            first.state("PAUSED")
            first.click("Resume")
            second.state("RUNNING")
            first.click("Stop")
            first.card("FINISHED")
            second.card("FINISHED")
            assert later.problems == []


def test_a_click_while_a_cell_runs_is_not_lost(jupyterlab):
    blocking = "import time\nfrom pathlib import Path\nwhile not Path('go').exists():\n    time.sleep(0.05)"
    with opened(jupyterlab, "blocked", KEYED.format(name="blocked"), blocking, "print(job.wait().name)") as notebook:
        notebook.run(1)
        view = shown(notebook, 1)
        view.state("RUNNING")
        notebook.start(2)
        view.click("Stop")
        expect(view.output.get_by_text(re.compile("Stopping|FINISHED")).first).to_be_visible(timeout=SECONDS)
        (jupyterlab.folder / "go").touch()
        notebook.wait_idle()
        view.card("FINISHED")
        assert notebook.run(3).strip() == "blocked"


@BOTH
def test_a_job_can_be_controlled_and_inspected_with_the_keyboard(jupyterlab, app):
    with opened(jupyterlab, f"keys_{app}", KEYED.format(name=f"keys_{app}"), app=app) as notebook:
        notebook.run(1)
        view = shown(notebook, 1)
        view.state("RUNNING")
        notebook.select(1)
        notebook.press_until("Tab", view.button("Pause"))
        notebook.press("Enter")
        view.state("PAUSED")
        expect(view.button("Resume")).to_be_enabled()  # it ignores double-clicks
        notebook.press("Space")
        view.state("RUNNING")
        notebook.press_until("Tab", view.button("table"))
        notebook.press("Enter")
        expect(view.output.get_by_role("table").first).to_be_visible()
        notebook.press_until("Shift+Tab", view.button("optimized"))
        notebook.press("Enter")
        notebook.press_until("Tab", view.node("source_0"))
        notebook.press_until("ArrowRight", view.node("edge source_0 to by_k"))
        notebook.press("Enter")
        details = view.output.get_by_role("complementary", name="Details")
        notebook.press_until("Tab", details.get_by_role("tab", selected=True))
        notebook.press_until("ArrowRight", details.get_by_role("tab", name="Sample"))
        expect(details.get_by_role("columnheader", name=re.compile("^k"))).to_be_visible(timeout=SECONDS)
        notebook.press("Escape")
        expect(details).to_have_count(0)
        notebook.press("Shift+Tab")
        expect(view.button("Fit")).to_be_focused()  # the picture itself cannot have the focus
        notebook.press_until("Shift+Tab", view.button("Stop"))
        notebook.press("Enter")
        view.card("FINISHED")
