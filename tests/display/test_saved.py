"""What a card shows where a page removes tags or styles."""

import re
from html import unescape
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from job_graphs import make_job
from nbconvert.filters import clean_html
from scenes import FLIGHTS, failure, late, metrics, submitted

from sabotnb.display import job_card, job_picture
from sabotnb.graph import Aggregate, AggregateColumn, Sink, Source

NAMES = ["plain", "<b &amp; \"'", "50% #1", "var(--x,y)", "→ ü 日本", "\ud800\uffff\x00", "</desc"]


def card(name="late", chains=1, tasks=4, **more):
    """Return HTML and text of a job of ``chains`` times three operators; the first is called ``name``."""
    operators, paths = {}, []
    for number in range(chains):
        ids = name if number == 0 else f"flights_{number}", f"by_carrier_{number}", f"sink_{number}"
        specs = (
            Source("parquet", FLIGHTS, {"paths": ["data/flights.parquet"]}),
            Aggregate(("carrier",), (AggregateColumn("n", "count"),), FLIGHTS),
            Sink("parquet", {"path": "out"}),
        )
        operators |= dict(zip(ids, specs, strict=True))
        paths.append(" > ".join(ids))
    scenes, execution = submitted(make_job(operators, *paths), tasks)
    shown = job_picture(scenes), metrics(execution, **more)
    return job_card.html(*shown), job_card.text(*shown)


def image(html):
    """Return the SVG in the image that replaces the picture."""
    (url,) = re.findall(r'<desc><img alt="[^"]*" src="data:image/svg\+xml;charset=utf-8,([^"]*)"/></desc>', html)
    return unquote(unescape(url))


@pytest.mark.parametrize("name", NAMES)
def test_the_image_is_complete_svg(name):
    svg = ET.fromstring(image(card(name)[0]))
    texts = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("1,000 → 250 rows") == 2
    assert name in texts or not name.isprintable()
    assert "var(--jp" not in image(card(name)[0])


@pytest.mark.parametrize("state", ["FINISHED", "FAILED"])
def test_without_styles_the_text_is_shown_and_the_rest_is_hidden(state):
    html, text = card(state=state, error=failure() if state == "FAILED" else None)
    hidden, shown = clean_html(html).split("</div><div><pre>")
    assert hidden.startswith('<div class="lm-Widget lm-mod-hidden">')
    assert hidden.count("<div") == hidden.count("</div") + 1
    assert unescape(shown) == f"<code>{text}</code></pre></div>"


def test_a_card_of_thirty_boxes_is_small():
    html, _ = card(chains=15, tasks=8)
    assert image(html).count("<g transform") == 30
    assert len(html.encode()) < 60_000


def test_letters_of_a_removed_picture_are_invisible():
    """If the tags of the picture are removed, the font size 0 around it applies to its letters."""
    scenes, execution = submitted(late())
    html = job_card.html(job_picture(scenes), metrics(execution))
    assert re.search(r'<div style="[^"]*font-size:0"><div style="[^"]*"><svg [^>]*font-size="11"', html)
