"""What the card of a stream says about time: when results leave, what is late, and what grows."""

from typing import Any

import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.api.card_notes import notes_of

ROWS = [{"at": None, "k": "a", "x": 1}]
SCHEMA = {"at": "timestamp[us, tz=UTC]", "k": "string", "x": "int64"}
LATE = 'rows that come later are counted as late: .side("late") has them'
EXPECTED = "when no more rows of its window are expected (max_delay 1h)"
CORRECTED = "rows up to 10m later correct it"
ENDLESS_K = "group_by(k): state grows with every new k: add a window, as in .window(sb.tumbling('1h'))"


@pytest.fixture
def timed() -> sb.Stream:
    return sb.Stream.from_rows(ROWS, schema=SCHEMA).with_event_time("at", max_delay="1h")


@pytest.fixture
def endless() -> sb.Stream:
    return sb.Stream.from_rate(10).select(k=col("value") % 3, x=col("value"))


def notes(stream: sb.Stream) -> list[str]:
    return [note for note in notes_of(stream.flow) if "event time is" not in note and "without a zone" not in note]


@pytest.mark.parametrize(
    ("shape", "options", "leaves"),
    [
        (
            sb.tumbling("1h"),
            {},
            f"tumbling 1h: a result leaves {EXPECTED}",
        ),
        (
            sb.session("30m"),
            {},
            "session 30m: a result leaves when no more rows are expected within 30m of its last one (max_delay 1h)",
        ),
        (
            sb.sliding("1h", "5m"),
            {"lateness": "10m", "early": "5s"},
            f"sliding 1h every 5m: a result leaves {EXPECTED}; {CORRECTED}; results so far every 5 s",
        ),
    ],
)
def test_windows_say_when_their_results_leave(
    timed: sb.Stream, shape: Any, options: dict[str, Any], leaves: str
) -> None:
    assert notes(timed.group_by("k").window(shape, **options).agg(n=sb.count())) == [f"group_by(k) in {leaves}", LATE]


def test_windows_of_calendar_units_say_their_zone(timed: sb.Stream) -> None:
    days = timed.window(sb.tumbling("1d", tz="Europe/Paris")).agg(n=sb.count())
    assert "windows begin at midnight in Europe/Paris" in notes(days)


def test_windows_of_processing_time_go_by_the_clock(endless: sb.Stream) -> None:
    windows = endless.window(sb.tumbling("5s", time="processing")).agg(n=sb.count())
    leaves = "a result leaves when the clock of the worker has passed the end of its window"
    assert notes(windows) == [f"all rows in tumbling 5s: {leaves}"]


def test_groups_of_endless_input_are_updates_and_grow(endless: sb.Stream) -> None:
    by_k = endless.group_by("k")
    updates = "updates every 1 s (input is endless)"
    assert notes(by_k.agg(n=sb.count())) == [f"group_by(k): {updates}", ENDLESS_K]
    assert notes(by_k.agg(n=sb.count()).named("n", update_every="250ms"))[0].startswith(
        "group_by(k): updates every 250 ms"
    )
    assert notes(endless.agg(n=sb.count())) == [f"agg of all rows: {updates}"]
    assert notes(endless.distinct("k")) == [
        "distinct(k): state grows with every new k: count them in windows, as in .window(sb.tumbling('1h'))"
    ]


def test_sources_say_what_order_is_expected(timed: sb.Stream) -> None:
    in_order = sb.Stream.from_rows(ROWS, schema=SCHEMA).with_event_time("at")
    assert notes_of(timed.flow)[0].endswith(": event time is at, rows are expected up to 1h out of order")
    assert notes_of(in_order.flow)[0].endswith(": event time is at, rows are expected in order (max_delay 0s)")


def test_the_columns_of_event_time_and_of_the_key_are_marked(timed: sb.Stream) -> None:
    lines = repr(timed.group_by("k").window(sb.tumbling("1h")).agg(n=sb.count())).splitlines()
    marks = {line.split()[0]: line.split("  ")[-1] for line in lines if line.startswith("  ") and "  " in line.strip()}
    assert (marks["window_end"], marks["k"]) == ("event time", "key")
