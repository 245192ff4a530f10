"""What a stream shows: its card, its plan, a preview of its rows."""

import re
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sabotnb as sb
from sabotnb import col
from sabotnb.display import svg_picture
from sabotnb.display.scene import Box, Link, Scene
from sabotnb.graph import EdgeType


@pytest.fixture
def grouped(flights: sb.Stream) -> sb.Stream:
    return flights.filter(col("delay") > 15).group_by("origin").agg(n=sb.count()).named("by_origin", parallelism=2)


@pytest.fixture
def many(tmp_path: Path) -> sb.Stream:
    pq.write_table(pa.table({"x": range(25_000)}), tmp_path / "many.parquet")
    return sb.Stream.from_parquet(tmp_path / "many.parquet")


def svg_of(stream: sb.Stream) -> ET.Element:
    (drawn,) = re.findall(r"<svg.*</svg>", stream._repr_html_(), re.DOTALL)
    return ET.fromstring(drawn)


def test_the_card_says_what_the_stream_will_do(grouped: sb.Stream) -> None:
    html = grouped._repr_html_()
    assert "group_by(origin): final values (input is bounded)" in html
    assert "by_origin" in html
    assert "hash(origin)" in html
    assert "int64" in html


def test_the_text_says_the_same(grouped: sb.Stream) -> None:
    text = repr(grouped)
    assert "group_by(origin): final values (input is bounded)" in text
    assert "hash(origin)" in text
    assert re.search(r"origin +string +key", text)


def test_the_card_names_inferred_schemas(flights: sb.Stream) -> None:
    def shorter(batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.slice(0, 1)

    assert re.search(r"shorter\(\) \(test_views.py:\d+\): schema inferred", repr(flights.map_batches(shorter)))


def test_the_card_shows_the_time_column_and_its_zone(times: sb.Stream) -> None:
    text = repr(times)
    assert re.search(r"at +timestamp\[us\] +event time", text)
    assert "times without a zone are UTC: at" in text


def test_the_picture_uses_presentation_attributes_alone(grouped: sb.Stream) -> None:
    picture = svg_of(grouped)
    tags = {element.tag.rpartition("}")[2] for element in picture.iter()}
    assert tags == {"svg", "g", "rect", "text", "path", "title", "desc", "img"}
    assert all("style" not in element.attrib and "class" not in element.attrib for element in picture.iter())


def test_the_card_escapes_what_users_write(flights: sb.Stream) -> None:
    html = flights.select(**{"<b>bold</b>": col("delay")}).filter(col("<b>bold</b>") > 1)._repr_html_()
    assert "<b>bold" not in html


def test_long_names_are_cut_and_stay_in_one_line() -> None:
    stream = sb.Stream.from_rows([{"x" * 10_000: "y" * 10_000, "two\nlines": 1}])
    shown = stream.group_by("x" * 10_000).agg(n=sb.count()).named("z" * 10_000)
    for made in (stream, shown, stream.head()):
        assert max(map(len, repr(made).splitlines())) < 250
        assert not re.search("x{250}|y{250}|z{250}", made._repr_html_())
    assert "two lines" in repr(stream)


def test_links_into_one_box_end_apart(flights: sb.Stream) -> None:
    same = flights.select("carrier", late=col("delay"))
    picture = svg_of(flights.join(same, on="carrier", strategy="hash"))
    labels = [text for text in picture.iter() if (text.text or "").startswith("hash")]
    assert [text.text for text in labels] == ["hash(carrier)", "hash(carrier)"]
    first, second = (float(text.attrib["y"]) for text in labels)
    assert abs(first - second) > 20


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 25), min_size=3, max_size=3))
def test_links_begin_at_the_box_that_they_leave(letters: list[int]) -> None:
    boxes = {f"source_{i}": Box(f"source_{i}", "source", "source", "x" * n, 2) for i, n in enumerate(letters)}
    boxes["union_0"] = Box("union_0", "union", "operator", "3 streams", 2)
    links = [Link(name, "union_0", EdgeType.HASH, "hash(x)" if name == "source_1" else "") for name in list(boxes)[:3]]
    drawn, _ = svg_picture.draw(Scene(boxes, tuple(links)))
    picture = list(ET.fromstring(drawn).iter())
    frames = [one.attrib for one in picture if one.attrib.get("rx") == "7"]
    right_sides = [float(frame["x"]) + float(frame["width"]) for frame in frames]
    starts = [float(one.attrib["d"][1:].split()[0]) for one in picture if one.attrib.get("fill") == "none"]
    assert starts == pytest.approx(right_sides[:3], abs=0.2)


def test_a_picture_of_many_operators_scrolls(flights: sb.Stream) -> None:
    for least in range(30):
        flights = flights.filter(col("delay") > least)
    (narrowest,) = re.findall(r"min-width:(\d+)px", flights._repr_html_())
    assert float(narrowest) == pytest.approx(float(svg_of(flights).attrib["width"]), abs=1)
    assert float(narrowest) > 3000


def test_many_columns_are_listed_side_by_side_and_very_many_folded_away() -> None:
    html = {n: sb.Stream.from_rows([{f"c{i}": i for i in range(n)}])._repr_html_() for n in (10, 30, 100)}
    assert [html[n].count("<table") for n in html] == [1, 3, 3]
    assert ["<details open" in html[n] for n in html] == [True, True, False]


def test_a_card_has_no_addresses_of_memory(grouped: sb.Stream) -> None:
    assert "0x" not in repr(grouped)
    again = grouped.to_job_graph().fingerprint()
    assert again == grouped.to_job_graph().fingerprint()


def test_explain_shows_every_level(grouped: sb.Stream) -> None:
    plan = grouped.explain().lower()
    assert all(word in plan for word in ("logical", "optimized", "physical", "by_origin"))
    assert grouped.explain(optimize=False) != grouped.explain()


def test_a_preview_of_everything_says_so(flights: sb.Stream) -> None:
    preview = flights.head(2)
    assert (len(preview), preview.complete, preview.note) == (2, True, "complete: 6 rows read")


def test_a_preview_of_a_part_says_that_numbers_are_partial(many: sb.Stream) -> None:
    preview = many.agg(n=sb.count()).head()
    assert preview.to_arrow().to_pylist() == [{"n": 10_000}]
    assert preview.note == "preview of the first 10,000 of 25,000 rows: numbers are partial"
    assert preview.note in preview._repr_html_()


def test_a_preview_reads_as_a_table(flights: sb.Stream) -> None:
    assert repr(flights.select("carrier", "delay").head(2)).splitlines()[:4] == [
        "carrier   delay",
        "string   double",
        "AA            4",
        "AA           30",
    ]


def test_the_card_says_what_an_endless_input_keeps_from_running() -> None:
    endless = sb.Stream.from_rate(10)
    note = "waits for the end of its input, which is endless: .head() shows a part of it"
    assert f"window {note}" in repr(endless.window(sb.global_window()).agg(n=sb.count()))
    assert f"sort {note}" in repr(endless.sort("value"))
    assert note not in repr(endless.distinct("value")) + repr(sb.Stream.from_rate(10, n=5).sort("value"))


def test_a_preview_of_an_endless_stream_ends() -> None:
    preview = sb.Stream.from_rate(1_000_000).head(3, timeout="5s")
    assert len(preview) == 3
    assert not preview.complete


def slow(row: dict[str, Any]) -> dict[str, Any]:
    time.sleep(0.005)
    return row


SLOW = {
    "before": lambda s: s.map_rows(slow, schema=s.schema),
    "counted": lambda s: s.map_rows(slow, schema=s.schema).agg(n=sb.count()),
    "after groups": lambda s: s.group_by("x").agg(n=sb.count()).map_rows(slow, schema={"x": "int64", "n": "int64"}),
}


@pytest.mark.parametrize("kind", SLOW)
def test_a_preview_ends_in_time_with_what_it_has(many: sb.Stream, kind: str) -> None:
    preview = SLOW[kind](many).head(20_000, timeout="1s")  # of 10,000 calls, which take 50 s
    assert not preview.complete
    assert preview.note.startswith("preview of what was made in 1 s: numbers are partial")
    assert len(preview) < 10_000
    if kind == "counted":
        assert all(n < 10_000 for n in preview.to_arrow()["n"].to_pylist())  # no row if the time was not enough


def test_a_preview_that_has_no_time_asks_for_more(many: sb.Stream) -> None:
    preview = many.head(timeout=0)
    assert (len(preview), preview.complete) == (0, False)
    assert preview.note.endswith(": give it longer, .head(timeout='10s')")


def test_check_finds_nothing_wrong(grouped: sb.Stream) -> None:
    grouped.check()


def test_a_sink_says_that_it_is_not_started(flights: sb.Stream) -> None:
    assert repr(flights.sink_parquet("somewhere/out")) == "Sink parquet out: not started, add .run()"


def test_a_group_says_what_is_missing(flights: sb.Stream) -> None:
    assert "add .agg(...)" in repr(flights.group_by("origin"))


def test_doctor_says_what_there_is_and_what_to_do() -> None:
    found = sb.doctor()
    assert bool(found) == (found.problems == ())
    assert "sabotnb 0." in repr(found)
    assert "sb.local()" in repr(found)
