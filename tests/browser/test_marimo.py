"""A job in marimo, which puts each output into its own shadow root."""

import re

import pytest
from job_view import SECONDS, JobView
from playwright.sync_api import expect
from served import START, Served, browser

pytestmark = pytest.mark.browser

NOTEBOOK = """
import marimo

app = marimo.App()


@app.cell
def _():
    import sabotnb as sb
    from sabotnb import col

    env = sb.local(workers=1)
    rows = sb.Stream.from_rate(2000, n=50_000_000).with_columns(k=col("value") % 7)
    job = rows.group_by("k").agg(n=sb.count()).named("by_k", parallelism=2).sink_live().run("counts")
    job
    return


if __name__ == "__main__":
    app.run()
"""
OPTIONS = ["run", "--headless", "--no-token", "--host=127.0.0.1"]


@pytest.fixture
def page(tmp_path):
    (tmp_path / "job.py").write_text(NOTEBOOK)
    own = {"HOME": str(tmp_path)}
    with browser() as chromium:
        server = Served("marimo", [*OPTIONS, str(tmp_path / "job.py")], re.compile(r"http://\S+:\d+"), own)
        try:
            page, problems = chromium.new_page(), []
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda message: message.type == "error" and problems.append(message.text))
            page.goto(server.address())
            yield page
            assert problems == []
        finally:
            server.stop()


def test_a_job_works_in_a_shadow_root(page):
    expect(page.locator(".sabot-state")).to_be_visible(timeout=1000 * START)  # its kernel and its cluster start first
    view = JobView(page.locator("body"))
    view.state("RUNNING")
    assert view.output.locator(".sabot-job").evaluate("node => node.getRootNode() instanceof ShadowRoot")
    expect(view.figure("in")).to_have_text(re.compile(r"k/s$"), timeout=SECONDS)
    view.click("Pause")
    view.state("PAUSED")
    view.click("Resume")
    view.state("RUNNING")
    view.click("Stop")
    view.state("FINISHED")
