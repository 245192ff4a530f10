"""A notebook with a finished job, opened where it is not trusted and no kernel has the job."""

import nbformat
import pytest
from lab import KERNEL
from nbconvert import HTMLExporter
from scenes import late, metrics, submitted

from sabotnb.display import job_card, job_picture

pytestmark = pytest.mark.browser

FINAL = "1,000 → 250 rows"
TRUST = "for (const cell of jupyterapp.shell.currentWidget.content.model.cells) cell.trusted = true"
"""Trusts a notebook as JupyterLab does, without its dialog."""


@pytest.fixture
def saved(jupyterlab):
    """Return the name of a notebook that shows a finished job and was never run here."""
    scenes, execution = submitted(late())
    shown = job_picture(scenes), metrics(execution)
    data = {"text/html": job_card.html(*shown), "text/plain": job_card.text(*shown)}
    cell = nbformat.v4.new_code_cell("job", outputs=[nbformat.v4.new_output("display_data", data=data)])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=KERNEL), jupyterlab.folder / "saved.ipynb")
    return "saved.ipynb"


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_a_notebook_that_is_not_trusted_shows_the_picture_as_an_image(jupyterlab, saved, app):
    with jupyterlab.notebook(saved, app=app) as opened:
        output = opened.outputs(0).first
        image = output.locator("img")
        image.wait_for(state="visible")
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 700
        assert f"by_name {FINAL}" in image.get_attribute("alt")
        assert image.evaluate("image => getComputedStyle(image.parentNode).fontSize") == "0px"  # the picture's letters
        assert output.get_by_text("3.4 s · 1,000 rows in · 16 rows out").first.is_visible()
        assert not output.locator("pre").is_visible()
        assert opened.problems == []


def test_a_trusted_notebook_shows_the_svg(jupyterlab, saved):
    with jupyterlab.notebook(saved) as opened:
        opened.page.evaluate(TRUST)
        output = opened.outputs(0).first
        output.locator("svg text", has_text=FINAL).first.wait_for(state="visible")
        assert not output.locator("img").is_visible()
        assert not output.locator("pre").is_visible()
        assert opened.problems == []


@pytest.mark.parametrize(("sanitize", "shown", "hidden"), [(False, "svg text", "pre"), (True, "pre", "svg text")])
def test_an_exported_page_shows_the_final_metrics(jupyterlab, saved, sanitize, shown, hidden):
    html, _ = HTMLExporter(sanitize_html=sanitize).from_filename(jupyterlab.folder / saved)
    page = jupyterlab.browser.new_page()
    page.route("https://**", lambda route: route.abort())  # MathJax and RequireJS, which it does not need
    page.set_content(html)
    output = page.locator(".jp-OutputArea-output")
    assert output.locator(shown, has_text=FINAL).first.is_visible()
    assert not output.locator(hidden, has_text=FINAL).first.is_visible()
    assert "<svg" not in output.inner_text()
    page.close()
