"""The side panel of a real job: sampled rows, the busiest task, code with its cell, state."""

import re

import pytest
from job_view import SECONDS, JobView
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

START = """
import sabotnb as sb
from sabotnb import col
env = sb.local(workers=2, slots=16, detached=True)
"""
SAMPLED = """
rows = sb.Stream.from_rate(2000, n=50_000_000).with_columns(k=col("value") % 7).named("rows")
job = rows.group_by("k").agg(n=sb.count()).named("by_k", parallelism=2).sink_live().run("sampled")
job
"""


def test_the_panel_shows_what_a_running_operator_does(jupyterlab):
    with jupyterlab.notebook("sampled.ipynb", [START, SAMPLED], viewport={"width": 1200, "height": 1000}) as notebook:
        assert notebook.run(0) == ""
        notebook.run(1)
        view = JobView(notebook.outputs(1).first)
        view.state("RUNNING")
        view.node("source_0").click()
        details = view.output.get_by_role("complementary", name="Details")
        details.get_by_role("tab", name="Sample").click()
        details.get_by_role("combobox").select_option("rows")
        expect(details).to_contain_text(re.compile(r"rows: [\d,]+ rows in [\d.]+ s"), timeout=SECONDS)
        headers = [re.compile("k.*int64")]
        expect(details.get_by_role("columnheader")).to_have_text(headers, timeout=SECONDS)
        details.get_by_role("tab", name="Tasks").click()
        expect(details).to_contain_text("busiest: task", timeout=SECONDS)
        details.get_by_role("tab", name="Code").click()
        expect(details).to_contain_text("cell [2], line 1")
        notebook.press("Escape")
        view.node("by_k").press("Enter")
        details.get_by_role("tab", name="State").click()
        expect(details).to_contain_text(re.compile(r"7 keys in [\d.]+ k?B"), timeout=SECONDS)
        view.click("Stop")
        view.card("FINISHED")
        assert notebook.problems == []
