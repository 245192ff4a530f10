"""A job at full rate with its widget open, for half an hour: nothing grows, and clicks are answered.

Not in CI: ``make soak``; ``SABOTNB_SOAK_MINUTES`` makes it shorter. Prints what it measures.
"""

import os
import re
import statistics
import sys
import time

import psutil
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(0)]

MINUTES = float(os.environ.get("SABOTNB_SOAK_MINUTES", "30"))
SAMPLE_SECONDS = 20
GROWTH = 1.15
"""The growth from the second third to the last; the first third is warm-up."""
ROOM = 12 << 20
"""Bytes below which a difference is noise of allocators and caches."""
JOB = """
import os
import sabotnb as sb
from sabotnb import col

env = sb.local(workers=2)
rows = sb.Stream.from_rate(1e9).with_columns(key=col("value") % 1000, price=col("value") % 997)
spread = rows.filter(col("price") > 10).partition_by("key").named("spread", parallelism=2)
job = spread.with_columns(double=col("price") * 2).filter(col("key") < 3).sink_live().run("soak")
os.getpid()
"""
COUNT_MESSAGES = """
window.widgetMessages = 0;
kernel.iopubMessage.connect((_, message) => { window.widgetMessages += message.header.msg_type == 'comm_msg'; });
"""


def test_a_job_at_full_rate_is_watched_without_growth(jupyterlab):
    with jupyterlab.notebook("soak.ipynb", [JOB, "job"], viewport={"width": 1300, "height": 1200}) as notebook:
        kernel = psutil.Process(int(re.findall(r"\d+", notebook.run(0))[-1]))
        notebook.run(1)
        notebook.page.locator("text", has_text="spread").last.click()
        notebook.page.get_by_role("tab", name="Sample").click()
        notebook._in_lab(COUNT_MESSAGES)
        browser = notebook.page.context.new_cdp_session(notebook.page)
        samples = [sample(notebook.page, browser, kernel) for _ in range(int(MINUTES * 60 / SAMPLE_SECONDS))]
        notebook.run(0)  # attaches to the job
        assert notebook.problems == []
    report(samples)
    for name in ("kernel", "heap", "nodes"):
        values = [sample[name] for sample in samples]
        third = len(values) // 3
        room = 500 if name == "nodes" else ROOM
        assert statistics.median(values[-third:]) < GROWTH * statistics.median(values[third : 2 * third]) + room, name
    assert max(sample["messages"] for sample in samples[1:]) < 5


def sample(page, browser, kernel):
    """Return the memory of kernel and page, messages a second, and the milliseconds from a click to its effect."""
    begun = time.monotonic()
    before = page.evaluate("window.widgetMessages")
    page.wait_for_timeout(1000 * SAMPLE_SECONDS)
    seconds = time.monotonic() - begun
    messages = (page.evaluate("window.widgetMessages") - before) / seconds
    clicks = [click(page, name, effect) for name, effect in (("Pause", "PAUSED"), ("Resume", "RUNNING"))]
    browser.send("HeapProfiler.collectGarbage")
    browser.send("Performance.enable")
    metrics = {metric["name"]: metric["value"] for metric in browser.send("Performance.getMetrics")["metrics"]}
    return {
        "kernel": kernel.memory_info().rss,
        "workers": sum(child.memory_info().rss for child in kernel.children(recursive=True)),
        "heap": metrics["JSHeapUsedSize"],
        "nodes": metrics["Nodes"],
        "messages": messages,
        "click": max(clicks),
    }


def click(page, name, effect):
    """Return the milliseconds from a click to its effect, measured by the page."""
    script = """async ([name, effect]) => {
        const output = [...document.querySelectorAll('.jp-OutputArea-output')].find(one => one.querySelector('button'));
        const button = [...output.querySelectorAll('button')].find(one => one.textContent.trim() == name);
        const frame = () => new Promise(requestAnimationFrame);
        while (button.closest('[aria-disabled=true]')) await frame();  // it takes no double-clicks
        const start = performance.now();
        button.click();
        while (!output.textContent.includes(effect)) await frame();
        return performance.now() - start;
    }"""
    return page.evaluate(script, [name, effect])


def report(samples):
    lines = []
    for number in range(0, len(samples), max(1, len(samples) // 15)):
        one = samples[number]
        lines.append(
            f"{number * SAMPLE_SECONDS / 60:5.1f} min  kernel {one['kernel'] / 1e6:6.1f} MB  workers "
            f"{one['workers'] / 1e6:6.1f} MB  page {one['heap'] / 1e6:5.1f} MB, {one['nodes']:6.0f} nodes  "
            f"{one['messages']:.2f} messages/s  click {one['click']:.0f} ms"
        )
    clicks = sorted(one["click"] for one in samples)
    lines.append(
        f"clicks: median {statistics.median(clicks):.0f} ms, largest {clicks[-1]:.0f} ms of {len(clicks)} pairs"
    )
    sys.stdout.write("\n".join(["", *lines, ""]))
