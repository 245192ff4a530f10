import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import figures
import pytest
from job_graphs import make_job
from scenes import FLIGHTS, failure, late, metrics, submitted

from sabotnb.display import job_card, job_picture
from sabotnb.graph import Sink, Source
from sabotnb.metrics import Finding
from sabotnb.plan.sizes import Size

SCENES, EXECUTION = submitted(late())
PICTURE = job_picture(SCENES)


class ParsedHtml(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.texts = set(), set(), []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.texts.append(data)


def test_a_finished_job_shows_its_final_metrics():
    texts = ParsedHtml(job_card.html(PICTURE, metrics(EXECUTION), "replaced the previous run")).texts
    assert {"late", "FINISHED", "3.4 s · 1,000 rows in · 16 rows out · replaced the previous run"} <= set(texts)
    assert texts.count("1,000 → 250 rows") == 5
    assert {"18 tasks, 8 listed", "4 edges", "flights[1]", "join_0 → by_name", "hash(name)"} <= set(texts)


def test_a_running_job_shows_loads_and_its_finding():
    finding = Finding("busy", "by_name", "by_name is busy.", "Give it more tasks.")
    html = job_card.html(PICTURE, metrics(EXECUTION, "RUNNING", finding=finding))
    assert {"by_name is busy.", "Give it more tasks."} <= set(ParsedHtml(html).texts)
    assert "50 % busy" in html


def test_a_running_job_shows_the_time_of_its_metrics():
    shown = metrics(EXECUTION, "RUNNING")
    clock = time.strftime("%H:%M:%S", time.localtime(shown.at))
    assert f"as of {clock} · " in job_card.text(PICTURE, shown)
    assert "as of" not in job_card.text(PICTURE, metrics(EXECUTION))


def test_a_disconnected_job_shows_when_it_was_last_seen_and_no_finding():
    finding = Finding("busy", "by_name", "by_name is busy.", "Give it more tasks.")
    texts = ParsedHtml(
        job_card.html(PICTURE, metrics(EXECUTION, "RUNNING", finding=finding), "", "the session was closed")
    ).texts
    assert "DISCONNECTED" in texts
    assert next(text for text in texts if text.startswith("Last seen RUNNING at ")).endswith(": the session was closed")
    assert not {"by_name is busy.", "Give it more tasks."} & set(texts)
    assert "% busy" not in " ".join(texts)


def test_a_job_stopped_early_shows_the_share_of_its_input():
    stopped = metrics(EXECUTION, stopping=True, progress=0.25)
    assert "FINISHED · 3.4 s · stopped after 25 % of its input · 1,000 rows in" in job_card.text(PICTURE, stopped)


@pytest.mark.parametrize("word", ["paused", "stopping"])
def test_a_paused_or_stopping_job_shows_that_state(word):
    assert word.upper() in ParsedHtml(job_card.html(PICTURE, metrics(EXECUTION, "RUNNING", **{word: True}))).texts


def test_a_failed_job_shows_the_users_traceback_and_rows_and_marks_the_operator():
    shown = failure()
    texts = ParsedHtml(job_card.html(PICTURE, metrics(EXECUTION, "FAILED", error=shown))).texts
    assert {shown.message, shown.traceback, shown.sample, shown.everything} <= set(texts)
    assert texts.count("✕ failed") == 1
    assert texts.index("by_name") < texts.index("✕ failed") < texts.index("sink_0")


@pytest.mark.parametrize("write", [job_card.html, job_card.text])
@pytest.mark.parametrize("state", ["FINISHED", "FAILED", "CANCELED", "RUNNING"])
def test_an_inexact_card_is_the_same_for_two_runs(state, write):
    error = failure() if state == "FAILED" else None
    runs = [metrics(EXECUTION, state, ended=end, started=start, error=error) for start, end in ((101, 104), (102, 109))]
    first, second = (write(PICTURE, run, exact=False) for run in runs)
    assert first == second


def test_a_lost_agent_is_named_with_the_age_of_its_metrics():
    failed = metrics(EXECUTION, "FAILED", error=failure())
    lost = [replace(task, agent=f"agent-{1 + task.index % 2}", reported=104.0) for task in failed.tasks]
    killed = replace(failed, tasks=tuple(replace(task, final=task.agent == "agent-1") for task in lost))
    whole = replace(failed, tasks=tuple(replace(task, final=True) for task in lost))
    old = (
        "worker agent-2 was lost: the metrics of its 9 tasks are those of its last report, 400 ms before the job ended."
    )
    assert old in ParsedHtml(job_card.html(PICTURE, killed)).texts
    assert "last report" not in job_card.text(PICTURE, killed, exact=False)
    assert "last report" not in job_card.text(PICTURE, whole)


@pytest.mark.parametrize("state", ["RUNNING", "FINISHED", "FAILED"])
def test_a_job_that_began_again_says_so(state):
    error = failure() if state == "FAILED" else None
    again = replace(metrics(EXECUTION, state, error=error), restarts=2, lost="worker agent-1 was lost: it hung")
    sentence = "started again 2 times: worker agent-1 was lost: it hung; began at the beginning"
    assert sentence in ParsedHtml(job_card.html(PICTURE, again)).texts
    assert sentence in job_card.text(PICTURE, again).splitlines()
    assert "started again" not in job_card.text(PICTURE, again, exact=False)


def test_all_that_a_loss_has_cost_is_on_the_card():
    lost = (
        "worker agent-12 (process 1302077 on worker-12.cluster.example.org) was lost: no heartbeat for 10 s; "
        "it runs in 12 of the 16 slots that it needs, and is slower"
    )
    again = replace(metrics(EXECUTION, "RUNNING"), restarts=1, lost=lost)
    origin = "checkpoint 1234, 75 s and about 21,000,000 rows before the failure"
    assert f"{lost}; went on from {origin}" in job_card.text(PICTURE, replace(again, goes_on_from=origin))


def test_a_running_job_says_when_its_last_checkpoint_was_and_why_others_fail():
    failing = "the last 2 checkpoints failed: 'x' cannot be written: no room"
    running = metrics(EXECUTION, "RUNNING")
    kept = replace(running, checkpointed=running.at - 8, checkpoint_failure=failing)
    header, *lines = job_card.text(PICTURE, kept).splitlines()
    assert " · checkpoint 8 s ago · " in header
    assert f"⚠ {failing}" in lines
    assert f"⚠ {failing}" in ParsedHtml(job_card.html(PICTURE, kept)).texts
    assert "checkpoint 8 s" not in job_card.text(PICTURE, running)
    assert "checkpoint 8 s" not in job_card.text(PICTURE, kept, exact=False)
    assert "checkpoint 8 s" not in job_card.text(PICTURE, replace(metrics(EXECUTION), checkpointed=running.at))


@pytest.mark.parametrize(
    ("interval", "line", "details"),
    [
        (
            60.0,
            "files: exactly once, all of them at the end · checkpoints every 60 s",
            (
                "files: exactly once, all of them at the end; a lost worker: the job goes on from the last checkpoint\n"
                "checkpoints every 60 s"
            ),
        ),
        (
            None,
            "files: exactly once, all of them at the end · no checkpoints",
            "files: exactly once, all of them at the end; a lost worker: the job begins again\nno checkpoints",
        ),
    ],
)
def test_a_card_ends_with_what_the_job_promises_about_its_output(interval, line, details):
    scenes, execution = submitted(late(), interval=interval)
    picture = job_picture(json.loads(json.dumps(scenes)))
    for state in ("RUNNING", "RESTARTING", "FINISHED"):
        for exact in (True, False):
            assert job_card.text(picture, metrics(execution, state), exact=exact).splitlines()[-1] == line
            html = job_card.html(picture, metrics(execution, state), exact=exact)
            assert f'title="{details}">{line}<' in html
    for state in ("FAILED", "CANCELED"):
        assert line not in job_card.html(picture, metrics(execution, state, error=failure()))
        assert line not in job_card.text(picture, metrics(execution, state, error=failure()))


def test_an_inexact_card_has_the_rows_of_sources_and_sinks():
    text = job_card.text(PICTURE, metrics(EXECUTION), exact=False)
    assert text.splitlines()[1:-1] == [
        "  flights                   x4  1,000 rows",
        "  airlines                  x4  1,000 rows",
        "  join_0 → by_name_partial  x4",
        "  by_name                   x2",
        "  sink_0                    x4  250 rows",
    ]


@pytest.mark.parametrize(
    ("sizes", "read"),
    [
        ({"flights": Size(336_776, None), "airlines": Size(16, 640)}, "1,000 of 336,776 rows"),
        ({"flights": Size(None, 9_000)}, "1,000 rows"),
        (None, "1,000 rows"),
    ],
)
def test_a_finished_job_says_why_a_source_has_fewer_rows_than_its_files(sizes, read):
    scenes, execution = submitted(late(), sizes=sizes)
    sentence = f"flights read {read}: the filter delay > 15 ran in the source."
    picture = job_picture(json.loads(json.dumps(scenes)))
    assert job_card.text(picture, metrics(execution)).splitlines()[-2] == sentence
    assert sentence in ParsedHtml(job_card.html(picture, metrics(execution))).texts
    for other in (metrics(execution, "RUNNING"), metrics(execution, "FAILED", error=failure())):
        assert "ran in the source" not in job_card.text(picture, other)


def test_an_inexact_card_of_a_failed_job_has_no_rows():
    cards = [
        job_card.html(PICTURE, metrics(EXECUTION, "FAILED", rows=rows, error=failure()), exact=False)
        for rows in (1000, 2000)
    ]
    assert cards[0] == cards[1]


def test_a_failed_chain_names_the_operator():
    error = failure("by_name_partial", vertex="join_0")
    assert (
        "✕ by_name_par… failed" in ParsedHtml(job_card.html(PICTURE, metrics(EXECUTION, "FAILED", error=error))).texts
    )


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (270_000, "270,000 → 67,500 rows"),
        (1_270_000, "1.270M → 317.5k rows"),
        (39_600_000, "39.6M → 9,900,000 rows"),
    ],
)
def test_row_counts_fit_into_the_box(rows, text):
    boxes = {node.id: node for node in PICTURE.views[-1].nodes}
    html = job_card.html(PICTURE, metrics(EXECUTION, rows=rows))
    assert boxes["by_name"].width == 170
    assert text in ParsedHtml(html).texts


def test_it_needs_no_scripts_and_no_style_sheets():
    page = ParsedHtml(job_card.html(PICTURE, metrics(EXECUTION, "FAILED", error=failure())))
    tags = "code desc details div g img path pre rect span strong summary svg table tbody td text th thead title tr"
    assert page.tags == set(tags.split())
    assert not {name for name in page.attributes if name.startswith("on")} | page.attributes & {"id", "href"}


def test_everything_is_escaped_and_cut():
    name = "<b>" + "n" * 10_000
    chain = {"s": Source("parquet", FLIGHTS, {"paths": ["<i>p"]}), "out": Sink("parquet", {"path": "<u>o"})}
    scenes, execution = submitted(make_job(chain, "s > out"))
    error = failure(message=name, traceback=name, sample=name, everything=name)
    shown = metrics(execution, "FAILED", name=name, error=error, waits=name)
    html = job_card.html(job_picture(scenes), shown, note="<s>")
    assert not {"b", "i", "u", "s"} & ParsedHtml(html).tags
    assert len(re.findall("n{61,}", job_card.html(job_picture(scenes), metrics(execution, name=name)))) == 0


def test_a_job_without_a_picture_shows_its_metrics():
    texts = ParsedHtml(job_card.html(None, metrics(EXECUTION, "CANCELED"))).texts
    assert {"CANCELED", "18 tasks, 8 listed"} <= set(texts)


TEXT = """\
late FAILED · 3.4 s · 1,000 rows in · 16 rows out
  flights                   x4  1,000 → 250 rows
  airlines                  x4  1,000 → 250 rows
  join_0 → by_name_partial  x4  1,000 → 250 rows
  by_name                   x2  1,000 → 250 rows  failed
  sink_0                    x4  1,000 → 250 rows
shout (cell [3], line 1) raised ValueError: too late

  cell [3], line 2, in shout
    raise ValueError('too late')
ValueError: too late

rows it was given:
carrier  delay
UA       99.0"""


def test_text_for_terminals():
    assert job_card.text(PICTURE, metrics(EXECUTION, "FAILED", error=failure())) == TEXT


def test_rows_of_the_far_future_are_said():
    finished = replace(figures.job(figures.vertex("source_0", "source"), state="FINISHED"), ahead=2)
    sentence = "⚠ 2 rows with times more than a day ahead: a filter before .with_event_time() drops them"
    assert sentence in job_card.text(None, finished)
    assert sentence not in job_card.text(None, replace(finished, ahead=0))


@pytest.mark.parametrize(("share", "said"), [(0.05, False), (0.07, True)])
def test_many_late_rows_are_said_in_every_form(share, said):
    window = figures.vertex("window_0", "window")
    behind = replace(window, operators=(replace(window.operators[0], late=1204, late_share=share),))
    finished = figures.job(figures.vertex("source_0", "source"), behind, state="FINISHED")
    sentence = "⚠ 1,204 late rows, 7 % of the input of window_0: max_delay= or .side('late') keeps them"
    for exact in (True, False):
        assert (sentence in job_card.text(None, finished, exact=exact)) is said
